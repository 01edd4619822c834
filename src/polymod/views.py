"""Views: writing to a part of a Tensor, taken before, writes to that Tensor, as in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from .ops import ops

if TYPE_CHECKING:
    from .tensor import Tensor


class View:
    """What a Tensor that shows a part of another one, its owner, needs for writes to reach the owner, as in NumPy.

    `key` is the index expression. An owner that nothing else refers to is let go, unless it is a view itself and so on
    the way to its own owner.
    """

    __slots__ = ("key", "owner", "written")

    def __init__(self, owner: Tensor, key: Any) -> None:
        self.owner: Any = (lambda: owner) if hasattr(owner, "view_of") else ref(owner)
        self.key = key
        self.written: Any = None  # the owner's array after the last write

    def take(self, owner: Tensor) -> Tensor:
        """The view of `owner`."""
        return ops.getitem(owner, self.key)

    def put(self, owner: Tensor, values: Tensor) -> Tensor:
        """`owner` with `values` where the view shows it."""
        return ops.setitem(owner, self.key, values)

    def write(self, values: Tensor, what: str) -> None:
        """Put the view's new values into its owner."""
        owner = self.owner()
        if owner is not None:
            owner._rebind(self.put(owner._latest(), values), what)
            self.written = owner.array

    def has_written(self, owner: Tensor, key: Any) -> bool:
        """Whether `owner` has the view's values at `key` already, which is the object that the view was made with."""
        return key is self.key and self.owner() is owner and owner.array is self.written


class Permuted(View):
    """A view with the axes in the order `key`."""

    __slots__ = ()

    def take(self, owner: Tensor) -> Tensor:
        return ops.permute_dims(owner, self.key)

    def put(self, owner: Tensor, values: Tensor) -> Tensor:
        return ops.permute_dims(values, tuple(self.key.index(i) for i in range(len(self.key))))


class Reshaped(View):
    """A view with the shape `key`: axes of length one more or less."""

    __slots__ = ()

    def take(self, owner: Tensor) -> Tensor:
        return ops.reshape(owner, self.key)

    def put(self, owner: Tensor, values: Tensor) -> Tensor:
        return ops.reshape(values, owner.shape)
