"""Convolution as torch.nn.functional has it."""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...rules.windows import output_size
from ...tensor import Tensor, raw

__all__ = ["conv1d", "conv2d", "conv3d"]

_conv = primitives["conv"]
Size = int | tuple[int, ...]


def per_axis(value: Any, n: int, name: str, least: int) -> tuple[int, ...]:
    """`value`, an integer or one for each of `n` axes, as a tuple.

    Raises:
        TypeError: it is neither.
        ValueError: there are not `n`, or one is below `least`.
    """
    sizes = (value,) * n if isinstance(value, int) else value
    if not isinstance(sizes, tuple | list) or not all(isinstance(v, int) and not isinstance(v, bool) for v in sizes):
        raise TypeError(f"{name} must be an integer or {n} of them, received {value!r}")
    if len(sizes) != n or min(sizes, default=least) < least:
        raise ValueError(f"{name} must be an integer or {n} of them, each at least {least}; received {value!r}")
    return tuple(sizes)


def padding_pairs(
    padding: Any, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """What is put before and after each axis, for `padding` as convolutions take it: sizes, "same" or "valid".

    Raises:
        ValueError: it is none of these, or "same" with a stride other than 1.
    """
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ValueError(f'padding="same" needs stride 1, received stride {stride}')
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((r // 2, r - r // 2) for r in reach)
    if isinstance(padding, str):
        raise ValueError(f'padding must be "same", "valid" or sizes, received {padding!r}')
    return tuple((p, p) for p in per_axis(padding, len(kernel), "padding", 0))


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve over one axis: input (N, C, L) or (C, L), weight (O, C / groups, K). See `conv2d`."""
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve (cross-correlate) images with kernels.

    Args:
        input: (N, C, H, W), or (C, H, W) for one image.
        weight: (O, C / groups, KH, KW).
        bias: (O,) or None.
        stride, padding, dilation: an integer, or one per axis. Padding is with zeros on both sides; "same" keeps
            the size (stride 1 only), "valid" adds nothing.
        groups: input and output channels are divided into this many groups, each convolved by itself.

    Returns:
        (N, O, OH, OW), or (O, OH, OW), with OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.

    Raises:
        ShapeError: the shapes do not fit each other.
        ValueError: an argument has a value that no convolution has.
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve over three axes: input (N, C, D, H, W) or (C, D, H, W), weight (O, C / groups, KD, KH, KW). See
    `conv2d`."""
    return _convolution(3, input, weight, bias, stride, padding, dilation, groups)


def _convolution(
    n: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    x, w = tuple(raw(input).shape), tuple(raw(weight).shape)
    if len(w) != n + 2:
        raise ShapeError(f"conv{n}d needs a weight with {n + 2} axes (O, C / groups, *kernel), received shape {w}")
    stride = per_axis(stride, n, "stride", 1)
    dilation = per_axis(dilation, n, "dilation", 1)
    pairs = padding_pairs(padding, w[2:], stride, dilation)
    _check(n, x, w, None if bias is None else tuple(raw(bias).shape), stride, pairs, dilation, groups)
    if len(x) == n + 1:
        input = ops.expand_dims(input, axis=0)
    arrays = (input, weight) if bias is None else (input, weight, bias)
    y = _conv(*arrays, stride=stride, padding=pairs, dilation=dilation, groups=groups)
    return ops.squeeze(y, axis=0) if len(x) == n + 1 else y


def _check(n: int, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> None:
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"groups must be a positive integer, received {groups!r}")
    wrong = []
    if len(x) not in (n + 1, n + 2):
        wrong.append(f"an input with {n + 1} or {n + 2} axes is expected")
    else:
        if x[-n - 1] != w[1] * groups:
            wrong.append(f"the input has {x[-n - 1]} channels, the weight expects {w[1] * groups}")
        if min(output_size(x[-n:], w[2:], stride, padding, dilation)) < 1:
            reach = tuple(d * (k - 1) + 1 for k, d in zip(w[2:], dilation, strict=True))
            wrong.append(f"the kernel reaches over {reach}, more than the input with its padding has")
    if w[0] % groups:
        wrong.append(f"the weight's {w[0]} output channels can't be divided into {groups} groups")
    if b is not None and b != (w[0],):
        wrong.append(f"a bias of shape ({w[0]},) is expected, received {b}")
    if wrong:
        pads = tuple(p for p, _ in padding) if all(p == q for p, q in padding) else padding
        raise ShapeError(f"conv{n}d with input {x}, weight {w}, padding {pads}, groups {groups}: {'; '.join(wrong)}")
