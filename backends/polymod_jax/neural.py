"""Activations and losses, each compiled as a whole: XLA fuses what would be a dispatch per line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from polymod.backend import portable

_classes = ("ignore_index", "reduction", "label_smoothing")
_definitions = {  # name: its attributes, which are fixed when it is compiled
    "relu_back": (),
    "sigmoid": (),
    "softmax": ("axis",),
    "softmax_back": ("axis",),
    "masked_softmax": ("axis",),
    "log_softmax": ("axis",),
    "gelu": ("approximate",),
    "gelu_slope": ("approximate",),
    **dict.fromkeys(("silu", "silu_slope", "mish", "mish_slope"), ()),
    **dict.fromkeys(("glu", "glu_back"), ("axis",)),
    **dict.fromkeys(("elu", "elu_slope"), ("alpha", "scale", "rate")),
    **dict.fromkeys(("softplus", "softplus_slope"), ("beta", "threshold")),
    "cross_entropy": _classes,
    "cross_entropy_back": _classes,
    "nll_loss": ("ignore_index", "reduction"),
    "nll_loss_back": ("ignore_index", "reduction", "shape"),
    "bce_with_logits": (),
}


def compiled(name: str, fixed: tuple[str, ...]) -> Callable[..., Any]:
    """The portable definition as one compiled function."""

    @partial(jax.jit, static_argnames=fixed)
    def run(*arrays: Any, **attrs: Any) -> Any:
        from . import backend  # it is made after its kernels

        return portable[name](backend.namespace, *arrays, **attrs)

    return run


kernels: dict[str, Callable[..., Any]] = {
    "erf": jax.scipy.special.erf,
    "relu": jax.nn.relu,
    **{name: compiled(name, fixed) for name, fixed in _definitions.items()},
}
