"""Index expressions on arrays of examples."""

from __future__ import annotations

from typing import Any

from ..autograd.batched import namespace_of
from ..dtypes import bool_
from ..dtypes import dtype as dtype_of
from ..errors import GradientError


class Plan:
    """x[key] for every example: the index expression for all of them, and the order of the result's axes.

    Engines put the axes that arrays in a key give where the first array stands, or in front of all others where the
    arrays are not side by side; integers count as arrays when there is one. With the examples in front that may be
    another place than for one example.

    Args:
        b: the operands.
        rank: the number of axes that one example of x has.
        key: the index expression for one example.
    """

    def __init__(self, b: Any, rank: int, key: Any) -> None:
        parts = list(key) if isinstance(key, tuple) else [key]
        arrays = [k for k in parts if hasattr(k, "dtype")]
        if any(b.has(k) and dtype_of(k.dtype) is bool_ for k in arrays):
            raise GradientError(
                "under vmap x[mask] would have another size for each example; use polymod.where(mask, x, 0), or sums "
                "of it"
            )
        used = sum(len(k.shape) if _is_mask(k) else 1 for k in parts if k is not None and k is not Ellipsis)
        if not any(k is Ellipsis for k in parts):
            parts.append(Ellipsis)
        at = next(i for i, k in enumerate(parts) if k is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (rank - used)
        self.moves: tuple[int, int, int] | None = None  # see `arranged`
        advanced = [i for i, k in enumerate(parts) if hasattr(k, "dtype") or (arrays and isinstance(k, int))]
        adjacent = not advanced or advanced[-1] - advanced[0] == len(advanced) - 1
        first = advanced[0] if advanced and adjacent else 0  # parts before it are slices and None: an axis each
        width = max((1 if _is_mask(k) else len(k.shape) for k in arrays), default=0)
        if any(b.has(k) for k in arrays):
            if any(_is_mask(k) for k in arrays):
                raise GradientError("under vmap masks and integer arrays of examples can't be in one index expression")
            values = [_widened(b, k, width) if b.has(k) else k for k in parts]
            every = b.xp.arange(b.n, device=b.place(next(k for k in arrays if b.has(k))))
            self.key: tuple[Any, ...] = (b.xp.reshape(every, (b.n, *(1,) * width)), *values)
            if first:  # the arrays' axes came out behind the examples'
                self.moves = (1, width, first)
        else:
            self.key = (slice(None), *parts)
            if arrays and not adjacent:  # the arrays' axes came out in front of the examples'
                self.moves = (0, width, 0)

    @staticmethod
    def mask(b: Any, key: Any) -> Any:
        """The key itself, if it is one mask with values for each example."""
        while isinstance(key, tuple) and key and key[-1] is Ellipsis:
            key = key[:-1] if len(key) > 2 else key[0]
        return key if b.has(key) and dtype_of(key.dtype) is bool_ else None

    def _order(self, ndim: int) -> list[int] | None:
        """The permutation of the axes of the result that puts the examples first, and the arrays' axes in place."""
        if self.moves is None:
            return None
        start, width, to = self.moves
        block = list(range(start, start + width))
        rest = [a for a in range(ndim) if a not in block]
        examples, others = rest[0], rest[1:]
        return [examples, *others[:to], *block, *others[to:]]

    def arranged(self, result: Any) -> Any:
        """What the engine's x[key] gave, with the examples' axis first and the axes of one example after it."""
        order = self._order(len(result.shape))
        if order is None:
            return result
        return namespace_of(result).permute_dims(result, tuple(order))

    def disarranged(self, b: Any, x: Any, values: Any) -> Any:
        """The values to write at the key, in the order of axes that the engine expects; the inverse of `arranged`."""
        if not hasattr(values, "shape"):
            return values
        taken = b.xp.index(x, key=self.key)
        order = self._order(len(taken.shape))
        shape = [taken.shape[a] for a in order] if order else list(taken.shape)
        spread = b.xp.broadcast_to(b.lead(values, len(shape) - 1), tuple(shape))
        if order is None:
            return spread
        back = sorted(range(len(order)), key=lambda i: order[i])
        return b.xp.permute_dims(spread, tuple(back))


def _is_mask(k: Any) -> bool:
    return hasattr(k, "dtype") and dtype_of(k.dtype) is bool_


def _widened(b: Any, k: Any, width: int) -> Any:
    """An index array of examples with the examples' axis in front of `width` others."""
    value = k.value
    return b.xp.reshape(value, (b.n, *(1,) * (width - (len(value.shape) - 1)), *value.shape[1:]))
