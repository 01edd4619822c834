"""Compile recorded CUDA sources with NVRTC for several GPUs. It needs no GPU, only CuPy's and NVIDIA's packages.

    python tools/compile_kernels.py FOLDER [--arch 80,90,100] [--share] [--verbose]

FOLDER is what `record_kernels.py` wrote: one JSON file per source. Of CUDA it needs the compiler and the headers,
`pip install cupy-cuda13x "cuda-toolkit[nvrtc,cudart,cccl]==13.*"`. The exit code is 1 if a source does not compile;
each failure is shown with the compiler's first lines.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import product
from pathlib import Path


@cache
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


def compiled(file: Path, arch: str) -> tuple[str, str, int]:
    """What the kernel recorded in `file` is called, the compiler's complaint or "", and the machine code's bytes."""
    from cupy.cuda import compiler

    item = json.loads(file.read_text())
    options = (*item["options"], "-ftz=true", f"-arch=sm_{arch}", *(f"-I{folder}" for folder in include_folders()))
    try:
        program = compiler._NVRTCProgram(item["source"], "kernel.cu", name_expressions=item["names"], method="cubin")
        return item["title"], "", len(program.compile(options)[0])
    except compiler.CompileException as error:
        return item["title"], str(error), 0


def shared(files: list[Path], archs: list[str]) -> list[tuple[Path, str]]:
    """The first instance of each kernel for all, every other for one of them."""
    pairs, seen = [], set()
    for i, file in enumerate(files):
        kernel = json.loads(file.read_text())["title"].partition("<")[0]
        pairs += [(file, arch) for arch in (archs[i % len(archs) :][:1] if kernel in seen else archs)]
        seen.add(kernel)
    return pairs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arch", default="80,90,100", help="compute capabilities, default 80,90,100")
    parser.add_argument(
        "--share",
        action="store_true",
        help="only one instance of each kernel for every GPU, the others for one in turn",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes, by default one for each core")
    parser.add_argument("--verbose", action="store_true", help="name every kernel")
    given = parser.parse_args()
    files = sorted(given.folder.glob("*.json"))
    if not files:
        parser.error(f"{given.folder} holds no recorded kernels; run the tests with -p record_kernels first")
    include_folders()  # a missing package is said once
    count, failures, start = Counter[str](), 0, time.perf_counter()
    archs = given.arch.split(",")
    pairs = shared(files, archs) if given.share else list(product(files, archs))
    with ProcessPoolExecutor(given.jobs) as pool:
        for (_, arch), (title, complaint, size) in zip(
            pairs, pool.map(compiled, *zip(*pairs, strict=True)), strict=True
        ):
            count[arch] += not complaint
            if given.verbose and not complaint:
                print(f"sm_{arch}  {size:>8} bytes  {title}")
            if complaint:
                failures += 1
                lines = "\n    ".join(complaint.splitlines()[:6])
                print(f"FAILED sm_{arch}  {title}\n    {lines}")
    done = ", ".join(f"sm_{arch} {n}" for arch, n in count.items())
    print(f"compiled: {done}; failed: {failures}; {time.perf_counter() - start:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
