"""Turns an unpacked CuPy sdist into CuPy-on-CPU.

CuPy can be built without CUDA ("stub" mode, made for its documentation pages): every CUDA function is then an empty
body that reports success. Here each of those functions
  * is declared only, where the library defines it (real work on the CPU), or
  * throws "not available in CuPy-on-CPU: <name>",
and the exception is let through Cython. The rest is packaging: what is built, the version, where the library is.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
CUDA = 13020  # the CUDA version that this build pretends to be
MISSING = 'extern "C" [[noreturn]] void cpucuda_missing(const char*);\n'
LEFT_OUT = ("nccl", "nvtx", "cutensor", "jitify", "cusparselt")  # optional modules that need more of CUDA


def patch(cupy: Path, version: str, ours: set[str]) -> None:
    """Edits the sources under `cupy`; `ours` are the names that the library defines."""
    patch_headers(cupy, ours)
    patch_cuda_version(cupy)
    let_exceptions_through(cupy)
    find_the_library(cupy)
    choose_defaults(cupy, version)
    choose_modules(cupy)
    add_files(cupy)


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    """Replaces text that must be there."""
    text = path.read_text()
    for old, new in pairs:
        if old not in text:
            raise RuntimeError(f"{path}: not found: {old!r}")
        text = text.replace(old, new)
    path.write_text(text)


def patch_headers(cupy: Path, ours: set[str]) -> None:
    """The stub headers: declare what the library has, throw for the rest."""
    body = re.compile(r"^((?:[\w*]+ )+\*?)(\w+)\(([^;{}]*?)\)\s*\{[^{}]*(?:\{[^{}]*\}[^{}]*)?\}", re.M)

    def declared(match: re.Match[str]) -> str:
        result, name, arguments = match.groups()
        end = ";" if name in ours else f' {{ cpucuda_missing("{name}"); }}'
        return f"{result}{name}({arguments}){end}"

    for path in [*(cupy / "cupy_backends/stub").glob("*.h"), *(cupy / "cupy/cuda").glob("cupy_*.h")]:
        text = path.read_text()
        if path.name == "cupy_thrust.h":  # C++, whose true prototypes are wanted
            text = text.replace("#include <thrust/version.h>", "#define THRUST_VERSION 0")
            text = text.replace("#ifndef CUPY_NO_CUDA", "#if 1")
        else:
            text = body.sub(declared, text)
        if "cpucuda_missing" in text:
            after_guard = text.index("\n", text.index("#define INCLUDE_GUARD")) + 1
            text = text[:after_guard] + MISSING + text[after_guard:]
        path.write_text(text)


def patch_cuda_version(cupy: Path) -> None:
    """The stub headers' version and structs are those of no CUDA at all; these are of CUDA 13."""
    stub = cupy / "cupy_backends/stub"
    common = stub / "cupy_cuda_common.h"
    edit(
        common,
        ("CUDA_VERSION 0", f"CUDA_VERSION {CUDA}"),
        ("struct cudaPointerAttributes{", "struct cudaPointerAttributes{ int type;"),
    )
    properties = r"typedef struct \{\s+char name\[256\];.*?\} cudaDeviceProp;"
    common.write_text(re.sub(properties, '#include "cpucuda_props.h"', common.read_text(), flags=re.S))
    edit(stub / "cupy_cuda_runtime.h", ("struct cudaMemLocation {", "struct cudaMemLocation { int type;"))
    compile_time = "compile_time_env['CUPY_{}_VERSION'] = {}"
    edit(
        cupy / "install/cupy_builder/_command.py",
        (
            f"{compile_time.format('CUDA', 0)}\n            {compile_time.format('HIP', 0)}",
            f"{compile_time.format('CUDA', CUDA)}\n            {compile_time.format('HIP', 0)}",
        ),
        ("'embedsignature': True", "'embedsignature': False"),
    )


def let_exceptions_through(cupy: Path) -> None:
    """Adds "except +" to the C functions of each "cdef extern" block, so that C++ exceptions become Python's."""
    function = re.compile(r"^( +(?:int|void|size_t|Result|Extent|Pos|PitchedPtr) +\w+(?:\[T\])?\([^()]*\))[ ]*$", re.M)
    backends = cupy / "cupy_backends/cuda"
    for path in (
        backends / "api/_runtime_extern.pxi",
        *(backends / f"libs/{name}.pyx" for name in ("cublas", "curand", "cusolver")),
        *(cupy / f"cupy/cuda/{name}.pyx" for name in ("cufft", "cub")),
        cupy / "cupy/random/_generator_api.pyx",
    ):
        out: list[str] = []
        block: list[str] = []
        indent = None  # of the extern block that the line is in
        for line in [*path.read_text().split("\n"), "end"]:
            depth = len(line) - len(line.lstrip())
            if indent is not None and line.strip() and depth <= indent:
                out.append(function.sub(r"\1 except +", "\n".join(block)))
                block, indent = [], None
            if indent is None and line.lstrip().startswith("cdef extern"):
                indent = depth
                out.append(line)
            else:
                (out if indent is None else block).append(line)
        path.write_text("\n".join(out[:-1]))


def find_the_library(cupy: Path) -> None:
    """CuPy asks cuda.pathfinder where CUDA is; python/loader.py answers in its place."""
    for folder in ("cupy", "cupy_backends", "cupyx"):
        for path in (cupy / folder).rglob("*.p*"):
            if path.suffix in (".py", ".pyx", ".pxi") and path.is_file() and "pathfinder" in (text := path.read_text()):
                text = text.replace("from cuda.pathfinder import", "from cupy_backends._cpu import")
                text = text.replace("from cuda import pathfinder", "from cupy_backends import _cpu")
                path.write_text(re.sub(r"\bpathfinder\.", "_cpu.", text))
    edit(
        cupy / "cupy_backends/cuda/api/_driver_extern.pxi",
        ("libname = 'libcuda.so.1'", "from cupy_backends import _cpu\n            libname = _cpu.path"),
    )
    edit(
        cupy / "cupy/__init__.py",
        ("from cupy import _environment\n", "from cupy import _cpu  # NOQA\nfrom cupy import _environment\n"),
    )


def choose_defaults(cupy: Path, version: str) -> None:
    """What CuPy does differently on a GPU of its own accord: CUB, cuTENSOR, several GPUs in one FFT."""
    edit(cupy / "cupy/_version.py", ("'14.2.0'", f"'{version}'"))
    edit(cupy / "cupy/_environment.py", ("    if not _can_attempt_preload(lib):", "    if True:"))
    edit(cupy / "cupy/_core/_accelerator.pyx", ("'' if runtime._is_hip_environment else 'cub'", "''"))
    edit(cupy / "cupy/fft/_config.py", ("if not runtime.is_hip:", "if False:"))


def choose_modules(cupy: Path) -> None:
    """What is built, and what is in the wheel."""
    edit(
        cupy / "install/cupy_builder/_features.py",
        ("            'cupy.fft._callback',\n", ""),
        ("    'cupy_backends.cuda.libs.cusparse',\n", ""),
        *((f"            _from_dict(CUDA_{name}, ctx),\n", "") for name in LEFT_OUT),
    )
    edit(
        cupy / "setup.py",
        ('dependencies.append("cuda-pathfinder>=1.3.4,==1.*")', "pass"),
        ("    if not ctx.use_stub:", "    if False:"),
        ("    'cupy/cuda/cupy_thrust.cu',", ""),
        ("if os.path.isfile(x)\n", "if os.path.isfile(x) and '/_cccl/' not in x and '/_jitify/' not in x\n"),
        ("package_data = {\n", "package_data = {\n    'cupy_backends': ['libcpucuda.so'],\n"),
    )
    for name in ("_cccl", "_jitify"):
        shutil.rmtree(cupy / "cupy/_core/include/cupy" / name)


def add_files(cupy: Path) -> None:
    """This recipe's own: CUDA's words for g++, and the Python modules cupy_backends._cpu and cupy._cpu."""
    shutil.copytree(HERE / "include", cupy / "cupy/_core/include/cupy/_cpu")
    shutil.copy(HERE / "python/loader.py", cupy / "cupy_backends/_cpu.py")
    shutil.copy(HERE / "python/counters.py", cupy / "cupy/_cpu.py")
