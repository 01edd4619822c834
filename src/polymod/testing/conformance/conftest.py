"""The kit needs to be told of an engine; the rest is in `polymod.testing.plugin`."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("polymod_backend", None):
        raise pytest.UsageError(
            "the conformance kit proves one engine: name it by --polymod-backend NAME[:DEVICE] "
            "(where pytest does not know that option: -p pytest_polymod)"
        )
