"""Sequences of several lengths: padded to one array, or packed without padding. Names and layouts are torch's.

Packed sequences are sorted by length, the longest first, and stored step by step: the first elements of all sequences,
then the second elements of those that have one, and so on. Lengths and the sizes of steps live on the host, as NumPy
arrays of int64; a Tensor of lengths is fetched, which waits for its device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from ...backend import find_owner
from ...errors import ShapeError
from ...ops import ops
from ...tensor import Tensor, to_numpy, wrap

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Packed):
    """Sequences of several lengths without padding; made by `pack_padded_sequence` and `pack_sequence`.

    Attributes:
        data: (rows, ...), the elements step by step.
        batch_sizes: the number of rows of each step, a host array of int64.
        sorted_indices: for each sequence in `data` its place in the original order, or None where that is the same.
        unsorted_indices: the inverse permutation.
    """

    __slots__ = ()

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> Self:
        if batch_sizes is None:  # data and sizes as a pair
            if not isinstance(data, list | tuple) or len(data) != 2:
                raise TypeError("a PackedSequence without batch_sizes is made of a pair (data, batch_sizes)")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, _host(batch_sizes, "batch_sizes"), sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same sequences with `data` on another device or of another dtype, as `Tensor.to` takes them."""
        data = self.data.to(*args, **kwargs)
        order = (None if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices))
        return type(self)(data, self.batch_sizes, *order)


def invert_permutation(permutation: Any) -> Tensor | None:
    """The permutation that undoes `permutation`, a vector of whole numbers; None for None."""
    if permutation is None:
        return None
    return ops.astype(ops.argsort(_tensor(permutation)), permutation.dtype, copy=False)


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack the sequences that `input` holds with padding behind them.

    Args:
        input: (T, N, ...), or (N, T, ...) if `batch_first`; what is beyond the longest length is left out.
        lengths: the N lengths.
        enforce_sorted: the lengths must not grow; otherwise the sequences are sorted.

    Raises:
        ShapeError: `input` has fewer than two axes, or not as many sequences as there are lengths.
        ValueError: a length is below 1 or above T, or lengths grow although they must not.
    """
    input, lengths = _tensor(input), _host(lengths, "lengths")
    if input.ndim < 2:
        raise ShapeError(f"pack_padded_sequence expects an input with two axes or more, received shape {input.shape}")
    steps, batch = input.shape[:2][::-1] if batch_first else input.shape[:2]
    if lengths.shape != (batch,):
        raise ShapeError(
            f"pack_padded_sequence expects a length for each of the {batch} sequences in an input of shape "
            f"{input.shape} with batch_first={batch_first}, received {len(lengths)} lengths"
        )
    if batch == 0:
        raise ShapeError("pack_padded_sequence expects at least one sequence, received none")
    if lengths.min() < 1 or lengths.max() > steps:
        raise ValueError(f"lengths must be in [1, {steps}], received {lengths.tolist()}")
    order = None
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        lengths = lengths[order]
    elif np.any(np.diff(lengths) > 0):
        raise ValueError(
            f"lengths must not grow, received {lengths.tolist()}; sort the sequences, or pass enforce_sorted=False"
        )
    step, row, sizes = _places(lengths)
    sequence = row if order is None else order[row]
    places = sequence * steps + step if batch_first else step * batch + sequence
    flat = ops.reshape(input, (steps * batch, *input.shape[2:]))
    data = ops.take(flat, _indices(places, input), axis=0)
    return PackedSequence(data, sizes, None if order is None else _indices(order, input))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Unpack into one array with padding behind each sequence: the inverse of `pack_padded_sequence`.

    Returns:
        (T, N, ...), or (N, T, ...) if `batch_first`, where T is `total_length` or the longest length; and the N
        lengths, int64, on the same device.

    Raises:
        ValueError: `total_length` is below the longest length.
    """
    data, sizes = _tensor(sequence.data), sequence.batch_sizes
    steps, batch = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < steps:
            raise ValueError(f"total_length must be at least the longest length {steps}, received {total_length}")
        steps = total_length
    lengths = _lengths(sizes)
    step, row, _ = _places(lengths)
    places = np.full((steps, batch), len(data), np.int64)  # of the padding
    places[step, row] = np.arange(len(data))
    if batch_first:
        places = places.T
    padding = ops.full((1, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    flat = ops.take(ops.concat([data, padding], axis=0), _indices(places.reshape(-1), data), axis=0)
    padded, found = ops.reshape(flat, (*places.shape, *data.shape[1:])), _indices(lengths, data)
    if sequence.unsorted_indices is not None:
        padded = ops.take(padded, sequence.unsorted_indices, axis=0 if batch_first else 1)
        found = ops.take(found, sequence.unsorted_indices, axis=0)
    return padded, found


def pad_sequence(
    sequences: Iterable[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (length, ...) as one array (T, N, ...), or (N, T, ...) if `batch_first`, where T is the longest length.

    Raises:
        TypeError: `sequences` can't be iterated over.
        ValueError: there are no sequences, or `padding_side` is not "left" or "right".
        ShapeError: their shapes differ in more than the first axis.
    """
    if not isinstance(sequences, Iterable):
        raise TypeError(f"pad_sequence expects a list of Tensors, received {type(sequences).__name__}")
    if padding_side not in ("left", "right"):
        raise ValueError(f"padding_side must be 'left' or 'right', received {padding_side!r}")
    given = [_tensor(s) for s in sequences]
    shapes = [s.shape for s in given]
    if not given:
        raise ValueError("pad_sequence expects at least one sequence, received none")
    if any(not s or s[1:] != shapes[0][1:] for s in shapes):
        raise ShapeError(f"pad_sequence expects sequences that differ in their first axis only, received {shapes}")
    longest = max(s[0] for s in shapes)
    padded = []
    for s in given:
        missing = longest - s.shape[0]
        if missing:
            padding = ops.full((missing, *s.shape[1:]), padding_value, dtype=s.dtype, device=s.device)
            s = ops.concat([s, padding] if padding_side == "right" else [padding, s], axis=0)
        padded.append(s)
    return ops.stack(padded, axis=0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences in (T, N, ...), or (N, T, ...) if `batch_first`, each of its length and without padding.

    Raises:
        ShapeError: there are not as many lengths as sequences.
    """
    padded, lengths = _tensor(padded_sequences), _host(lengths, "lengths")
    if padded.ndim < 2 or padded.shape[0 if batch_first else 1] != len(lengths):
        raise ShapeError(
            f"unpad_sequence expects a length for each sequence, received {len(lengths)} lengths and shape "
            f"{padded.shape} with batch_first={batch_first}"
        )
    pieces = [slice(0, int(n)) for n in lengths]
    return [padded[i, piece] if batch_first else padded[piece, i] for i, piece in enumerate(pieces)]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (length, ...). Arguments and errors as of `pack_padded_sequence` and `pad_sequence`."""
    given = [_tensor(s) for s in sequences]
    padded = pad_sequence(given)
    return pack_padded_sequence(padded, [s.shape[0] for s in given], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that were packed, in their original order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(x)


def _host(numbers: Any, name: str) -> np.ndarray:
    """A vector of whole numbers as a host array of int64."""
    if isinstance(numbers, Tensor) or (find_owner(type(numbers)) is not None and not isinstance(numbers, np.generic)):
        numbers = to_numpy(numbers)
    found = np.asarray(numbers)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise TypeError(f"{name} must be a list or vector of whole numbers, received {numbers!r}")
    return found.astype(np.int64)


def _indices(numbers: np.ndarray, like: Tensor) -> Tensor:
    return ops.asarray(numbers, dtype=ops.int64, device=like.device)


def _places(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each element of sorted sequences, step by step, its step and its sequence; and the sizes of the steps."""
    present = np.arange(lengths.max(initial=0))[:, None] < lengths
    step, row = np.nonzero(present)
    return step, row, present.sum(axis=1)


def _lengths(sizes: np.ndarray) -> np.ndarray:
    """The length of each sequence, from the sizes of the steps."""
    return (sizes[:, None] > np.arange(sizes[0])).sum(axis=0)
