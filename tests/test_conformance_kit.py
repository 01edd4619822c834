"""The conformance kit can fail: engines that are broken in one way are caught, each by the test meant for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import polymod as pm
from polymod import nn, optim  # noqa: F401 define operations
from polymod.autograd.primitive import Constant
from polymod.backend import portable
from polymod.rules import primitives
from polymod.testing import expected
from polymod.testing.calls import recorded
from polymod.testing.samples import table
from polymod.testing.samples.constant import table as constant_table
from polymod.testing.share import in_share

pytestmark = pytest.mark.any_engine
KIT = "polymod.testing.conformance"
PYTEST = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"]

ENGINE = """
from dataclasses import replace
import numpy as np
from polymod.backend import Capabilities, register_backend
from polymod_strict import backend as strict

xp = strict.xp

class Changed:
    "A namespace with some functions replaced."
    def __init__(self, **functions):
        self.__dict__.update(functions)
    def __getattr__(self, name):
        return getattr(xp, name)

def broken(**changes):
    register_backend(replace(strict, name="broken", **changes))

def with_kernels(**kernels):
    broken(kernels={**strict.kernels, **kernels})

"""


def run_kit(folder: Path, engine: str, *options: str) -> tuple[dict, str, int]:
    """Run the kit on the engine "broken" that `engine`, a line of Python, registers; its report, output and status."""
    folder.joinpath("broken_engine.py").write_text(ENGINE + engine)
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    given = [] if "--polymod-backend" in options else ["--polymod-backend", "broken"]
    done = subprocess.run(
        [*PYTEST, "-p", "broken_engine", "--polymod-report", str(report), *given, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = json.loads(report.read_text()) if report.exists() else {}
    return found, done.stdout + done.stderr, done.returncode


def in_kernels(name: str) -> set[str]:
    """All tests of a kernel's values."""
    return {f"kernels/equals_definition/{name}-float{n}" for n in (32, 64)} | {f"kernels/any_strides/{name}"}


BROKEN = {
    "wrong dtype": (
        "broken(xp=Changed(sin=lambda x: xp.astype(xp.sin(x), xp.float64)))",
        ("values", "sin-0 or cos-0"),
        {"values/equals_numpy/sin-0-float32"},
    ),
    "wrong device": (
        "broken(xp=Changed(sin=lambda x: xp.sin(x).to_device(strict.devices()[0])))",
        ("values", "sin-0 or cos-0", "--polymod-backend", "broken:device1"),
        {"values/equals_numpy/sin-0-float32", "values/equals_numpy/sin-0-float64"},
    ),
    "wrong type": (
        "with_kernels(exp=lambda x: np.exp(strict.to_numpy(x)))",
        ("kernels", "exp"),
        in_kernels("exp"),
    ),
    "wrong derivative": (
        "broken(xp=Changed(cos=lambda x: xp.cos(x) + 1e-3 * x))",
        ("derivatives", "test_reverse and (sin-0 or sinh-0)"),
        {"derivatives/reverse/sin-0"},
    ),
    "kernel with a wrong value": (
        "with_kernels(gelu=lambda x, *, approximate='none': x * 0.5)",
        ("kernels", "gelu"),
        {
            "kernels/equals_definition/gelu-float32",
            "kernels/equals_definition/gelu-float64",
            "kernels/any_strides/gelu",
        },
    ),
    "kernel with a wrong signature": (
        "with_kernels(silu=lambda x, y: x, gelu=lambda x, *, approximate='tanh': x, relu=lambda x: x)",
        ("kernels", "signature"),
        {"kernels/signature/silu", "kernels/signature/gelu"},
    ),
    "kernel that changes its input": (
        "def relu(x):\n    x[x < 0] = 0\n    return x\nwith_kernels(relu=relu)",
        ("kernels", "relu"),
        {
            "kernels/equals_definition/relu-float32",
            "kernels/equals_definition/relu-float64",
            "kernels/any_strides/relu",
        },
    ),
    "kernel that changes the gradient": (
        "from polymod.backend import portable\nimport polymod.optim\n"
        "def sgd_step(parameter, gradient, buffer=None, **how):\n"
        "    found = portable['sgd_step'](strict.namespace, parameter, gradient, buffer, **how)\n"
        "    gradient[...] = 0\n    return found\n"
        "with_kernels(sgd_step=sgd_step)",
        ("kernels", "sgd_step"),
        in_kernels("sgd_step"),
    ),
    "kernel of nothing": (
        "with_kernels(frobnicate=lambda x: x)",
        ("kernels", "signature"),
        {"kernels/signature/frobnicate"},
    ),
    "lost duplicates": (
        "def index_add(x, key, values):\n"
        "    y = np.array(strict.to_numpy(x))\n"
        "    host = lambda v: tuple(map(host, v)) if isinstance(v, tuple) else (\n"
        "        strict.to_numpy(v) if isinstance(v, strict.array_types) else v)\n"
        "    y[host(key)] += host(values)\n"
        "    return strict.from_numpy(y, x.device)\n"
        "broken(index_add=index_add)",
        ("indexing", "counts_every_value and (slice or one_array or mask_of_all or nothing)"),
        {"indexing/index_add_counts_every_value/one_array", "indexing/index_add_counts_every_value/array_after_slice"}
        | {"indexing/index_add_counts_every_value/integer,_slice,_array"},
    ),
    "index_add in place": (
        "broken(index_add=lambda x, key, values: (x.__setitem__((0, ...), x[0, ...] + values), x)[1])",
        ("indexing", "leaves_its_argument_alone"),
        {"indexing/index_add_leaves_its_argument_alone"},
    ),
    "views of host arrays": (
        "broken(from_numpy=lambda x, device: xp.asarray(x, device=device, copy=False))",
        ("transfers", "copies"),
        {"transfers/from_numpy_copies"},
    ),
    "views for the host": (
        "broken(to_numpy=lambda x: np.from_dlpack(x))",
        ("transfers", "copies"),
        {"transfers/to_numpy_copies"},
    ),
    "lost bits": (
        "broken(from_numpy=lambda x, device: strict.from_numpy(x + x.dtype.type(0), device))",
        ("transfers", "bits_are_kept and (float or int8)"),
        {"transfers/bits_are_kept/float32", "transfers/bits_are_kept/float64"},
    ),
    "unmet capabilities": (
        "broken(capabilities=Capabilities(mutable=False, host_access=False, complex=True))",
        ("capabilities", "test"),
        {"capabilities/mutable", "capabilities/host_access"},
    ),
    "claimed float64": (
        "narrow = lambda x, device: strict.from_numpy(x.astype(np.float32) if x.dtype == 'float64' else x, device)\n"
        "broken(from_numpy=narrow)",
        ("capabilities", "dtypes"),
        {"capabilities/dtypes/float64"},
    ),
    "devices of one name": (
        "broken(device_name=lambda device: 'here')",
        ("devices", "names"),
        {"devices/names_differ_and_are_understood"},
    ),
    "a missing function": (
        "class Lacking(Changed):\n"
        "    def __getattr__(self, name):\n"
        "        if name == 'hypot': raise AttributeError(name)\n"
        "        return getattr(xp, name)\n"
        "broken(xp=Lacking())",
        ("namespace", "has_function"),
        {"namespace/has_function/elementwise-hypot"},
    ),
    "other random numbers": (
        "from polymod import philox\n"
        "with_kernels(bernoulli_draw=lambda seed, draw, shape, p, *, device, offset=None: strict.from_numpy(\n"
        "    philox.bernoulli_mask(seed + 1, draw, shape, p), device))",
        ("random", "numbers"),
        {
            f"random/numbers_are_numpys/{n}"
            for n in ("bernoulli", "bernoulli_as_float", "dropout", "dropout_of_channels")
        },
    ),
    "a model that does not learn": (
        "with_kernels(sgd_steps=lambda parameters, gradients, buffers=None, **how: [(p, None) for p in parameters])",
        ("training", "optimizer and (sgd or adamw)"),
        {"training/optimizer/sgd"},
    ),
}


@pytest.mark.parametrize("name", BROKEN, ids=[name.replace(" ", "-") for name in BROKEN])
def test_a_broken_engine_is_caught(name: str, tmp_path: Path) -> None:
    pytest.importorskip("array_api_strict")
    engine, (chapter, selection, *options), failing = BROKEN[name]
    found, output, status = run_kit(tmp_path, engine, *options, "-k", selection, "--pyargs", f"{KIT}.test_{chapter}")
    assert set(found.get("failed", ())) == failing, output
    assert status == 1 and str(len(failing)) in output


# ------------------------------------------------------------------------------------------- expected failures

LOSING = BROKEN["devices of one name"][0]
ENTRY = '[[expected]]\ntests = ["devices/names_*"]\nreason = "no names yet"\nlink = "https://example.org/issues/1"\n'
DEVICES = ("--pyargs", f"{KIT}.test_devices")


def test_an_expected_failure_is_no_failure(tmp_path: Path) -> None:
    pytest.importorskip("array_api_strict")
    tmp_path.joinpath("known.toml").write_text(ENTRY)
    found, output, status = run_kit(tmp_path, LOSING, "--polymod-xfails", "known.toml", *DEVICES)
    assert status == 0 and found["failed"] == [], output
    assert found["expected"] == {
        "no names yet (https://example.org/issues/1)": ["devices/names_differ_and_are_understood"]
    }
    assert found["chapters"]["devices"]["expected"] == 1
    assert "no names yet" in output


def test_an_unexpected_pass_is_a_failure(tmp_path: Path) -> None:
    pytest.importorskip("array_api_strict")
    tmp_path.joinpath("known.toml").write_text(ENTRY.replace("devices/names_*", "devices/synchronize"))
    found, output, status = run_kit(tmp_path, "broken()", "--polymod-xfails", "known.toml", *DEVICES)
    assert status == 1 and found["failed"] == ["devices/synchronize"], output


def test_an_entry_that_fits_no_test_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("array_api_strict")
    tmp_path.joinpath("known.toml").write_text(ENTRY.replace("devices/names_*", "devices/nams_*"))
    options = ("--polymod-xfails", "known.toml", "--collect-only", "--pyargs")
    _, output, status = run_kit(tmp_path, "broken()", *options, KIT)
    assert status == 4 and "no tests of the kit: devices/nams_*" in output
    _, output, status = run_kit(tmp_path, "broken()", *options, f"{KIT}.test_errors")  # a part has not all tests
    assert status == 0, output


def test_a_list_says_everything_or_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(
        '[[expected]]\ntests = ["a"]\n'
        '[[expected]]\nreason = "r"\nlink = "https://x.org"\n'
        '[[expected]]\ntests = ["a"]\nreason = "r"\nlink = "somewhere"\nresaon = "r"\n'
        "[expcted]\n"
    )
    with pytest.raises(expected.ExpectationError) as caught:
        expected.read(path, pm.device("numpy"))
    text = str(caught.value)
    for part in ("'expcted'", "entry 1: it has no reason", "entry 1: it has no link", "entry 2: it names no tests"):
        assert part in text
    assert "entry 3: unknown key 'resaon'" in text and "entry 3: it has no link" in text
    path.write_text("tests = [")
    with pytest.raises(expected.ExpectationError, match=r"known\.toml"):
        expected.read(path, pm.device("numpy"))
    with pytest.raises(expected.ExpectationError, match=r"nowhere\.toml"):
        expected.read(tmp_path / "nowhere.toml", pm.device("numpy"))


def test_entries_hold_for_the_devices_they_name(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text('[[expected]]\ntests = "a/[b]*"\ndevices = ["cuda:*"]\nreason = "r"\nlink = "own: no time"\n')
    assert expected.read(path, pm.device("numpy")) == []
    path.write_text(path.read_text().replace("cuda:*", "cp?"))
    (entry,) = expected.read(path, pm.device("numpy"))
    assert entry.names("a/[b]c") and not entry.names("a/bc")


def test_the_bundled_lists_are_read() -> None:
    for name in ("numpy", "strict", "torch", "cupy", "jax"):
        try:
            device = pm.device(name)
        except pm.BackendError:
            continue
        path = expected.default_file(device)
        if path is not None:
            assert path.parent.name == f"polymod_{name}"
            expected.read(path, device)


def test_the_kit_needs_an_engine(tmp_path: Path) -> None:
    for options, text in (([], "--polymod-backend NAME"), (["--polymod-backend", "nunpy"], "nunpy")):
        done = subprocess.run(
            [*PYTEST, "--pyargs", f"{KIT}.test_devices", *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode != 0 and text in done.stdout + done.stderr


# ------------------------------------------------------------------------------------------------ completeness


def test_every_operation_is_called() -> None:
    """By samples, or by the rules that samples lead to: a kernel of any operation can be proven."""
    calls = recorded(set(portable))
    unseen = {name for name, found in calls.items() if not found}
    assert unseen == {"leave_examples", "sum_examples"}  # of vmap's arrays, which are no engine's


def test_every_operation_without_a_derivative_has_a_sample() -> None:
    without = {name for name, p in primitives.items() if isinstance(p, Constant)}
    assert without - constant_table.keys() == set()


def test_samples_have_names_of_their_own() -> None:
    assert not constant_table.keys() & table.keys()


@pytest.mark.parametrize("share", [1, 2, 3, 4, 10])
def test_a_share_has_the_first_case_and_each_of_parameters_that_take_turns(share: int) -> None:
    chosen = [n for n in range(4 * share * share) if in_share(n, share)]
    assert chosen[0] == 0 and len(chosen) == 4 * share
    for turns in range(2, share + 1):
        assert {n % turns for n in chosen} == set(range(turns))
