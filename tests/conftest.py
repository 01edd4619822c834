"""Every test runs on one engine, chosen by `pytest --backend NAME[:DEVICE]`."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import polymod as pm
from polymod.testing.share import in_share


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        default="numpy",
        help='engine that holds the arrays: numpy, cupy, torch, jax, strict, "strict:device1"',
    )
    parser.addoption(
        "--share",
        default="1",
        help='run one case in N of each parametrized test, or with "N of a file" of each file, for engines that '
        "compile each shape anew",
    )
    parser.addoption("--every-sample", action="store_true", help="all samples of torch's databases, not one of each")


def pytest_configure(config: pytest.Config) -> None:
    pm.set_backend(config.getoption("--backend"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one case in N of each test or file; what no engine changes on NumPy only; and what tests one engine's own
    code on that engine only."""
    number, _, of_file = config.getoption("--share").partition(" of ")
    share = int(number)
    engine = pm.current_device().backend.name
    seen: Counter[str] = Counter()
    kept, left_out = [], []
    for item in items:
        test = item.nodeid.partition("::" if of_file else "[")[0]
        chosen = in_share(seen[test], share) or item.get_closest_marker("every_engine") is not None
        own = item.get_closest_marker("engine")
        wanted = chosen and (engine == "numpy" or item.get_closest_marker("any_engine") is None)
        wanted = wanted and (own is None or own.args == (engine,))
        (kept if wanted else left_out).append(item)
        seen[test] += 1
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


def pytest_report_header(config: pytest.Config) -> str:
    device = pm.current_device()
    return f"polymod {pm.__version__} on {device} ({device.backend.name} {device.backend.version})"


@pytest.fixture
def every_sample(request: pytest.FixtureRequest) -> bool:
    """Whether all samples of torch's databases are wanted."""
    return bool(request.config.getoption("--every-sample"))


@pytest.fixture
def engine() -> pm.Device:
    """The device under test."""
    return pm.current_device()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that are the same in every run of this test."""
    seed = sum(map(ord, request.node.nodeid.split("::")[-1]))
    print("seed", seed)  # pytest shows it where the test fails
    return np.random.default_rng(seed)
