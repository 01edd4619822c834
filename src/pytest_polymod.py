"""The options of polymod's conformance kit, for pytest.

pytest reads the conftest.py of a package given by `--pyargs` too late for options, so an entry point announces this
module. It is not part of the package polymod, so that other projects' test runs don't import that: what the options
do is in `polymod.testing.plugin`, which is imported where an engine is named.
"""

from __future__ import annotations

from typing import Any


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("polymod", "polymod's conformance kit (pytest --pyargs polymod.testing.conformance)")
    group.addoption(
        "--polymod-backend",
        metavar="NAME[:DEVICE]",
        help='the engine to prove: "cupy", "torch:cpu", "strict:device1"',
    )
    group.addoption(
        "--polymod-xfails",
        metavar="FILE",
        help="the failures to expect (TOML; see polymod.testing.expected); by default expected_failures.toml in the "
        "plugin's package",
    )
    group.addoption(
        "--polymod-share",
        metavar="N",
        type=int,
        default=1,
        help="run one case in N of each test only, for engines that compile each shape anew",
    )
    group.addoption("--polymod-report", metavar="FILE", help="write the results, by chapter, as JSON")


def pytest_configure(config: Any) -> None:
    if config.getoption("polymod_backend"):
        config.pluginmanager.import_plugin("polymod.testing.plugin")
