"""Rearranging, joining, splitting and padding."""

from __future__ import annotations

from typing import Any

import polymod as pm

from .adapters import adapter, adapters, cast, only


def sizes(shape: Any) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence."""
    return tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else tuple(shape)


@adapter("broadcast_to", "expand", "expand_copy")
def expand(x: Any, *shape: Any) -> Any:
    shape = sizes(shape)
    own = (1,) * (len(shape) - x.ndim) + tuple(x.shape)
    return pm.broadcast_to(x, tuple(m if n == -1 else n for n, m in zip(shape, own, strict=True)))


@adapter("reshape", "view", "view_copy")
def reshape(x: Any, *shape: Any) -> Any:
    return pm.reshape(x, sizes(shape))


@adapter("permute", "permute_copy")
def permute(x: Any, *axes: Any) -> Any:
    return pm.permute_dims(x, sizes(axes))


@adapter("transpose", "transpose_copy")
def transpose(x: Any, a: int, b: int) -> Any:
    order = list(range(x.ndim))
    if order:
        order[a], order[b] = order[b], order[a]
    return pm.permute_dims(x, tuple(order))


@adapter("movedim")
def movedim(x: Any, source: Any, destination: Any) -> Any:
    return pm.moveaxis(x, source, destination)


@adapter("squeeze", "squeeze_multiple", "squeeze_copy")
def squeeze(x: Any, dim: Any = None) -> Any:
    axes = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    return pm.squeeze(x, axis=tuple(a for a in axes if x.ndim and x.shape[a] == 1))


@adapter("roll")
def roll(x: Any, shifts: Any, dims: Any = None) -> Any:
    if isinstance(shifts, tuple) and dims is None:
        (shifts,) = shifts
    if isinstance(shifts, int) and isinstance(dims, tuple):
        (dims,) = dims
    return pm.roll(x, shifts, axis=dims)


@adapter("repeat")
def repeat(x: Any, *counts: Any) -> Any:
    return pm.tile(x, sizes(counts))


@adapter("tile")
def tile(x: Any, dims: Any) -> Any:
    return pm.tile(x, tuple(dims))


@adapter("repeat_interleave")
def repeat_interleave(x: Any, repeats: Any, dim: Any = None, output_size: Any = None) -> Any:
    x = pm.reshape(x, (1,)) if x.ndim == 0 and dim is not None else x
    return pm.repeat(x, repeats, axis=dim)


@adapter("cat")
def cat(arrays: Any, dim: int = 0) -> Any:
    only(len({a.ndim for a in arrays}) == 1, "empty arrays of other shapes")
    return pm.concat(arrays, axis=dim)


@adapter("unbind", "unbind_copy")
def unbind(x: Any, dim: int = 0) -> Any:
    return pm.unstack(x, axis=dim)


@adapter("flatten")
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    return pm.flatten(x, start_dim=start_dim, end_dim=end_dim)


@adapter("meshgrid_variadic_tensors", "meshgrid_list_of_tensors")
def meshgrid(*arrays: Any, indexing: str = "ij") -> Any:
    arrays = arrays[0] if isinstance(arrays[0], list | tuple) else arrays
    arrays = [pm.reshape(a, (-1,)) for a in arrays]
    return pm.meshgrid(*arrays, indexing=indexing)


@adapter("split", "split_list_args", "split_with_sizes", "unsafe_split", "split_with_sizes_copy")
def split(x: Any, lengths: Any, dim: int = 0) -> Any:
    n = x.shape[dim]
    if isinstance(lengths, int):
        lengths = [min(lengths, n - i) for i in range(0, n, lengths)]
    before, parts, start = (slice(None),) * (dim % x.ndim), [], 0
    for length in lengths:
        parts.append(x[(*before, slice(start, start + length), ...)])
        start += length
    return tuple(parts)


@adapter("chunk", "unsafe_chunk")
def chunk(x: Any, chunks: int, dim: int = 0) -> Any:
    return split(x, -(-x.shape[dim] // chunks), dim)


@adapter("narrow", "narrow_copy")
def narrow(x: Any, dim: int, start: Any, length: int) -> Any:
    start = int(start)
    start = start % x.shape[dim] if start < 0 else start
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, start + length), ...)]


@adapter("constant_pad_nd")
def constant_pad_nd(x: Any, widths: Any, value: Any = 0) -> Any:
    only(all(w >= 0 for w in widths), "negative widths")
    pairs = list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    return pm.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + pairs, constant_values=value)


@adapter("unfold", "unfold_copy")
def unfold(x: Any, dim: int, size: int, step: int) -> Any:
    only(step == 1 and x.ndim > 0, "steps")
    return pm.sliding_window_view(x, size, axis=dim)


for _name, _f in {
    "expand_as": lambda x, other: pm.broadcast_to(x, other.shape),
    "broadcast_tensors": lambda *xs: pm.broadcast_arrays(*xs),
    "reshape_as": lambda x, other: pm.reshape(x, other.shape),
    "view_as": lambda x, other: pm.reshape(x, other.shape),
    "ravel": lambda x: pm.reshape(x, (-1,)),
    "t": lambda x: pm.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "t_copy": lambda x: pm.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "T": lambda x: pm.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "mT": pm.matrix_transpose,
    "mH": lambda x: pm.conj(pm.matrix_transpose(x)),
    "unsqueeze": lambda x, dim: pm.expand_dims(x, axis=dim),
    "unsqueeze_copy": lambda x, dim: pm.expand_dims(x, axis=dim),
    "flip": lambda x, dims: pm.flip(x, axis=tuple(dims)),
    "fliplr": lambda x: pm.flip(x, axis=1),
    "flipud": lambda x: pm.flip(x, axis=0),
    "stack": lambda xs, dim=0: pm.stack(xs, axis=dim),
    "clone": lambda x, memory_format=None: pm.asarray(x, copy=True),
    "contiguous": lambda x, memory_format=None: pm.asarray(x, copy=True),
    "tril": lambda x, diagonal=0: pm.tril(x, k=diagonal),
    "triu": lambda x, diagonal=0: pm.triu(x, k=diagonal),
    "double": lambda x, memory_format=None: cast(x, "float64"),
    "cdouble": lambda x, memory_format=None: cast(x, "complex128"),
    "float": lambda x, memory_format=None: cast(x, "float32"),
}.items():
    adapters[_name] = _f
