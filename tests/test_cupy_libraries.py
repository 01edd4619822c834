"""The adapters to nvmath-python and nvidia-cudnn-frontend, with stand-ins for these packages, which need a GPU.

The stand-ins take what the adapters may give, compute it, and write down the calls: so it is proved which layouts are
handed over, that results are read as they are laid out, and that plans are made once for each shape; not that cuBLASLt
or cuDNN do it.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")


def array(rng, *shape, dtype="float32"):
    import cupy

    return cupy.asarray(rng.normal(size=shape)).astype(dtype)


# ------------------------------------------------------------------------------------------------- nvmath


class Matmul:
    """nvmath.linalg.advanced.Matmul with the epilogue BIAS: its result is stored column by column."""

    log: ClassVar[list[str]] = []

    def __init__(self, a, b, /):
        assert a.dtype == b.dtype
        if a.shape[0] == 13:
            raise ValueError("not supported")
        self.a, self.b = a, b

    def plan(self, *, epilog, epilog_inputs):
        assert epilog == "BIAS"
        assert epilog_inputs["bias"].shape == (self.a.shape[0],)
        self.bias = epilog_inputs["bias"]
        self.log.append("plan")

    def reset_operands(self, *, a, b, epilog_inputs):
        self.a, self.b, self.bias = a, b, epilog_inputs["bias"]

    def execute(self):
        import cupy

        self.log.append("execute")
        return cupy.asfortranarray(self.a @ self.b + self.bias[:, None])

    def release_operands(self):
        self.a = self.b = self.bias = None

    def free(self):
        self.log.append("free")


@pytest.fixture
def nvmath(monkeypatch):
    from polymod_cupy import nvmath as adapter

    advanced = ModuleType("nvmath.linalg.advanced")
    advanced.Matmul, advanced.MatmulEpilog = Matmul, SimpleNamespace(BIAS="BIAS")
    monkeypatch.setitem(sys.modules, "nvmath", ModuleType("nvmath"))
    monkeypatch.setitem(sys.modules, "nvmath.linalg", ModuleType("nvmath.linalg"))
    monkeypatch.setitem(sys.modules, "nvmath.linalg.advanced", advanced)
    monkeypatch.setattr(adapter, "ENABLED", True)
    monkeypatch.setattr(adapter, "_plans", type(adapter._plans)())
    monkeypatch.setattr(Matmul, "log", [])
    return adapter


def linear_is_right(x, w, b):
    y = load_backend("cupy").namespace.linear(x, w, b)
    np.testing.assert_allclose(y.get(), x.get() @ w.get().T + b.get(), rtol=1e-5, atol=1e-5)
    assert y.flags.c_contiguous


def test_a_layer_by_cublaslt_is_planned_once(nvmath, rng):
    for lead in ((6,), (2, 3), (4,)):
        linear_is_right(array(rng, *lead, 5), array(rng, 3, 5), array(rng, 3))
    assert Matmul.log == ["plan", "execute", "execute", "plan", "execute"]  # (6,) and (2, 3) are the same product
    linear_is_right(array(rng, 5, 6).T, array(rng, 3, 5), array(rng, 3))
    linear_is_right(array(rng, 6, 5), array(rng, 3, 5), array(rng, 6)[::2])  # not for it
    assert Matmul.log[5:] == ["plan", "execute"]


def test_a_plan_keeps_no_arrays(nvmath, rng):
    linear_is_right(array(rng, 6, 5), array(rng, 3, 5), array(rng, 3))
    (plan,) = nvmath._plans.values()
    assert plan.a is plan.b is plan.bias is None


def test_what_cublaslt_declines_goes_to_cublas(nvmath, rng):
    for _ in range(2):
        linear_is_right(array(rng, 6, 5), array(rng, 13, 5), array(rng, 13))
    assert Matmul.log == []


def test_old_plans_are_freed(nvmath, rng, monkeypatch):
    monkeypatch.setattr(nvmath, "PLANS", 2)
    for n in (1, 2, 1, 3, 1):
        linear_is_right(array(rng, n, 5), array(rng, 3, 5), array(rng, 3))
    assert len(nvmath._plans) == 2
    assert Matmul.log.count("plan") == 3
    assert Matmul.log.count("free") == 1


@pytest.mark.parametrize("name", ["nvmath", "cudnn"])
def test_the_switch(name, monkeypatch):
    from polymod_cupy import cudnn, nvmath

    adapter = {"nvmath": nvmath, "cudnn": cudnn}[name]
    monkeypatch.setattr(adapter, "find_spec", lambda name: object())
    assert adapter.enabled()
    monkeypatch.setenv(f"POLYMOD_CUPY_{name.upper()}", "0")
    assert not adapter.enabled()
    monkeypatch.delenv(f"POLYMOD_CUPY_{name.upper()}")
    monkeypatch.setattr(adapter, "find_spec", lambda name: None)
    assert not adapter.enabled()


# -------------------------------------------------------------------------------------------------- cuDNN


class Tensor:
    def __init__(self, dim=None, stride=None):
        self.dim, self.stride, self.output = dim, stride, False

    def set_output(self, value):
        self.output = value
        return self

    def set_dim(self, dim):
        self.dim = dim
        return self

    def set_stride(self, stride):
        self.stride = stride
        return self

    def set_data_type(self, data_type):
        assert data_type == "FLOAT"
        self.wide = True
        return self

    def at(self, pointer, dtype):
        """The array there."""
        import cupy

        dtype = np.dtype("float32" if getattr(self, "wide", False) else dtype)
        memory = cupy.cuda.UnownedMemory(pointer, 2**40, self)
        strides = tuple(s * dtype.itemsize for s in self.stride or ())
        return cupy.ndarray(tuple(self.dim), dtype, cupy.cuda.MemoryPointer(memory, 0), strides or None)


class Graph:
    log: ClassVar[list[str]] = []

    def __init__(self, *, io_data_type, intermediate_data_type, compute_data_type, handle):
        assert (intermediate_data_type, compute_data_type, handle) == ("FLOAT", "FLOAT", "handle")
        self.dtype = {"HALF": "float16", "FLOAT": "float32"}[io_data_type]

    def tensor(self, *, dim, stride):
        return Tensor(dim, stride)

    def conv_fprop(self, *, image, weight, **how):
        return self.one("conv", (image, weight), how, {})

    def conv_dgrad(self, *, loss, filter, **how):
        return self.one("conv_input_back", (loss, filter), how, {"size": 0})

    def conv_wgrad(self, *, image, loss, **how):
        return self.one("conv_weight_back", (image, loss), how, {"size": 0})

    def one(self, name, inputs, how, extra):
        assert set(how) == {"pre_padding", "post_padding", "stride", "dilation"}
        if inputs[1].dim[0] == 13:
            raise RuntimeError("not supported")
        self.inputs, self.outputs = inputs, [Tensor()]

        def compute(*arrays):
            y = self.outputs[0]
            sizes = {"size": tuple(y.dim[2:])} if extra else {}
            channels = {"conv": inputs[1].dim[1], "conv_input_back": inputs[1].dim[1], "conv_weight_back": y.dim[1]}[
                name
            ]
            image = y.dim[1] if name == "conv_input_back" else inputs[0].dim[1]
            padding = tuple(zip(how["pre_padding"], how["post_padding"], strict=True))
            rest = {"stride": tuple(how["stride"]), "dilation": tuple(how["dilation"]), "groups": image // channels}
            numpy = load_backend("numpy").namespace
            return (portable[name](numpy, *arrays, padding=padding, **sizes, **rest),)

        self.compute = compute
        return self.outputs[0]

    def sdpa(self, q, k, v, *, attn_scale, generate_stats, diagonal_band_right_bound=None):
        assert generate_stats
        self.inputs, self.outputs = (q, k, v), [Tensor(), Tensor([*q.dim[:3], 1])]
        how = {"scale": attn_scale, "causal": diagonal_band_right_bound == 0}

        def compute(*arrays):
            y, sums = portable["long_attention"](load_backend("numpy").namespace, *arrays, **how)
            return y, sums[..., None]

        self.compute = compute
        return self.outputs

    def step(self, *args):
        pass

    validate = build_operation_graph = create_execution_plans = check_support = step

    def deselect_numeric_notes(self, notes):
        assert "NONDETERMINISTIC" in notes
        assert ("TENSOR_CORE" in notes) == (self.dtype == "float32")

    def build_plans(self):
        assert all(t.output for t in self.outputs)
        self.log.append("plan")

    def get_workspace_size(self):
        return 100

    def execute(self, pointers, workspace, *, handle):
        assert type(workspace) is int
        assert handle == "handle"
        self.log.append("execute")
        arrays = [t.at(pointers[t], self.dtype).get() for t in self.inputs]
        for t, value in zip(self.outputs, self.compute(*arrays), strict=True):
            t.at(pointers[t], self.dtype)[...] = load_backend("cupy").from_numpy(
                value, load_backend("cupy").devices()[0]
            )


@pytest.fixture
def cudnn(monkeypatch):
    from polymod_cupy import cudnn as adapter

    package = ModuleType("cudnn")
    package.pygraph, package.create_handle = Graph, lambda: "handle"
    package.set_stream = lambda *, handle, stream: None
    package.data_type = SimpleNamespace(HALF="HALF", FLOAT="FLOAT")
    package.heur_mode = SimpleNamespace(A=1, FALLBACK=2)
    notes = ("NONDETERMINISTIC", "TENSOR_CORE", "DOWN_CONVERT_INPUTS")
    package.numerical_note = SimpleNamespace(**{name: name for name in notes})
    monkeypatch.setitem(sys.modules, "cudnn", package)
    monkeypatch.setattr(adapter, "ENABLED", True)
    monkeypatch.setattr(adapter, "_plans", {})
    monkeypatch.setattr(Graph, "log", [])
    adapter.handle_of.cache_clear()
    yield adapter
    adapter.handle_of.cache_clear()


def convolutions_are_right(rng, n_out, rank=2, dtype="float32"):
    xp, numpy = load_backend("cupy").namespace, load_backend("numpy").namespace
    how = {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 2), "groups": 2}
    how = {name: value[:rank] if isinstance(value, tuple) else value for name, value in how.items()}
    size, kernel = (9, 11)[:rank], (3, 2)[:rank]
    x, w, b = array(rng, 2, 8, *size), array(rng, n_out, 4, *kernel), array(rng, n_out)
    x, w, b = (a.astype(dtype) for a in (x, w, b))
    y = portable["conv"](numpy, x.get(), w.get(), b.get(), **how)
    g = array(rng, *y.shape, dtype=dtype)
    close = {"rtol": 1e-5, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-2, "atol": 1e-1}
    np.testing.assert_allclose(xp.conv(x, w, b, **how).get(), y, **close)
    dx = portable["conv_input_back"](numpy, g.get(), w.get(), size=size, **how)
    np.testing.assert_allclose(xp.conv_input_back(g, w, size=size, **how).get(), dx, **close)
    dw = portable["conv_weight_back"](numpy, x.get(), g.get(), size=kernel, **how)
    np.testing.assert_allclose(xp.conv_weight_back(x, g, size=kernel, **how).get(), dw, **close)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_convolutions_by_cudnn_are_planned_once(cudnn, rng, rank, dtype):
    for _ in range(2):
        convolutions_are_right(rng, 6, rank, dtype)
    assert Graph.log == ["plan", "execute"] * 3 + ["execute"] * 3


def test_what_cudnn_declines_goes_to_own_kernels(cudnn, rng, monkeypatch):
    monkeypatch.setattr(Graph, "one", lambda *args: 1 / 0)
    for _ in range(2):
        convolutions_are_right(rng, 6)
    assert Graph.log == []
    assert list(cudnn._plans.values()) == [None] * 3


@pytest.mark.parametrize("causal", [False, True])
def test_attention_by_cudnn(cudnn, rng, causal):
    q, k, v = (array(rng, 2, n, 3, 16, dtype="float16").swapaxes(1, 2) for n in (10, 12, 12))
    how = {"scale": 0.2, "causal": causal}
    y, sums = load_backend("cupy").namespace.long_attention(q, k, v, **how)
    assert Graph.log == ["plan", "execute"]
    assert (y.dtype, sums.dtype, sums.shape) == ("float16", "float16", (2, 3, 10))
    wide = [x.get().astype("float64") for x in (q, k, v)]
    expected = portable["long_attention"](load_backend("numpy").namespace, *wide, **how)
    for found, right in zip((y, sums), expected, strict=True):
        np.testing.assert_allclose(found.get(), right, atol=5e-3)
    for other in ((q.astype("float32"), k.astype("float32"), v.astype("float32")), (q[0], k[0], v[0])):
        load_backend("cupy").namespace.long_attention(*other, **how)
    load_backend("cupy").namespace.long_attention(q, k, v, **how, dropout=(0.5, 1))
    assert Graph.log == ["plan", "execute"]  # not for it
