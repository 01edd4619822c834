"""Setting parts of a parameter to zero for good, under torch.nn.utils.prune's names.

A pruned parameter `weight` stands in its module as `weight_orig`, with the buffer `weight_mask` beside it; `weight` is
their product whenever it is read.
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from ... import random
from ...autograd.tape import no_grad
from ...errors import ShapeError
from ...ops import ops
from ...tensor import Tensor, wrap
from ..module import Module
from ..parameter import Buffer, Parameter
from .computed import Source, compute, sources_of, stop_computing
from .convert_parameters import parameters_to_vector
from .weight_norm import parameter_of

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class BasePruningMethod(Source, ABC):
    """A way to choose what is pruned. A subclass defines `compute_mask` and PRUNING_TYPE.

    Attributes:
        PRUNING_TYPE: "unstructured" if it chooses among the elements that are left, "structured" if among the
            channels along its `dim` that are left, "global" if it sees everything.
    """

    PRUNING_TYPE: str
    _tensor_name: str | None = None

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The new mask, 0 where pruned, by the importance `t` of each element; `default_mask` is what holds so far."""

    def compute(self, module: Any) -> Tensor:
        return self.apply_mask(module)

    def apply_mask(self, module: Module) -> Tensor:
        """The pruned parameter of `module`."""
        original = getattr(module, f"{self._tensor_name}_orig")
        mask = getattr(module, f"{self._tensor_name}_mask")
        return ops.astype(mask, original.dtype, copy=False) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune the parameter `name` of `module`, in addition to what is pruned of it already.

        Args:
            args, kwargs: for the method.
            importance_scores: the importance of each element; by default the parameter itself.

        Returns:
            The method that now computes the parameter.

        Raises:
            ShapeError: importance_scores has not the parameter's shape.
            ValueError: there is no such parameter, or more is to be pruned than there is.
        """
        method = cls(*args, **kwargs)
        method._tensor_name = name
        before = sources_of(module).get(name)
        pruned = isinstance(before, BasePruningMethod)
        with no_grad():
            current = getattr(module, name).detach() if pruned else parameter_of(module, name).detach()
            scores = current if importance_scores is None else _fitting(importance_scores, current)
            if isinstance(before, BasePruningMethod):
                chain = before._pruning_methods if isinstance(before, PruningContainer) else (before,)
                method = PruningContainer(*chain, method)
                mask = method.compute_mask(scores, ops.copy(getattr(module, name + "_mask").detach()))
            else:
                mask = method.compute_mask(scores, ops.ones_like(current))
        if not pruned:
            original = module.__dict__.pop(name)
            setattr(module, name + "_orig", original)
        setattr(module, name + "_mask", Buffer(mask.detach()))
        compute(module, name, method)
        return method

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """`t`, pruned."""
        scores = t if importance_scores is None else _fitting(importance_scores, t)
        return t * self.compute_mask(scores, ops.ones_like(t) if default_mask is None else default_mask)

    def remove(self, module: Module) -> None:
        """Make the parameter an ordinary one, with zeros where it was pruned."""
        name = str(self._tensor_name)
        with no_grad():
            weight = self.apply_mask(module)
        stop_computing(module, name)
        original: Parameter = module.__dict__.pop(name + "_orig")
        del module.__dict__[name + "_mask"]
        original.array = weight.array
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Methods that were applied to one parameter one after the other."""

    PRUNING_TYPE = "global"

    def __init__(self, *methods: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if methods:
            self._tensor_name = methods[0]._tensor_name
        for method in methods:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Append `method`, which must be for the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"a pruning method is a BasePruningMethod, received {type(method).__name__}")
        if method._tensor_name != self._tensor_name:
            raise ValueError(f"this container is for {self._tensor_name!r}, the method for {method._tensor_name!r}")
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, index: int) -> BasePruningMethod:
        return self._pruning_methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """What the last method makes of `default_mask`, choosing among what is left."""
        method = self._pruning_methods[-1]
        if method.PRUNING_TYPE == "global":
            return ops.astype(method.compute_mask(t, default_mask), t.dtype)
        mask = ops.astype(default_mask, t.dtype)
        if method.PRUNING_TYPE == "unstructured":
            flat, scores = ops.reshape(mask, (-1,)), ops.reshape(t, (-1,))
            return ops.reshape(_among(method, scores, flat, flat == 1, 0), t.shape)
        if method.PRUNING_TYPE == "structured":
            axis = _axis(t, method.dim)  # type: ignore[attr-defined]
            left = ops.sum(mask, axis=tuple(i for i in range(t.ndim) if i != axis)) != 0
            return _among(method, t, mask, left, axis)
        raise ValueError(
            f'PRUNING_TYPE must be "unstructured", "structured" or "global", received {method.PRUNING_TYPE!r}'
        )


def _among(method: BasePruningMethod, t: Tensor, mask: Tensor, left: Tensor, axis: int) -> Tensor:
    """`mask` where along `axis` those that are `left` have what `method` makes of them alone."""
    (positions,) = ops.nonzero(left)
    if not positions.shape[0]:
        return mask
    part = method.compute_mask(ops.take(t, positions, axis=axis), ops.take(mask, positions, axis=axis))
    rank = ops.clip(ops.cumulative_sum(ops.astype(left, ops.int64), axis=0) - 1, 0, None)
    back = ops.take(ops.astype(part, mask.dtype), rank, axis=axis)
    shape = tuple(left.shape[0] if i == axis else 1 for i in range(mask.ndim))
    return ops.where(ops.reshape(left, shape), back, mask)


class Identity(BasePruningMethod):
    """Prunes nothing; puts the mask in place."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class _ByAmount(BasePruningMethod):
    """Prunes `amount` units: a number of them, or a share between 0 and 1."""

    def __init__(self, amount: float) -> None:
        given: Any = amount
        if not isinstance(given, numbers.Real) or isinstance(given, bool):
            raise TypeError(f"amount must be a whole number or a share, received {amount!r}")
        self.whole = isinstance(given, numbers.Integral)
        self.amount = float(amount)
        if self.amount < 0 or (not self.whole and self.amount > 1):
            raise ValueError(f"amount must be a whole number of at least 0 or a share in [0, 1], received {amount}")

    def _count(self, units: int) -> int:
        """How many of `units` are pruned."""
        if not self.whole:
            return round(self.amount * units)
        if self.amount > units:
            raise ValueError(f"amount={int(self.amount)} is more than the {units} that there are to prune")
        return int(self.amount)


class RandomUnstructured(_ByAmount):
    """Prunes elements at random."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        drawn = random.rand(t.size, dtype=ops.float64, device=t.device)
        return _without_least(default_mask, drawn, self._count(t.size))


class L1Unstructured(_ByAmount):
    """Prunes the elements with the least absolute value."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return _without_least(default_mask, ops.reshape(ops.abs(t), (-1,)), self._count(t.size))


class _Structured(_ByAmount):
    """Prunes channels along `dim`."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _importance(self, t: Tensor, axis: int) -> Tensor:
        """One number for each channel."""
        raise NotImplementedError(f"{type(self).__name__} has to say what the least important channels are")

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim < 2:
            raise ShapeError(f"whole channels can be pruned of arrays with two axes or more, received shape {t.shape}")
        axis = _axis(t, self.dim)
        n = t.shape[axis]
        count = self._count(n)
        if not count:
            return default_mask
        ones = ops.ones((n,), dtype=default_mask.dtype, device=default_mask.device)
        kept = _without_least(ones, self._importance(t, axis), count)
        return default_mask * ops.reshape(kept, tuple(n if i == axis else 1 for i in range(t.ndim)))


class RandomStructured(_Structured):
    """Prunes channels along `dim` at random."""

    def _importance(self, t: Tensor, axis: int) -> Tensor:
        return random.rand(t.shape[axis], dtype=ops.float64, device=t.device)


class LnStructured(_Structured):
    """Prunes the channels along `dim` with the least norm of order `n` (a number, inf, -inf, or "fro")."""

    def __init__(self, amount: float, n: float | str, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _importance(self, t: Tensor, axis: int) -> Tensor:
        axes = tuple(i for i in range(t.ndim) if i != axis)
        size = ops.abs(t)
        n = 2.0 if self.n == "fro" else float(self.n)
        if math.isinf(n):
            return ops.max(size, axis=axes) if n > 0 else ops.min(size, axis=axes)
        if n == 0:
            return ops.sum(ops.astype(size != 0, t.dtype), axis=axes)
        return ops.sum(size**n, axis=axes) ** (1 / n)


class CustomFromMask(BasePruningMethod):
    """Prunes what is 0 in `mask`."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask if isinstance(mask, Tensor) else ops.asarray(mask)

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask * ops.astype(_fitting(self.mask, default_mask), default_mask.dtype)


def _fitting(given: Tensor, parameter: Tensor) -> Tensor:
    if given.shape != parameter.shape:
        raise ShapeError(f"the parameter has shape {parameter.shape}, received scores or a mask of shape {given.shape}")
    return given


def _axis(t: Tensor, dim: int) -> int:
    if not -t.ndim <= dim < t.ndim:
        raise IndexError(f"dim {dim} is out of range for shape {t.shape}")
    return dim % t.ndim


def _without_least(mask: Tensor, importance: Tensor, count: int) -> Tensor:
    """`mask` with zeros at the `count` least important elements of the flattened array; of equals, the first."""
    order = ops.argsort(importance.detach(), stable=True)
    ranks = ops.argsort(order, stable=True)
    kept = ops.astype(ranks >= count, mask.dtype)
    return mask * ops.reshape(kept, mask.shape)


# ------------------------------------------------------------------------------------------------------- functions


def identity(module: Module, name: str) -> Module:
    """Put a mask of ones in place. Returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune `amount` elements, a number or a share of those left, at random. Returns the module."""
    RandomUnstructured.apply(module, name, amount=amount)
    return module


def l1_unstructured(module: Module, name: str, amount: float, importance_scores: Tensor | None = None) -> Module:
    """Prune the `amount` elements, a number or a share of those left, with the least absolute value. Returns the
    module."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune `amount` channels along `dim`, a number or a share of those left, at random. Returns the module."""
    RandomStructured.apply(module, name, amount=amount, dim=dim)
    return module


def ln_structured(
    module: Module, name: str, amount: float, n: float | str, dim: int, importance_scores: Tensor | None = None
) -> Module:
    """Prune the `amount` channels along `dim`, a number or a share of those left, with the least norm of order `n`.
    Returns the module."""
    LnStructured.apply(module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters as if they were one.

    Args:
        parameters: (module, name) pairs.
        pruning_method: a class with PRUNING_TYPE "unstructured".
        importance_scores: by pair; where there are none, the parameter itself.
        kwargs: for the method, such as `amount`.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError(f"parameters must be (module, name) pairs, received {type(parameters).__name__}")
    pairs, scores = list(parameters), importance_scores or {}
    if not isinstance(scores, dict):
        raise TypeError(f"importance_scores must be a dict, received {type(scores).__name__}")
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(f'global pruning needs an "unstructured" method, received a {method.PRUNING_TYPE!r} one')
    with no_grad():
        held = [wrap(getattr(module, name).array) for module, name in pairs]
        so_far = [getattr(m, name + "_mask", ops.ones_like(t)) for (m, name), t in zip(pairs, held, strict=True)]
        found = [_fitting(scores.get(pair, t), t) for pair, t in zip(pairs, held, strict=True)]
        mask = PruningContainer(method).compute_mask(parameters_to_vector(found), parameters_to_vector(so_far))
    start = 0
    for (module, name), tensor in zip(pairs, held, strict=True):
        custom_from_mask(module, name, ops.reshape(mask[start : start + tensor.size], tensor.shape))
        start += tensor.size


def custom_from_mask(module: Module, name: str, mask: Any) -> Module:
    """Prune what is 0 in `mask`. Returns the module."""
    CustomFromMask.apply(module, name, mask=mask)
    return module


def remove(module: Module, name: str) -> Module:
    """Make a pruned parameter an ordinary one, with zeros where it was pruned. Returns the module.

    Raises:
        ValueError: it is not pruned.
    """
    method = sources_of(module).get(name)
    if not isinstance(method, BasePruningMethod):
        raise ValueError(f"{name!r} of {type(module).__name__} is not pruned")
    method.remove(module)
    return module


def is_pruned(module: Module) -> bool:
    """Whether a parameter of `module`, or of a module below it, is pruned."""
    return any(isinstance(s, BasePruningMethod) for m in module.modules() for s in sources_of(m).values())
