"""Checkpoints in the safetensors format (https://github.com/huggingface/safetensors, its section "Format").

    8 bytes   N, little-endian
    N bytes   JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
              "__metadata__": {"text": "text"}}
    rest      the data, little-endian, C order, without gaps; offsets count from its beginning

Reading maps the file instead of copying it, which the package's own NumPy loader does not; and it trusts
nothing in the file.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import DataError
from ..tensor import to_numpy
from .files import atomic_write

DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
LARGEST_HEADER = 100_000_000  # bytes; the reference implementation's own limit

_CODES = {name: code for code, name in DTYPES.items()}
_STORED = {code: np.dtype("<u2" if code == "BF16" else name).newbyteorder("<") for code, name in DTYPES.items()}


def save_file(
    tensors: Mapping[str, Any], path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays to a safetensors file, whole or not at all.

    Args:
        tensors: Tensors or arrays by name. An array under two names is written under both.
        path: the file to write; its folder must exist.
        metadata: texts by name to keep in the file.

    Raises:
        DataError: a name, value or metadata entry can't be written (all are listed), or the file can't be.
    """
    arrays: dict[str, np.ndarray] = {}
    problems = []
    for name, value in tensors.items():
        try:
            arrays[_name(name)] = _host(value)
        except (TypeError, ValueError) as error:
            problems.append(f"{name!r}: {error}")
    for key, entry in (metadata or {}).items():
        if not (_is_text(key) and _is_text(entry)):
            problems.append(f"metadata {key!r}: {entry!r}; names and values must be str, without lone surrogates")
    _raise_if(problems, f"can't write {path}")

    # The widest elements first, so that every array begins at a multiple of its item size.
    order = sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize)
    ends = np.cumsum([arrays[name].nbytes for name in order], dtype=np.int64).tolist()
    offsets = dict(zip(order, zip([0, *ends], ends, strict=False), strict=True))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    for name, array in arrays.items():
        code = _CODES[array.dtype.name]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": list(offsets[name])}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise DataError(f"can't write {path}: its header takes {len(text)} bytes, over {LARGEST_HEADER}")
    try:
        with atomic_write(path) as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            for name in order:
                file.write(_bytes(arrays[name]))
    except OSError as error:
        raise DataError(f"can't write {path}: {error.strerror or error}") from error


def load_file(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read a safetensors file as host arrays.

    The arrays are read-only views of the mapped file: what is not used is not read, and loading costs no
    memory until it is. Copy one to change it. Two exceptions are copies in memory: bfloat16 (BF16), which
    NumPy lacks, is widened to float32, which holds every value exactly; and an array that begins at an odd
    place for its dtype.

    Returns:
        Arrays by name, in the header's order.

    Raises:
        DataError: the file is missing, is no safetensors file, is cut short or damaged, or holds a dtype that
            NumPy lacks (the 8-bit floats and smaller). Every fault found in the header is listed.
    """
    data, entries, _ = _open(path)
    arrays, problems = {}, []
    for name, (code, shape, begin, _) in entries.items():
        try:
            arrays[name] = _view(data, code, shape, begin)
        except ValueError as error:
            problems.append(f"{name!r}: {error}")
    _raise_if(problems, f"{path}: damaged safetensors file")
    return arrays


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts kept in a safetensors file; empty if there are none. Raises DataError as `load_file` does."""
    return _open(path)[2]


# ---------------------------------------------------------------------------------------------------- writing


def _name(name: Any) -> str:
    if not _is_text(name):
        raise TypeError("a name must be a str, without lone surrogates")
    if name == "__metadata__":
        raise ValueError("this name is the format's own")
    return name


def _is_text(x: Any) -> bool:
    """True for a str that UTF-8 can hold."""
    return isinstance(x, str) and not any("\ud800" <= c <= "\udfff" for c in x)


def _host(value: Any) -> np.ndarray:
    """The values in host memory, little-endian and in C order."""
    if isinstance(value, np.ndarray):
        array = value
    elif isinstance(value, bool | int | float | complex | list | tuple | np.generic):
        array = np.asarray(value)
    else:
        array = to_numpy(value)
    if array.dtype.name not in _CODES:
        raise TypeError(f"the format has no dtype {array.dtype}; it has {', '.join(_CODES)}")
    ours = array.dtype if array.dtype.isbuiltin == 2 else array.dtype.newbyteorder("<")  # 2: not NumPy's own dtype
    return np.asarray(array, dtype=ours, order="C")


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


# ---------------------------------------------------------------------------------------------------- reading

Entry = tuple[str, tuple[int, ...], int, int]  # dtype code, shape, begin, end


def _open(path: str | os.PathLike[str]) -> tuple[np.ndarray, dict[str, Entry], dict[str, str]]:
    """Map a file and check its header: (the data's bytes, entries by name, metadata)."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(8)
            if len(start) < 8:
                raise DataError(f"{path}: not a safetensors file: it has {size} bytes, not even 8")
            length = int.from_bytes(start, "little")
            if length > min(size - 8, LARGEST_HEADER):
                raise DataError(f"{path}: {_not_safetensors(start, length, size)}")
            text = file.read(length)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    data = np.frombuffer(mapped, np.uint8)[8 + length :]
    entries, metadata = _checked_header(path, text, data.size)
    return data, entries, metadata


def _not_safetensors(start: bytes, length: int, size: int) -> str:
    if start.startswith((b"PK\x03\x04", b"\x80\x02")):
        return "a PyTorch checkpoint, not a safetensors file; save it again with safetensors.torch.save_file"
    limit = f"at most {LARGEST_HEADER} are allowed" if length > LARGEST_HEADER else f"the file has {size}"
    return f"not a safetensors file, or cut short: its header should take {length} bytes, but {limit}"


def _checked_header(path: Any, text: bytes, size: int) -> tuple[dict[str, Entry], dict[str, str]]:
    """Take the header apart. `size`: the number of bytes of data that follow it."""
    try:
        if not text.startswith(b"{"):
            raise ValueError("it does not begin with '{'")
        header = json.loads(text.decode(), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: damaged safetensors file: the header is no valid JSON: {error}") from None
    problems: list[str] = []
    metadata = header.pop("__metadata__", {})
    if not (isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values())):
        problems.append("'__metadata__' must map texts to texts")
    entries = {}
    for name, fields in header.items():
        try:
            entries[name] = _checked_entry(fields)
        except ValueError as error:
            problems.append(f"{name!r}: {error}")
    if not problems:  # offsets can only be compared if all of them are known
        problems = _offset_problems(entries, size)
    _raise_if(problems, f"{path}: damaged safetensors file")
    return entries, metadata


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"{twice!r} occurs twice")
    return found


def _checked_entry(fields: Any) -> Entry:
    if not isinstance(fields, dict) or not {"dtype", "shape", "data_offsets"} <= fields.keys():
        raise ValueError("expected the fields dtype, shape and data_offsets")
    code, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise ValueError(f"dtype {_short(code)} is not one of {', '.join(DTYPES)}")
    if not _sizes(shape):
        raise ValueError(f"shape {_short(shape)} is not a list of non-negative integers")
    if not _sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"data_offsets {_short(offsets)} are not [begin, end]")
    needed = math.prod(shape) * _STORED[code].itemsize
    if offsets[1] - offsets[0] != needed:
        raise ValueError(f"{code} of shape {_short(shape)} takes {needed} bytes, not {_short(offsets)}")
    return code, tuple(shape), offsets[0], offsets[1]


def _sizes(x: Any) -> bool:
    return isinstance(x, list) and len(x) <= 64 and all(type(n) is int and 0 <= n < 1 << 63 for n in x)


def _offset_problems(entries: dict[str, Entry], size: int) -> list[str]:
    """What is wrong unless the arrays follow each other from byte 0 to byte `size`."""
    at = 0
    for name, (_, _, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin != at:
            what = "overlaps what comes before" if begin < at else "leaves a gap before it"
            return [f"{name!r}: its data, bytes {begin} to {end}, {what} (expected to begin at {at})"]
        if end > size:
            return [f"{name!r}: its data ends at byte {end}, but the file holds {size}: it was cut short"]
        at = end
    return [f"{size - at} bytes of the file belong to no array"] if at != size else []


def _view(data: np.ndarray, code: str, shape: tuple[int, ...], begin: int) -> np.ndarray:
    """The array at `begin` of the data. ValueError if NumPy can't have its shape, or a bool is not 0 or 1."""
    dtype = _STORED[code]
    array = np.empty(shape, dtype) if 0 in shape else np.ndarray(shape, dtype, data, begin)
    if code == "BOOL" and array.size and array.view(np.uint8).max() > 1:
        raise ValueError("a BOOL is neither 0 nor 1")
    if code == "BF16":  # the upper half of a float32
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return array if array.flags.aligned else array.copy()


def _short(x: Any) -> str:
    text = repr(x)
    return text if len(text) <= 80 else text[:80] + "..."


def _raise_if(problems: list[str], what: str) -> None:
    if problems:
        shown = problems[:10] + ([f"and {len(problems) - 10} more"] if len(problems) > 10 else [])
        raise DataError(f"{what}: " + "; ".join(shown))
