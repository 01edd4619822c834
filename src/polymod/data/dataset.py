"""What a dataset is, datasets of arrays, and cutting a dataset up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from .. import dtypes, random
from ..random import Generator
from ..tensor import to_numpy


@runtime_checkable
class Dataset(Protocol):
    """Anything with a length and examples by number: `len(dataset)`, `dataset[i]` for 0 <= i < len.

    An example is an array, a number, or a tuple or dict of them. A dataset may also have a method
    `take(indices)`, which returns the batch of the examples at an int64 array of indices (or a slice) as an
    example whose arrays have one axis more, in front; `DataLoader` then doesn't fetch examples one by one.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class ArrayDataset:
    """Arrays of equal length in host memory: example i is the tuple of their i-th entries.

    Args:
        arrays: NumPy arrays (shared, not copied), nested lists, Tensors or arrays of any engine (copied to
            the host), each with at least one axis.

    Raises:
        ValueError: no arrays, one without axes, or different lengths.
    """

    def __init__(self, *arrays: Any) -> None:
        self.arrays = tuple(host_array(a) for a in arrays)
        shapes = [a.shape for a in self.arrays]
        if not shapes or any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) > 1:
            given = ", ".join(map(str, shapes)) or "none"
            raise ValueError(f"expected arrays of the same length along axis 0, received shapes: {given}")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(a[index] for a in self.arrays)

    def take(self, indices: np.ndarray | slice) -> tuple[np.ndarray, ...]:
        """The examples at `indices`, each array's along its axis 0."""
        return tuple(a[indices] for a in self.arrays)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{a.dtype}{a.shape}' for a in self.arrays)})"


class TensorDataset(ArrayDataset):
    """torch's name for `ArrayDataset`. The data is kept in host memory; `DataLoader` makes Tensors of it."""


class Subset:
    """The examples of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset, indices: Any) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        n = len(dataset)
        if np.any((self.indices < 0) | (self.indices >= n)):
            raise IndexError(f"indices must be in [0, {n}), received {self.indices.min()} to {self.indices.max()}")

    def __len__(self) -> int:
        return self.indices.size

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def take(self, indices: np.ndarray | slice) -> Any:
        """The batch of the examples at `indices` of this subset."""
        chosen = self.indices[indices]
        if hasattr(self.dataset, "take"):
            return self.dataset.take(chosen)
        return collate([self.dataset[i] for i in chosen.tolist()])


class Split(NamedTuple):
    """Images and labels to train on, and others to test with.

    Images are float32 of shape (n, channels, height, width), from 0 to 1; labels int64 of shape (n,).
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def train(self) -> ArrayDataset:
        """The examples to train on, (image, label)."""
        return ArrayDataset(self.train_images, self.train_labels)

    @property
    def test(self) -> ArrayDataset:
        """The examples to test with, (image, label)."""
        return ArrayDataset(self.test_images, self.test_labels)


def random_split(dataset: Dataset, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Cut a dataset into random parts that share no example.

    Args:
        lengths: the length of each part, adding up to `len(dataset)`; or fractions adding up to 1, where
            each part gets the whole examples of its fraction and the first parts one more until none is left.
        generator: where the order comes from, by default polymod's default generator.

    Raises:
        ValueError: the lengths don't add up.
    """
    n = len(dataset)
    if all(isinstance(x, int | np.integer) for x in lengths):
        sizes = [int(x) for x in lengths]
    else:
        sizes = [math.floor(n * x) for x in lengths]
        if any(x < 0 for x in lengths) or not math.isclose(sum(lengths), 1.0, abs_tol=1e-9):
            raise ValueError(f"expected fractions that add up to 1, received {list(lengths)}")
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
    if any(size < 0 for size in sizes) or sum(sizes) != n:
        raise ValueError(f"expected lengths that add up to the dataset's {n}, received {list(lengths)}")
    order = (generator or random.default_generator).permutation(n)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(sizes)[:-1])]


def collate(examples: list[Any]) -> Any:
    """Make one batch of examples: arrays stacked along a new axis 0, tuples and dicts entry by entry.

    Python floats get the default float dtype, ints int64; texts stay in a list.

    Raises:
        ValueError: examples of different shapes, lengths or keys; the message names two that differ.
    """
    first = examples[0]
    if isinstance(first, dict):
        _same(examples, lambda x: list(x), "keys")
        return {key: collate([x[key] for x in examples]) for key in first}
    if isinstance(first, tuple | list):
        _same(examples, len, "lengths")
        return tuple(collate(list(column)) for column in zip(*examples, strict=True))
    if isinstance(first, str | bytes):
        return examples
    if type(first) in (bool, int, float, complex):
        return host_array(examples)
    arrays = [host_array(x) for x in examples]
    _same(arrays, np.shape, "shapes")
    return np.stack(arrays)


def _same(examples: list[Any], key: Callable[[Any], Any], what: str) -> None:
    expected = key(examples[0])
    for i, x in enumerate(examples):
        if key(x) != expected:
            raise ValueError(
                f"the examples of a batch must have the same {what}: number 0 has {expected}, number {i} has "
                f"{key(x)}; make them equal in the dataset, or give a collate_fn"
            )


def host_array(x: Any) -> np.ndarray:
    """`x` as a NumPy array: as it is, or of Python numbers, or a copy of a Tensor's or an engine's array.

    Python floats get the default float dtype.
    """
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, np.generic):
        return np.asarray(x)
    if isinstance(x, bool | int | float | complex | list | tuple | range):
        array = np.asarray(x)
        return array.astype(dtypes.default_float().dtype) if array.dtype == np.float64 else array
    return to_numpy(x)
