"""Atomic writes, and safetensors files against the reference package and against damage."""

from __future__ import annotations

import json
import os
import resource
import stat
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy as reference
from places import find

from polymod.errors import DataError
from polymod.io import atomic_write, load_file, load_metadata, save_file
from polymod.io import safetensors as format_
from polymod.tensor import from_host, to_numpy

REFS = Path(__file__).parents[2] / "shared" / "refs"
NUMPY_DTYPES = [name for name in format_.DTYPES.values() if name != "bfloat16"]


def raw_file(path: Path, header: object, data: bytes = b"") -> Path:
    """A file with a header of our own making: a dict, or text as it is."""
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def example_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {name: (rng.normal(size=(3, 5)) * 50).astype(name) for name in NUMPY_DTYPES if name[0] != "u"}
    arrays |= {name: rng.integers(0, 200, (2, 3)).astype(name) for name in NUMPY_DTYPES if name[0] == "u"}
    arrays |= {
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 4), np.float32),
        "odd bytes": np.arange(3, dtype=np.uint8),
        "Größe/重み": np.arange(4, dtype=np.int16),
        "transposed": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "strided": np.arange(20)[::-3],
        "repeated": np.broadcast_to(np.float32(7), (2, 3)),
    }
    return arrays


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape, name
        assert np.array_equal(found[name], array), name


# ----------------------------------------------------------------------------------------------- atomic_write


@pytest.mark.parametrize(("mode", "data"), [("wb", b"new\r\n"), ("w", "neu ü\n")])
def test_atomic_write(tmp_path, mode, data):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with atomic_write(file, mode) as f:
        f.write(data)
        assert file.read_text() == "old"
    assert file.read_bytes() == (data if mode == "wb" else data.encode())
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failed_write_leaves_nothing_behind(tmp_path, existing, error):
    file = tmp_path / "a.bin"
    if existing:
        file.write_bytes(b"old")
    with pytest.raises(error), atomic_write(file) as f:
        f.write(b"half")
        f.flush()
        raise error
    assert os.listdir(tmp_path) == (["a.bin"] if existing else [])
    assert not existing or file.read_bytes() == b"old"


def test_failed_rename_or_sync_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with (
                pytest.raises(DataError, match="No space left"),
                atomic_write(tmp_path / "a") as f,
            ):
                f.write(b"x")
        assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk(tmp_path, monkeypatch):
    real_open = open

    def full(path, *args, **kwargs):  # every write goes to a device that is always full
        real_open(path, "xb").close()
        return real_open("/dev/full", "wb")

    monkeypatch.setattr("polymod.io.files.open", full, raising=False)
    with pytest.raises(DataError, match="No space left"):
        save_file({"a": np.zeros(1 << 16)}, tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_write_follows_links_and_umask(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real" / "file")
    before = os.umask(0o027)
    try:
        with atomic_write(link) as f:
            f.write(b"x")
    finally:
        os.umask(before)
    assert link.is_symlink() and (tmp_path / "real" / "file").read_bytes() == b"x"
    assert stat.S_IMODE((tmp_path / "real" / "file").stat().st_mode) == 0o640


def test_write_to_impossible_places(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    for path, text in (
        (tmp_path / "none" / "a", "no folder"),
        (tmp_path, "it is a folder"),
        (tmp_path / "file" / "a", "can't write"),
    ):
        with pytest.raises(DataError, match=text), atomic_write(path):
            pass
    with pytest.raises(ValueError, match="'wb' or 'w'"), atomic_write(tmp_path / "a", "ab"):
        pass
    long = "n" * 250  # the temporary name must not be longer than the system allows
    with atomic_write(tmp_path / long) as f:
        f.write(b"x")
    assert sorted(os.listdir(tmp_path)) == ["file", long]


# ------------------------------------------------------------------------------------------- reading, writing


def test_round_trip(tmp_path):
    arrays, file = example_arrays(), tmp_path / "a.safetensors"
    save_file(arrays, file, metadata={"epoch": "3", "name": "ü"})
    found = load_file(file)
    assert_same(found, arrays)
    assert list(found) == list(arrays)  # in order
    assert not any(a.flags.owndata for a in found.values() if a.size)  # each lies aligned in the file
    assert load_metadata(file) == {"epoch": "3", "name": "ü"}
    save_file(arrays, file)
    assert load_metadata(file) == {}


def test_the_reference_reads_ours(tmp_path):
    arrays, file = example_arrays(), tmp_path / "a.safetensors"
    complex_ = arrays.pop("complex64")
    save_file(arrays, file, metadata={"a": "b"})
    assert_same(reference.load_file(file), arrays)
    with safetensors.safe_open(file, "np") as opened:
        assert opened.metadata() == {"a": "b"}
    save_file({"z": complex_}, file)
    [(name, fields)] = safetensors.deserialize(file.read_bytes())
    assert (name, fields["dtype"], fields["shape"]) == ("z", "C64", [3, 5])
    assert bytes(fields["data"]) == complex_.tobytes()


def test_we_read_the_reference(tmp_path):
    arrays, file = example_arrays(), tmp_path / "a.safetensors"
    del arrays["complex64"]
    contiguous = {name: np.asarray(a, order="C") for name, a in arrays.items()}
    reference.save_file(contiguous, file, metadata={"a": "b"})
    assert_same(load_file(file), arrays)
    assert load_metadata(file) == {"a": "b"}
    reference.save_file({}, file)
    assert load_file(file) == {} and load_metadata(file) == {}


@pytest.mark.skipif(not REFS.is_dir(), reason="no folder ../shared/refs")
@pytest.mark.parametrize("file", sorted(REFS.glob("*/*.safetensors")), ids=lambda p: p.stem)
def test_pretrained_models(file, tmp_path):
    expected = reference.load_file(file)
    assert len(expected) > 10
    found = load_file(file)
    assert_same(found, expected)
    save_file(found, tmp_path / "again.safetensors", load_metadata(file))
    assert_same(reference.load_file(tmp_path / "again.safetensors"), expected)
    assert load_metadata(tmp_path / "again.safetensors") == load_metadata(file)


def test_tensors_of_any_engine_are_saved(tmp_path, engine):
    host = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = from_host(host, engine)
    elsewhere = from_host(host + 1, find("strict:device1"))
    file = tmp_path / "a.safetensors"
    save_file({"t": tensor, "raw": tensor.array, "s": elsewhere.requires_grad_(), "n": 3, "l": [1.5]}, file)
    expected = {"t": host, "raw": host, "s": host + 1, "n": np.array(3), "l": np.array([1.5])}
    assert_same(load_file(file), expected)


def test_arrays_are_views_of_the_file(tmp_path):
    file = tmp_path / "big.safetensors"
    save_file({"a": np.ones(1 << 24, np.float32), "b": np.arange(3)}, file)  # 64 MiB
    before = resident()
    found = load_file(file)
    assert resident() - before < 8 << 20
    assert not found["a"].flags.owndata and not found["a"].flags.writeable and found["a"].flags.aligned
    assert found["a"][-1] == 1
    with pytest.raises(ValueError, match="read-only"):
        found["b"][0] = 1
    save_file({"b": found["b"] + 1, "a": found["a"][:2]}, file)  # over the file that is mapped
    assert found["b"].tolist() == [0, 1, 2] and found["a"][-1] == 1
    assert load_file(file)["b"].tolist() == [1, 2, 3]


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_tied_arrays_are_written_under_each_name(tmp_path):
    shared, file = np.arange(4.0), tmp_path / "a.safetensors"
    save_file({"wte": shared, "head": shared, "part": shared[1:]}, file)
    assert_same(reference.load_file(file), {"wte": shared, "head": shared, "part": shared[1:]})


def test_byte_order_of_the_array_does_not_matter(tmp_path):
    file = tmp_path / "a.safetensors"
    save_file({"a": np.arange(5, dtype=">i4")}, file)
    assert_same(load_file(file), {"a": np.arange(5, dtype=np.int32)})


def test_bfloat16_is_widened(tmp_path):
    values = np.array([1.0, -2.5, 3.0e38, 1e-40, np.inf, 0.0], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    raw_file(tmp_path / "a", {"w": entry("BF16", (2, 3), (0, 12))}, upper.tobytes())
    found = load_file(tmp_path / "a")["w"]
    assert found.dtype == np.float32 and found.shape == (2, 3)
    assert np.array_equal(found.ravel().view(np.uint32), upper.astype(np.uint32) << 16)
    assert found.ravel()[:2].tolist() == [1.0, -2.5]


def test_bfloat16_is_written(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    file = tmp_path / "a.safetensors"
    save_file({"w": np.array([[1.5], [-2.0]], ml_dtypes.bfloat16)}, file)
    [(_, fields)] = safetensors.deserialize(file.read_bytes())
    assert fields["dtype"] == "BF16"
    assert load_file(file)["w"].tolist() == [[1.5], [-2.0]]


def test_misaligned_arrays_are_copied(tmp_path):
    for padding in range(8):
        text = json.dumps({"b": entry("U8", (3,), (0, 3)), "f": entry("F64", (2,), (3, 19))}) + " " * padding
        found = load_file(raw_file(tmp_path / "a", text, b"abc" + np.array([1.5, 2.5]).tobytes()))
        assert found["f"].tolist() == [1.5, 2.5] and found["f"].flags.aligned


# ----------------------------------------------------------------------------------------------------- errors


def test_what_cannot_be_saved(tmp_path):
    bad = {
        "object": np.array([None]),
        "text": np.array(["a"]),
        "c128": np.zeros(2, complex),
        "fine": np.zeros(2),
        "__metadata__": np.zeros(1),
        3: np.zeros(1),
        "\ud800": np.zeros(1),
        "dict": {"a": 1},
    }
    with pytest.raises(DataError) as caught:
        save_file(bad, tmp_path / "a", metadata={"k": 3})  # type: ignore[dict-item]
    for name in ("'object'", "'text'", "'c128'", "'__metadata__'", "3:", "ud800", "'dict'", "metadata 'k'"):
        assert name in str(caught.value), name
    assert "fine" not in str(caught.value)
    assert os.listdir(tmp_path) == []
    with pytest.raises(DataError, match="no folder"):
        save_file({"a": np.zeros(1)}, tmp_path / "none" / "a")


@pytest.mark.parametrize(
    ("header", "data", "text"),
    [
        ("", b"", "does not begin with"),
        ("[]", b"", "does not begin with"),
        (" {}", b"", "does not begin with"),
        ("{", b"", "no valid JSON"),
        ("{}}", b"", "no valid JSON"),
        ('{"a": 1, "a": 2}', b"", "'a' occurs twice"),
        ('{"a": ' + "[" * 100_000, b"", "no valid JSON"),
        ('{"a": ' + "1" * 10_000 + "}", b"", "no valid JSON"),
        ({"a": 3}, b"", "expected the fields"),
        ({"a": {"dtype": "F32", "shape": [1]}}, b"1234", "expected the fields"),
        ({"a": entry("F31")}, b"x" * 8, "dtype 'F31' is not one of BOOL"),
        ({"a": entry(["F32"])}, b"x" * 8, "dtype"),
        ({"a": entry("F8_E4M3", (8,))}, b"x" * 8, "dtype 'F8_E4M3' is not one of"),
        ({"a": entry(shape=[-2])}, b"x" * 8, "shape"),
        ({"a": entry(shape=[2.0])}, b"x" * 8, "shape"),
        ({"a": entry(shape=[True, 2])}, b"x" * 8, "shape"),
        ({"a": entry(shape=2)}, b"x" * 8, "shape"),
        ({"a": entry(shape=[1] * 65, offsets=(0, 4))}, b"x" * 4, "shape"),
        ({"a": entry(shape=[0, 2**64], offsets=(0, 0))}, b"", "shape"),
        ({"a": entry(shape=[0, 2**62, 2**62], offsets=(0, 0))}, b"", "'a'"),
        ({"a": entry(shape=[2**62, 2**62], offsets=(0, 8))}, b"x" * 8, "takes"),
        ({"a": entry(offsets=(0, 4))}, b"x" * 4, r"takes 8 bytes, not \[0, 4\]"),
        ({"a": entry(offsets=(8, 0))}, b"x" * 8, "data_offsets"),
        ({"a": entry(offsets=(-8, 0))}, b"x" * 8, "data_offsets"),
        ({"a": entry(offsets=(0, 8, 8))}, b"x" * 8, "data_offsets"),
        ({"a": entry(offsets=(2**62, 2**62 + 8))}, b"x" * 8, "gap"),
        ({"a": entry()}, b"x" * 7, "cut short"),
        ({"a": entry()}, b"x" * 9, "1 bytes of the file belong to no array"),
        ({"a": entry(), "b": entry(offsets=(4, 12))}, b"x" * 12, "'b': .*overlaps"),
        ({"a": entry(), "b": entry()}, b"x" * 8, "overlaps"),
        ({"a": entry(), "b": entry(offsets=(9, 17))}, b"x" * 17, "'b': .*gap"),
        ({"a": entry("BOOL", (3,), (0, 3))}, b"\0\1\2", "'a': a BOOL is neither"),
        ({"__metadata__": {"a": 1}}, b"", "__metadata__"),
        ({"__metadata__": []}, b"", "__metadata__"),
        ({"a": entry("F31"), "b": entry(shape=[3])}, b"x" * 16, "'a': dtype.*; 'b': F32"),
    ],
)
def test_damaged_headers(tmp_path, header, data, text):
    file = raw_file(tmp_path / "damaged.st", header, data)
    with pytest.raises(DataError, match=rf"damaged\.st: .*{text}"):
        load_file(file)


def test_files_of_another_kind(tmp_path):
    file = tmp_path / "a"
    for data, text in (
        (b"", "0 bytes"),
        (b"1234567", "7 bytes"),
        (b"PK\x03\x04" + b"\0" * 50, "PyTorch checkpoint"),
        (b"\x80\x02}q\x00" + b"\0" * 50, "PyTorch checkpoint"),
        (b"plain text, quite long", "not a safetensors file, or cut short"),
        ((200_000_000).to_bytes(8, "little") + b"{}", "at most 100000000"),
    ):
        file.write_bytes(data)
        with pytest.raises(DataError, match=text):
            load_file(file)
    with pytest.raises(DataError, match="no such file"):
        load_file(tmp_path / "none")
    with pytest.raises(DataError, match="can't be read"):
        load_metadata(tmp_path)
    raw_file(file, "{}")
    assert load_file(str(file)) == {}


def test_bad_utf8(tmp_path):
    (tmp_path / "a").write_bytes((5).to_bytes(8, "little") + b'{"\xff":')
    with pytest.raises(DataError, match="no valid JSON"):
        load_file(tmp_path / "a")


def test_many_problems_are_counted(tmp_path):
    file = raw_file(tmp_path / "a", {f"w{i}": entry("F31") for i in range(30)})
    with pytest.raises(DataError, match=r"'w9': .*and 20 more"):
        load_file(file)


def test_truncations_always_give_data_error(tmp_path):
    file = tmp_path / "a"
    save_file({"w": np.arange(6.0), "mask": np.array([True, False]), "n": np.arange(3)}, file, {"a": "b"})
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError):
            load_file(file)


def test_corruptions_never_crash(tmp_path):
    """Whatever bytes change, the result is DataError or arrays that lie wholly within the file."""
    arrays = {"w": np.arange(6.0), "mask": np.array([True, False]), "n": np.arange(3, dtype=np.int16)}
    file = tmp_path / "a"
    save_file(arrays, file, {"a": "b"})
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(1)
    refused = 0
    for trial in range(1500):
        damaged = bytearray(whole)
        for at in rng.integers(0, header if trial % 4 else len(whole), rng.integers(1, 4)):
            damaged[at] = rng.choice([rng.integers(256), ord("0"), ord("9"), ord("["), ord('"'), 0xFF])
        if trial % 7 == 0:
            at = int(rng.integers(len(whole)))
            damaged = damaged[:at] + damaged[at + int(rng.integers(1, 9)) :]
        file.write_bytes(damaged)
        try:
            found = load_file(file)
        except DataError as error:
            assert str(file) in str(error)
            refused += 1
        else:
            assert sum(a.nbytes for a in found.values()) <= len(damaged)
            assert all(isinstance(a.sum().item(), int | float | complex) for a in found.values())
    assert 400 < refused < 1500


def test_a_wild_length_is_not_allocated(tmp_path):
    """A header that promises terabytes must not be believed: memory is limited while it is read."""
    file = tmp_path / "a"
    cases = [{"a": entry("U8", (2**42,), (0, 2**42))}, {"a": entry("BF16", (2**41,), (0, 2**42))}]
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20), hard))
    try:
        for header in cases:
            with pytest.raises(DataError, match="cut short"):
                load_file(raw_file(file, header, b"x" * 100))
        file.write_bytes((99_000_000).to_bytes(8, "little") + b"{}")
        with pytest.raises(DataError, match="99000000 bytes"):
            load_file(file)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_loaded_arrays_become_tensors(tmp_path, engine):
    file = tmp_path / "a"
    save_file({"w": np.arange(6, dtype=np.float32)}, file)
    tensor = from_host(load_file(file)["w"], engine)
    assert np.array_equal(to_numpy(tensor), np.arange(6))
