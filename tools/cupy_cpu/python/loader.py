"""Loads libcpucuda.so, and stands in for `cuda.pathfinder`, which finds CUDA's libraries and headers."""

from __future__ import annotations

import ctypes
import glob
import os

import numpy

path = os.path.join(os.path.dirname(__file__), "libcpucuda.so")
library = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)  # CuPy's extension modules find CUDA's functions in it

_include = os.path.join(os.path.dirname(os.path.dirname(__file__)), "cupy", "_core", "include")
_packages = os.path.dirname(os.path.dirname(numpy.__file__))
_blas = glob.glob(os.path.join(_packages, "numpy.libs", "libscipy_openblas64_*"))
library.cpucuda_set_include_dir(_include.encode())
library.cpucuda_set_blas(_blas[0].encode() if _blas else b"")


class DynamicLibNotFoundError(RuntimeError):
    """Never raised: there is one library, and it is here."""


class _Loaded:
    _handle_uint = library._handle
    abs_path = path


def load_nvidia_dynamic_lib(name: str) -> type[_Loaded]:
    return _Loaded


def find_nvidia_header_directory(name: str) -> str:
    return os.path.join(_include, "cupy", "_cpu")


def find_nvidia_binary_utility(name: str) -> None:
    return None
