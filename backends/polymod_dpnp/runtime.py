"""Intel's OpenCL runtime for CPUs, as pip installs it: found where nothing else says where it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "OCL_ICD_FILENAMES"  # drivers that the OpenCL loader takes besides those that the system lists
LIBRARY = Path(sys.prefix, "lib", "libintelocl.so")


@contextmanager
def cpu_runtime() -> Iterator[None]:
    """Within the block, in which the OpenCL loader must look for drivers, it finds the one in this environment.

    The package intel-opencl-rt registers its driver under the path of the machine that built it, so that no loader
    finds it. The loader reads the variable once, when it is first used in a process; afterwards the environment is
    as it was.
    """
    if VARIABLE in os.environ or not LIBRARY.exists() or registered():
        yield
        return
    os.environ[VARIABLE] = str(LIBRARY)
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def registered() -> bool:
    """Whether a loader finds such a driver by itself, by a file of the system or of a conda environment."""
    folders = (Path("/etc/OpenCL/vendors"), Path(sys.prefix, "etc", "OpenCL", "vendors"))
    named = [Path(file.read_text().strip()) for folder in folders for file in folder.glob("*.icd")]
    return any("intelocl" in path.name and (not path.is_absolute() or path.exists()) for path in named)
