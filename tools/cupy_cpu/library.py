"""Compiles libcpucuda.so, the library that stands where CUDA would be."""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPILE = ["g++", "-std=c++17", "-O1", "-fPIC", "-Wall", "-Wextra", "-U_FORTIFY_SOURCE"]  # longjmp between stacks


def compile_library(cupy: Path, recipe: str, jobs: int) -> Path:
    """Compiles src/*.cpp and CuPy's own random distributions into cupy_backends/libcpucuda.so."""
    stub = cupy / "cupy_backends/stub"
    write_device_properties(cupy, stub / "cpucuda_props.h")
    distributions = translate_distributions(cupy)
    objects = cupy / "build/cpucuda"
    objects.mkdir(parents=True)
    flags = ["-I", stub, "-I", cupy / "cupy/random", "-I", HERE / "include", f'-DCPUCUDA_RECIPE="{recipe}"']

    def compiled(source: Path) -> Path:
        made = objects / f"{source.stem}.o"
        others_code = ["-w"] if source == distributions else []
        subprocess.run([*COMPILE, *others_code, *flags, "-c", source, "-o", made], check=True)
        return made

    with ThreadPoolExecutor(jobs) as pool:
        made = list(pool.map(compiled, [distributions, *sorted((HERE / "src").glob("*.cpp"))]))
    library = cupy / "cupy_backends/libcpucuda.so"
    subprocess.run(["g++", "-shared", "-s", "-o", library, *made, "-ldl"], check=True)
    return library


def symbols(library: Path) -> set[str]:
    """The names that the library defines."""
    listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in listing.splitlines()}


def write_device_properties(cupy: Path, header: Path) -> None:
    """cudaDeviceProp, whose fields CuPy declares in Cython, as a C struct."""
    declared = (cupy / "cupy_backends/cuda/api/_runtime_typedef.pxi").read_text()
    newest = declared.split("DeviceProp 'cudaDeviceProp':", 1)[1].split("ELIF")[0]
    fields = re.sub(r"^ *(.*?) *(#.*)?$", r"\1;", newest.strip(), flags=re.M)
    fields = fields.replace("cudaUUID ", "cudaUUID_t ")
    header.write_text(f"struct cudaUUID_t {{ char bytes[16]; }};\ntypedef struct {{ {fields} }} cudaDeviceProp;\n")


def translate_distributions(cupy: Path) -> Path:
    """CuPy's CUDA code of the new random generators as C++: each launch becomes a loop over blocks and threads."""
    folder = cupy / "cupy/random"
    shutil.copy(HERE / "include/curand_kernel.h", folder)
    header = folder / "cupy_distributions.cuh"
    text = header.read_text().replace("<curand_kernel.h>", '"curand_kernel.h"')
    header.write_text(re.sub(r"#if !defined\(CUPY_NO_CUDA\).*", "#if 1", text))
    launch = re.compile(
        r"(\w+<[^<>;]*>)<<<(\w+), (\w+), 0, (\w+)>>>\(std::forward<Args>\(args\)\.\.\.\);",
    )
    code = launch.sub(r"cpucuda_for(\2, \3, \4, [=] { \1(args...); });", (folder / "cupy_distributions.cu").read_text())
    if "<<<" in code:
        raise RuntimeError("cupy_distributions.cu: a launch that is not understood")
    translated = folder / "distributions.cpp"
    translated.write_text('#define CPUCUDA_DISTRIBUTIONS\n#include "cpucuda.h"\n' + code)
    return translated
