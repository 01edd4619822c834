"""`polymod backends`: what arrays can be computed on here, and what mends what can't be used."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from polymod.backend import backend_names, load_backend

WIDTHS = (10, 16, 30, 38)  # of the columns; with the gaps between them 100 characters
HEADER = ("backend", "version", "devices", "status")


@dataclass(frozen=True)
class BackendInfo:
    """What is known of one backend.

    Attributes:
        name: as in `polymod.use_backend(name)`.
        version: the array library's version; "" where it can't be used.
        devices: the names of its devices, the current one first; empty where it can't be used.
        usable: whether arrays can be made on it.
        reason: why not, and what to do; "" where it can be used.
    """

    name: str
    version: str
    devices: tuple[str, ...]
    usable: bool
    reason: str


def describe() -> list[BackendInfo]:
    """Load every backend found and say what it offers. One that can't be used is reported, not raised."""
    return [_describe(name) for name in backend_names()]


def _describe(name: str) -> BackendInfo:
    try:
        backend = load_backend(name)
        devices = tuple(backend.device_name(d) for d in backend.devices())
    except Exception as error:  # a plugin may fail in any way; the list of the others must not
        return BackendInfo(name, "", (), False, " ".join(str(error).split()) or type(error).__name__)
    return BackendInfo(name, backend.version, devices, True, "")


def print_backends() -> None:
    """Print the table of all backends on stdout."""
    _print_row(HEADER)
    _print_row(tuple("-" * width for width in WIDTHS))
    for info in describe():
        _print_row((info.name, info.version, ", ".join(info.devices), "usable" if info.usable else info.reason))


def _print_row(cells: tuple[str, ...]) -> None:
    columns = [
        textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, WIDTHS, strict=True)
    ]
    for line in range(max(map(len, columns))):
        parts = (column[line] if line < len(column) else "" for column in columns)
        print("  ".join(f"{part:{width}}" for part, width in zip(parts, WIDTHS, strict=True)).rstrip())


def run(args: Any = None) -> int:
    """The command; `args` are ignored. Returns the exit code."""
    print_backends()
    return 0
