"""Making Tensors: from data, filled, in ranges, and moving them between devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..backend import backend_of, find_owner, place
from ..ops import ops
from ..tensor import Tensor, from_host, raw, wrap

__all__ = [
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]


@ops.publish
def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, backend: Any = None, copy: bool | None = None
) -> Tensor:
    """Return `obj` as a Tensor, without copying where that is possible.

    Args:
        obj: a Tensor, an array of any engine, a number, or nested lists of numbers or of Tensors, which are stacked.
        dtype: the data type; by default that of `obj`; Python floats get the default float dtype.
        device, backend: where to; by default an array stays where it is and Python numbers go to the current
            device.
        copy: True always copies, False raises ValueError where a copy would be needed.
    """
    explicit = device is not None or backend is not None
    if isinstance(obj, Tensor):
        result = obj
    elif find_owner(type(obj)) is not None and not isinstance(obj, np.generic):
        result = wrap(obj)
    elif copy is not False and (like := _first_tensor(obj)) is not None:
        result = _stacked(obj, like)
    else:
        if copy is False:
            raise ValueError("copy=False: Python numbers can't become an array without a copy")
        return from_host(_host(obj, dtype), place(device, backend))
    source = result
    if explicit:
        result = result.to_device(place(device, backend))
    if dtype is not None:
        result = ops.astype(result, dtype, copy=False)
    if copy is False and result is not source:
        raise ValueError("copy=False: the requested dtype or device needs a copy")
    return ops.copy(result) if copy and result is source else result


def _host(obj: Any, dtype: Any) -> np.ndarray:
    """A Python number or nested lists as a NumPy array of `dtype`, or of polymod's default for its kind."""
    array = np.asarray(obj, dtype=None if dtype is None else dtypes.dtype(dtype).dtype)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"can't make a Tensor of {type(obj).__name__}: {str(obj)[:60]}")
    if dtype is None and not isinstance(obj, np.generic):
        if array.dtype == np.float64:
            array = array.astype(dtypes.default_float().dtype)
        if array.dtype == np.complex128:
            array = array.astype(dtypes.default_complex().dtype)
    return array


def _first_tensor(obj: Any) -> Tensor | None:
    """A Tensor in nested lists, if there is one."""
    if isinstance(obj, Tensor):
        return obj
    if not isinstance(obj, list | tuple):
        return None
    return next((found for found in map(_first_tensor, obj) if found is not None), None)


def _stacked(items: Any, like: Tensor) -> Tensor:
    """Nested lists with Tensors among them as one Tensor, on the device of `like`, one of them."""
    if isinstance(items, Tensor):
        return items
    if isinstance(items, list | tuple):
        return ops.stack([_stacked(x, like) for x in items])
    keeps = like.dtype.kind in "fc" and isinstance(items, int | float)
    return ops.asarray(items, dtype=like.dtype if keeps else None, device=like.device)


@ops.publish
def tensor(
    data: Any, dtype: Any = None, device: Any = None, *, backend: Any = None, requires_grad: bool = False
) -> Tensor:
    """A new leaf Tensor with the values of `data`, always a copy, on `device` (by default the current one).

    A Tensor or an engine's array keeps its dtype; Python floats get the default float dtype.
    """
    target = place(device, backend)
    if isinstance(data, Tensor) or (find_owner(type(data)) is not None and not isinstance(data, np.generic)):
        source = wrap(raw(data))
        if dtype is not None and not target.backend.has_dtype(source.dtype):  # float64 where there is none
            source = ops.astype(source, dtype)
        result = source.to_device(target) if source.device != target else ops.copy(source)
        result = result if dtype is None else ops.astype(result, dtype, copy=False)
    elif _first_tensor(data) is not None:
        result = asarray(data, dtype=dtype, device=target).detach()
    else:
        result = from_host(_host(data, dtype), target)
    return result.requires_grad_() if requires_grad else result


def _made(name: str, *args: Any, dtype: Any, device: Any, backend: Any, requires_grad: bool = False) -> Tensor:
    """Call the engine's creation function `name` on the device asked for."""
    target = place(device, backend)
    d = dtypes.default_float() if dtype is None else dtypes.dtype(dtype)
    array = getattr(target.backend.xp, name)(*args, dtype=target.backend.dtype(d), device=target.native)
    return wrap(array).requires_grad_() if requires_grad else wrap(array)


def _shape(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if hasattr(shape, "__index__") else tuple(int(n) for n in shape)


@ops.publish
def zeros(
    shape: Any, *, dtype: Any = None, device: Any = None, backend: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of `shape`; the default float dtype unless `dtype` is given."""
    return _made("zeros", _shape(shape), dtype=dtype, device=device, backend=backend, requires_grad=requires_grad)


@ops.publish
def ones(
    shape: Any, *, dtype: Any = None, device: Any = None, backend: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones of `shape`; the default float dtype unless `dtype` is given."""
    return _made("ones", _shape(shape), dtype=dtype, device=device, backend=backend, requires_grad=requires_grad)


@ops.publish
def empty(shape: Any, *, dtype: Any = None, device: Any = None, backend: Any = None) -> Tensor:
    """An array of `shape` with whatever values its memory holds."""
    return _made("empty", _shape(shape), dtype=dtype, device=device, backend=backend)


def _tracked(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _number(x: Any) -> Any:
    """A Tensor or NumPy scalar as the Python number it is."""
    return x.item() if isinstance(x, Tensor | np.generic) else x


@ops.publish
def full(
    shape: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    backend: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`fill_value` everywhere; the dtype follows it: default float for a float, int64 for an int, bool for a bool.

    A 0-d Tensor that carries a gradient gets the sum of the result's.
    """
    if _tracked(fill_value):
        value = fill_value.to_device(place(device, backend))
        return ops.copy(ops.broadcast_to(value if dtype is None else ops.astype(value, dtype), _shape(shape)))
    value = _number(fill_value)
    d = dtypes.dtype(type(value)) if dtype is None else dtype
    return _made("full", _shape(shape), value, dtype=d, device=device, backend=backend, requires_grad=requires_grad)


@ops.publish
def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, backend: Any = None
) -> Tensor:
    """Evenly spaced values in [start, stop); int64 if all arguments are integers, else the default float dtype."""
    start, stop, step = map(_number, (start, stop, step))
    start, stop = (0, start) if stop is None else (start, stop)
    whole = all(isinstance(v, int) for v in (start, stop, step))
    d = dtype if dtype is not None else dtypes.int64 if whole else dtypes.default_float()
    return _made("arange", start, stop, step, dtype=d, device=device, backend=backend)


@ops.publish
def linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    backend: Any = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` evenly spaced values from `start` to `stop`, which is left out if not `endpoint`.

    Ends that are 0-d Tensors with a gradient get theirs; the dtype is then that of the ends.
    """
    if _tracked(start) or _tracked(stop):
        where = place(device, backend)
        ends = [x.to_device(where) if isinstance(x, Tensor) else x for x in (start, stop)]
        d = ops.result_type(*ends) if dtype is None else dtypes.dtype(dtype)
        steps = arange(num, dtype=d, device=where) / (num - 1 if endpoint and num > 1 else (num or 1))
        return ops.astype(ends[0] * (1 - steps) + ends[1] * steps, d, copy=False)
    start, stop = _number(start), _number(stop)
    complex_ends = isinstance(start, complex) or isinstance(stop, complex)
    d = dtype if dtype is not None else dtypes.default_complex() if complex_ends else dtypes.default_float()
    target = place(device, backend)
    make = target.backend.xp.linspace
    return wrap(make(start, stop, num, dtype=target.backend.dtype(d), device=target.native, endpoint=endpoint))


@ops.publish
def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None, backend: Any = None
) -> Tensor:
    """Ones on the k-th diagonal, zeros elsewhere; shape (n_rows, n_cols)."""
    target = place(device, backend)
    d = target.backend.dtype(dtypes.default_float() if dtype is None else dtype)
    return wrap(target.backend.xp.eye(n_rows, n_cols, k=k, dtype=d, device=target.native))


def _like(name: str, x: Any, *args: Any, dtype: Any, device: Any) -> Tensor:
    array = raw(x)
    backend = backend_of(array)
    if device is not None:
        target = place(device)
        d = dtypes.dtype(array.dtype if dtype is None else dtype)
        return _made(name.removesuffix("_like"), tuple(array.shape), *args, dtype=d, device=target, backend=None)
    d = array.dtype if dtype is None else backend.dtype(dtype)
    return wrap(getattr(backend.namespace, name)(array, *args, dtype=d))


@ops.publish
def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros with the shape, dtype and device of `x`."""
    return _like("zeros_like", x, dtype=dtype, device=device)


@ops.publish
def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones with the shape, dtype and device of `x`."""
    return _like("ones_like", x, dtype=dtype, device=device)


@ops.publish
def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """An uninitialised array with the shape, dtype and device of `x`."""
    return _like("empty_like", x, dtype=dtype, device=device)


@ops.publish
def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """`fill_value` with the shape, dtype and device of `x`; a 0-d Tensor that carries a gradient passes it on."""
    if _tracked(fill_value):
        like = wrap(raw(x))
        return full(like.shape, fill_value, dtype=like.dtype if dtype is None else dtype, device=device or like.device)
    return _like("full_like", x, _number(fill_value), dtype=dtype, device=device)


@ops.publish
def meshgrid(*arrays: Any, indexing: str = "xy") -> tuple[Tensor, ...]:
    """The coordinates of a grid: each of the one-dimensional `arrays` broadcast along an axis of its own.

    The i-th array varies along axis i; with indexing="xy" the first two axes are exchanged. All are of one dtype.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f'indexing must be "xy" or "ij", received {indexing!r}')
    if len({dtypes.dtype(raw(x).dtype) for x in arrays}) > 1:
        raise ValueError(f"arrays must have one dtype, received {', '.join(str(wrap(raw(x)).dtype) for x in arrays)}")
    order = list(range(len(arrays)))
    if indexing == "xy":
        order[:2] = order[1::-1]
    columns = [
        ops.reshape(x, tuple(-1 if i == axis else 1 for i in range(len(arrays))))
        for x, axis in zip(arrays, order, strict=True)
    ]
    return ops.broadcast_arrays(*columns)


@ops.publish
def from_dlpack(x: Any, /, *, device: Any = None, backend: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor of the memory that `x`, an object with `__dlpack__`, offers; shared where the engine can.

    By default it is an array of the current backend.
    """
    target = place(None, backend)
    if isinstance(x, Tensor):
        x = x.detach().array
    array = x if find_owner(type(x)) is target.backend else target.backend.xp.from_dlpack(x)
    result = wrap(array)
    result = result if device is None else result.to_device(device)
    return ops.copy(result) if copy else result
