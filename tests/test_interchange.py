"""Making Tensors, giving their arrays to others, copies and pickles, on the engine under test."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from helpers import B, M, same

import polymod as pm

# ----------------------------------------------------------------------------------------------------- making Tensors


def test_tensor_copies_and_asarray_shares(engine: pm.Device):
    raw = pm.tensor(B).array
    assert pm.asarray(raw).array is raw and pm.Tensor(raw).array is raw
    t = pm.tensor(raw)
    assert t.array is not raw and t.is_leaf
    host = B.copy()
    t = pm.tensor(host)
    host[0] = 99
    same(t, B)
    assert pm.asarray(t) is t
    assert pm.asarray(t, copy=True) is not t
    assert pm.asarray(t, dtype=pm.float32) is t
    same(pm.asarray(t, dtype=pm.float64), B.astype("f8"))
    with pytest.raises(ValueError, match="copy=False"):
        pm.asarray([1, 2], copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        pm.asarray(t, dtype=pm.float64, copy=False)
    x = pm.tensor(B, requires_grad=True)
    assert pm.asarray(x * 2).requires_grad
    assert not pm.tensor(x * 2).requires_grad
    assert pm.asarray(np.ones(2)).device == "cpu"  # an array stays where it is
    assert pm.asarray([1.0]).device == engine  # numbers go to the current device
    same(pm.asarray(np.ones(2), device=engine), np.ones(2))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (2.5, np.float32(2.5)),
        (2, np.int64(2)),
        (True, np.bool_(True)),
        (1 + 2j, np.complex64(1 + 2j)),
        ([], np.zeros(0, np.float32)),
        ([1, 2.5], np.float32([1, 2.5])),
        ([[1, 2], [3, 4]], np.int64([[1, 2], [3, 4]])),
        (((True, False),), np.array([[True, False]])),
        (range(3), np.arange(3)),
        (np.float64([1, 2]), np.float64([1, 2])),
        (np.int8([1]), np.int8([1])),
        (np.float64(2.5), np.float64(2.5)),
    ],
)
def test_dtypes_of_what_is_made(data: Any, expected: Any):
    same(pm.tensor(data), expected)
    if not isinstance(data, np.ndarray | np.generic):
        same(pm.asarray(data), expected)
    if np.asarray(expected).dtype.kind in "fiu":
        same(pm.tensor(data, dtype="float64"), np.asarray(expected, np.float64))


def test_lists_of_tensors():
    rows = [pm.tensor([1.0, 2.0]), pm.tensor([3.0, 4.0])]
    same(pm.tensor(rows), np.float32([[1, 2], [3, 4]]))
    same(pm.tensor([pm.tensor(1.0), 2.0]), np.float32([1, 2]))
    x = pm.tensor(1.5, dtype=pm.float64, requires_grad=True)
    y = pm.asarray([[x, 2], [3.5, x]])
    same(y.detach(), np.float64([[1.5, 2], [3.5, 1.5]]))
    assert pm.autograd.grad(y.sum(), x)[0].item() == 2
    z = pm.tensor([x, 2.0])
    assert not z.requires_grad and z.dtype == pm.float64
    with pytest.raises(TypeError, match="str"):
        pm.tensor("abc")
    with pytest.raises((TypeError, ValueError)):
        pm.tensor([[1, 2], [3]])
    with pytest.raises(TypeError):
        pm.tensor(None)
    with pytest.raises(TypeError, match="asarray"):
        pm.stack([pm.tensor(1.0), 2.0])
    with pytest.raises(TypeError, match="none"):
        pm.concat([])


def test_creation_functions(engine: pm.Device):
    same(pm.zeros(3), np.zeros(3, "f4"))
    same(pm.zeros((2, 3), dtype=pm.int32), np.zeros((2, 3), "i4"))
    same(pm.ones([2, 3]), np.ones((2, 3), "f4"))
    same(pm.full((2,), 2.5), np.full(2, 2.5, "f4"))
    same(pm.full((2,), 3), np.full(2, 3, "i8"))
    same(pm.full((2,), True), np.full(2, True))
    same(pm.arange(5), np.arange(5))
    same(pm.arange(1, 7, 2), np.arange(1, 7, 2))
    same(pm.arange(0.0, 1.0, 0.25), np.arange(0, 1, 0.25, dtype="f4"))
    same(pm.arange(np.int64(3)), np.arange(3))
    same(pm.arange(pm.tensor(3)), np.arange(3))
    same(pm.full((2,), np.float64(2.5)), np.full(2, 2.5, "f4"))
    same(pm.full((2,), pm.tensor(3)), np.full(2, 3, "i8"))
    same(pm.linspace(0, 1, 5), np.linspace(0, 1, 5, dtype="f4"))
    same(pm.eye(2, 3, k=1), np.eye(2, 3, k=1, dtype="f4"))
    assert pm.empty((2, 3)).shape == (2, 3)
    t = pm.tensor(M)
    same(pm.zeros_like(t), np.zeros_like(M))
    same(pm.ones_like(t, dtype=pm.float64), np.ones((2, 3)))
    same(pm.full_like(t, 7), np.full_like(M, 7))
    assert pm.zeros(2, requires_grad=True).requires_grad
    assert pm.zeros(2, device=engine).device == engine and pm.zeros_like(t, device=engine).device == engine
    with pytest.raises(pm.GradientError, match="int64"):
        pm.full((2,), 3, dtype=pm.int64).requires_grad_()


def test_set_default_dtype():
    try:
        pm.set_default_dtype(pm.float64)
        assert [t.dtype for t in (pm.tensor(1.0), pm.zeros(2), pm.full((), 1.0), pm.arange(1.0))] == [pm.float64] * 4
        assert pm.tensor(1j).dtype == pm.complex128 and pm.tensor(B).dtype == pm.float32
    finally:
        pm.set_default_dtype(pm.float32)
    with pytest.raises(TypeError, match="real floating"):
        pm.set_default_dtype(pm.int32)


# ------------------------------------------------------------------------------------------------------- interchange


def test_dtypes_equal_every_engines(engine: pm.Device):
    t = pm.tensor(B)
    assert t.dtype is pm.float32
    assert t.dtype == t.array.dtype and t.dtype == np.float32 and t.dtype == np.dtype("f4") and t.dtype == "float32"
    assert np.dtype("f4") == t.dtype and np.float32 == t.dtype
    assert t.dtype != np.float64 and t.dtype != pm.int32 and t.dtype != "nonsense" and t.dtype != None  # noqa: E711
    assert np.zeros(2, t.dtype).dtype == np.float32
    assert {pm.float32: 1}[t.dtype] == 1
    assert pickle.loads(pickle.dumps(pm.float32)) is pm.float32
    torch = pytest.importorskip("torch")
    assert t.dtype == torch.float32 and t.dtype != torch.float64


def on_host(t: pm.Tensor) -> bool:
    return t.device.backend.name in ("numpy", "torch", "jax") or str(t.device) == "strict:CPU_DEVICE"


def test_to_numpy_is_an_explicit_copy():
    t = pm.tensor(B, requires_grad=True)
    host = pm.to_numpy(t)
    assert type(host) is np.ndarray and host.dtype == np.float32
    host[:] = 0
    same(t.detach(), B)
    np.testing.assert_array_equal(pm.to_numpy(t.array), B)
    with pytest.raises(TypeError, match="known engine"):
        pm.to_numpy("x")


def test_numpy_conversion(engine: pm.Device):
    t = pm.tensor(B)
    if on_host(t):
        np.testing.assert_array_equal(np.asarray(t), B)
        np.testing.assert_array_equal(t.numpy(), B)
        assert np.asarray(t, dtype=np.float64).dtype == np.float64
        assert np.sum(np.asarray(t)) == B.sum()
    else:
        for f in (np.asarray, pm.Tensor.numpy):
            with pytest.raises(TypeError, match=f"{engine}.*to_numpy"):
                f(t)
    if engine.backend.name == "numpy":
        assert t.numpy() is t.array
    x = pm.tensor(B, requires_grad=True)
    for f in (np.asarray, pm.Tensor.numpy):
        with pytest.raises(TypeError, match="detach"):
            f(x)


def test_dlpack(engine: pm.Device):
    t = pm.tensor(B)
    back = pm.from_dlpack(t)
    same(back, B)
    same(pm.from_dlpack(t.array), B)
    with pytest.raises(BufferError, match="detach"):
        pm.tensor(B, requires_grad=True).__dlpack__()
    if on_host(t):
        np.testing.assert_array_equal(np.from_dlpack(t), B)
        same(pm.from_dlpack(B.copy()), B)
        torch = pytest.importorskip("torch")
        np.testing.assert_array_equal(torch.from_dlpack(t).numpy(), B)
        same(pm.from_dlpack(torch.tensor(B)), B)


def test_moving(engine: pm.Device):
    x = pm.tensor(B, requires_grad=True)
    assert x.to(engine) is x and x.to_device(engine) is x and x.to(str(engine)) is x
    y = x.to("cpu") if str(engine) != "cpu" else x.to("strict:device1")
    assert y.device == ("cpu" if str(engine) != "cpu" else "strict:device1")
    np.testing.assert_array_equal(pm.to_numpy(y), B)
    (y * y).sum().backward()
    same(x.grad, 2 * B)
    assert x.grad.device == engine
    with pytest.raises(pm.MixedDevicesError) as caught:
        x + y
    for part in (str(engine), str(y.device), "polymod.add", "x.to("):
        assert part in str(caught.value)


def test_use_backend_is_followed(engine: pm.Device):
    with pm.use_backend("strict:device1"):
        assert pm.zeros(2).device == "strict:device1"
        assert pm.tensor(B).device == "strict:device1"
    assert pm.zeros(2).device == engine


# -------------------------------------------------------------------------------------------------- copies and pickle


def test_deepcopy():
    x = pm.tensor(B, requires_grad=True)
    (x * x).sum().backward()
    twin = copy.deepcopy(x)
    assert twin.requires_grad and twin.is_leaf and twin.array is not x.array
    same(twin.grad, 2 * B)
    assert twin.grad is not x.grad
    with pm.no_grad():
        twin[0] = 99
    same(x.detach(), B)
    held = [x, x]
    a, b = copy.deepcopy(held)
    assert a is b
    constant = copy.deepcopy(pm.tensor(B))
    assert not constant.requires_grad
    with pytest.raises(pm.GradientError, match="detach"):
        copy.deepcopy(x * 2)
    shallow = copy.copy(x)
    assert shallow.array is x.array and shallow.requires_grad


def test_pickle(engine: pm.Device):
    for t in (pm.tensor(B), pm.tensor(M), pm.tensor(2.5), pm.tensor(B > 0), pm.tensor(B + 1j)):
        twin = pickle.loads(pickle.dumps(t))
        same(twin, pm.to_numpy(t))
    x = pm.tensor(B, requires_grad=True)
    twin = pickle.loads(pickle.dumps(x))
    assert twin.requires_grad and twin.is_leaf
    same(twin.detach(), B)
    with pytest.raises(pm.GradientError, match="detach"):
        pickle.dumps(x * 2)
