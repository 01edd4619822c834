"""What holds for every class of polymod.nn: copies, hooks, modes, dtypes, shapes without data, text, lazy sizes.

The arguments of constructors and calls are those of torch's module database (see torch_modules).
"""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import pytest
from nets import host

import polymod as pm
from polymod import nn
from polymod.nn.parameter import device_of, is_lazy
from polymod.nn.shapes import shape_tensor

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's module database imports the package expecttest")
modules = pytest.importorskip("torch_modules", exc_type=ImportError)

pytestmark = pytest.mark.filterwarnings("ignore")
entries = modules.entries()
placed = {n: inspect.signature(e.module_cls).parameters.keys() & {"device", "dtype"} for n, e in entries.items()}
with_layers = {"TransformerEncoder", "TransformerDecoder"}
learned = {n for n in entries if placed[n]} - {f"InstanceNorm{n}d" for n in (1, 2, 3)} | with_layers  # have parameters
every_class = pytest.mark.parametrize("name", sorted(entries))
lazy = pytest.mark.parametrize("name", sorted(n for n, entry in entries.items() if entry.is_lazy))


@cache
def samples(name: str) -> list[Any]:
    """Some arguments of the constructor and of calls that suit them."""
    torch.manual_seed(0)
    entry = entries[name]
    made = entry.module_inputs_func(entry, device="cpu", dtype=torch.float64, requires_grad=False, training=False)
    return [s for s in islice(made, 8) if s.forward_input is not None]


def call_of(name: str, dtype: Any = torch.float64, number: int = 0) -> Any:
    """Both modules, in evaluation mode, ours with torch's state."""
    call = modules.ModuleCall(entries[name], samples(name)[number], dtype, False)
    call.take_state()
    return call


def inputs(call: Any, dtype: Any = None) -> tuple[Any, dict[str, Any]]:
    """The arguments of the call, floating ones of `dtype`."""

    def cast(x: Any) -> Any:
        return x if dtype is None or not x.is_floating_point() else x.to(dtype)

    arguments, keywords = modules.mapped(cast, (call.arguments, call.keywords))
    return tuple(map(modules.here, arguments)), {k: modules.here(v) for k, v in keywords.items()}


def result(module: Any, called: tuple[Any, dict[str, Any]]) -> list[Any]:
    """The arrays that a call gives, of the same random numbers each time."""
    pm.random.manual_seed(4)
    with pm.no_grad():
        return modules.outputs_of(module(*called[0], **called[1]), pm.Tensor)


def state_of(module: Any) -> dict[str, np.ndarray]:
    return {name: host(t).copy() for name, t in module.state_dict().items()}


def assert_same_state(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name, strict=True)


def pickled(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))


# ------------------------------------------------------------------------------------------------------ one sample each


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled], ids=["deepcopy", "pickle"])
@every_class
def test_copies(name: str, copied: Callable[[Any], Any]):
    """A copy gives the same results from arrays of its own."""
    call = call_of(name)
    ours, called = call.ours, inputs(call)
    before, expected = state_of(ours), result(ours, called)
    twin = copied(ours)
    assert type(twin) is type(ours) and repr(twin) == repr(ours) and not twin.training
    assert [n for n, _ in twin.named_modules()] == [n for n, _ in ours.named_modules()]
    assert_same_state(state_of(twin), before)
    for found, value in zip(result(twin, called), expected, strict=True):
        np.testing.assert_array_equal(host(found), host(value), strict=True)
    originals = dict(ours.state_dict())
    for path, tensor in twin.state_dict().items():
        assert tensor.array is not originals[path].array, path
    with pm.no_grad():
        for tensor in [*twin.parameters(), *twin.buffers()]:
            tensor[...] = 7
    assert all(np.all(value == 7) for value in state_of(twin).values())
    assert_same_state(state_of(ours), before)


@every_class
def test_hooks(name: str):
    """Hooks before and after forward run once each, in this order, with the inputs; no result changes by them."""
    call = call_of(name)
    called, seen = inputs(call), []
    expected = result(call.ours, called)

    def before(module: Any, args: Any, kwargs: Any) -> None:
        seen.append(("before", module, args, kwargs))

    def after(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        seen.append(("after", module, args, kwargs, output))

    handles = [
        call.ours.register_forward_pre_hook(before, with_kwargs=True),
        call.ours.register_forward_hook(after, with_kwargs=True),
    ]
    found = result(call.ours, called)
    assert [(s[0], s[1] is call.ours) for s in seen] == [("before", True), ("after", True)]
    for _, _, args, kwargs, *_ in seen:
        assert list(map(id, args)) == list(map(id, called[0]))
        assert {k: id(v) for k, v in kwargs.items()} == {k: id(v) for k, v in called[1].items()}
    for y, hooked, value in zip(found, modules.outputs_of(seen[1][-1], pm.Tensor), expected, strict=True):
        assert y is hooked
        np.testing.assert_array_equal(host(y), host(value))
    for handle in handles:
        handle.remove()
    result(call.ours, called)
    assert len(seen) == 2


@every_class
def test_modes_reach_every_module_below(name: str):
    ours = call_of(name).ours
    for mode in (True, False):
        assert (ours.train() if mode else ours.eval()) is ours
        assert {m.training for m in ours.modules()} == {mode}


@every_class
def test_dtypes(name: str):
    """Floating parameters, buffers and results have the dtype that the module was moved to; others keep theirs."""
    call = call_of(name)
    kinds = {path: t.dtype for path, t in call.ours.state_dict().items()}
    for dtype, theirs in ((pm.float32, torch.float32), (pm.float64, torch.float64)):
        call.ours.to(dtype)
        called = inputs(call, theirs)
        given = modules.outputs_of([called[0], list(called[1].values())], pm.Tensor)
        floats = any(t.dtype.kind == "f" for t in [*given, *call.ours.parameters()])
        for y, expected in zip(result(call.ours, called), torch_result(call, theirs), strict=True):
            wanted = dtype if floats and expected.is_floating_point() else modules.dtype_of(expected.dtype)
            assert y.dtype == wanted
        for path, t in call.ours.state_dict().items():
            assert t.dtype == (dtype if kinds[path].kind == "f" else kinds[path]), path
            assert t.device == pm.current_device()


def torch_result(call: Any, dtype: Any) -> list[Any]:
    def cast(x: Any) -> Any:
        return x.to(dtype) if x.is_floating_point() else x

    arguments, keywords = modules.mapped(cast, (call.arguments, call.keywords))
    with torch.no_grad():
        return modules.outputs_of(call.theirs.to(dtype)(*arguments, **keywords), torch.Tensor)


@every_class
def test_shapes_without_data(name: str):
    """The shapes that are found without data are those of the results; the module is as before."""
    for number in range(min(3, len(samples(name)))):
        call = call_of(name, number=number)
        args, kwargs = inputs(call)
        before, expected = state_of(call.ours), [tuple(y.shape) for y in result(call.ours, (args, kwargs))]
        if kwargs or not all(isinstance(a, pm.Tensor) for a in args):
            with pm.no_grad():  # what output_shape takes no shape for
                found = call.ours(*map(without_data, args), **{k: without_data(v) for k, v in kwargs.items()})
            found = [y.shape for y in modules.outputs_of(found, pm.Tensor)]
        else:
            found = flat(call.ours.output_shape(*((a.shape, a.dtype) for a in args)))
        assert found == expected, str(call)
        assert_same_state(state_of(call.ours), before)


def without_data(x: Any) -> Any:
    if type(x) in (list, tuple):
        return type(x)(map(without_data, x))
    return shape_tensor(x.shape, x.dtype) if isinstance(x, pm.Tensor) else x


def flat(shapes: Any) -> list[tuple[int, ...]]:
    """The shapes in nested tuples and lists of them."""
    if shapes is None:
        return []
    if isinstance(shapes, tuple) and all(isinstance(n, int) for n in shapes):
        return [shapes]
    return [s for part in shapes for s in flat(part)]


@pytest.mark.parametrize("name", sorted(learned))
def test_tied_parameters(name: str):
    """A parameter in two modules is listed once, saved under both names, and one still in copies and after loading."""
    first, second = call_of(name).ours, call_of(name).ours
    shared = dict(first.named_parameters())
    assert shared
    for path, parameter in shared.items():
        parent, _, own = path.rpartition(".")
        setattr(second.get_submodule(parent), own, parameter)
    pair = nn.ModuleList([first, second])
    twin = copy.deepcopy(pair)
    twin.load_state_dict(pair.state_dict())
    for tied in (pair, twin, pickled(pair)):
        assert [n for n, _ in tied.named_parameters()] == [f"0.{path}" for path in shared]
        assert list(tied.state_dict()) == list(pair.state_dict())
        for path in shared:
            assert tied.get_parameter(f"0.{path}") is tied.get_parameter(f"1.{path}")
    assert_same_state(state_of(twin), state_of(pair))


# --------------------------------------------------------------------------------------------------------- constructors


@pytest.mark.parametrize("name", sorted(entries))
@pytest.mark.any_engine
def test_text(name: str):
    """repr is torch's. Torch's attention projects by a subclass of Linear that marks it for quantization."""
    for number in range(len(samples(name))):
        call = call_of(name, number=number)
        assert repr(call.ours) == repr(call.theirs).replace("NonDynamicallyQuantizableLinear", "Linear")


@pytest.mark.parametrize("name", sorted(n for n in entries if placed[n]))
def test_places_and_dtypes_of_constructors(name: str):
    """`device=` and `dtype=` are taken where torch takes them, and are those of the parameters."""
    made = samples(name)[0].constructor_input
    given = {k: modules.here(v) for k, v in made.kwargs.items() if k not in placed[name]}
    place = {"device": pm.current_device(), "dtype": pm.float64}
    ours = getattr(nn, name)(*map(modules.here, made.args), **given, **{k: place[k] for k in placed[name]})
    for path, tensor in [*ours.named_parameters(), *ours.named_buffers()]:
        assert device_of(tensor) == pm.current_device(), path
        assert tensor.array.dtype == pm.float64 if is_lazy(tensor) else tensor.dtype.name in ("float64", "int64"), path


@every_class
@pytest.mark.any_engine
def test_arguments(name: str):
    """The constructor's and forward's arguments have torch's names, order and defaults; ours may take more after."""
    for ours, theirs in (
        (getattr(nn, name), entries[name].module_cls),
        (getattr(nn, name).forward, entries[name].module_cls.forward),
    ):
        assert_takes(ours, theirs)


@pytest.mark.any_engine
@pytest.mark.parametrize("name", sorted(n for n in vars(nn.functional) if hasattr(torch.nn.functional, n)))
def test_arguments_of_functions(name: str):
    """The same for functions, where torch's are written in Python and say what they take."""
    ours, theirs = getattr(nn.functional, name), getattr(torch.nn.functional, name)
    if inspect.isfunction(theirs) and list(inspect.signature(theirs).parameters)[-2:] != ["args", "kwargs"]:
        assert_takes(ours, theirs)


def assert_takes(ours: Any, theirs: Any) -> None:
    def outline(f: Any) -> list[tuple[str, Any]]:
        given = inspect.signature(f).parameters.values()
        return [(p.name, default(p.default)) for p in given if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]

    found, expected = outline(ours), outline(theirs)
    assert found[: len(expected)] == expected


def default(x: Any) -> Any:
    """`x`, or the name of the function that it is."""
    return x.__name__ if inspect.isfunction(x) else x


# ----------------------------------------------------------------------------------------------------------- lazy sizes


@lazy
def test_before_the_first_call(name: str):
    """A lazy module is copied and loaded before it knows its sizes, and then behaves as the module it becomes."""
    call = call_of(name)
    made, called, state = samples(name)[0].constructor_input, inputs(call), state_of(call.ours)
    expected = result(call.ours, called)

    def fresh() -> Any:
        kwargs = {k: modules.here(v) for k, v in made.kwargs.items()}
        return getattr(nn, name)(*map(modules.here, made.args), **kwargs).to(pm.float64).eval()

    for unknown in (fresh(), copy.deepcopy(fresh()), pickled(fresh())):
        assert any(map(is_lazy, [*unknown.parameters(), *unknown.buffers()]))
        with pytest.raises(pm.StateError, match="first call"):
            unknown.state_dict()
        unknown.load_state_dict(state)
        for found, value in zip(result(unknown, called), expected, strict=True):
            np.testing.assert_array_equal(host(found), host(value), strict=True)
        assert_same_state(state_of(unknown), state)
        assert repr(unknown) == repr(call.theirs)
    called_first = fresh()
    result(called_first, called)
    assert {k: v.shape for k, v in called_first.state_dict().items()} == {k: v.shape for k, v in state.items()}
    assert repr(called_first) == repr(call.theirs)


# ---------------------------------------------------------------------------------- containers, bases and other names

others: dict[str, Callable[[Any], Any]] = {
    "Sequential": lambda nn: nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3))),
    "ModuleList": lambda nn: nn.ModuleList([nn.Linear(2, 3), nn.ModuleList([nn.ReLU()]), nn.ModuleList()]),
    "ModuleDict": lambda nn: nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.ModuleDict({"c": nn.PReLU()})}),
    "SyncBatchNorm": lambda nn: nn.SyncBatchNorm(3),
    "RNNBase": lambda nn: nn.RNNBase("GRU", 2, 3, num_layers=2),
    "RNNCellBase": lambda nn: nn.RNNCellBase(2, 3, True, num_chunks=4),
    "DataParallel": lambda nn: nn.DataParallel(nn.Linear(2, 3)),
    "NLLLoss2d": lambda nn: nn.NLLLoss2d(),
    "ParameterList": lambda nn: nn.ParameterList([nn.Parameter(x) for x in ones(nn, 2)]),
    "ParameterDict": lambda nn: nn.ParameterDict({"a": nn.Parameter(ones(nn, 1)[0])}),
}


def ones(namespace: Any, count: int) -> list[Any]:
    library = torch if namespace is torch.nn else pm
    return [library.ones(3) for _ in range(count)]


@pytest.mark.any_engine
def test_every_class_is_here():
    kinds = {n for n, k in vars(nn).items() if isinstance(k, type) and issubclass(k, nn.Module)}
    assert kinds - {"Module", "Lambda", "Dense"} == entries.keys() | (others.keys() & kinds)


@pytest.mark.parametrize("name", others)
def test_others(name: str):
    """Keys, text, copies and modes of the classes that are no layers by themselves."""
    ours, theirs = others[name](nn), others[name](torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    if not name.startswith("Parameter"):  # what parameters look like is the engine's
        assert repr(ours) == repr(theirs)
    for twin in (copy.deepcopy(ours), pickled(ours)):
        assert_same_state(state_of(twin), state_of(ours))
        assert not {id(p) for p in twin.parameters()} & {id(p) for p in ours.parameters()}
        assert {m.training for m in twin.eval().modules()} == {False}
    assert {m.training for m in ours.modules()} == {True}
