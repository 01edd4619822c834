"""Tensors on CuPy and a user's own CuPy code share memory both ways."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import polymod as pm

pytestmark = pytest.mark.engine("cupy")


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy")


def test_a_cupy_array_becomes_a_tensor_of_the_same_memory(cupy):
    x = cupy.arange(6, dtype="float32").reshape(2, 3)
    for t in (pm.asarray(x), pm.from_dlpack(x)):
        assert t.array.data.ptr == x.data.ptr
    t = pm.asarray(x)
    x[0, 0] = 7
    assert float(t[0, 0]) == 7


def test_a_tensor_becomes_a_cupy_array_of_the_same_memory(cupy):
    t = pm.asarray(cupy.arange(6, dtype="float32"))[::2]
    for x in (cupy.asarray(t), cupy.from_dlpack(t)):
        assert x.data.ptr == t.array.data.ptr
        assert x.strides == t.array.strides
        np.testing.assert_array_equal(cupy.asnumpy(x), [0, 2, 4])


def test_a_gradient_is_not_lost_on_the_way(cupy):
    t = pm.ones(3, requires_grad=True)
    for take in (cupy.asarray, cupy.from_dlpack, lambda x: x.__cuda_array_interface__):
        with pytest.raises((TypeError, BufferError), match=r"use \.detach"):
            take(t)
    assert cupy.asarray(t.detach()).data.ptr == t.array.data.ptr


def test_functions_of_tensors_take_and_give_cupy_arrays(cupy):
    x = cupy.asarray([1.0, 2.0, 3.0])
    gradient = pm.grad(lambda x: (x**3).sum())(x)
    assert type(gradient) is cupy.ndarray
    np.testing.assert_allclose(cupy.asnumpy(gradient), 3 * cupy.asnumpy(x) ** 2)


def test_a_kernel_of_the_users_runs_on_a_tensor(cupy):
    twice = cupy.RawKernel(
        'extern "C" __global__ void twice(const float* x, float* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }', "twice"
    )
    t = pm.asarray(cupy.arange(4, dtype="float32"))
    y = cupy.empty(4, "float32")
    twice((1,), (4,), (cupy.asarray(t), y))
    np.testing.assert_array_equal(pm.to_numpy(pm.asarray(y)), [0, 2, 4, 6])


def test_an_array_in_host_memory_has_no_cuda_interface():
    assert not hasattr(pm.ones(3, backend="numpy"), "__cuda_array_interface__")


def test_the_code_of_the_documentation_runs():
    page = (Path(__file__).parent.parent / "docs" / "cupy.md").read_text()
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.M | re.S))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
