"""The idx files of MNIST and Fashion-MNIST.

A file is: two zero bytes, a byte for the dtype, a byte for the number of axes, each axis's length as a
big-endian uint32, and the values in C order, big-endian (Y. LeCun, "The MNIST database of handwritten
digits").
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import DataError
from .dataset import Split

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
PARTS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DEBIAN = "Debian's package dataset-fashion-mnist brings them, into /usr/share/datasets/fashion-mnist"


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an idx file, compressed where its name ends in .gz.

    Returns:
        An array of the file's shape and dtype, in the host's byte order.

    Raises:
        DataError: the file is missing, no idx file, cut short, longer than its header says, or its
            compression is damaged.
    """
    try:
        with (gzip.open if str(path).endswith(".gz") else open)(path, "rb") as file:
            return _read(path, file)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from error


def _read(path: str | os.PathLike[str], file: IO[bytes] | gzip.GzipFile) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        raise DataError(f"{path}: not an idx file: it begins with {magic.hex(' ') or 'nothing'}")
    dtype, axes = np.dtype(DTYPES[magic[2]]), magic[3]
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise DataError(f"{path}: cut short: it ends within its header")
    shape = tuple(np.frombuffer(lengths, ">u4").tolist())
    expected = math.prod(shape) * dtype.itemsize
    data = _at_most(file, expected + 1)
    if len(data) != expected:
        what = "cut short" if len(data) < expected else "too long"
        found = len(data) if len(data) < expected else "more"
        raise DataError(f"{path}: {what}: shape {shape} takes {expected} bytes of {dtype.name}, the file has {found}")
    try:
        return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError as error:  # more axes than NumPy has
        raise DataError(f"{path}: {axes} axes: {error}") from None


def _at_most(file: IO[bytes] | gzip.GzipFile, count: int) -> bytearray:
    """Up to `count` bytes. Reads in pieces: a damaged header's count must not be allocated beforehand."""
    data = bytearray()
    while len(data) < count:
        piece = file.read(min(count - len(data), 1 << 20))
        if not piece:
            break
        data += piece
    return data


def load_fashion_mnist(data_dir: str | os.PathLike[str]) -> Split:
    """Read Fashion-MNIST (or MNIST, whose files have the same names) from a folder.

    Args:
        data_dir: holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
            t10k-labels-idx1-ubyte, each with or without .gz.

    Returns:
        Images (n, 1, 28, 28) float32 in [0, 1] (the file's values divided by 255), labels (n,) int64 in 0..9.

    Raises:
        DataError: the folder or files are missing (each is named), damaged, or don't fit each other.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold {', '.join(PARTS)} (or .gz); {DEBIAN}")
    found = [next((p for p in (folder / part, folder / f"{part}.gz") if p.exists()), None) for part in PARTS]
    missing = [part for part, path in zip(PARTS, found, strict=True) if path is None]
    if missing:
        raise DataError(f"{folder}: missing {', '.join(missing)} (or .gz); {DEBIAN}")
    paths = [path for path in found if path is not None]
    arrays = [read_idx(path) for path in paths]
    problems = [
        *_part_problems(paths[0], arrays[0], paths[1], arrays[1]),
        *_part_problems(paths[2], arrays[2], paths[3], arrays[3]),
    ]
    if not problems and arrays[0].shape[1:] != arrays[2].shape[1:]:
        problems = [f"training images are {arrays[0].shape[1:]}, test images {arrays[2].shape[1:]}"]
    if problems:
        raise DataError(f"{folder}: {'; '.join(problems)}")
    return Split(_images(arrays[0]), arrays[1].astype(np.int64), _images(arrays[2]), arrays[3].astype(np.int64))


def _part_problems(images_path: Path, images: np.ndarray, labels_path: Path, labels: np.ndarray) -> list[str]:
    problems = []
    if images.ndim != 3 or images.dtype != np.uint8:
        problems.append(f"{images_path.name} holds {images.dtype} of shape {images.shape}, expected uint8 (n, h, w)")
    if labels.ndim != 1 or labels.dtype != np.uint8:
        problems.append(f"{labels_path.name} holds {labels.dtype} of shape {labels.shape}, expected uint8 (n,)")
    elif labels.size and labels.max() > 9:
        problems.append(f"{labels_path.name} holds the label {labels.max()}, expected 0 to 9")
    if not problems and len(images) != len(labels):
        problems.append(f"{images_path.name} holds {len(images)} images, {labels_path.name} {len(labels)} labels")
    return problems


def _images(pixels: np.ndarray) -> np.ndarray:
    images = pixels[:, None].astype(np.float32)
    images /= np.float32(255)
    return images
