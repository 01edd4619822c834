"""CuPy-on-CPU's counters of transfers, synchronizations and launches; several devices; and how it is built."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

import numpy as np
import pytest

cp = pytest.importorskip("cupy")
pytestmark = [
    pytest.mark.engine("cupy"),
    pytest.mark.skipif(not hasattr(cp, "_cpu"), reason="not the CuPy of tools/cupy_cpu"),
]
cpu = getattr(cp, "_cpu", None)
RECIPE = Path(__file__).parents[1] / "tools/cupy_cpu"


def counts_of(action):
    action()  # once before: compiling and the pool's first allocations are not what is counted
    with cpu.counted() as n:
        action()
    return {name: times for name, times in n.items() if times}


@functools.cache
def x():  # not at import, for CuPy may be installed where it can't run
    return cp.arange(64, dtype="f4").reshape(8, 8)


HOST = np.ones((8, 8), "f4")
KERNEL = cp.ElementwiseKernel("float32 x", "float32 y", "y = x * 3", "count_three")


@pytest.fixture(autouse=True)
def warm():
    """The kernels are compiled, and the pool has memory: neither is what is counted."""
    KERNEL(x())


def device_copy():
    cp.cuda.runtime.memcpyAsync(x().data.ptr, x()[4:].data.ptr, 128, cp.cuda.runtime.memcpyDeviceToDevice, 0)


def allocation():
    cp.cuda.runtime.free(cp.cuda.runtime.malloc(1024))


def event():
    e = cp.cuda.Event()
    e.record()
    e.synchronize()


def synchronous_copies():
    pointer = HOST.ctypes.data
    cp.cuda.runtime.memcpy(x().data.ptr, pointer, 256, cp.cuda.runtime.memcpyHostToDevice)
    cp.cuda.runtime.memcpy(pointer, x().data.ptr, 128, cp.cuda.runtime.memcpyDeviceToHost)


READ_BACK = {"device_to_host_async": 1, "stream_synchronizations": 1, "implicit_synchronizations": 1}
COUNTED = {
    "a kernel": (lambda: KERNEL(x()), {"kernel_launches": 1}),
    "arithmetic": (lambda: (x() + x()).sum(), {"kernel_launches": 2}),
    "reading back": (lambda: x().get(), READ_BACK | {"device_to_host_async_bytes": 256}),
    "a number": (lambda: float(x()[0, 0]), READ_BACK | {"device_to_host_async_bytes": 4}),
    "sending": (lambda: cp.asarray(HOST), {"host_to_device_async": 1, "host_to_device_async_bytes": 256}),
    "synchronous copies": (
        synchronous_copies,
        {
            "host_to_device": 1,
            "host_to_device_bytes": 256,
            "device_to_host": 1,
            "device_to_host_bytes": 128,
            "implicit_synchronizations": 2,
        },
    ),
    "a copy on the device": (device_copy, {"device_to_device": 1, "device_to_device_bytes": 128}),
    "zeros": (lambda: x()[:1].copy().data.memset(0, 32), {"memsets": 1, "memset_bytes": 32, "kernel_launches": 1}),
    "a product": (lambda: x() @ x(), {"blas_calls": 1}),
    "a sort": (lambda: cp.sort(x()), {"sort_calls": 1, "kernel_launches": 1}),
    "device": (lambda: cp.cuda.Device().synchronize(), {"device_synchronizations": 1}),
    "stream": (lambda: cp.cuda.get_current_stream().synchronize(), {"stream_synchronizations": 1}),
    "event": (event, {"event_synchronizations": 1}),
    "allocation": (
        allocation,
        {"device_mallocs": 1, "device_malloc_bytes": 1024, "device_frees": 1, "implicit_synchronizations": 1},
    ),
    "allocation from the pool": (lambda: cp.empty((8, 8)), {}),
}


@pytest.mark.every_engine
@pytest.mark.parametrize("what", COUNTED)
def test_counts(what):
    action, expected = COUNTED[what]
    found = counts_of(action)
    if what in ("a product", "a sort"):  # and what CuPy does around them
        assert found.items() >= {k: v for k, v in expected.items() if k.endswith("_calls")}.items()
        assert "stream_synchronizations" not in found and "device_to_host_async" not in found
    else:
        assert found == expected


def test_counts_since_the_last_reset():
    cpu.reset_counts()
    assert set(cpu.counts().values()) == {0}
    KERNEL(x())
    assert cpu.counts()["kernel_launches"] == 1
    assert repr(cpu.counts()) == "{'kernel_launches': 1}"


def test_totals():
    with cpu.counted() as n:
        x().get()
        cp.cuda.Device().synchronize()
    assert n.total("transfers") == 1
    assert n.total("synchronizations") == 3
    assert n.total("allocations") == 0


def test_a_graph_is_one_launch_of_its_nodes():
    s = cp.cuda.Stream(non_blocking=True)
    y = cp.empty_like(x())
    KERNEL(x(), y)
    with s:
        with cpu.counted() as capture:
            s.begin_capture()
            KERNEL(x(), y)
            KERNEL(x(), y)
            graph = s.end_capture()
        with cpu.counted() as replay:
            graph.launch()
    assert repr(capture) == "{'captured_nodes': 2}"
    assert repr(replay) == "{'graph_launches': 1, 'graph_nodes': 2}"


def test_where():
    with cpu.counted(where=True) as n:
        x().get()
        first = sys._getframe().f_lineno - 1
        for _ in range(3):
            float(x()[1, 1])
        second = sys._getframe().f_lineno - 1
    assert n.where["device_to_host_async", f"{__file__}:{first}"] == 1
    assert n.where["device_to_host_async", f"{__file__}:{second}"] == 3
    assert n.where["stream_synchronizations", f"{__file__}:{second}"] == 3


FORBIDDEN = {
    "transfers": (lambda: x().get(), "device_to_host_async by cudaMemcpyAsync"),
    "synchronizations": (lambda: cp.cuda.Device().synchronize(), "device_synchronizations by cudaDeviceSynchronize"),
    "host_to_device_async": (lambda: cp.asarray(HOST), "host_to_device_async by cudaMemcpyAsync"),
    "implicit_synchronizations": (lambda: x().get(), "implicit_synchronizations by cudaMemcpyAsync"),
    "allocations": (lambda: cp.cuda.runtime.malloc(64), "device_mallocs by cudaMalloc"),
}


@pytest.mark.every_engine
@pytest.mark.parametrize("what", FORBIDDEN)
def test_forbidden(what):
    action, message = FORBIDDEN[what]
    action()
    with cpu.forbidden(what), cpu.forbidden("allocations"):
        KERNEL(x())  # a launch is no transfer
        with pytest.raises(RuntimeError, match=f"forbidden here: {message}") as caught:
            action()
    assert any(frame.filename == __file__ for frame in traceback.extract_tb(caught.tb))
    action()


def test_what_cannot_be_forbidden():
    message = "'kernels' can't be forbidden; there are transfers, synchronizations"
    with pytest.raises(ValueError, match=message), cpu.forbidden("kernels"):
        pass


def python(code, **environment):
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)


def test_forbidden_by_the_environment():
    done = python("import cupy\ncupy.ones(3)\ncupy.ones(3).get()", CUPY_CPU_FORBID="transfers")
    assert "line 3" in done.stderr and "RuntimeError: forbidden here: device_to_host_async" in done.stderr


def test_two_devices():
    code = """
        import cupy, numpy
        assert cupy.cuda.runtime.getDeviceCount() == 2
        with cupy.cuda.Device(1):
            x = cupy.arange(5, dtype="f4")
            y = x * 2
            assert y.device.id == 1 and (x @ y).device.id == 1
        assert y.get().tolist() == [0, 2, 4, 6, 8] and cupy.cuda.Device().id == 0
        with cupy._cpu.counted() as n:
            z = cupy.asarray(y)  # on the current device
        assert z.device.id == 0 and z.get().tolist() == y.get().tolist() and n["peer_to_peer"] == 1, n
        try:
            z + y
            raise SystemExit("arrays of two devices were added")
        except ValueError as error:
            assert "device" in str(error)
        kernel = cupy.RawKernel('extern "C" __global__ void f(float* x) {}', "f")
        try:
            kernel((1,), (1,), (y,))
            raise SystemExit("a kernel got memory of another device")
        except cupy.cuda.driver.CUDADriverError as error:
            assert "points to memory of device 1, but the kernel runs on device 0" in str(error), error
        with cupy.cuda.Device(1):
            s = cupy.cuda.Stream(non_blocking=True)
        try:
            with s:
                cupy.arange(3)
            raise SystemExit("a launch on a stream of another device")
        except Exception as error:
            assert "invalid" in str(error) or "device" in str(error), error
    """
    done = python(code, CUPY_CPU_DEVICES="2")
    assert done.returncode == 0, done.stderr


def test_threads_in_reverse():
    code = """
        import cupy
        x = cupy.zeros(1, "i4")
        last = cupy.RawKernel('extern "C" __global__ void f(int* x) { x[0] = blockIdx.x * 10 + threadIdx.x; }', "f")
        last((3,), (7,), (x,))
        print(int(x[0]))
    """
    assert python(code, CUPY_CPU_REVERSE="0").stdout == "26\n"
    assert python(code, CUPY_CPU_REVERSE="1").stdout == "0\n"


# ---- the build ----
@pytest.fixture
def build(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPE))
    spec = importlib.util.spec_from_file_location("cupy_cpu_build", RECIPE / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_wheel_that_is_there_is_not_built_again(build, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "build", lambda *arguments: pytest.fail("built again"))
    wheel = tmp_path / f"cupy-{build.version()}-cp3-cp3-linux_x86_64.whl"
    wheel.touch()
    assert build.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{wheel}\n"


def test_any_change_of_the_recipe_is_another_version(build, tmp_path, monkeypatch):
    before = build.version()
    assert before == build.version()
    copy = tmp_path / "recipe"
    for part in build.PARTS:
        source = RECIPE / part
        for file in source.rglob("*") if source.is_dir() else [source]:
            if file.is_file():
                target = copy / file.relative_to(RECIPE)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    monkeypatch.setattr(build, "HERE", copy)
    assert build.version() == before
    (copy / "src/errors.cpp").write_text("// changed")
    assert build.version() != before


def test_what_a_machine_lacks_is_said(build, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    monkeypatch.setattr(build.sysconfig, "get_path", lambda name: str(tmp_path))
    assert build.main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    for part in ("Linux on x86-64 (this is linux on aarch64)", "Python.h", "apt install python3-dev", "g++ (on Debian"):
        assert part in said


def test_the_end_of_a_failed_commands_output_is_shown(build):
    with pytest.raises(build.BuildError, match=r"(?s)went wrong\ndownload: failed with status 3. Is there a network"):
        build.run("download", [sys.executable, "-c", "print('went wrong'); raise SystemExit(3)"], "Is there a network?")
