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


def im2col(x: torch.Tensor, *, size: Sizes, padding: Pairs, **how: Any) -> torch.Tensor:
    pads = symmetric(padding)
    if len(size) != 2 or pads is None or not x.dtype.is_floating_point:
        return portably("im2col", x, size=size, padding=padding, **how)
    return F.unfold(x, size, padding=pads, **how)


def col2im(columns: torch.Tensor, *, shape: Sizes, size: Sizes, padding: Pairs, **how: Any) -> torch.Tensor:
    pads = symmetric(padding)
    if len(size) != 2 or pads is None or not columns.dtype.is_floating_point:
        return portably("col2im", columns, shape=shape, size=size, padding=padding, **how)
    return F.fold(columns, shape, size, padding=pads, **how)


# ----------------------------------------------------------------------------------------------------- pooling


Geometry = tuple[Sizes, Sizes, Sizes, Sizes]  # size, stride, padding and dilation


def windows(
    x: torch.Tensor, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, value: float
) -> tuple[torch.Tensor, Geometry]:
    """`x` and the windows over it as torch's operations take them: padded alike on both sides, with two or three
    spatial axes."""
    pads = symmetric(padding)
    if pads is None:
        x, pads = framed(x, padding, value), (0,) * len(size)
    if len(size) == 1:
        return x.unsqueeze(-1), ((*size, 1), (*stride, 1), (*pads, 0), (*dilation, 1))
    return x, (size, stride, pads, dilation)


def planes(x: torch.Tensor, axes: int) -> torch.Tensor:
    return x.unsqueeze(-1) if axes == 1 else x


def lines(x: torch.Tensor, axes: int) -> torch.Tensor:
    return x.squeeze(-1) if axes == 1 else x


def of_torch(x: torch.Tensor, axes: int) -> bool:
    """Whether torch's operations take it."""
    return x.is_floating_point() and axes <= 3


def max_pool_with_indices(x: torch.Tensor, geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor]:
    run = aten.max_pool2d_with_indices if x.ndim == 4 else aten.max_pool3d_with_indices
    y, indices = run(x, *geometry)
    return y, indices


def max_pool(x: torch.Tensor, **how: Any) -> torch.Tensor:
    axes = x.ndim - 2
    if not of_torch(x, axes):
        return portably("max_pool", x, **how)
    return lines(max_pool_with_indices(*windows(x, **how, value=-torch.inf))[0], axes)


def max_pool_positions(x: torch.Tensor, *, padding: Pairs, **how: Any) -> torch.Tensor:
    axes = x.ndim - 2
    if not of_torch(x, axes) or symmetric(padding) is None:
        return portably("max_pool_positions", x, padding=padding, **how)
    return lines(max_pool_with_indices(*windows(x, padding=padding, **how, value=-torch.inf))[1], axes)


def max_pool_back(g: torch.Tensor, x: torch.Tensor, y: torch.Tensor, *, padding: Pairs, **how: Any) -> torch.Tensor:
    axes = x.ndim - 2
    if not of_torch(x, axes):
        return portably("max_pool_back", g, x, y, padding=padding, **how)
    wide, geometry = windows(x, padding=padding, **how, value=-torch.inf)
    _, indices = max_pool_with_indices(wide, geometry)
    run = aten.max_pool2d_with_indices_backward if wide.ndim == 4 else aten.max_pool3d_with_indices_backward
    dx = lines(run(planes(g, axes), wide, *geometry, False, indices), axes)
    return dx if symmetric(padding) else unframed(dx, padding)


def sum_pool(x: torch.Tensor, *, size: Sizes, stride: Sizes, padding: Pairs) -> torch.Tensor:
    axes = len(size)
    if not of_torch(x, axes):
        return portably("sum_pool", x, size=size, stride=stride, padding=padding)
    x = framed(x, padding) if any(map(any, padding)) else x
    wide, (size, stride, pads, _) = windows(x, size, stride, ((0, 0),) * axes, (1,) * axes, 0)
    run = aten.avg_pool2d if wide.ndim == 4 else aten.avg_pool3d
    return lines(run(wide, size, stride, pads, False, True, 1), axes)


def sum_pool_back(g: torch.Tensor, *, size: Sizes, stride: Sizes, padding: Pairs, shape: Sizes) -> torch.Tensor:
    axes = len(size)
    if not of_torch(g, axes):
        return portably("sum_pool_back", g, size=size, stride=stride, padding=padding, shape=shape)
    framed_shape = tuple(n + a + b for n, (a, b) in zip(shape, padding, strict=True))
    x = like(g, (*g.shape[:2], *framed_shape))
    wide, (size, stride, pads, _) = windows(x, size, stride, ((0, 0),) * axes, (1,) * axes, 0)
    run = aten.avg_pool2d_backward if wide.ndim == 4 else aten.avg_pool3d_backward
    dx = lines(run(planes(g, axes), wide, size, stride, pads, False, True, 1), axes)
    return dx if framed_shape == tuple(shape) else unframed(dx, padding)


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
        *(conv, conv_input_back, conv_weight_back, im2col, col2im),
        *(max_pool, max_pool_back, max_pool_positions, sum_pool, sum_pool_back),
        *(layer_norm, layer_norm_back),
    )
}
