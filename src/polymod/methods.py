"""The methods of Tensor that NumPy and torch users type without thinking, thin over the functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .ops import ops

if TYPE_CHECKING:
    from .tensor import Tensor


class Methods:
    """What a Tensor computes by name; see the functions of the same names. Axes and `keepdims` are NumPy's."""

    __slots__ = ()

    if TYPE_CHECKING:  # they are Tensor's

        @property
        def shape(self) -> tuple[int, ...]: ...

        @property
        def ndim(self) -> int: ...

    def sum(self, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
        return ops.sum(self, axis=axis, keepdims=keepdims, dtype=dtype)

    def prod(self, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
        return ops.prod(self, axis=axis, keepdims=keepdims, dtype=dtype)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        return ops.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        return ops.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.min(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.argmin(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.all(self, axis=axis, keepdims=keepdims)

    def abs(self) -> Tensor:
        return ops.abs(self)

    def exp(self) -> Tensor:
        return ops.exp(self)

    def log(self) -> Tensor:
        return ops.log(self)

    def sqrt(self) -> Tensor:
        return ops.sqrt(self)

    def tanh(self) -> Tensor:
        return ops.tanh(self)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        return ops.clip(self, min, max)

    def reshape(self, *shape: Any) -> Tensor:
        """`x.reshape(2, 3)` or `x.reshape((2, 3))`; one size may be -1."""
        return ops.reshape(self, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, as NumPy's: `x.transpose(0, 2, 1)`, `x.transpose((0, 2, 1))`; reversed
        without arguments.

        Raises:
            ValueError: two axes were given for an array of more: in torch that exchanges them, in NumPy it is an
                incomplete order. Use `swapaxes(a, b)` for the former.
        """
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = tuple(axes[0])
        if len(axes) == 2 and self.ndim != 2:
            a, b = axes
            raise ValueError(
                f"transpose({a}, {b}) on {self.ndim} axes has two readings: to exchange the two axes (as torch) use "
                f"swapaxes({a}, {b}); to order all axes (as NumPy) name all {self.ndim}"
            )
        return ops.permute_dims(self, axes or tuple(reversed(range(self.ndim))))

    def permute(self, *axes: Any) -> Tensor:
        """The axes in another order; all must be named."""
        return ops.permute_dims(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes exchanged."""
        order = list(range(self.ndim))
        order[axis1], order[axis2] = order[axis2], order[axis1]
        return ops.permute_dims(self, tuple(order))

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """The axes from `start_dim` to `end_dim`, both included, as one."""
        return ops.flatten(self, start_dim=start_dim, end_dim=end_dim)

    def ravel(self) -> Tensor:
        return ops.reshape(self, (-1,))

    def squeeze(self, axis: Any = None) -> Tensor:
        """Without the axes of length one, or without `axis`, which must have length one."""
        axes = tuple(i for i, n in enumerate(self.shape) if n == 1) if axis is None else axis
        return ops.squeeze(self, axes)

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        return ops.astype(self, dtype, copy=copy)

    def copy(self) -> Tensor:
        """The same values in memory of their own; gradients flow through."""
        return ops.copy(self)

    clone = copy
