"""torch's own convolution, pooling and layer norm, under the signatures of polymod's portable definitions."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch.nn import functional as F

from polymod.backend import portable
from polymod.rules.windows import Pairs, Sizes

aten = torch.ops.aten


def portably(name: str, *arrays: Any, **attrs: Any) -> Any:
    """The portable definition, for what torch's own operation does not do."""
    from . import backend  # it is made after its kernels

    return portable[name](backend.namespace, *arrays, **attrs)


def symmetric(padding: Pairs) -> Sizes | None:
    """The padding on either side, or None where the two sides differ, which torch's operations can't do."""
    return tuple(a for a, _ in padding) if all(a == b for a, b in padding) else None


def framed(x: torch.Tensor, padding: Pairs, value: float = 0.0) -> torch.Tensor:
    return F.pad(x, [n for pair in reversed(padding) for n in pair], value=value)


def unframed(x: torch.Tensor, padding: Pairs) -> torch.Tensor:
    return framed(x, tuple((-a, -b) for a, b in padding)).contiguous()


def like(g: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Something of `shape` for operations that only look at the shape."""
    return g.new_empty(1).expand(shape)


def of_one_dtype(*arrays: torch.Tensor) -> list[torch.Tensor]:
    common = arrays[0].dtype
    for a in arrays[1:]:
        if a.dtype != common:
            common = torch.promote_types(common, a.dtype)
    return [a.to(common) for a in arrays]


# ------------------------------------------------------------------------------------------------ convolution


def conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> torch.Tensor:
    x, weight, *rest = of_one_dtype(x, weight, *(() if bias is None else (bias,)))
    if not x.is_floating_point():
        how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return portably("conv", x, weight, *rest, **how)
    pads = symmetric(padding)
    if pads is None:
        x, pads = framed(x, padding), (0,) * len(padding)
    added = rest[0] if rest else None
    return torch.convolution(x, weight, added, stride, pads, dilation, False, (0,) * len(pads), groups)


def conv_input_back(
    g: torch.Tensor, weight: torch.Tensor, *, size: Sizes, padding: Pairs, groups: int, **how: Any
) -> torch.Tensor:
    g, weight = of_one_dtype(g, weight)
    if not g.is_floating_point():
        return portably("conv_input_back", g, weight, size=size, padding=padding, groups=groups, **how)
    pads, wide = symmetric(padding), size
    if pads is None:
        pads, wide = (0,) * len(size), tuple(n + a + b for n, (a, b) in zip(size, padding, strict=True))
    x = like(g, (g.shape[0], weight.shape[1] * groups, *wide))
    dx = _conv_back(g, x, weight, pads, groups, [True, False, False], **how)[0]
    return dx if wide is size else unframed(dx, padding)


def conv_weight_back(
    x: torch.Tensor, g: torch.Tensor, *, size: Sizes, padding: Pairs, groups: int, **how: Any
) -> torch.Tensor:
    x, g = of_one_dtype(x, g)
    if not g.is_floating_point():
        return portably("conv_weight_back", x, g, size=size, padding=padding, groups=groups, **how)
    pads = symmetric(padding)
    if pads is None:
        x, pads = framed(x, padding), (0,) * len(size)
    weight = like(g, (g.shape[1], x.shape[1] // groups, *size))
    return _conv_back(g, x, weight, pads, groups, [False, True, False], **how)[1]


def _conv_back(
    g: Any, x: Any, weight: Any, pads: Sizes, groups: int, wanted: list[bool], stride: Sizes, dilation: Sizes
) -> Any:
    none = [0] * len(pads)
    return aten.convolution_backward(g, x, weight, None, stride, pads, dilation, False, none, groups, wanted)


# ----------------------------------------------------------------------------------------------------- pooling


def max_pool(x: torch.Tensor, *, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> torch.Tensor:
    if len(size) != 2 or not x.is_floating_point():
        how = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
        return portably("max_pool", x, **how)
    pads = symmetric(padding)
    if pads is None:
        x, pads = framed(x, padding, -torch.inf), (0, 0)
    return torch.max_pool2d(x, size, stride, pads, dilation)


def max_pool_back(
    g: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    size: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
) -> torch.Tensor:
    if len(size) != 2 or not x.is_floating_point():
        how = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
        return portably("max_pool_back", g, x, y, **how)
    pads = symmetric(padding)
    wide = x
    if pads is None:
        wide, pads = framed(x, padding, -torch.inf), (0, 0)
    _, indices = aten.max_pool2d_with_indices(wide, size, stride, pads, dilation)
    dx = aten.max_pool2d_with_indices_backward(g, wide, size, stride, pads, dilation, False, indices)
    return dx if wide is x else unframed(dx, padding)


def sum_pool(x: torch.Tensor, *, size: Sizes, stride: Sizes, padding: Pairs) -> torch.Tensor:
    if len(size) != 2 or not x.is_floating_point():
        return portably("sum_pool", x, size=size, stride=stride, padding=padding)
    x = framed(x, padding) if any(map(any, padding)) else x
    return aten.avg_pool2d(x, size, stride, (0, 0), False, True, 1)


def sum_pool_back(g: torch.Tensor, *, size: Sizes, stride: Sizes, padding: Pairs, shape: Sizes) -> torch.Tensor:
    if len(size) != 2 or not g.is_floating_point():
        return portably("sum_pool_back", g, size=size, stride=stride, padding=padding, shape=shape)
    wide = tuple(n + a + b for n, (a, b) in zip(shape, padding, strict=True))
    dx = aten.avg_pool2d_backward(g, like(g, (*g.shape[:2], *wide)), size, stride, (0, 0), False, True, 1)
    return dx if wide == tuple(shape) else unframed(dx, padding)


# -------------------------------------------------------------------------------------------------- layer norm


def layer_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *,
    axes: tuple[int, ...],
    eps: float,
) -> torch.Tensor:
    if any(v is not None and v.dtype != x.dtype for v in (weight, bias)):
        return portably("layer_norm", x, weight, bias, axes=axes, eps=eps)
    return F.layer_norm(x, x.shape[x.ndim - len(axes) :], weight, bias, eps)


def layer_norm_back(
    g: torch.Tensor, x: torch.Tensor, weight: torch.Tensor | None, *, axes: tuple[int, ...], eps: float
) -> tuple[Any, ...]:
    if x.dtype != g.dtype or (weight is not None and weight.dtype != x.dtype):
        return portably("layer_norm_back", g, x, weight, axes=axes, eps=eps)
    shape = x.shape[x.ndim - len(axes) :]
    bias = like(g, shape)
    _, mean, scale = aten.native_layer_norm(x, shape, weight, None, eps)
    wanted = [True, weight is not None, weight is not None]
    dx, dweight, dbias = aten.native_layer_norm_backward(
        g.contiguous(), x.contiguous(), shape, mean, scale, weight, bias, wanted
    )
    if weight is None:
        dweight, dbias = None, g.reshape(-1, prod(shape)).sum(0).reshape(shape)
    return dx, dweight, dbias


kernels: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(conv, conv_input_back, conv_weight_back),
        *(max_pool, max_pool_back, sum_pool, sum_pool_back),
        *(layer_norm, layer_norm_back),
    )
}
