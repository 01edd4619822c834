"""Devices for tests that need others than the engine under test."""

from __future__ import annotations

import pytest

from polymod.backend import Device, device
from polymod.errors import BackendError


def find(spec: str) -> Device:
    """The device `spec`; skips the test where its engine is not installed or finds no GPU, and only then."""
    try:
        return device(spec)
    except BackendError as error:
        missing = error.__cause__
        absent = isinstance(missing, ModuleNotFoundError) and not str(missing.name).startswith("polymod")
        if absent or "finds no CUDA GPU" in str(error):
            pytest.skip(str(error))
        raise
