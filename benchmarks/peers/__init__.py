"""Other libraries. A peer is a module with `NAME`, `PACKAGE` and `build(workload, problem)`, which gives a Run,
or None for a workload that the library has no means for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

HOMES = {
    "numpy": "plain_numpy",
    "torch": "torch_eager",
    "jax": "jax_jit",
    "autograd": "autograd_numpy",
    "mygrad": "mygrad_numpy",
}


def installed() -> list[str]:
    """The peers whose library is installed."""
    return [name for name in HOMES if find_spec(name) is not None]


def load(name: str) -> Any:
    """The peer `name`, which imports its library."""
    return import_module(f".{HOMES[name]}", __name__)
