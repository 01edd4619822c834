"""Other libraries. A peer is a module with `NAME`, `PACKAGE` and `build(workload, problem)`, which gives a Run,
or None for a workload that the library has no means for.

A peer that can compute on a GPU too has `check_place(place)` and `has_gpu()`, and its `build` takes a third argument,
the device. It is then called `torch:cuda`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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


def known(name: str) -> bool:
    return name.partition(":")[0] in HOMES


def load(name: str) -> Callable[..., Any]:
    """The `build` of the peer `name`, for its device where it names one; imports its library.

    Raises:
        ValueError: the library has no such device, or its peer no choice of devices.
    """
    peer, place = _parts(name)
    if not place:
        return peer.build
    if not hasattr(peer, "check_place"):
        raise ValueError(f"the peer {name.partition(':')[0]!r} has no choice of devices, so {name!r} is not known")
    peer.check_place(place)
    return partial(peer.build, place=place)


def on_gpu(name: str) -> str:
    """The peer's name with the GPU where it can use one: "torch:cuda" for "torch"."""
    peer, place = _parts(name)
    return name if place or not hasattr(peer, "has_gpu") or not peer.has_gpu() else f"{name}:cuda"


def _parts(name: str) -> tuple[Any, str]:
    head, _, place = name.partition(":")
    return import_module(f".{HOMES[head]}", __name__), place
