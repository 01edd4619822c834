"""CuPy-on-CPU's stream capture and graphs (tools/cupy_cpu): what is captured, what CUDA's rules forbid."""

from __future__ import annotations

import contextlib
import threading

import numpy as np
import pytest

cp = pytest.importorskip("cupy")
pytestmark = [
    pytest.mark.engine("cupy"),
    pytest.mark.skipif(not hasattr(cp, "_cpu"), reason="not the CuPy of tools/cupy_cpu"),
]
runtime = cp.cuda.runtime


def adding():
    source = 'extern "C" __global__ void add(float* x, float a) { x[threadIdx.x] += a; }'
    return cp.RawKernel(source, "add")


def stream():
    return cp.cuda.Stream(non_blocking=True)


def test_a_graph_runs_what_was_captured():
    s, add = stream(), adding()
    x = cp.zeros(8, "f4")
    with s:
        s.begin_capture()
        assert s.is_capturing()
        add((1,), (8,), (x, np.float32(3)))
        x *= 2
        graph = s.end_capture()
        assert x.tolist() == [0] * 8  # captured, not run
        graph.launch()
        graph.launch()
    s.synchronize()
    assert x.tolist() == [18] * 8


def test_a_graph_keeps_its_arguments_by_value():
    s, add, a, x = stream(), adding(), np.array([3], "f4"), cp.zeros(4, "f4")
    with s:
        s.begin_capture()
        add((1,), (4,), (x, a[0]))
        a[0] = 100
        graph = s.end_capture()
    del add, a  # the graph needs neither the function object nor the number
    graph.launch(s)
    assert x.tolist() == [3] * 4


def test_an_executable_graph_outlives_its_graph():
    s, x = stream(), cp.zeros(4, "f4")
    s.begin_capture()
    with s:
        adding()((1,), (4,), (x, np.float32(2)))
    graph = runtime.streamEndCapture(s.ptr)
    executable = runtime.graphInstantiate(graph)
    runtime.graphDestroy(graph)
    runtime.graphLaunch(executable, s.ptr)
    runtime.graphExecDestroy(executable)
    assert x.tolist() == [2] * 4


def test_a_replay_needs_the_memory_that_was_captured():
    pool, s = cp.cuda.MemoryPool(), stream()
    with cp.cuda.using_allocator(pool.malloc), s:
        x = cp.zeros(4, "f4")
        add = adding()
        add.compile()
        s.begin_capture()
        add((1,), (4,), (x, np.float32(2)))
        graph = s.end_capture()
        del x
        graph.launch()  # the pool still has it
        pool.free_all_blocks()
        with pytest.raises(runtime.CUDARuntimeError, match="not a pointer to device memory"):
            graph.launch()


def test_what_the_pool_hands_out_again_a_replay_overwrites():
    pool, s = cp.cuda.MemoryPool(), stream()
    with cp.cuda.using_allocator(pool.malloc), s:
        x = cp.zeros(4, "f4")
        s.begin_capture()
        adding()((1,), (4,), (x, np.float32(2)))
        graph = s.end_capture()
        del x
        y = cp.zeros(4, "f4")
        graph.launch()
    assert y.tolist() == [2] * 4


def test_fork_and_join():
    s, t, e, f, x = stream(), stream(), cp.cuda.Event(), cp.cuda.Event(), cp.zeros(4, "f4")
    s.begin_capture()
    e.record(s)
    t.wait_event(e)
    with t:
        adding()((1,), (4,), (x, np.float32(2)))
    f.record(t)
    s.wait_event(f)
    s.end_capture().launch(s)
    assert x.tolist() == [2] * 4


# CUDA's rule for calls that no stream orders, such as cudaMalloc, during a capture of each mode
MODES = {"global": 0, "thread local": 1, "relaxed": 2}
ALLOWED = {"global": (False, False), "thread local": (False, True), "relaxed": (True, True)}


@pytest.mark.parametrize("other_thread", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_allocation_during_capture(mode, other_thread):
    s, errors = stream(), []

    def allocate():
        try:
            runtime.free(runtime.malloc(1000))
        except runtime.CUDARuntimeError as error:
            errors.append(error)

    s.begin_capture(MODES[mode])
    if other_thread:
        thread = threading.Thread(target=allocate)
        thread.start()
        thread.join()
    else:
        allocate()
    if ALLOWED[mode][other_thread]:
        s.end_capture()
        assert not errors
    else:
        with pytest.raises(runtime.CUDARuntimeError, match="previous error during capture"):
            s.end_capture()
        assert "cudaErrorStreamCaptureUnsupported" in str(errors[0])


@pytest.mark.parametrize("mode", MODES)
def test_allocation_from_a_pool_during_capture(mode):
    pool, s = cp.cuda.MemoryPool(), stream()
    with cp.cuda.using_allocator(pool.malloc), s:
        del_me = cp.empty(1000, "f4")
        del del_me
        s.begin_capture(MODES[mode])
        x = cp.empty(1000, "f4")  # the block that the pool got back
        x.fill(3)
        graph = s.end_capture()
        graph.launch()
    assert x.tolist() == [3] * 1000


def in_capture(work):
    def run():
        s, a = stream(), cp.ones((3, 3))
        a @ a  # the handle exists before
        with s:
            s.begin_capture()
            try:
                work(s, a)
            finally:
                with contextlib.suppress(runtime.CUDARuntimeError):
                    s.end_capture()

    return run


def invalidated():
    s = stream()
    s.begin_capture()
    with pytest.raises(runtime.CUDARuntimeError):
        s.synchronize()
    s.end_capture()


def unjoined():
    s, t, e, x = stream(), stream(), cp.cuda.Event(), cp.zeros(3)
    s.begin_capture()
    e.record(s)
    t.wait_event(e)
    with t:
        x += 1
    s.end_capture()


def ended_by_another_thread():
    s, errors = stream(), []
    s.begin_capture(MODES["thread local"])

    def end():
        try:
            s.end_capture()
        except runtime.CUDARuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    runtime.streamEndCapture(s.ptr)
    raise errors[0]


RAISES = {
    "cuBLAS in capture": (in_capture(lambda s, a: a @ a), "capture"),
    "cuRAND in capture": (in_capture(lambda s, a: cp.random.rand(3)), "capture"),
    "reading back in capture": (in_capture(lambda s, a: a.get()), "captur"),
    "query in capture": (
        in_capture(lambda s, a: runtime.streamQuery(s.ptr) and runtime.streamSynchronize(s.ptr)),
        "captur",
    ),
    "synchronization of the device in capture": (in_capture(lambda s, a: cp.cuda.Device().synchronize()), "capturing"),
    "synchronization in capture": (in_capture(lambda s, a: s.synchronize()), "capturing"),
    "end of an invalidated capture": (invalidated, "previous error"),
    "unjoined capture": (unjoined, "unjoined"),
    "capture ended by another thread": (ended_by_another_thread, "WrongThread"),
}


@pytest.mark.every_engine
@pytest.mark.parametrize("what", RAISES)
def test_raises(what):
    action, message = RAISES[what]
    with pytest.raises(Exception, match=message):
        action()
