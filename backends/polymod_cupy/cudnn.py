"""cuDNN's convolutions and attention through nvidia-cudnn-frontend, where it is installed with cuDNN itself.

Written against nvidia-cudnn-frontend 1.32.0 (its classes, signatures and docstrings) and not yet run on a GPU. The
environment's POLYMOD_CUPY_CUDNN=0 switches it off. A graph is made, and planned by cuDNN's heuristics, once for each
shape; a shape that cuDNN declines is left to the kernels of this plugin from then on. Sums are in float.

Not here: attention's cotangents. cuDNN wants the result of attention for them, where `long_attention_back` gets what
is made of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import cupy

Array = Any
Sizes = tuple[int, ...]

ELEMENTS = {"float16": "HALF", "bfloat16": "BFLOAT16", "float32": "FLOAT"}  # how cuDNN calls them


def enabled() -> bool:
    return os.environ.get("POLYMOD_CUPY_CUDNN", "1") != "0" and find_spec("cudnn") is not None


ENABLED = enabled()

_plans: dict[tuple[Any, ...], Plan | None] = {}  # None where cuDNN declines


class Plan:
    """A graph that has been built, its tensors, and the shapes of its results."""

    def __init__(self, graph: Any, inputs: list[Any], outputs: list[Any], made: list[tuple[Sizes, Any]]) -> None:
        self.graph, self.inputs, self.outputs, self.made = graph, inputs, outputs, made
        self.workspace = graph.get_workspace_size()

    def __call__(self, *arrays: Array) -> list[Array]:
        import cudnn

        handle = handle_of(cupy.cuda.Device().id)
        cudnn.set_stream(handle=handle, stream=cupy.cuda.get_current_stream().ptr)
        results = [cupy.empty(shape, dtype) for shape, dtype in self.made]
        tensors = zip((*self.inputs, *self.outputs), (*arrays, *results), strict=True)
        workspace = cupy.empty(max(1, self.workspace), "uint8")
        pointers = {tensor: array.data.ptr for tensor, array in tensors}
        self.graph.execute(pointers, workspace.data.ptr, handle=handle)
        return results


@cache
def handle_of(device: int) -> Any:
    """cuDNN's handle for the current device."""
    import cudnn

    return cudnn.create_handle()


def planned(key: tuple[Any, ...], build: Callable[[Any, Any], Plan], dtype: Any) -> Plan | None:
    key = (cupy.cuda.Device().id, dtype.name, *key)
    if key not in _plans:
        _plans[key] = built(build, dtype)
    return _plans[key]


def built(build: Callable[[Any, Any], Plan], dtype: Any) -> Plan | None:
    try:
        import cudnn

        element = getattr(cudnn.data_type, ELEMENTS[dtype.name])
        wide = cudnn.data_type.FLOAT
        graph = cudnn.pygraph(
            io_data_type=element,
            intermediate_data_type=wide,
            compute_data_type=wide,
            handle=handle_of(cupy.cuda.Device().id),
        )
        return build(cudnn, graph)
    except Exception:  # not supported, or no cuDNN beside the frontend; what is ours then does it
        return None


def takes(x: Array) -> bool:
    return ENABLED and x.dtype.name in ELEMENTS


def strides(shape: Sizes) -> list[int]:
    found = [1]
    for n in shape[:0:-1]:
        found.insert(0, found[0] * n)
    return found


def tensor(graph: Any, shape: Sizes, **how: Any) -> Any:
    return graph.tensor(dim=list(shape), stride=strides(shape), **how)


def finished(graph: Any, cudnn: Any, dtype: Any) -> None:
    """Plan the graph, without ways whose sums differ from run to run, or that round factors of float32."""
    notes = [cudnn.numerical_note.NONDETERMINISTIC]
    if dtype.name == "float32" and os.environ.get("CUPY_TF32") != "1":
        notes += [cudnn.numerical_note.TENSOR_CORE, cudnn.numerical_note.DOWN_CONVERT_INPUTS]
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    graph.deselect_numeric_notes(notes)
    graph.check_support()
    graph.build_plans()


# ---------------------------------------------------------------------------------------------- convolution


def conv(x: Array, weight: Array, output: Sizes, how: dict[str, Any]) -> Array | None:
    return convolution("conv_fprop", ("image", x), ("weight", weight), (x.shape[0], weight.shape[0], *output), how)


def conv_input_back(g: Array, weight: Array, shape: Sizes, how: dict[str, Any]) -> Array | None:
    return convolution("conv_dgrad", ("loss", g), ("filter", weight), shape, how)


def conv_weight_back(x: Array, g: Array, shape: Sizes, how: dict[str, Any]) -> Array | None:
    return convolution("conv_wgrad", ("image", x), ("loss", g), shape, how)


def convolution(
    operation: str, first: tuple[str, Array], second: tuple[str, Array], made: Sizes, how: dict[str, Any]
) -> Array | None:
    """One of cuDNN's three convolutions of contiguous arrays; groups are what the shapes say. One axis is taken as two,
    which is what cuDNN has."""
    (name_a, a), (name_b, b) = first, second

    def build(cudnn: Any, graph: Any) -> Plan:
        tensors = [tensor(graph, planar(x.shape)) for x in (a, b)]
        y = getattr(graph, operation)(**dict(zip((name_a, name_b), tensors, strict=True)), **geometry(**how))
        y.set_output(True).set_dim(list(planar(made))).set_stride(strides(planar(made)))
        finished(graph, cudnn, a.dtype)
        return Plan(graph, tensors, [y], [(made, a.dtype)])

    plan = planned((operation, a.shape, b.shape, made, tuple(how.items())), build, a.dtype)
    return None if plan is None else plan(a, b)[0]


def planar(shape: Sizes) -> Sizes:
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else tuple(shape)


def geometry(*, stride: Sizes, padding: tuple[tuple[int, int], ...], dilation: Sizes) -> dict[str, list[int]]:
    missing = [1] if len(stride) == 1 else []
    return {
        "pre_padding": [0 for _ in missing] + [a for a, _ in padding],
        "post_padding": [0 for _ in missing] + [b for _, b in padding],
        "stride": missing + list(stride),
        "dilation": missing + list(dilation),
    }


# ------------------------------------------------------------------------------------------------ attention


def attention(query: Array, key: Array, value: Array, *, scale: float, causal: bool) -> list[Array] | None:
    """The result (N, heads, L, V) and log(sum(exp(scores))) (N, heads, L, 1) in float, of arrays (N, heads, L, E) with
    any strides but 1 along the last axis; or None. float16 and bfloat16 only, as cuDNN has it."""
    arrays, made = (query, key, value), (*query.shape[:3], value.shape[3])

    def build(cudnn: Any, graph: Any) -> Plan:
        tensors = [graph.tensor(dim=list(x.shape), stride=elements(x)) for x in arrays]
        y, sums = graph.sdpa(
            *tensors, attn_scale=scale, generate_stats=True, **({"diagonal_band_right_bound": 0} if causal else {})
        )
        y.set_output(True).set_dim(list(made)).set_stride(strides(made))
        sums.set_output(True).set_data_type(cudnn.data_type.FLOAT)
        finished(graph, cudnn, query.dtype)
        return Plan(graph, tensors, [y, sums], [(made, query.dtype), ((*made[:3], 1), cupy.float32)])

    layout = tuple((x.shape, x.strides) for x in arrays)
    plan = planned(("sdpa", *layout, scale, causal), build, query.dtype)
    return None if plan is None else plan(*arrays)


def elements(x: Array) -> list[int]:
    return [n // x.itemsize for n in x.strides]
