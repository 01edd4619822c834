"""Datasets, batches of them, and the data that comes with polymod."""

from .dataset import ArrayDataset, Dataset, Split, Subset, TensorDataset, random_split
from .digits import load_digits
from .idx import load_fashion_mnist, read_idx
from .loader import DataLoader

__all__ = [
    "ArrayDataset",
    "DataLoader",
    "Dataset",
    "Split",
    "Subset",
    "TensorDataset",
    "load_digits",
    "load_fashion_mnist",
    "random_split",
    "read_idx",
]
