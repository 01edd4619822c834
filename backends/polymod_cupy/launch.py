"""CUDA kernels of this plugin: where their sources lie, how they are compiled and launched.

A source is a file in `cuda/`, templates over the arrays' element types. A kernel is compiled when it is first launched
for a combination of types, by CuPy, which keeps it on the disk (CUPY_CACHE_DIR).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import cupy

from polymod.backend import load_backend, portable

SOURCES = Path(__file__).parent / "cuda"
OPTIONS = ("-std=c++17",)
GRID = 2**31 - 1  # blocks along x; loops in the kernels take what is beyond

TYPES = {"float16": "__half", "bfloat16": "__nv_bfloat16", "float32": "float", "float64": "double"}
"""How CUDA calls the element types that the kernels are made for."""

CTYPES = TYPES | {
    "bool": "bool",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long long",
    **{f"uint{n}": f"unsigned {name}" for n, name in ((8, "char"), (16, "short"), (32, "int"), (64, "long long"))},
}
"""And all that are no complex numbers, for kernels that serve them too."""

WIDE = {"float16": "float32", "bfloat16": "float32", "float32": "float32", "float64": "float64"}
"""What sums are kept in: `wide<T>` of `cuda/common.cuh`."""

WIDER = """
template <typename T> struct wider { typedef float type; };
template <> struct wider<double> { typedef double type; };
"""
"""The preamble of elementwise kernels: `wider<T>::type` is double where T is double and float elsewhere."""


@cache
def source(file: str) -> str:
    """The text of `cuda/<file>.cu` with what all share in front, and the other files of `cuda/` that it includes."""
    text = (SOURCES / f"{file}.cu").read_text()
    text = re.sub(r'#include "(\w+\.cuh)"\n', lambda found: (SOURCES / found[1]).read_text(), text)
    return (SOURCES / "common.cuh").read_text() + text


@cupy.memoize(for_each_device=True)
def kernel(file: str, name: str, *arguments: str) -> cupy.RawKernel:
    """The kernel `name<arguments>` of `cuda/<file>.cu`, compiled for the current device."""
    expression = f"{name}<{', '.join(arguments)}>" if arguments else name
    return cupy.RawModule(code=source(file), options=OPTIONS, name_expressions=(expression,)).get_function(expression)


def of_one_type(*arrays: Any) -> bool:
    """Whether these are arrays of one floating dtype, which the kernels are made for. None is no array."""
    given = [a for a in arrays if a is not None]
    return (
        all(isinstance(a, cupy.ndarray) and a.dtype == given[0].dtype for a in given) and given[0].dtype.name in TYPES
    )


def served(*arrays: Any) -> bool:
    """Whether, besides, none is empty: there is something to launch a kernel for."""
    return of_one_type(*arrays) and all(a is None or a.size for a in arrays)


def threads_for(length: int, most: int = 512) -> int:
    """Threads of a block that walks a row of `length` elements: a multiple of 32."""
    return min(most, max(32, -(-length // 32) * 32))


def launch(function: cupy.RawKernel, blocks: int, threads: int, *arguments: Any, shared: int = 0) -> None:
    """Queue `function` on CuPy's current stream; the caller has made the arrays' device the current one."""
    function((min(blocks, GRID),), (threads,), arguments, shared_mem=shared)


def or_null(x: cupy.ndarray | None) -> Any:
    """`x` as a kernel's argument, where None is a null pointer."""
    return 0 if x is None else x


def textbook(name: str, *arrays: Any, **attrs: Any) -> Any:
    """The portable definition `name`, for what the kernels are not made for."""
    return portable[name](load_backend("cupy").namespace, *arrays, **attrs)
