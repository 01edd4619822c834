"""Compile recorded CUDA sources with NVRTC for several GPUs. It needs no GPU, only CuPy's and NVIDIA's packages.

    python tools/compile_kernels.py FOLDER [--arch 80,90,100] [--verbose]

FOLDER is what `record_kernels.py` wrote: one JSON file per source. Of CUDA it needs the compiler and the headers,
`pip install cupy-cuda13x "cuda-toolkit[nvrtc,cudart,cccl]==13.*"`. The exit code is 1 if a source does not compile;
each failure is shown with the compiler's first lines.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def include_folders() -> list[str]:
    """CuPy's headers, and those of the CUDA runtime and of CCCL that NVIDIA's packages brought."""
    import cupy
    from cuda import pathfinder

    own = Path(cupy.__file__).parent / "_core" / "include"
    folders = [own, *sorted(own.glob("cupy/_cccl/*"))]
    for library in ("cudart", "cccl"):
        found = pathfinder.find_nvidia_header_directory(library)
        if found is None:
            raise SystemExit(f"the headers of {library} are missing: pip install 'cuda-toolkit[nvrtc,cudart,cccl]'")
        folders.append(Path(found))
    return [str(folder) for folder in folders]


def compiled(item: dict[str, Any], arch: str, includes: list[str]) -> tuple[str, int]:
    """The compiler's complaint about `item`, or "", and the size of the machine code in bytes."""
    from cupy.cuda import compiler

    options = (*item["options"], "-ftz=true", f"-arch=sm_{arch}", *(f"-I{folder}" for folder in includes))
    try:
        program = compiler._NVRTCProgram(item["source"], "kernel.cu", name_expressions=item["names"], method="cubin")
        return "", len(program.compile(options)[0])
    except compiler.CompileException as error:
        return str(error), 0


def recorded(folder: Path) -> Iterator[dict[str, Any]]:
    files = sorted(folder.glob("*.json"))
    if not files:
        raise SystemExit(f"{folder} holds no recorded kernels; run the tests with -p record_kernels first")
    for file in files:
        yield json.loads(file.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arch", default="80,90,100", help="compute capabilities, default 80,90,100")
    parser.add_argument("--verbose", action="store_true", help="name every kernel")
    given = parser.parse_args()
    includes, archs, start = include_folders(), given.arch.split(","), time.perf_counter()
    count, failures = Counter[str](), 0
    for item in recorded(given.folder):
        for arch in archs:
            complaint, size = compiled(item, arch, includes)
            count[arch] += not complaint
            if given.verbose and not complaint:
                print(f"sm_{arch}  {size:>8} bytes  {item['title']}")
            if complaint:
                failures += 1
                lines = "\n    ".join(complaint.splitlines()[:6])
                print(f"FAILED sm_{arch}  {item['title']}\n    {lines}")
    done = ", ".join(f"sm_{arch} {count[arch]}" for arch in archs)
    print(f"compiled: {done}; failed: {failures}; {time.perf_counter() - start:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
