"""torch.nn.functional, whose functions polymod has under the same names and with the same arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

import polymod as pm
import polymod.nn.functional as F

from .adapters import adapter, adapters, dtype_of, only

PREFIX = "nn.functional."


def as_named(name: str) -> Callable[..., Any]:
    """The function of that name, looked up when it is called; dtypes in torch's place become polymod's."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if "dtype" in kwargs:
            kwargs["dtype"] = dtype_of(kwargs["dtype"])
        return getattr(F, name)(*map(translated, args), **{k: translated(v) for k, v in kwargs.items()})

    return call


def translated(x: Any) -> Any:
    """Options and modules of torch in the arguments of a function."""
    kind = type(x)
    if kind.__module__.startswith("torch.nn.modules") and hasattr(x, "norm"):
        return pm.nn.PairwiseDistance(x.norm, x.eps, x.keepdim)
    if kind.__name__ == "LinearCrossEntropyOptions":
        return F.LinearCrossEntropyOptions(**{k: getattr(x, k) for k in inspect.signature(kind).parameters})
    return x


for _o in op_db:
    if _o.name.startswith(PREFIX):
        _name = _o.name + (f"_{_o.variant_test_name}" if _o.variant_test_name else "")
        adapters[_name] = as_named(_o.name.removeprefix(PREFIX))


def pad(mode: str) -> Callable[..., Any]:
    def call(x: Any, pad: Any, mode: str = mode, value: Any = None) -> Any:
        return F.pad(x, pad, mode, value)

    return call


for _mode in ("constant", "reflect", "replicate", "replicate_negative", "circular"):
    adapters[f"nn.functional.pad_{_mode}"] = pad(_mode.partition("_")[0])


def without_chance(name: str) -> Callable[..., Any]:
    """A function that draws random numbers, for calls that leave nothing to chance."""

    def call(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        only(not training or p in (0, 1), "the bits that torch draws")
        return getattr(F, name)(x, p, training, inplace)

    return call


for _name in ("dropout", "dropout2d", "dropout3d", "alpha_dropout"):
    adapters[PREFIX + _name] = without_chance(_name)
for _name in ("with_train", "without_train"):
    adapters[f"{PREFIX}feature_alpha_dropout_{_name}"] = without_chance("feature_alpha_dropout")


def fractional_max_pool(name: str, axes: int) -> Callable[..., Any]:
    """With the positions that torch draws: the database's call starts from a seed of its own."""

    def call(x: Any, kernel_size: Any, **how: Any) -> Any:
        torch.manual_seed(42)
        batch = x.shape[0] if x.ndim == axes + 2 else 1
        drawn = torch.rand(batch, x.shape[-axes - 1], axes, dtype=torch.float64)
        return getattr(F, name)(x, kernel_size, **{"_random_samples": pm.tensor(drawn.numpy()), **how})

    return call


for _axes in (2, 3):
    adapters[f"{PREFIX}fractional_max_pool{_axes}d"] = fractional_max_pool(f"fractional_max_pool{_axes}d", _axes)


@adapter(PREFIX + "scaled_dot_product_attention")
def attention(*args: Any, dropout_p: float = 0.0, **how: Any) -> Any:
    only(dropout_p == 0, "the bits that torch draws")
    return F.scaled_dot_product_attention(*args, **how)


adapters[PREFIX + "embedding"] = lambda weight, index, **how: F.embedding(index, weight, **how)
adapters[PREFIX + "embedding_bag"] = lambda weight, index, **how: F.embedding_bag(index, weight, **how)
for _name in ("rrelu", "multi_head_attention_forward", "batch_norm_without_cudnn"):
    del adapters[PREFIX + _name]  # all samples draw random numbers; the last has none
