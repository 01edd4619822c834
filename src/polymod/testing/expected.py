"""The failures that a plugin's author knows of: a file of them, read strictly.

    [[expected]]
    tests = ["values/equals_numpy/pinv-*", "derivatives/first/pinv-*"]
    devices = ["device1"]                                    # optional: on these devices only
    reason = "pinv knows no rtol for stacks of matrices"
    link = "https://github.com/owner/library/issues/1234"    # or "own: ...", why it is the plugin's own choice

Each pattern (`*` and `?` are wild) names tests as the kit prints them: chapter/test/case. A test that it names must
fail: one that passes counts as a failure, and a pattern that fits no test of the kit is an error, as is an entry
without a reason or a link. So the list says the truth, and gets shorter when the library gets better.
"""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..backend import Device, _entries

FILE = "expected_failures.toml"
_KEYS = {"tests", "devices", "reason", "link"}


class ExpectationError(ValueError):
    """The list of expected failures can't be used; the message has a line for each fault."""


@dataclass(frozen=True)
class Expected:
    """One entry: patterns of tests, why they fail, and where that is reported."""

    tests: tuple[str, ...]
    reason: str
    link: str
    devices: tuple[str, ...] = ()

    def names(self, test: str) -> bool:
        return any(fnmatchcase(test, pattern.replace("[", "[[]")) for pattern in self.tests)


def default_file(device: Device) -> Path | None:
    """The list in the package of the engine's plugin, if there is one."""
    entry = _entries().get(device.backend.name)
    spec = importlib.util.find_spec(entry.module) if entry is not None else None
    folders = (spec.submodule_search_locations or []) if spec is not None else []
    return next((Path(folder, FILE) for folder in folders if Path(folder, FILE).exists()), None)


def read(path: Path, device: Device) -> list[Expected]:
    """The entries of a list that hold for `device`.

    Raises:
        ExpectationError: the file is missing, no TOML, or an entry lacks something; all faults are named.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ExpectationError(f"{path}: {error}") from error
    entries = data.pop("expected", [])
    faults = [f"{path}: unknown table {name!r}; entries are [[expected]]" for name in data]
    faults += [f"{path}: entry {i}: {fault}" for i, entry in enumerate(entries, 1) for fault in faults_of(entry)]
    if faults:
        raise ExpectationError("\n".join(faults))
    found = [Expected(_several(e["tests"]), e["reason"], e["link"], _several(e.get("devices", ()))) for e in entries]
    name = device.backend.device_name(device.native)
    return [e for e in found if not e.devices or any(fnmatchcase(name, d) for d in e.devices)]


def faults_of(entry: dict[str, Any]) -> list[str]:
    faults = [f"unknown key {key!r}; known: {', '.join(sorted(_KEYS))}" for key in entry if key not in _KEYS]
    if not _several(entry.get("tests", ())):
        faults.append("it names no tests")
    if not str(entry.get("reason", "")).strip():
        faults.append("it has no reason")
    if not re.fullmatch(r"https?://\S+|own: .*\S", str(entry.get("link", ""))):
        faults.append('it has no link: an address, or "own: ..." where the plugin itself is the reason')
    return faults


def unmatched(entries: Iterable[Expected], tests: Collection[str]) -> list[str]:
    """The patterns that fit none of the tests."""
    return [p for e in entries for p in e.tests if not any(Expected((p,), "", "").names(t) for t in tests)]


def _several(x: Any) -> tuple[str, ...]:
    return (x,) if isinstance(x, str) else tuple(x)
