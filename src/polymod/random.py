"""Random numbers: one seed, the same numbers on every engine.

A `Generator` is a seed and a counter of draws. Each call takes the next draw, and draw number d under seed
s has the same values whoever asks for it (see `philox`). The functions of this module draw from one default
generator, shared by all threads, and make Tensors of the values; until `manual_seed` is called its seed is
a fresh one.
"""

from __future__ import annotations

import math
import operator
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, TypedDict, Unpack

import numpy as np

from . import (
    draws,  # noqa: F401 the definitions of uniform_draw, normal_draw, ...
    dtypes,
    philox,
)
from .backend import Device, place
from .errors import CaptureError
from .tensor import Tensor, wrap


class Where(TypedDict, total=False):
    """The keywords that every function making a Tensor takes."""

    device: Any
    backend: Any
    requires_grad: bool


class Generator:
    """A source of random host arrays: a seed, and the number of the next draw.

    Threads may share one: no two calls get the same draw, but which thread gets which is a race. Give each
    thread its own generator where that matters.

    Args:
        seed: an integer in [-2**63, 2**64), negative ones counting as their two's complement; by default a
        fresh
            one from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._seed = _fresh_seed() if seed is None else _checked_seed(seed)
        self._draw = 0

    def __repr__(self) -> str:
        return f"Generator(seed={self._seed}, draw={self._draw})"

    def __getstate__(self) -> tuple[int, int]:
        return self.get_state()

    def __setstate__(self, state: tuple[int, int]) -> None:
        self._lock = threading.Lock()
        self.set_state(state)

    # -------------------------------------------------------------------------------------------- the state

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from `seed`. Returns this generator."""
        self.set_state((_checked_seed(seed), 0))
        return self

    def seed(self) -> int:
        """Start anew from a fresh seed of the operating system, and return that seed."""
        seed = _fresh_seed()
        self.set_state((seed, 0))
        return seed

    def initial_seed(self) -> int:
        """The seed in use."""
        return self._seed

    def get_state(self) -> tuple[int, int]:
        """The seed and the number of the next draw: two integers, all there is to keep."""
        with self._lock:
            return self._seed, self._draw

    def set_state(self, state: tuple[int, int]) -> None:
        """Go on from what `get_state` returned.

        Raises:
            ValueError: `state` is not two integers in [0, 2**64).
        """
        try:
            seed, draw = (operator.index(x) for x in state)
        except (TypeError, ValueError):
            raise ValueError(f"a generator's state is (seed, draw), two integers, not {state!r}") from None
        if not (0 <= seed < 1 << 64 and 0 <= draw < 1 << 64):
            raise ValueError(f"a generator's seed and draw are in [0, 2**64), not {state!r}")
        with self._lock:
            self._seed, self._draw = seed, draw

    def next_draw(self) -> tuple[int, int]:
        """Take the next draw and return (seed, draw): what an engine's own kernel of `philox` starts from.

        Raises:
            CaptureError: a step is being captured, in which numbers drawn on the host would be the same each time.
        """
        if offsets.get() is not None:
            raise CaptureError(
                "a captured step draws random numbers on the host, which would be the same at each call; draw them "
                "before and pass them to the step. Dropout and polymod.random's functions draw on the device"
            )
        return self._take()

    def _take(self) -> tuple[int, int]:
        with self._lock:
            draw = self._draw
            self._draw = draw + 1
            return self._seed, draw

    def next_draw_on(self, device: Device) -> tuple[int, int, Any]:
        """Take the next draw, for numbers that are made on `device`: (seed, draw, offset).

        What is made on a device takes its draw here and nowhere else. `offset` is what `offsets` gives for this
        generator, None as a rule; see `draws`.
        """
        ask = offsets.get()
        offset = None if ask is None else ask(self, device)
        return *self._take(), offset

    @contextmanager
    def fork(self, seed: int | None = None) -> Iterator[Generator]:
        """Within the `with` block draw from `seed`; after it, go on as if the block had not been.

        Without a seed the block's first numbers are those that follow it as well.
        """
        state = self.get_state()
        try:
            yield self if seed is None else self.manual_seed(seed)
        finally:
            self.set_state(state)

    # ------------------------------------------------------------------------------------------ the numbers
    # Arguments are checked before a draw is taken: a call that fails leaves the state as it was.

    def uniform(self, shape: Any, dtype: Any = None, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Evenly distributed numbers in [low, high).

        Returns:
            A host array of `shape` and of `dtype`: float16, float32 or float64, by default the default float.

        Raises:
            ValueError: `low` is above `high`, or the width is not finite.
        """
        arguments = _uniform_arguments(shape, dtype, low, high)
        return philox.uniform(*self.next_draw(), *arguments)

    def normal(self, shape: Any, dtype: Any = None, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
        """Normally distributed numbers of mean `mean` and standard deviation `std`.

        Returns:
            A host array of `shape` and of `dtype`: float16, float32 or float64, by default the default float.

        Raises:
            ValueError: `mean` or `std` is not finite, or `std` is below 0.
        """
        arguments = _normal_arguments(shape, dtype, mean, std)
        return philox.normal(*self.next_draw(), *arguments)

    def integers(self, low: int, high: int, shape: Any, dtype: Any = dtypes.int64) -> np.ndarray:
        """Evenly distributed integers in [low, high).

        Returns:
            A host array of `shape` and `dtype`.

        Raises:
            TypeError: `dtype` is not an integer dtype.
            ValueError: the interval is empty, or `dtype` does not hold all of it.
        """
        arguments = _integers_arguments(low, high, shape, dtype)
        return philox.integers(*self.next_draw(), *arguments)

    def permutation(self, n: int) -> np.ndarray:
        """The integers 0..n-1 in random order: an int64 host array of shape (n,). ValueError where n < 0."""
        (n,) = _shape(n)
        return philox.permutation(*self.next_draw(), n)

    def bernoulli(self, p: float, shape: Any) -> np.ndarray:
        """Truth values, each true with probability `p`: a bool host array of `shape`.

        Raises:
            ValueError: `p` is not in [0, 1].
        """
        arguments = _bernoulli_arguments(p, shape)
        return philox.bernoulli_mask(*self.next_draw(), *arguments)


offsets: ContextVar[Callable[[Generator, Device], Any] | None] = ContextVar("polymod random offsets", default=None)
"""While something is recorded to be run many times: gives, for a generator and a device, the array of one uint64 on the
device that is added to the numbers of its draws. Who sets this changes the array before each run and moves the
generator on, by as many draws as were taken while it was recorded."""


# ------------------------------------------------------------------------------------------------ the arguments
# Checked, and as the functions of `philox` take them after the seed and the draw.


def _uniform_arguments(shape: Any, dtype: Any, low: float, high: float) -> tuple[Any, ...]:
    low, high = float(low), float(high)
    if not (low <= high and math.isfinite(high - low)):
        raise ValueError(f"uniform: expected finite low <= high, not low={low}, high={high}")
    return _shape(shape), _floating(dtype), low, high


def _normal_arguments(shape: Any, dtype: Any, mean: float, std: float) -> tuple[Any, ...]:
    mean, std = float(mean), float(std)
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0):
        raise ValueError(f"normal: expected a finite mean and a finite std >= 0, not mean={mean}, std={std}")
    return _shape(shape), _floating(dtype), mean, std


def _integers_arguments(low: int, high: int, shape: Any, dtype: Any) -> tuple[Any, ...]:
    low, high, wanted = operator.index(low), operator.index(high), dtypes.dtype(dtype)
    if wanted.kind not in "iu":
        raise TypeError(f"integers: expected an integer dtype, not {wanted}")
    if low >= high:
        raise ValueError(f"integers: expected low < high, not low={low}, high={high}")
    limits = np.iinfo(wanted.dtype)
    if low < limits.min or high - 1 > limits.max:
        raise ValueError(f"integers: {wanted} does not hold all of [{low}, {high})")
    return low, high, _shape(shape), wanted.dtype


def _bernoulli_arguments(p: float, shape: Any) -> tuple[Any, ...]:
    p = float(p)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"bernoulli: expected a probability in [0, 1], not {p}")
    return _shape(shape), p


def _floating(dtype: Any) -> np.dtype:
    wanted = dtypes.default_float() if dtype is None else dtypes.dtype(dtype)
    if wanted not in (dtypes.float16, dtypes.float32, dtypes.float64):
        raise TypeError(f"random numbers are drawn as float16, float32 or float64, not {wanted}")
    return wanted.dtype


def _shape(shape: Any) -> tuple[int, ...]:
    sizes = tuple(operator.index(n) for n in (shape if isinstance(shape, tuple | list) else (shape,)))
    if any(n < 0 for n in sizes) or math.prod(sizes) >= 1 << 60:
        raise ValueError(f"expected a shape of non-negative sizes that fits memory, not {sizes}")
    return sizes


def _fresh_seed() -> int:
    return int.from_bytes(os.urandom(8), "little")


def _checked_seed(seed: int) -> int:
    number = operator.index(seed)
    if not -(1 << 63) <= number < 1 << 64:
        raise ValueError(f"a seed is an integer in [-2**63, 2**64), not {seed}")
    return number % (1 << 64)


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the default generator anew from `seed`: the same numbers follow on every engine. Returns it."""
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_state() -> tuple[int, int]:
    """The state of the default generator, for `set_state`."""
    return default_generator.get_state()


def set_state(state: tuple[int, int]) -> None:
    """Let the default generator go on from what `get_state` returned."""
    default_generator.set_state(state)


def fork(seed: int | None = None) -> AbstractContextManager[Generator]:
    """`Generator.fork` of the default generator: `with polymod.random.fork(seed): ...`."""
    return default_generator.fork(seed)


# ------------------------------------------------------------------------------------------------- Tensors


def rand(*shape: Any, dtype: Any = None, generator: Generator | None = None, **where: Unpack[Where]) -> Tensor:
    """Evenly distributed numbers in [0, 1).

    Args:
        shape: `rand(2, 3)` or `rand((2, 3))`.
        dtype: a floating dtype, by default the default float dtype.
        generator: where the numbers come from, by default the default generator.
        where: `device=`, `backend=` and `requires_grad=`, as in `zeros`. All functions below take these.
    """
    return uniform(0.0, 1.0, _given(shape), dtype=dtype, generator=generator, **where)


def randn(*shape: Any, dtype: Any = None, generator: Generator | None = None, **where: Unpack[Where]) -> Tensor:
    """Numbers of the standard normal distribution; arguments as of `rand`."""
    return normal(0.0, 1.0, _given(shape), dtype=dtype, generator=generator, **where)


def uniform(
    low: float,
    high: float,
    shape: Any,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
    **where: Unpack[Where],
) -> Tensor:
    """Evenly distributed numbers in [low, high), of `shape`. Rounded to bfloat16, they may be `high`."""
    arguments = _uniform_arguments(shape, _drawn_as(dtype), low, high)
    return _tensor("uniform_draw", arguments, dtype, generator, **where)


def normal(
    mean: float,
    std: float,
    shape: Any,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
    **where: Unpack[Where],
) -> Tensor:
    """Normally distributed numbers of mean `mean` and standard deviation `std`, of `shape`.

    Where an engine makes them on its device, their last digit may differ from another engine's: see `philox.normal`.
    """
    arguments = _normal_arguments(shape, _drawn_as(dtype), mean, std)
    return _tensor("normal_draw", arguments, dtype, generator, **where)


def randint(
    low: int,
    high: Any = None,
    shape: Any = None,
    *,
    dtype: Any = dtypes.int64,
    generator: Generator | None = None,
    **where: Unpack[Where],
) -> Tensor:
    """Evenly distributed integers in [low, high), of `shape`; `randint(n, shape)` draws from [0, n)."""
    if shape is None:
        low, high, shape = 0, low, high
    if high is None or shape is None:
        raise TypeError("randint takes (low, high, shape) or (high, shape)")
    return _tensor("integers_draw", _integers_arguments(low, high, shape, dtype), None, generator, **where)


def randperm(n: int, *, generator: Generator | None = None, **where: Unpack[Where]) -> Tensor:
    """The integers 0..n-1 in random order, int64 of shape (n,)."""
    return _tensor("permutation_draw", _shape(n), None, generator, **where)


def bernoulli(
    p: float, shape: Any, *, dtype: Any = None, generator: Generator | None = None, **where: Unpack[Where]
) -> Tensor:
    """True with probability `p`, of `shape`; bool, or 0 and 1 where another `dtype` is given."""
    return _tensor(
        "bernoulli_draw", _bernoulli_arguments(p, shape), dtypes.bool_ if dtype is None else dtype, generator, **where
    )


def _tensor(
    name: str,
    arguments: tuple[Any, ...],
    dtype: Any,
    generator: Generator | None,
    *,
    device: Any = None,
    backend: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The next draw of `generator`, by the operation `name`, as a Tensor of `dtype` (None: as it is drawn)."""
    target = place(device, backend)
    make = getattr(target.backend.namespace, name)
    seed, draw, offset = (generator or default_generator).next_draw_on(target)
    tensor = wrap(make(seed, draw, *arguments, device=target.native, offset=offset))
    if dtype is not None and tensor.dtype is not dtypes.dtype(dtype):
        tensor = tensor.astype(dtype)
    return tensor.requires_grad_() if requires_grad else tensor


def _drawn_as(dtype: Any) -> dtypes.DType:
    """The dtype to draw on the host: NumPy has no bfloat16."""
    wanted = dtypes.default_float() if dtype is None else dtypes.dtype(dtype)
    return dtypes.float32 if wanted is dtypes.bfloat16 else wanted


def _given(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shape of `rand(2, 3)` and of `rand((2, 3))`."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
