"""Datasets, the loader, the packed digits and the idx files."""

from __future__ import annotations

import gzip
import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest
from places import find

from polymod import dtypes, philox, random
from polymod.backend import use_backend
from polymod.data import (
    ArrayDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    digits,
    load_digits,
    load_fashion_mnist,
    random_split,
    read_idx,
)
from polymod.errors import DataError
from polymod.random import Generator
from polymod.tensor import Tensor, from_host, to_numpy


class Squares:
    """A dataset without `take`."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return {"x": np.full((2,), i, np.float32), "y": (i * i, i / 2), "name": str(i)}


def numbers(n: int) -> ArrayDataset:
    return ArrayDataset(np.arange(2 * n, dtype=np.float32).reshape(n, 2), np.arange(n))


def seen(loader: DataLoader) -> list[list[int]]:
    return [to_numpy(labels).tolist() for _, labels in loader]


def flat(batches: list[list[int]]) -> list[int]:
    return [x for batch in batches for x in batch]


# --------------------------------------------------------------------------------------------------- datasets


def test_array_dataset(engine):
    images = np.zeros((3, 2), np.float32)
    data = ArrayDataset(images, [5, 6, 7], from_host(np.array([1.0, 2.0, 3.0]), engine), [0.5, 1.5, 2.5])
    assert isinstance(data, Dataset) and len(data) == 3
    assert data.arrays[0] is images  # shared, not copied
    assert [type(a) for a in data.arrays] == [np.ndarray] * 4
    assert [a.dtype for a in data.arrays] == [np.float32, np.int64, np.float64, np.float32]
    assert data[1][1:] == (6, 2.0, 1.5)
    assert isinstance(TensorDataset(images), ArrayDataset)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ((), "none"),
        ((np.zeros(3), np.zeros(4)), r"\(3,\), \(4,\)"),
        ((np.zeros(()), np.zeros(2)), r"\(\), \(2,\)"),
    ],
)
def test_array_dataset_refuses(arrays, text):
    with pytest.raises(ValueError, match=text):
        ArrayDataset(*arrays)


def test_subset():
    part = Subset(numbers(10), [7, 2, 2])
    assert len(part) == 3 and [part[i][1] for i in range(3)] == [7, 2, 2]
    assert part.take(np.array([1, 0]))[1].tolist() == [2, 7]
    part = Subset(part, [2, 0])
    assert part.take(slice(0, 2))[1].tolist() == [2, 7]
    assert Subset(Squares(5), [3, 1]).take(slice(0, 2))["x"].tolist() == [[3, 3], [1, 1]]
    for bad in ([10], [-1]):
        with pytest.raises(IndexError, match=r"\[0, 10\)"):
            Subset(numbers(10), bad)


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [([7, 3], [7, 3]), ([0.5, 0.3, 0.2], [5, 3, 2]), ([1 / 3] * 3, [4, 3, 3]), ([10, 0], [10, 0])],
)
def test_random_split(lengths, sizes):
    parts = random_split(numbers(10), lengths, Generator(1))
    assert [len(p) for p in parts] == sizes
    labels = [int(p[i][1]) for p in parts for i in range(len(p))]
    assert labels == Generator(1).permutation(10).tolist()


@pytest.mark.parametrize("lengths", [[7, 4], [5], [11, -1], [0.5, 0.6], [1.5, -0.5]])
def test_random_split_refuses(lengths):
    state = random.get_state()
    with pytest.raises(ValueError, match="add up"):
        random_split(numbers(10), lengths)
    assert random.get_state() == state


# ------------------------------------------------------------------------------------------------- the loader


def test_batches_are_tensors_on_the_engine(engine):
    loader = DataLoader(numbers(10), batch_size=4)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    for images, labels in batches:
        assert isinstance(images, Tensor) and images.device == labels.device == engine
        assert images.dtype == dtypes.float32 and labels.dtype == dtypes.int64
    assert [b[0].shape for b in batches] == [(4, 2), (4, 2), (2, 2)]
    assert np.array_equal(np.concatenate([to_numpy(x) for x, _ in batches]), numbers(10).arrays[0])
    assert seen(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize(("n", "count"), [(0, 0), (1, 0), (4, 1), (9, 2)])
def test_drop_last(n, count):
    loader = DataLoader(numbers(n), batch_size=4, drop_last=True)
    assert len(loader) == len(list(loader)) == count
    assert all(len(b) == 4 for b in seen(loader))


def test_device_argument():
    loader = DataLoader(numbers(3), device=find("strict:device1"))
    assert {str(x.device) for batch in loader for x in batch} == {"strict:device1"}
    loader = DataLoader(numbers(3), backend=find("strict").backend)
    assert {x.device.backend.name for batch in loader for x in batch} == {"strict"}


def test_device_is_chosen_when_iteration_begins():
    loader = DataLoader(numbers(3))
    with use_backend(find("strict:device1")):
        batches = iter(loader)
    assert {str(x.device) for batch in batches for x in batch} == {"strict:device1"}


def test_shuffle_by_seed_depends_on_seed_and_epoch_alone():
    loader = DataLoader(numbers(50), batch_size=8, shuffle=True, seed=3)
    epochs = [flat(seen(loader)) for _ in range(3)]
    assert epochs == [philox.permutation(3, e, 50).tolist() for e in range(3)]
    assert len({tuple(e) for e in epochs}) == 3
    resumed = DataLoader(numbers(50), batch_size=8, shuffle=True, seed=3)
    resumed.epoch = 2
    assert flat(seen(resumed)) == epochs[2]
    assert flat(seen(DataLoader(numbers(50), 8, True, seed=4))) not in epochs


def test_shuffled_images_keep_their_labels():
    for images, labels in DataLoader(numbers(50), batch_size=8, shuffle=True, seed=3):
        assert np.array_equal(to_numpy(images)[:, 0], 2 * to_numpy(labels))


def test_shuffle_by_generator():
    loader = DataLoader(numbers(20), batch_size=20, shuffle=True, generator=Generator(8))
    twin = Generator(8)
    assert [seen(loader)[0], seen(loader)[0]] == [
        twin.permutation(20).tolist(),
        twin.permutation(20).tolist(),
    ]
    with random.fork(5):
        order = seen(DataLoader(numbers(20), batch_size=20, shuffle=True))[0]
    assert order == philox.permutation(5, 0, 20).tolist()


def test_iterators_of_one_loader_do_not_disturb_each_other():
    loader = DataLoader(numbers(12), batch_size=3, shuffle=True, seed=1)
    a, b = iter(loader), iter(loader)
    interleaved = [(to_numpy(x[1]).tolist(), to_numpy(y[1]).tolist()) for x, y in zip(a, b, strict=True)]
    assert flat([x for x, _ in interleaved]) == philox.permutation(1, 0, 12).tolist()
    assert flat([y for _, y in interleaved]) == philox.permutation(1, 1, 12).tolist()


@pytest.mark.parametrize("shuffle", [False, True])
def test_examples_of_a_general_dataset_are_collated(engine, shuffle):
    order = philox.permutation(2, 0, 5).tolist() if shuffle else list(range(5))
    batches = list(DataLoader(Squares(5), batch_size=3, shuffle=shuffle, seed=2))
    assert [b["name"] for b in batches] == [[str(i) for i in order[:3]], [str(i) for i in order[3:]]]
    first = batches[0]
    assert first["x"].device == engine and first["x"].dtype == dtypes.float32
    assert to_numpy(first["x"]).tolist() == [[i, i] for i in order[:3]]
    squares, halves = first["y"]
    assert squares.dtype == dtypes.int64 and to_numpy(squares).tolist() == [i * i for i in order[:3]]
    assert halves.dtype == dtypes.default_float() and to_numpy(halves).tolist() == [i / 2 for i in order[:3]]


def test_subset_is_loaded_like_its_dataset():
    whole = numbers(10)
    assert seen(DataLoader(Subset(whole, [9, 1, 5]), batch_size=2)) == [[9, 1], [5]]


def test_tensor_examples_are_collated(engine):
    data = [(from_host(np.full(2, float(i)), engine), i) for i in range(4)]
    batch = next(iter(DataLoader(data, batch_size=4)))  # type: ignore[arg-type]
    assert to_numpy(batch[0]).tolist() == [[i, i] for i in range(4)]


def test_collate_fn():
    loader = DataLoader(numbers(4), batch_size=2, collate_fn=lambda examples: np.stack([x for x, _ in examples]))
    assert [to_numpy(b).tolist() for b in loader] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def test_examples_that_do_not_fit_together():
    data = [np.zeros(2), np.zeros(3)]
    with pytest.raises(ValueError, match=r"number 0 has \(2,\), number 1 has \(3,\)"):
        next(iter(DataLoader(data, batch_size=2)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="same keys"):
        next(iter(DataLoader([{"a": 1}, {"b": 1}], batch_size=2)))  # type: ignore[arg-type]


def test_loader_refuses():
    for size in (0, -1):
        with pytest.raises(ValueError, match="batch_size must be at least 1"):
            DataLoader(numbers(3), batch_size=size)
    with pytest.raises(TypeError):
        DataLoader(numbers(3), batch_size=2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not both"):
        DataLoader(numbers(3), seed=1, generator=Generator(1))
    with pytest.raises(TypeError, match="ArrayDataset"):
        DataLoader(iter([1, 2]))  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------- the digits


def test_digits():
    split = load_digits()
    assert split.train_images.shape == (1438, 1, 8, 8) and split.test_images.shape == (359, 1, 8, 8)
    assert len(split.train) == 1438 and len(split.test) == 359
    for images, labels in (split[:2], split[2:]):
        assert images.dtype == np.float32 and labels.dtype == np.int64
        assert images.min() == 0 and images.max() == 1
        assert set(np.unique(images * 16)) <= set(range(17))
        assert set(labels.tolist()) == set(range(10))
    assert np.bincount(np.concatenate([split.train_labels, split.test_labels])).tolist() == [
        *(178, 182, 177, 183, 181, 182, 181, 179, 174, 180)  # the class counts that scikit-learn documents
    ]


def test_digits_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.datasets")
    source = sklearn.load_digits()
    order = philox.permutation(0, 0, 1797)
    split = load_digits()
    images = np.concatenate([split.test_images, split.train_images])[:, 0] * 16
    assert np.array_equal(images, source.images[order])
    assert np.array_equal(np.concatenate([split.test_labels, split.train_labels]), source.target[order])


def test_packed_file_is_what_the_tool_makes(tmp_path, monkeypatch):
    pytest.importorskip("sklearn.datasets")
    path = Path(__file__).parents[1] / "tools/make_digits.py"
    spec = importlib.util.spec_from_file_location("make_digits", path)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert digits.FILE.samefile(tool.TARGET)
    assert digits.FILE.stat().st_size < 60_000
    monkeypatch.setattr(tool, "TARGET", tmp_path / "digits.npz")
    tool.main()
    with np.load(tool.TARGET) as made, np.load(digits.FILE) as packed:
        assert made.files == packed.files
        assert all(np.array_equal(made[k], packed[k]) and made[k].dtype == packed[k].dtype for k in made.files)


@pytest.mark.parametrize("damage", ["missing", "cut", "garbage", "empty", "other"])
def test_damaged_digits(tmp_path, monkeypatch, damage):
    file, data = tmp_path / "digits.npz", digits.FILE.read_bytes()
    if damage == "other":
        np.savez(file, images=np.zeros((2, 8, 8), np.uint8), labels=np.zeros(2, np.uint8))
    elif damage != "missing":
        middle = len(data) // 2
        file.write_bytes(
            {"cut": data[:middle], "garbage": data[:middle] + b"x" * 99 + data[middle:], "empty": b""}[damage]
        )
    monkeypatch.setattr(digits, "FILE", file)
    with pytest.raises(DataError, match=r"digits\.npz.*reinstall"):
        load_digits()


# -------------------------------------------------------------------------------------------------- idx files


def idx_bytes(array: np.ndarray) -> bytes:
    code = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}
    head = bytes([0, 0, code[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_set(folder: Path, train: int = 5, test: int = 3, size: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (train, size, size), np.uint8),
        "train-labels-idx1-ubyte": rng.integers(0, 10, train, np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (test, size, size), np.uint8),
        "t10k-labels-idx1-ubyte": rng.integers(0, 10, test, np.uint8),
    }
    for name, array in arrays.items():
        (folder / name).write_bytes(idx_bytes(array))
    return arrays


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_read_idx(tmp_path, rng, name, shape, suffix):
    array = np.asarray(rng.integers(0, 100, shape)).astype(name)
    data = idx_bytes(array)
    file = tmp_path / f"a{suffix}"
    file.write_bytes(gzip.compress(data) if suffix else data)
    result = read_idx(file)
    assert result.dtype == array.dtype and result.dtype.isnative and result.shape == shape
    assert np.array_equal(result, array)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "begins with nothing"),
        (b"\0\0\x08", "not an idx file"),
        (b"\0\1\x08\1\0\0\0\1a", "not an idx file"),
        (b"\0\0\x0a\1\0\0\0\1a", "not an idx file"),
        (b"\x1f\x8b\x08\0\0\0\0", "not an idx file: it begins with 1f 8b 08 00"),
        (b"\0\0\x08\2\0\0\0\1", "within its header"),
        (b"\0\0\x08\1\0\0\0\3ab", r"cut short: shape \(3,\) takes 3 bytes of uint8, the file has 2"),
        (b"\0\0\x08\1\0\0\0\3abcd", "too long"),
        (b"\0\0\x0e\3" + b"\xff" * 12 + b"ab", "cut short"),  # 2**99 bytes
        (b"\0\0\x08\x50" + b"\0\0\0\1" * 80 + b"a", "80 axes"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged_idx(tmp_path, data, text, suffix):
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(gzip.compress(data) if suffix else data)
    with pytest.raises(DataError, match=f"damaged.*{text}"):
        read_idx(file)


def test_damaged_compression(tmp_path, rng):
    whole = gzip.compress(idx_bytes(rng.integers(0, 256, (50, 20), np.uint8)))
    file = tmp_path / "a.gz"
    for cut in range(0, len(whole), 97):
        file.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"a\.gz"):
            read_idx(file)
    for at in range(0, len(whole), 53):  # any changed byte but the header's time stamp and the like
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        file.write_bytes(damaged)
        try:
            read_idx(file)
        except DataError:
            continue
        assert 4 <= at < 10
    with pytest.raises(DataError, match="no such file"):
        read_idx(tmp_path / "none")
    with pytest.raises(DataError, match="can't be read"):
        read_idx(tmp_path)


@pytest.mark.parametrize("compress", [False, True])
def test_load_fashion_mnist(tmp_path, compress):
    arrays = list(write_set(tmp_path).values())
    if compress:
        for file in list(tmp_path.iterdir())[:2]:  # some with, some without
            file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    split = load_fashion_mnist(str(tmp_path))
    for images, pixels in ((split.train_images, arrays[0]), (split.test_images, arrays[2])):
        assert images.dtype == np.float32 and images.shape == (len(pixels), 1, 4, 4)
        assert np.array_equal(np.rint(images[:, 0] * 255), pixels) and images.max() <= 1
    for labels, expected in ((split.train_labels, arrays[1]), (split.test_labels, arrays[3])):
        assert labels.dtype == np.int64 and np.array_equal(labels, expected)


def test_missing_fashion_mnist(tmp_path):
    with pytest.raises(DataError, match=r"no such folder.*dataset-fashion-mnist"):
        load_fashion_mnist(tmp_path / "none")
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match="missing train-labels-idx1-ubyte, t10k-images-idx3-ubyte") as caught:
        load_fashion_mnist(tmp_path)
    assert "/usr/share/datasets/fashion-mnist" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        (
            "train-labels-idx1-ubyte",
            np.zeros(4, np.uint8),
            "holds 5 images, train-labels-idx1-ubyte 4 labels",
        ),
        ("t10k-labels-idx1-ubyte", np.zeros((3, 1), np.uint8), r"shape \(3, 1\), expected uint8 \(n,\)"),
        ("t10k-labels-idx1-ubyte", np.zeros(3, np.int32), "holds int32"),
        ("t10k-labels-idx1-ubyte", np.full(3, 10, np.uint8), "the label 10"),
        ("train-images-idx3-ubyte", np.zeros((5, 16), np.uint8), r"shape \(5, 16\)"),
        (
            "train-images-idx3-ubyte",
            np.zeros((5, 3, 3), np.uint8),
            r"images are \(3, 3\), test images \(4, 4\)",
        ),
        ("train-images-idx3-ubyte", np.zeros((5, 4, 4), np.float32), "holds float32"),
    ],
)
def test_files_that_do_not_fit(tmp_path, name, array, text):
    write_set(tmp_path)
    (tmp_path / name).write_bytes(idx_bytes(array))
    with pytest.raises(DataError, match=text):
        load_fashion_mnist(tmp_path)


def test_both_parts_problems_are_listed(tmp_path):
    write_set(tmp_path)
    for name in ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(idx_bytes(np.zeros(1, np.uint8)))
    with pytest.raises(DataError, match=r"train-images.*5 images.*t10k-images.*3 images"):
        load_fashion_mnist(tmp_path)
