"""Functions of torch, by their names in its operator database and with its signatures, written with polymod.

An adapter raises Unmapped for a call that the standard's function has no counterpart of.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import polymod as pm
from polymod import fft, linalg, special

adapters: dict[str, Callable[..., Any]] = {}


class Unmapped(Exception):
    """This call says something that polymod's function of the standard can't say."""


def adapter(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        adapters.update(dict.fromkeys(names, f))
        return f

    return register


def only(condition: bool, reason: str) -> None:
    if not condition:
        raise Unmapped(reason)


def dtype_of(torch_dtype: Any) -> Any:
    return None if torch_dtype is None else pm.dtypes.dtype(str(torch_dtype).removeprefix("torch."))


def cast(x: Any, torch_dtype: Any) -> Any:
    if torch_dtype is None:
        return x
    dtype = dtype_of(torch_dtype)
    only(x.dtype.kind != "c" or dtype.kind == "c", "a cast of complex to real numbers")
    return pm.astype(x, dtype)


# ---------------------------------------------------------------------------------------------------- elementwise

same = (
    "abs acos acosh asin asinh atan atanh ceil cos cosh exp expm1 floor imag isfinite isinf isnan log log10 log1p log2"
)
same += " positive real reciprocal round sign signbit sin sinh sqrt square tan tanh trunc logical_not"
same += (
    " atan2 copysign eq ge gt hypot le logaddexp logical_and logical_or logical_xor lt maximum minimum mul ne nextafter"
)
same += " pow remainder true_divide"
renamed = {"eq": "equal", "ge": "greater_equal", "gt": "greater", "le": "less_equal", "lt": "less", "mul": "multiply"}
renamed |= {"ne": "not_equal", "true_divide": "divide"}
for _name in same.split():
    adapters[_name] = getattr(pm, renamed.get(_name, _name))
for _name, _f in {
    "conj": pm.conj,
    "conj_physical": pm.conj,
    "neg": pm.negative,
    "sgn": pm.sign,
    "float_power": pm.pow,
    "max_binary": pm.maximum,
    "min_binary": pm.minimum,
    "floor_divide": pm.floor_divide,
    "__radd__": lambda x, other: other + x,
    "__rsub__": lambda x, other: other - x,
    "__rmul__": lambda x, other: other * x,
    "__rdiv__": lambda x, other: other / x,
    "__rpow__": lambda x, other: other**x,
    "__rmod__": lambda x, other: other % x,
    "__rmatmul__": lambda x, other: pm.matmul(other, x),
    "clamp": pm.clip,
    "clamp_max": lambda x, high: pm.clip(x, max=high),
    "clamp_min": lambda x, low: pm.clip(x, min=low),
    "rsqrt": lambda x: 1 / pm.sqrt(x),
    "angle": lambda x: angle(x),
    "where": lambda x, condition, other: pm.where(condition, x, other),
    "masked_fill": lambda x, mask, value: pm.where(mask, value, x),
    "complex": lambda a, b: a + 1j * b,
    "polar": lambda size, angle: size * pm.exp(1j * angle),
    "view_as_real": lambda x: pm.stack([pm.real(x), pm.imag(x)], axis=-1),
    "view_as_complex": lambda x: x[..., 0] + 1j * x[..., 1],
    "addcmul": lambda x, a, b, value=1: x + value * (a * b),
    "addcdiv": lambda x, a, b, value=1: x + value * (a / b),
    "lerp": lambda x, end, weight: x + weight * (end - x),
    "resolve_neg": pm.positive,
    "resolve_conj": pm.positive,
}.items():
    adapters[_name] = _f


def angle(x: Any) -> Any:
    only(x.dtype.kind == "c", "the standard has imag of complex numbers only")
    return pm.atan2(pm.imag(x), pm.real(x))


@adapter("add")
def add(x: Any, other: Any, alpha: complex = 1) -> Any:
    return x + other if alpha == 1 else x + alpha * other


@adapter("sub")
def sub(x: Any, other: Any, alpha: complex = 1) -> Any:
    return x - other if alpha == 1 else x - alpha * other


@adapter("rsub")
def rsub(x: Any, other: Any, alpha: complex = 1) -> Any:
    return other - (x if alpha == 1 else alpha * x)


@adapter("div_no_rounding_mode", "div_floor_rounding", "div_trunc_rounding")
def div(x: Any, other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode is None:
        return x / other
    return pm.floor_divide(x, other) if rounding_mode == "floor" else pm.trunc(x / other)


# ------------------------------------------------------------------------------------------------------ reductions


def axis_of(dim: Any) -> Any:
    """torch takes an empty list of axes as all of them."""
    if isinstance(dim, list | tuple):
        return tuple(dim) or None
    return dim


def reduction(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        only(x.ndim > 0 or axis_of(dim) is None, "no axis")
        typed = {} if dtype is None else {"dtype": dtype_of(dtype)}
        return f(x, axis=axis_of(dim), keepdims=keepdim, **typed)

    return call


for _name, _f in {
    "sum": pm.sum,
    "prod": pm.prod,
    "mean": pm.mean,
    "amax": pm.max,
    "amin": pm.min,
    "max_reduction_no_dim": pm.max,
    "max_reduction_with_dim": pm.max,
    "min_reduction_no_dim": pm.min,
    "min_reduction_with_dim": pm.min,
    "all": pm.all,
    "any": pm.any,
    "argmax": pm.argmax,
    "argmin": pm.argmin,
    "logsumexp": pm.logsumexp,
}.items():
    adapters[_name] = reduction(_f)
adapters["count_nonzero"] = lambda x, dim=None: pm.count_nonzero(x, axis=axis_of(dim))


def spread(f: Callable[..., Any]) -> Callable[..., Any]:
    """var and std in torch: Bessel's correction by default, and as a switch."""

    def call(x: Any, dim: Any = None, unbiased: Any = None, correction: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        return f(x, axis=axis_of(dim), correction=correction, keepdims=keepdim)

    return call


_var, _std = spread(pm.var), spread(pm.std)
for _name in ("var", "var_unbiased"):
    adapters[_name] = _var
for _name in ("std", "std_unbiased"):
    adapters[_name] = _std


@adapter("var_mean", "var_mean_unbiased")
def var_mean(x: Any, dim: Any = None, *args: Any, keepdim: bool = False, **kwargs: Any) -> Any:
    axis = None if isinstance(dim, bool) else axis_of(dim)
    return _var(x, dim, *args, keepdim=keepdim, **kwargs), pm.mean(x, axis=axis, keepdims=keepdim)


@adapter("std_mean", "std_mean_unbiased")
def std_mean(x: Any, dim: Any = None, *args: Any, keepdim: bool = False, **kwargs: Any) -> Any:
    axis = None if isinstance(dim, bool) else axis_of(dim)
    return _std(x, dim, *args, keepdim=keepdim, **kwargs), pm.mean(x, axis=axis, keepdims=keepdim)


@adapter("cumsum")
def cumsum(x: Any, dim: int, dtype: Any = None) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.cumulative_sum(x, axis=dim, dtype=dtype_of(dtype))


@adapter("cumprod")
def cumprod(x: Any, dim: int, dtype: Any = None) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.cumulative_prod(x, axis=dim, dtype=dtype_of(dtype))


@adapter("diff")
def diff(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    return pm.diff(x, n=n, axis=dim, prepend=prepend, append=append)


@adapter("quantile")
def quantile(x: Any, q: Any, dim: Any = None, keepdim: bool = False, interpolation: str = "linear") -> Any:
    only(interpolation == "linear" and x.ndim > 0, "interpolation")
    return pm.quantile(x, q, axis=dim, keepdims=keepdim)


# ---------------------------------------------------------------------------------------------------- manipulation


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


def pad(mode: str) -> Callable[..., Any]:
    def call(x: Any, widths: Any, mode: str = mode, value: Any = None) -> Any:
        only(all(w >= 0 for w in widths), "negative widths")
        pairs = list(zip(widths[::2], widths[1::2], strict=True))[::-1]
        whole = [(0, 0)] * (x.ndim - len(pairs)) + pairs
        return pm.pad(x, whole, mode, constant_values=value or 0)

    return call


for _name in ("constant", "reflect", "replicate", "circular"):
    adapters[f"nn.functional.pad_{_name}"] = pad(_name)
adapters["constant_pad_nd"] = lambda x, widths, value=0: pad("constant")(x, widths, value=value)


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


# -------------------------------------------------------------------------------------------------------- indexing


def at(x: Any, dim: int, part: Any) -> tuple[Any, ...]:
    return (slice(None),) * (dim % x.ndim) + (part, ...)


def written(x: Any, key: Any, values: Any) -> Any:
    result = pm.asarray(x, copy=True)
    result[key] = values
    return result


@adapter("index_select")
def index_select(x: Any, dim: int, index: Any) -> Any:
    only(x.ndim > 0 and index.ndim == 1, "no axis")
    return pm.take(x, index, axis=dim)


@adapter("take")
def take(x: Any, index: Any) -> Any:
    return pm.reshape(pm.take(pm.reshape(x, (-1,)), pm.reshape(index, (-1,))), index.shape)


@adapter("gather")
def gather(x: Any, dim: int, index: Any) -> Any:
    only(x.ndim == index.ndim > 0, "no axis")
    part = tuple(slice(None) if i == dim % x.ndim else slice(n) for i, n in enumerate(index.shape))
    return pm.take_along_axis(x[part], index, axis=dim)


@adapter("take_along_dim")
def take_along_dim(x: Any, index: Any, dim: Any = None) -> Any:
    if dim is None:
        x, index, dim = pm.reshape(x, (-1,)), pm.reshape(index, (-1,)), 0
    return pm.take_along_axis(x, index, axis=dim)


@adapter("index_put")
def index_put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    return pm.index_add(x, tuple(indices), values) if accumulate else written(x, tuple(indices), values)


@adapter("put")
def put(x: Any, index: Any, values: Any, accumulate: bool = False) -> Any:
    flat, index, values = (pm.reshape(a, (-1,)) for a in (x, index, values))
    return pm.reshape(index_put(flat, (index,), values, accumulate), x.shape)


@adapter("index_add")
def index_add(x: Any, dim: int, index: Any, source: Any, alpha: complex = 1) -> Any:
    only(x.ndim > 0 and index.ndim == 1, "no axis")
    return pm.index_add(x, at(x, dim, index)[:-1], source if alpha == 1 else alpha * source)


@adapter("index_copy")
def index_copy(x: Any, dim: int, index: Any, source: Any) -> Any:
    only(x.ndim > 0 and index.ndim == 1, "no axis")
    return written(x, at(x, dim, index), source)


@adapter("index_fill")
def index_fill(x: Any, dim: int, index: Any, value: Any) -> Any:
    only(x.ndim > 0, "no axis")
    return written(x, at(x, dim, index), value)


@adapter("slice_scatter")
def slice_scatter(x: Any, source: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return written(x, at(x, dim, slice(start, end, step)), source)


@adapter("slice")
def slice_(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return x[at(x, dim, slice(start, end, step))]


@adapter("diag")
def diag(x: Any, diagonal: int = 0) -> Any:
    only(x.ndim == 2, "a vector")
    return linalg.diagonal(x, offset=diagonal)


for _name, _f in {
    "__getitem__": lambda x, key: x[key],
    "select": lambda x, dim, index: x[at(x, dim, index)],
    "select_scatter": lambda x, source, dim, index: written(x, at(x, dim, index), source),
    "masked_select": lambda x, mask: pm.broadcast_arrays(x, mask)[0][pm.broadcast_arrays(x, mask)[1]],
}.items():
    adapters[_name] = _f


# ------------------------------------------------------------------------------------------------ sorting, products


@adapter("sort", "msort")
def sort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.sort(x, axis=dim, descending=descending, stable=bool(stable))


adapters["msort"] = lambda x: sort(x, 0)


@adapter("topk")
def topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.sort(x, axis=dim, descending=largest)[at(x, dim, slice(k))]


@adapter("kthvalue")
def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.sort(x, axis=dim)[at(x, dim, slice(k - 1, k) if keepdim else k - 1)]


@adapter("searchsorted")
def searchsorted(
    x: Any, values: Any, out_int32: bool = False, right: bool = False, side: str = "left", sorter: Any = None
) -> Any:
    only(x.ndim == 1 and not out_int32, "several sequences")
    return pm.searchsorted(x, values, side="right" if right else side, sorter=sorter)


@adapter("tensordot")
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    if not isinstance(dims, int):
        summed = zip(dims[0], dims[1], strict=True)
        only(all(a.shape[i] == b.shape[j] for i, j in summed), "axes of length one broadcast")
    return pm.tensordot(a, b, axes=dims)


@adapter("einsum")
def einsum(operands: Any, equation: str) -> Any:
    only(equation != "...ik, ...j -> ij", "an ellipsis that the result has not")
    return pm.einsum(equation, *operands)


for _name, _f in {
    "matmul": pm.matmul,
    "mm": pm.matmul,
    "bmm": pm.matmul,
    "mv": pm.matmul,
    "dot": pm.matmul,
    "vdot": pm.vecdot,
    "inner": lambda a, b: a * b if 0 in (a.ndim, b.ndim) else pm.tensordot(a, b, axes=((-1,), (-1,))),
    "outer": linalg.outer,
    "linalg.vecdot": lambda a, b, dim=-1: pm.vecdot(*pm.broadcast_arrays(a, b), axis=dim - a.ndim if dim >= 0 else dim),
    "linalg.multi_dot": lambda xs: reduce(pm.matmul, xs),
    "addmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "addmv": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "baddbmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "addbmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * pm.sum(a @ b, axis=0),
    "addr": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * linalg.outer(a, b),
}.items():
    adapters[_name] = _f


# ------------------------------------------------------------------------------------- extensions: linalg, fft

for _name in ("inv", "det", "slogdet", "eigvals", "svdvals"):
    adapters[f"linalg.{_name}"] = getattr(linalg, _name)
for _name, _f in {
    "linalg.cholesky": lambda x, upper=False: linalg.cholesky(x, upper=upper),
    "linalg.cross": lambda a, b, dim=-1: linalg.cross(a, b, axis=dim),
    "cross": lambda a, b, dim=-1: linalg.cross(a, b, axis=dim),
    "linalg.eigvalsh": lambda x, UPLO="L": linalg.eigvalsh(x),
    "linalg.matrix_power": lambda x, n: linalg.matrix_power(x, n),
    "trace": linalg.trace,
    # singular and eigenvectors are determined up to a phase
    "linalg.eigh": lambda x, UPLO="L": (linalg.eigh(x)[0], pm.abs(linalg.eigh(x)[1])),
    "linalg.eig": lambda x: (linalg.eig(x)[0], pm.abs(linalg.eig(x)[1])),
    "linalg.qr": lambda x, mode="reduced": tuple(linalg.qr(x, mode=mode)),
}.items():
    adapters[_name] = _f


@adapter("linalg.diagonal", "diagonal", "diagonal_copy")
def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return linalg.diagonal(pm.moveaxis(x, (dim1, dim2), (-2, -1)), offset=offset)


adapters["linalg.diagonal"] = lambda x, offset=0, dim1=-2, dim2=-1: diagonal(x, offset, dim1, dim2)


@adapter("linalg.svd")
def svd(x: Any, full_matrices: bool = True) -> Any:
    only(not full_matrices or x.shape[-1] == x.shape[-2], "the vectors of the null space are any")
    u, s, vh = linalg.svd(x, full_matrices=full_matrices)
    k = s.shape[-1]
    return pm.abs(u[..., :k]), s, pm.abs(vh[..., :k, :])


@adapter("linalg.solve")
def solve(a: Any, b: Any, left: bool = True) -> Any:
    only(left, "from the right")
    vectors = b.ndim == 1 or (b.ndim == a.ndim - 1 and tuple(b.shape) == tuple(a.shape[:-1]))
    only(b.ndim == 1 or not vectors, "several vectors")
    return linalg.solve(a, b)


@adapter("linalg.pinv")
def pinv(x: Any, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:
    only(atol is None and not hermitian, "atol")
    return linalg.pinv(x, rtol=rtol)


@adapter("linalg.vector_norm")
def vector_norm(x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    only(dtype is None, "dtype")
    return linalg.vector_norm(x, ord=ord, axis=axis_of(dim), keepdims=keepdim)


@adapter("linalg.matrix_norm")
def matrix_norm(x: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, dtype: Any = None) -> Any:
    only(dtype is None, "dtype")
    only(tuple(a % x.ndim for a in dim) == (x.ndim - 2, x.ndim - 1), "other axes")
    return linalg.matrix_norm(x, ord=ord, keepdims=keepdim)


def transform(name: str) -> Callable[..., Any]:
    def call(x: Any, n: Any = None, dim: int = -1, norm: Any = None) -> Any:
        return getattr(fft, name)(x, n=n, axis=dim, norm=norm or "backward")

    return call


def transforms(name: str) -> Callable[..., Any]:
    def call(x: Any, s: Any = None, dim: Any = None, norm: Any = None) -> Any:
        axes = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        if s is not None and axes is None:
            axes = tuple(range(-len(s), 0))
        return getattr(fft, name)(x, s=s, axes=axes, norm=norm or "backward")

    return call


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    adapters[f"fft.{_name}"] = transform(_name)
for _name in ("fftn", "ifftn", "rfftn", "irfftn"):
    adapters[f"fft.{_name}"] = transforms(_name)
adapters["fft.fftshift"] = lambda x, dim=None: fft.fftshift(x, axes=dim)
adapters["fft.ifftshift"] = lambda x, dim=None: fft.ifftshift(x, axes=dim)


# --------------------------------------------------------------------------------------------------------- special


def of_reals(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        only(
            not any(isinstance(a, pm.Tensor) and a.dtype.kind == "c" for a in args),
            "a special function's complex argument",
        )
        return f(*args)

    return call


for _name in "erf erfc erfinv digamma i0 sinc xlogy exp2".split():
    adapters[_name] = of_reals(getattr(special, _name))
for _name in "i0e i1 i1e ndtr xlog1py zeta entr ndtri log_ndtr erfcx".split():
    adapters[f"special.{_name}"] = of_reals(getattr(special, _name))
adapters["logaddexp"] = of_reals(pm.logaddexp)
for _name, _f in {
    "lgamma": special.gammaln,
    "sigmoid": of_reals(special.expit),
    "nn.functional.logsigmoid": special.log_expit,
    "igamma": special.gammainc,
    "igammac": special.gammaincc,
    "special.modified_bessel_k0": special.k0,
    "special.modified_bessel_k1": special.k1,
    "special.modified_bessel_i0": special.i0,
    "special.modified_bessel_i1": special.i1,
    "special.scaled_modified_bessel_k0": special.k0e,
    "special.scaled_modified_bessel_k1": special.k1e,
}.items():
    adapters[_name] = _f
for _n in range(5):
    adapters[f"polygamma_polygamma_n_{_n}"] = lambda x, n: special.polygamma(n, x)
for _n in (1, 3, 5):
    adapters[f"mvlgamma_mvlgamma_p_{_n}"] = lambda x, p: special.multigammaln(x, p)
adapters["special.polygamma_special_polygamma_n_0"] = lambda x, n: special.polygamma(n, x)


@adapter("logit")
def logit(x: Any, eps: Any = None) -> Any:
    return special.logit(x if eps is None else pm.clip(x, eps, 1 - eps))


@adapter("softmax", "softmax_with_dtype")
def softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    only(x.ndim > 0 and x.size > 0, "no axis, or no element")
    return special.softmax(cast(x, dtype), axis=dim)


@adapter("log_softmax", "log_softmax_with_dtype")
def log_softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    only(x.ndim > 0 and x.size > 0, "no axis, or no element")
    return special.log_softmax(cast(x, dtype), axis=dim)
