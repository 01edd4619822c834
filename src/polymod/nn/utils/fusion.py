"""Batch normalization, in evaluation, as part of the layer before it, under torch.nn.utils' names."""

from __future__ import annotations

import copy
from typing import Any

from ...autograd.tape import no_grad
from ...errors import ShapeError, StateError
from ...ops import ops
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of `conv` that does what `conv` and then `bn` do.

    Args:
        conv: a convolution, in evaluation mode.
        bn: a batch normalization with running statistics, in evaluation mode.
        transpose: whether `conv` is a transposed convolution.

    Raises:
        StateError: one of them is in training mode, or `bn` has no running statistics.
    """
    _check(conv, bn)
    statistics = (bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    return _fused(conv, *fuse_conv_bn_weights(conv.weight, conv.bias, *statistics, transpose))


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of the Linear `linear` that does what `linear` and then the BatchNorm1d `bn` do.

    Raises:
        StateError: one of them is in training mode, or `bn` has no running statistics.
        ShapeError: `bn` has neither one feature nor as many as `linear` gives.
    """
    _check(linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise ShapeError(f"the Linear gives {linear.out_features} features, the BatchNorm takes {bn.num_features}")
    statistics = (bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    return _fused(linear, *fuse_linear_bn_weights(linear.weight, linear.bias, *statistics))


@no_grad()
def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of a convolution with a batch normalization after it.

    Args:
        conv_w, conv_b: of the convolution.
        bn_rm, bn_rv, bn_eps, bn_w, bn_b: running mean and variance, eps, weight and bias of the normalization.
        transpose: whether the output channels are the weight's second axis.
    """
    weight, bias = conv_w.detach(), None if conv_b is None else conv_b.detach()
    scale = 1 / ops.sqrt(bn_rv + bn_eps)
    scale = scale if bn_w is None else bn_w * scale
    shape = (1, -1) if transpose else (-1, 1)
    fused_w = weight * ops.reshape(scale, (*shape, *(1,) * (weight.ndim - 2)))
    fused_b = (-bn_rm if bias is None else bias - bn_rm) * scale
    fused_b = fused_b if bn_b is None else fused_b + bn_b
    return _parameters(conv_w, conv_b, fused_w, fused_b)


@no_grad()
def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of a Linear with a batch normalization after it; see `fuse_conv_bn_weights`."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _check(layer: Module, bn: Any) -> None:
    if layer.training or bn.training:
        raise StateError("layers can be fused in evaluation mode only; call eval() on both")
    if bn.running_mean is None or bn.running_var is None:
        raise StateError("the batch normalization has no running statistics (track_running_stats=False)")


def _parameters(weight: Tensor, bias: Tensor | None, fused_w: Tensor, fused_b: Tensor) -> tuple[Parameter, Parameter]:
    dtype = weight.dtype if bias is None else bias.dtype
    return (
        Parameter(ops.astype(fused_w.detach(), weight.dtype, copy=False), weight.requires_grad),
        Parameter(ops.astype(fused_b.detach(), dtype, copy=False), bias is not None and bias.requires_grad),
    )


def _fused(layer: Any, weight: Parameter, bias: Parameter) -> Any:
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = weight, bias
    return fused
