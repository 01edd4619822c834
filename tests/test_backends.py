"""Backends are found, named, chosen and refused as documented, and a broken one harms nobody."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from places import find

import polymod
import polymod.backend as registry
from polymod.backend import (
    Backend,
    Device,
    backend_names,
    backend_of,
    current_device,
    device,
    find_owner,
    load_backend,
    place,
    register_backend,
    set_backend,
    use_backend,
)
from polymod.cli import backends as command
from polymod.errors import BackendError

pytestmark = pytest.mark.any_engine

ENGINES = ("cupy", "jax", "torch", "array_api_strict", "dpnp")
BUNDLED = {"numpy", "cupy", "torch", "jax", "strict", "dpnp"}


@pytest.fixture(autouse=True)
def clean_selection(monkeypatch):
    monkeypatch.delenv("POLYMOD_BACKEND", raising=False)
    monkeypatch.setattr(registry, "_loaded", dict(registry._loaded))
    monkeypatch.setattr(registry, "_owner", dict(registry._owner))
    monkeypatch.setattr(registry, "_default", None)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Returns `install(name, source)`: make a plugin of that name findable, with that source text."""

    def install(name: str, source: str) -> None:
        write_plugin(tmp_path, name, source)
        registry._entries.cache_clear()

    monkeypatch.syspath_prepend(str(tmp_path))
    yield install
    monkeypatch.undo()
    registry._entries.cache_clear()


def write_plugin(folder: Path, name: str, source: str) -> None:
    (folder / f"plugin_{name}.py").write_text(source)
    info = folder / f"plugin_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[polymod.backends]\n{name} = plugin_{name}:backend\n")


def run_python(code: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join(p for p in (str(folder or ""), os.environ.get("PYTHONPATH", "")) if p)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


# ---------------------------------------------------------------- found without being imported


def test_the_bundled_backends_are_found():
    assert set(backend_names()) >= BUNDLED
    assert {e.name for e in entry_points(group="polymod.devices")} >= {"cpu", "cuda"}


@pytest.mark.parametrize(
    "code", ["import polymod", "from polymod.backend import backend_names; assert 'jax' in backend_names()"]
)
def test_no_engine_is_imported_before_it_is_chosen(code):
    done = run_python(f"import sys\n{code}\nprint([m for m in {ENGINES} if m in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("make", "name"),
    [
        ("import torch; x = torch.zeros(2)", "torch"),
        ("import torch; x = torch.nn.Parameter(torch.zeros(2))", "torch"),
        ("import torch\nclass Mine(torch.Tensor): pass\nx = torch.zeros(2).as_subclass(Mine)", "torch"),
        ("import jax.numpy as jnp; x = jnp.zeros(2)", "jax"),
        ("import array_api_strict; x = array_api_strict.zeros(2)", "strict"),
        ("import cupy; x = cupy.zeros(2)", "cupy"),
        ("import numpy; x = numpy.zeros(2)", "numpy"),
        ("import numpy; x = numpy.float32(2)", "numpy"),
    ],
)
def test_an_array_finds_its_backend_before_the_plugin_is_loaded(make, name):
    find(name)
    engines = [e for e in ENGINES if name not in e]
    done = run_python(
        f"import sys\n{make}\nfrom polymod.backend import backend_of\n"
        f"print(backend_of(x).name, [m for m in {engines} if m in sys.modules])"
    )
    assert done.stdout.split(maxsplit=1) == [name, "[]\n"], done.stderr


def test_a_traced_jax_array_is_jax():
    find("jax")
    import jax

    seen = []
    jax.jit(lambda x: seen.append((backend_of(x).name, backend_of(x).device_of(x))) or x)(1.0)
    assert seen == [("jax", load_backend("jax").devices()[0])]


def test_what_is_no_array_has_no_owner():
    assert find_owner(str) is None
    with pytest.raises(TypeError, match=r"builtins\.str is no array of a known engine.*numpy"):
        backend_of("x")


# ---------------------------------------------------------------- broken plugins

BROKEN = {
    "missing": (
        "import no_such_library",
        r"'missing' needs the package 'no_such_library'.*pip install 'plugin-missing",
    ),
    "failing": (
        "raise ImportError('its library\\n\\n  is too old')",
        r"\(ImportError: its library is too old\): pip",
    ),
    "crashing": (
        "1 / 0",
        r"'crashing' can't be imported \(ZeroDivisionError: division by zero\): pip install",
    ),
    "wrong": ("backend = 3.5", r"'wrong' \(plugin_wrong:backend\) gives float, not a polymod\.Backend"),
    "empty": ("", r"'empty' can't be imported \(AttributeError: .*backend"),
    "refusing": (
        "from polymod.errors import BackendError\nraise BackendError('plug the card in')",
        "^plug the card in$",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_listed_and_reported(install, name):
    source, message = BROKEN[name]
    install(name, source)
    assert name in backend_names()
    with pytest.raises(BackendError, match=message) as caught:
        load_backend(name)
    assert "\n" not in str(caught.value)
    info = {i.name: i for i in command.describe()}
    assert info[name] == command.BackendInfo(name, "", (), False, str(caught.value))
    assert info["numpy"].usable


def test_broken_plugins_stop_neither_import_nor_the_table(tmp_path):
    for name, (source, _) in BROKEN.items():
        write_plugin(tmp_path, name, source)
    code = "import polymod\nfrom polymod.cli.backends import run\nraise SystemExit(run())"
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert {row.split()[0] for row in rows if not row.startswith((" ", "-"))} == {
        "backend",
        *BUNDLED,
        *BROKEN,
    }
    assert max(map(len, rows)) <= 100
    assert np.__version__ in done.stdout


def test_devices_that_fail_when_asked_for_are_reported(install):
    install(
        "unplugged",
        "from dataclasses import replace\nfrom polymod.backend import load_backend\n"
        "def devices(): raise OSError('bus error')\n"
        "backend = replace(load_backend('numpy'), name='unplugged', devices=devices)",
    )
    assert {i.name: i.reason for i in command.describe()}["unplugged"] == "bus error"


NO_GPU = """
import types
__version__ = "14.2.0"
class Error(RuntimeError): pass
def getDeviceCount(): raise Error("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=getDeviceCount))
"""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (NO_GPU, "CuPy 14.2.0 is installed but finds no CUDA GPU (cudaErrorInsufficientDriver: "),
        (
            NO_GPU.replace("raise Error(", "return 0 # ("),
            "finds no CUDA GPU (it counts 0 devices): install an NVIDIA",
        ),
        (
            "try: import no_cuda\nexcept ImportError as e: raise ImportError('=====\\nlong\\n=====') from e",
            "CuPy is installed but can't be imported (No module named 'no_cuda'): install the one for",
        ),
    ],
    ids=["old driver", "no device", "unfit"],
)
def test_cupy_without_a_gpu_gives_one_line(tmp_path, source, message):
    (tmp_path / "cupy.py").write_text(source)
    code = (
        "import polymod.backend as b\n"
        "for ask in ('cupy', 'cuda', 'cuda:1'):\n"
        "    try: b.device(ask)\n"
        "    except b.BackendError as error: print(error)\n"
    )
    done = run_python(code, tmp_path)
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and len(set(lines)) == 1, done.stdout + done.stderr
    assert message in lines[0] and lines[0].endswith("use --backend numpy")


# ---------------------------------------------------------------- naming devices


@pytest.mark.parametrize(
    ("spec", "name", "text"),
    [
        ("cpu", "numpy", "cpu"),
        ("numpy", "numpy", "cpu"),
        ("numpy:cpu", "numpy", "cpu"),
        ("torch", "torch", None),
        ("torch:cpu", "torch", "torch:cpu"),
        ("jax", "jax", None),
        ("jax:cpu", "jax", "jax:cpu:0"),
        ("jax:cpu:0", "jax", "jax:cpu:0"),
        ("strict", "strict", "strict:CPU_DEVICE"),
        ("strict:CPU_DEVICE", "strict", "strict:CPU_DEVICE"),
        ("strict:device1", "strict", "strict:device1"),
        ("strict:device2", "strict", "strict:device2"),
        ("cupy", "cupy", "cuda:0"),
        ("cuda", "cupy", "cuda:0"),
        ("cuda:0", "cupy", "cuda:0"),
        ("cupy:0", "cupy", "cuda:0"),
        ("cupy:cuda:0", "cupy", "cuda:0"),
    ],
)
def test_a_device_is_named_and_its_name_is_accepted(spec, name, text):
    found = find(spec)
    assert found.backend is load_backend(name)
    assert text is None or str(found) == text
    assert device(str(found)) == found and hash(device(str(found))) == hash(found)
    assert device(found) is found
    assert device(found.native) == found
    assert device(found.backend).backend is found.backend


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_every_device_holds_arrays_and_round_trips(name):
    backend = find(name).backend
    assert backend.name == name and backend.version
    for native in backend.devices():
        there = Device(backend, native)
        assert device(str(there)) == there
        array = backend.from_numpy(np.ones(3, np.float32), native)
        assert backend.device_of(array) == native
        assert backend_of(array) is backend
    backend.synchronize()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tpu", r"unknown device or backend 'tpu'; backends: .*numpy.*; devices: cpu, cuda"),
        ("", r"unknown device or backend ''"),
        ("cpu:1", r"backend 'numpy' has no device 'cpu:1'; it has: cpu$"),
        ("strict:device9", r"backend 'strict' has no device 'device9'; it has: CPU_DEVICE, device1, device2"),
        ("cuda:99", r"backend 'cupy' has no device 'cuda:99'; it has: cuda:0"),
        (3.5, r"3\.5 is no device; backends: .*numpy"),
    ],
)
def test_what_is_no_device_is_refused(spec, message):
    if isinstance(spec, str) and spec.startswith(("strict", "cuda")):
        find(spec.partition(":")[0])
    with pytest.raises(BackendError, match=message):
        device(spec)


def test_an_unknown_backend_is_refused():
    with pytest.raises(BackendError, match=r"unknown backend 'nunpy'; found: .*numpy"):
        load_backend("nunpy")


def test_a_backend_can_be_registered_by_hand():
    class Array:
        pass

    assert find_owner(Array) is None
    numpy = load_backend("numpy")
    mine = Backend("mine", numpy.xp, (Array,), lambda: ["host"], np.array, np.array, numpy.synchronize, numpy.index_add)
    register_backend(mine)
    assert find_owner(Array) is mine
    assert str(device("mine")) == "mine:host" and device("mine:host") == device("mine")
    assert "mine" in backend_names()


# ---------------------------------------------------------------- selection


def test_the_order_of_selection(monkeypatch):
    find("strict")
    assert str(current_device()) == "cpu"
    monkeypatch.setenv("POLYMOD_BACKEND", "strict:device2")
    assert str(current_device()) == "strict:device2"
    set_backend("strict:device1")
    assert str(device()) == "strict:device1"
    with use_backend("strict") as outer:
        assert str(outer) == str(current_device()) == "strict:CPU_DEVICE"
        with pytest.raises(KeyError), use_backend("cpu"):
            assert str(current_device()) == "cpu"
            raise KeyError
        assert str(current_device()) == "strict:CPU_DEVICE"
        assert str(place("cpu")) == "cpu"
    assert str(current_device()) == "strict:device1"
    set_backend(None)
    assert str(current_device()) == "strict:device2"


def test_use_backend_holds_in_its_thread_only():
    find("strict")
    seen = []
    with use_backend("strict"):
        thread = threading.Thread(target=lambda: seen.append(str(current_device())))
        thread.start()
        thread.join()
    assert seen == ["cpu"]


def test_a_refused_choice_changes_nothing(monkeypatch):
    set_backend("cpu")
    with pytest.raises(BackendError, match="unknown"):
        set_backend("tpu")
    with pytest.raises(BackendError, match="unknown"), use_backend("tpu"):
        pass
    assert str(current_device()) == "cpu"
    set_backend(None)
    monkeypatch.setenv("POLYMOD_BACKEND", "tpu")
    with pytest.raises(BackendError, match=r"^POLYMOD_BACKEND=tpu: unknown device or backend 'tpu'"):
        current_device()


def test_device_and_backend_together():
    find("strict")
    assert str(place("device1", "strict")) == str(place("strict:device1", "strict")) == "strict:device1"
    assert str(place(backend="strict")) == "strict:CPU_DEVICE"
    with pytest.raises(BackendError, match="has no device 'cpu'"):
        place("cpu", "strict")
    with pytest.raises(BackendError, match="device cpu is not a device of backend 'strict'"):
        place(device("cpu"), "strict")


def test_functions_follow_their_arrays(engine):
    """An engine that has to be told on which device to work is told in functions, definitions, rules and sums."""
    own, seen = engine.backend, []

    def following(function):
        return lambda *args, **attrs: (seen.append(function), function(*args, **attrs))[1]

    follower = dataclasses.replace(own, following=following)
    x = polymod.ones(3).array
    follower.namespace.add(x, x)
    follower.namespace.scale_all([x], x[0])
    assert len(seen) >= 2
    y = polymod.tensor([1.0, 2.0, 3.0], requires_grad=True)
    z = (y * 2 + y * y).sum()
    seen.clear()
    polymod.register_backend(follower)
    try:
        z.backward()
        assert len(seen) >= 4 + 2  # a rule for each operation, and the sums of three cotangents of y
    finally:
        polymod.register_backend(own)
    assert polymod.to_numpy(y.grad).tolist() == [4.0, 6.0, 8.0]


def test_values_are_cast_before_they_go_where_their_dtype_is_not(monkeypatch):
    monkeypatch.setattr(registry, "_loaded", dict(registry._loaded))
    monkeypatch.setattr(registry, "_owner", dict(registry._owner))
    numpy = load_backend("numpy")
    names = ("float32", "int64", "bool", "astype", "asarray", "isdtype", "empty", "inf")
    single = register_backend(
        dataclasses.replace(
            numpy,
            name="single",
            xp=SimpleNamespace(float64=None, **{name: getattr(numpy.xp, name) for name in names}),
            array_types=(Single,),
            from_numpy=refusing_float64,
        )
    )
    x = np.array([0.5, 2.0])
    assert polymod.tensor(x, dtype="float32", backend=single).dtype is polymod.float32
    with pytest.raises(TypeError, match="no float64"):
        polymod.tensor(x, backend=single)


class Single(np.ndarray):
    """The arrays of an engine without float64."""


def refusing_float64(x, device):
    if x.dtype == np.float64:
        raise TypeError("single has no float64")
    return x.copy().view(Single)
