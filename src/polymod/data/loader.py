"""Batches of a dataset, shuffled the same way on every engine."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import philox, random
from ..backend import Device, place
from ..random import Generator
from ..tensor import Tensor, from_host
from .dataset import Dataset, collate


class DataLoader:
    """Iterates over a dataset in batches of Tensors.

    Each pass over the loader is an epoch. Shuffled, epoch number e has the order
    `philox.permutation(seed, e, n)` where a seed is given, else the next permutation of the generator: either
    is the same on every engine.

    Args:
        dataset: see `Dataset`; `ArrayDataset` and others with `take` are fast.
        batch_size: examples in a batch; the last one may have fewer.
        shuffle: put the examples in a new random order in each epoch.
        drop_last: leave out a last batch that is not full.
        seed: makes the orders depend on this number and `epoch` alone.
        generator: where the orders come from otherwise, by default polymod's default generator.
        device, backend: where the Tensors are made, by default the current device when iteration begins.
        collate_fn: makes a batch (an array, or tuples and dicts of them) of a list of examples; by default
            `collate`.

    Attributes:
        epoch: the number of the next epoch; set it to go on from a checkpoint. Only `seed` makes use of it.

    Raises:
        ValueError: `batch_size` is not positive, or both `seed` and `generator` are given.
        TypeError: the dataset has no length or no examples by number.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        seed: int | None = None,
        generator: Generator | None = None,
        device: Any = None,
        backend: Any = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        if not isinstance(dataset, Dataset):
            raise TypeError(
                f"expected a dataset with __len__ and __getitem__, received {type(dataset).__name__}; "
                "ArrayDataset(images, labels) makes one of arrays"
            )
        if operator.index(batch_size) < 1:
            raise ValueError(f"batch_size must be at least 1, received {batch_size}")
        if seed is not None and generator is not None:
            raise ValueError("give a seed or a generator, not both")
        self.dataset = dataset
        self.batch_size = operator.index(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = None if seed is None else Generator(seed).initial_seed()
        self.generator = generator
        self.device, self.backend = device, backend
        self.collate_fn = collate_fn
        self.epoch = 0

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        n = len(self.dataset)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        target = place(self.device, self.backend)
        order = self._order() if self.shuffle else None
        self.epoch += 1
        return self._batches(order, target)

    def _order(self) -> np.ndarray:
        n = len(self.dataset)
        if self.seed is not None:
            return philox.permutation(self.seed, self.epoch, n)
        return (self.generator or random.default_generator).permutation(n)

    def _batches(self, order: np.ndarray | None, target: Device) -> Iterator[Any]:
        n = len(self.dataset)
        take = getattr(self.dataset, "take", None) if self.collate_fn is None else None
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            stop = min(start + self.batch_size, n)
            if take is not None:
                batch = take(slice(start, stop) if order is None else order[start:stop])
            else:
                chosen = range(start, stop) if order is None else order[start:stop].tolist()
                batch = (self.collate_fn or collate)([self.dataset[i] for i in chosen])
            yield _tensors(batch, target)


def _tensors(batch: Any, target: Device) -> Any:
    """The batch with every array made a Tensor on `target`."""
    if isinstance(batch, np.ndarray):
        return from_host(batch, target)
    if isinstance(batch, dict):
        return {key: _tensors(x, target) for key, x in batch.items()}
    if isinstance(batch, tuple):
        return tuple(_tensors(x, target) for x in batch)
    return batch.to(target) if isinstance(batch, Tensor) else batch
