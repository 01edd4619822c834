"""Arrays that have a shape and a dtype but no values: what a model's forward runs on to find its shapes.

They are one more array library that provides the standard. An expression with one of them and real arrays has a
shape-only result. Asked for a value they say 0 or False, so that loops on the data end.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from .. import dtypes
from ..backend import Backend, Capabilities, register_backend
from ..functions.data_types import result_type
from ..operators import give_operators
from ..tensor import Tensor, wrap

_COMPARISONS = frozenset(
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor logical_not "
    "isfinite isinf isnan signbit".split()
)
_WHOLE = frozenset(
    "bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_left_shift bitwise_right_shift floor_divide remainder "
    "add subtract multiply pow maximum minimum clip abs negative positive square sign floor ceil trunc round "
    "copysign".split()
)
_FLOATING = frozenset(
    "divide reciprocal exp expm1 log log1p log2 log10 logaddexp sqrt sin cos tan asin acos atan atan2 sinh cosh tanh "
    "asinh acosh atanh hypot conj nextafter".split()
)


class ShapeArray:
    """The shape and the dtype of an array, with the operators of one."""

    __slots__ = ("dtype", "shape")
    device = "shape"

    def __init__(self, shape: Any, dtype: Any) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = dtypes.dtype(dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"ShapeArray({self.shape}, {self.dtype})"

    def __getitem__(self, key: Any) -> ShapeArray:
        return ShapeArray(_stand_in(self)[_concrete(key)].shape, self.dtype)

    def __setitem__(self, key: Any, value: Any) -> None:
        np.broadcast_shapes(tuple(getattr(value, "shape", ())), self[key].shape)


def _operate(name: str, *operands: Any) -> ShapeArray:
    return ShapeNamespace.matmul(*operands) if name == "matmul" else _elementwise(name, *operands)


give_operators(ShapeArray, lambda name: partial(_operate, name))


def _stand_in(x: Any) -> np.ndarray:
    """A NumPy array of the shape of `x` that takes one element's memory."""
    kind = bool if dtypes.dtype(x.dtype).kind == "b" else np.int64
    return np.broadcast_to(np.zeros((), kind), tuple(x.shape))


def _concrete(key: Any) -> Any:
    """An index expression with stand-ins for the arrays in it."""
    parts = key if isinstance(key, tuple) else (key,)
    if any(hasattr(k, "dtype") and dtypes.dtype(k.dtype).kind == "b" for k in parts):
        raise ValueError("the shape of x[mask] depends on the mask's values, which are not known without data")
    return tuple(_stand_in(k) if hasattr(k, "dtype") else k for k in parts)


def _promoted(arrays: tuple[Any, ...]) -> dtypes.DType:
    given = [a for a in arrays if a is not None]
    return result_type(*(getattr(a, "dtype", a) for a in given))


def _elementwise(name: str, *arrays: Any, **_: Any) -> ShapeArray:
    shape = np.broadcast_shapes(*(tuple(getattr(a, "shape", ())) for a in arrays))
    if name in _COMPARISONS:
        return ShapeArray(shape, dtypes.bool_)
    dtype = _promoted(arrays)
    if name in _FLOATING and dtype.kind in "biu":
        dtype = dtypes.default_float()
    if dtype.kind == "c" and name == "abs":
        dtype = dtypes.float64 if dtype is dtypes.complex128 else dtypes.float32
    return ShapeArray(shape, dtype)


def _reduced(x: Any, axis: Any, keepdims: bool, dtype: Any = None) -> ShapeArray:
    ndim = len(x.shape)
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = set()
    for a in axes:
        if not -ndim <= a < ndim:
            raise IndexError(f"axis {a} is out of range for an array with {ndim} axes")
        gone.add(a % ndim)
    shape = tuple(1 if i in gone else n for i, n in enumerate(x.shape) if keepdims or i not in gone)
    return ShapeArray(shape, x.dtype if dtype is None else dtype)


class ShapeNamespace:
    """The functions of the standard on shapes."""

    pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None

    def __init__(self) -> None:
        for name, dtype in dtypes.every.items():
            setattr(self, name, dtype)

    def __getattr__(self, name: str) -> Any:
        if name not in _COMPARISONS | _WHOLE | _FLOATING:
            raise AttributeError(f"the shape of polymod.{name} can't be found without data")

        def function(*arrays: Any, **attrs: Any) -> ShapeArray:
            return _elementwise(name, *arrays, **attrs)

        setattr(self, name, function)
        return function

    # elementwise with rules of their own
    @staticmethod
    def where(condition: Any, a: Any, b: Any, /) -> ShapeArray:
        shape = np.broadcast_shapes(*(tuple(getattr(v, "shape", ())) for v in (condition, a, b)))
        return ShapeArray(shape, _promoted((a, b)))

    @staticmethod
    def real(x: Any, /) -> ShapeArray:
        return ShapeArray(x.shape, dtypes.float64 if x.dtype is dtypes.complex128 else dtypes.float32)

    imag = real

    # reductions
    @staticmethod
    def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> ShapeArray:
        return _reduced(x, axis, keepdims, dtype)

    prod = sum

    @staticmethod
    def mean(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> ShapeArray:
        return _reduced(x, axis, keepdims)

    max = min = mean

    @staticmethod
    def var(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> ShapeArray:
        return _reduced(x, axis, keepdims)

    std = var

    @staticmethod
    def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> ShapeArray:
        return _reduced(x, axis, keepdims, dtypes.bool_)

    all = any

    @staticmethod
    def argmax(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> ShapeArray:
        return _reduced(x, axis, keepdims, dtypes.int64)

    argmin = count_nonzero = argmax

    @staticmethod
    def cumulative_sum(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> ShapeArray:
        return ShapeArray(x.shape, x.dtype if dtype is None else dtype)

    cumulative_prod = cumulative_sum

    # searching, sorting, sets
    @staticmethod
    def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> ShapeArray:
        return ShapeArray(x.shape, x.dtype)

    @staticmethod
    def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> ShapeArray:
        return ShapeArray(x.shape, dtypes.int64)

    @staticmethod
    def searchsorted(x1: Any, x2: Any, /, *, side: str = "left") -> ShapeArray:
        return ShapeArray(x2.shape, dtypes.int64)

    @staticmethod
    def isin(x1: Any, x2: Any, /) -> ShapeArray:
        return ShapeArray(x1.shape, dtypes.bool_)

    # products
    @staticmethod
    def matmul(a: Any, b: Any, /) -> ShapeArray:
        left, right = tuple(a.shape), tuple(b.shape)
        if not left or not right:
            raise ValueError(f"matmul needs arrays with at least one axis, received shapes {left} and {right}")
        rows, columns = left[-2:-1], right[-1:] if len(right) > 1 else ()
        if left[-1] != right[-2 if len(right) > 1 else -1]:
            raise ValueError(f"matmul of shapes {left} and {right}: {left[-1]} columns meet {right[-2:][0]} rows")
        batch = np.broadcast_shapes(left[:-2], right[:-2])
        return ShapeArray((*batch, *rows, *columns), _promoted((a, b)))

    @staticmethod
    def matrix_transpose(x: Any, /) -> ShapeArray:
        return ShapeArray((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)

    @staticmethod
    def vecdot(a: Any, b: Any, /, *, axis: int = -1) -> ShapeArray:
        return _reduced(_elementwise("multiply", a, b), axis, False)

    # manipulation
    @staticmethod
    def reshape(x: Any, /, shape: Any, *, copy: Any = None) -> ShapeArray:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        known = math.prod(n for n in shape if n != -1)
        size = math.prod(x.shape)
        if shape.count(-1) == 1 and known and size % known == 0:
            shape = tuple(size // known if n == -1 else n for n in shape)
        if math.prod(shape) != size or -1 in shape:
            raise ValueError(f"{size} elements of shape {tuple(x.shape)} can't be arranged as {shape}")
        return ShapeArray(shape, x.dtype)

    @staticmethod
    def permute_dims(x: Any, /, axes: Any) -> ShapeArray:
        return ShapeArray((x.shape[a] for a in axes), x.dtype)

    @staticmethod
    def expand_dims(x: Any, /, *, axis: int = 0) -> ShapeArray:
        return ShapeArray(np.expand_dims(_stand_in(x), axis).shape, x.dtype)

    @staticmethod
    def squeeze(x: Any, /, axis: Any) -> ShapeArray:
        return ShapeArray(np.squeeze(_stand_in(x), axis).shape, x.dtype)

    @staticmethod
    def broadcast_to(x: Any, /, shape: Any) -> ShapeArray:
        return ShapeArray(np.broadcast_to(_stand_in(x), shape).shape, x.dtype)

    @staticmethod
    def concat(arrays: Any, /, *, axis: int | None = 0) -> ShapeArray:
        if axis is None:
            return ShapeArray((sum(math.prod(x.shape) for x in arrays),), _promoted(tuple(arrays)))
        shapes = [list(x.shape) for x in arrays]
        total = sum(s.pop(axis) for s in shapes)
        if any(s != shapes[0] for s in shapes):
            raise ValueError(f"shapes {[tuple(x.shape) for x in arrays]} differ in more than axis {axis}")
        shape = shapes[0]
        shape.insert(axis % (len(shape) + 1), total)
        return ShapeArray(shape, _promoted(tuple(arrays)))

    @staticmethod
    def stack(arrays: Any, /, *, axis: int = 0) -> ShapeArray:
        shape = list(arrays[0].shape)
        if any(list(x.shape) != shape for x in arrays):
            raise ValueError(f"stack needs equal shapes, received {[tuple(x.shape) for x in arrays]}")
        shape.insert(axis % (len(shape) + 1), len(arrays))
        return ShapeArray(shape, _promoted(tuple(arrays)))

    @staticmethod
    def flip(x: Any, /, *, axis: Any = None) -> ShapeArray:
        return ShapeArray(x.shape, x.dtype)

    @staticmethod
    def roll(x: Any, /, shift: Any, *, axis: Any = None) -> ShapeArray:
        return ShapeArray(x.shape, x.dtype)

    @staticmethod
    def tril(x: Any, /, *, k: int = 0) -> ShapeArray:
        return ShapeArray(x.shape, x.dtype)

    triu = tril

    @staticmethod
    def take(x: Any, indices: Any, /, *, axis: int = 0) -> ShapeArray:
        before, after = x.shape[: axis % len(x.shape)], x.shape[axis % len(x.shape) + 1 :]
        return ShapeArray((*before, *indices.shape, *after), x.dtype)

    @staticmethod
    def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> ShapeArray:
        return ShapeArray(indices.shape, x.dtype)

    # creation
    @staticmethod
    def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> ShapeArray:
        shape = (shape,) if isinstance(shape, int) else shape
        return ShapeArray(shape, dtypes.default_float() if dtype is None else dtype)

    ones = empty = zeros

    @staticmethod
    def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> ShapeArray:
        return ShapeNamespace.zeros(shape, dtype=dtypes.dtype(type(fill_value)) if dtype is None else dtype)

    @staticmethod
    def arange(start: Any, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> ShapeArray:
        values = np.arange(start, stop, step)
        return ShapeArray(values.shape, dtypes.dtype(values.dtype) if dtype is None else dtype)

    @staticmethod
    def linspace(
        start: Any, stop: Any, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
    ) -> ShapeArray:
        return ShapeNamespace.zeros((num,), dtype=dtype)

    @staticmethod
    def eye(n_rows: int, n_cols: int | None = None, *, k: int = 0, dtype: Any = None, device: Any = None) -> ShapeArray:
        return ShapeNamespace.zeros((n_rows, n_rows if n_cols is None else n_cols), dtype=dtype)

    @staticmethod
    def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> ShapeArray:
        return ShapeArray(x.shape, x.dtype if dtype is None else dtype)

    ones_like = empty_like = zeros_like

    @staticmethod
    def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> ShapeArray:
        return ShapeArray(x.shape, x.dtype if dtype is None else dtype)

    @staticmethod
    def asarray(x: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> ShapeArray:
        x = x if hasattr(x, "dtype") else np.asarray(x)
        return ShapeArray(x.shape, x.dtype if dtype is None else dtype)

    @staticmethod
    def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> ShapeArray:
        return ShapeArray(x.shape, dtype)

    @staticmethod
    def isdtype(dtype: Any, kind: Any) -> bool:
        from ..functions.data_types import isdtype

        return isdtype(dtype, kind)

    @staticmethod
    def result_type(*arrays: Any) -> dtypes.DType:
        return _promoted(arrays)


shape_backend = register_backend(
    Backend(
        name="shape",
        xp=ShapeNamespace(),
        array_types=(ShapeArray,),
        devices=lambda: ["shape"],
        from_numpy=lambda x, device: ShapeArray(x.shape, x.dtype),
        to_numpy=lambda x: np.zeros(x.shape, x.dtype.dtype),
        synchronize=lambda: None,
        index_add=lambda x, key, values: x,
        capabilities=Capabilities(host_access=False),
        device_of=lambda x: "shape",
        to_device=lambda x, device: x,
        precedence=1,
    )
)


def shape_tensor(shape: Any, dtype: Any = None) -> Tensor:
    """A Tensor of `shape` and `dtype` (default: the default float dtype) without values."""
    return wrap(ShapeArray(shape, dtypes.default_float() if dtype is None else dtype))
