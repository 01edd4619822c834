"""Convolution as torch.nn.functional has it."""

from __future__ import annotations

import operator
from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...rules.windows import output_size
from ...tensor import Tensor, raw

__all__ = ["conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

_conv = primitives["conv"]
_conv_input_back = primitives["conv_input_back"]
_zero_pad = primitives["zero_pad"]
Size = int | tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def per_axis(value: Any, n: int, name: str, least: int) -> tuple[int, ...]:
    """`value`, an integer or one for each of `n` axes, as a tuple.

    Raises:
        TypeError: it is neither.
        ValueError: there are not `n`, or one is below `least`.
    """
    try:
        given = tuple(value) if isinstance(value, tuple | list) else (value,)
        if any(isinstance(v, bool) for v in given):
            raise TypeError
        sizes = tuple(map(operator.index, given)) * (n if len(given) == 1 else 1)
    except TypeError:
        raise TypeError(f"{name} must be an integer or {n} of them, received {value!r}") from None
    if len(sizes) != n or min(sizes, default=least) < least:
        raise ValueError(f"{name} must be an integer or {n} of them, each at least {least}; received {value!r}")
    return sizes


def padding_pairs(padding: Any, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Pairs:
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


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Tensor:
    """Convolve sequences whose first axis is time.

    Args:
        input: (T, N, C).
        weight: (K, C, O).
        bias: (O,).
        pad: zeros before and after each sequence.

    Returns:
        (T + 2 pad - K + 1, N, O).

    Raises:
        ShapeError: the shapes do not fit each other.
    """
    x, w, b = (tuple(raw(a).shape) for a in (input, weight, bias))
    if len(x) != 3 or len(w) != 3 or x[2] != w[1] or b != w[2:]:
        raise ShapeError(f"conv_tbc needs input (T, N, C), weight (K, C, O) and bias (O,), received {x}, {w} and {b}")
    y = conv1d(ops.permute_dims(input, (1, 2, 0)), ops.permute_dims(weight, (2, 1, 0)), bias, padding=pad)
    return ops.permute_dims(y, (2, 0, 1))


def _convolution(
    n: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    x, w = tuple(raw(input).shape), tuple(raw(weight).shape)
    if len(w) != n + 2:
        raise ShapeError(f"conv{n}d needs a weight with {n + 2} axes (O, C / groups, *kernel), received shape {w}")
    _check_groups(groups)
    stride = per_axis(stride, n, "stride", 1)
    dilation = per_axis(dilation, n, "dilation", 1)
    pairs = padding_pairs(padding, w[2:], stride, dilation)
    wrong = _misfits(n, x, w[1] * groups, None if bias is None else tuple(raw(bias).shape), w[0])
    if len(x) in (n + 1, n + 2) and min(output_size(x[-n:], w[2:], stride, pairs, dilation)) < 1:
        reach = tuple(d * (k - 1) + 1 for k, d in zip(w[2:], dilation, strict=True))
        wrong.append(f"the kernel reaches over {reach}, more than the input with its padding has")
    if w[0] % groups:
        wrong.append(f"the weight's {w[0]} output channels can't be divided into {groups} groups")
    if wrong:
        raise ShapeError(
            f"conv{n}d with input {x}, weight {w}, padding {padding!r}, groups {groups}: {'; '.join(wrong)}"
        )
    if len(x) == n + 1:
        input = ops.expand_dims(input, axis=0)
    arrays = (input, weight) if bias is None else (input, weight, bias)
    y = _conv(*arrays, stride=stride, padding=pairs, dilation=dilation, groups=groups)
    return ops.squeeze(y, axis=0) if len(x) == n + 1 else y


def _misfits(n: int, x: Any, channels: int, bias: Any, outputs: int) -> list[str]:
    """What is wrong with the shapes of an input and a bias, in words."""
    wrong = []
    if len(x) not in (n + 1, n + 2):
        wrong.append(f"an input with {n + 1} or {n + 2} axes is expected")
    elif x[-n - 1] != channels:
        wrong.append(f"the input has {x[-n - 1]} channels, the weight expects {channels}")
    if bias is not None and bias != (outputs,):
        wrong.append(f"a bias of shape ({outputs},) is expected, received {bias}")
    return wrong


def _check_groups(groups: Any) -> None:
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"groups must be a positive integer, received {groups!r}")


# -------------------------------------------------------------------------------------------------- transposed


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transpose of `conv1d`: input (N, C, L) or (C, L), weight (C, O / groups, K). See `conv_transpose2d`."""
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transpose of `conv2d` with the same arguments: each pixel puts down the kernel, times its value.

    Args:
        input: (N, C, H, W), or (C, H, W) for one image.
        weight: (C, O / groups, KH, KW), laid out as that of the convolution from O to C channels.
        bias: (O,) or None.
        stride: how far apart neighbouring pixels put the kernel.
        padding: how many rows and columns are cut off on each side.
        output_padding: how many are cut off less at the end; below `stride` or below `dilation`.
        groups: input and output channels are divided into this many groups, each by itself.
        dilation: how far apart the kernel's elements are put.

    Returns:
        (N, O, OH, OW), or (O, OH, OW), with OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.

    Raises:
        ShapeError: the shapes do not fit each other.
        TypeError, ValueError: an argument is not of the kind or in the range above.
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transpose of `conv3d`: input (N, C, D, H, W) or (C, D, H, W), weight (C, O / groups, KD, KH, KW). See
    `conv_transpose2d`."""
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def check_output_padding(
    output_padding: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    """`output_padding`, which must be below the stride or the dilation on each axis.

    Raises:
        ValueError: it is not.
    """
    if any(p >= max(s, d) for p, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise ValueError(
            f"output_padding must be smaller than stride or dilation, received {output_padding} with stride {stride} "
            f"and dilation {dilation}"
        )
    return output_padding


def _transposed(
    n: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    name = f"conv_transpose{n}d"
    x, w = tuple(raw(input).shape), tuple(raw(weight).shape)
    if len(w) != n + 2:
        raise ShapeError(f"{name} needs a weight with {n + 2} axes (C, O / groups, *kernel), received shape {w}")
    _check_groups(groups)
    stride, dilation = per_axis(stride, n, "stride", 1), per_axis(dilation, n, "dilation", 1)
    padding = per_axis(padding, n, "padding", 0)
    output_padding = check_output_padding(per_axis(output_padding, n, "output_padding", 0), stride, dilation)
    wrong = _misfits(n, x, w[0], None if bias is None else tuple(raw(bias).shape), w[1] * groups)
    if w[0] % groups:
        wrong.append(f"the weight's {w[0]} input channels can't be divided into {groups} groups")
    full = tuple((m - 1) * s + d * (k - 1) + 1 for m, s, d, k in zip(x[-n:], stride, dilation, w[2:], strict=False))
    size = tuple(m - 2 * p + q for m, p, q in zip(full, padding, output_padding, strict=False))
    if len(x) in (n + 1, n + 2) and min(size) < 1:
        wrong.append(f"the result would have the size {size}")
    if wrong:
        raise ShapeError(f"{name} with input {x}, weight {w}, padding {padding}, groups {groups}: {'; '.join(wrong)}")
    if len(x) == n + 1:
        input = ops.expand_dims(input, axis=0)
    # A convolution over an array of `size` has as many windows as the input has pixels if output_padding < stride.
    # Else its padding is made to fit, and what lies beyond the reach of all kernels is added as zeros.
    pairs, beyond = tuple((p, p) for p in padding), (0,) * n
    if any(q >= s for q, s in zip(output_padding, stride, strict=True)):
        pairs = tuple((p, max(0, p - q)) for p, q in zip(padding, output_padding, strict=True))
        beyond = tuple(max(0, q - p) for p, q in zip(padding, output_padding, strict=True))
        size = tuple(m - q for m, q in zip(size, beyond, strict=True))
    y = _conv_input_back(input, weight, size=size, stride=stride, padding=pairs, dilation=dilation, groups=groups)
    if any(beyond):
        y = _zero_pad(y, widths=((0, 0), (0, 0), *((0, q) for q in beyond)))
    if bias is not None:
        y = y + ops.reshape(bias, (-1, *(1,) * n))
    return ops.squeeze(y, axis=0) if len(x) == n + 1 else y
