"""Every kernel of the plugin against the portable definition of its name, on the same engine."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.backend import portable
from polymod.testing.calls import Call, native, recorded
from polymod.testing.compare import close, has, rounded
from polymod.testing.plugin import device_key

MAY_OVERWRITE = {"adam_step", "adam_steps", "sgd_step", "sgd_steps"}  # all but the gradients, as their definition says


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kernel" in metafunc.fixturenames:
        metafunc.parametrize("kernel", sorted(metafunc.config.stash[device_key].backend.kernels))


@cache
def all_calls(names: tuple[str, ...]) -> dict[str, list[Call]]:
    return recorded(set(names))


def calls_of(kernel: str, engine: pm.Device, most: int = 40) -> list[Call]:
    """So many calls at most, spread over all that samples lead to."""
    found = all_calls(tuple(sorted(engine.backend.kernels)))[kernel]
    assert found, f"no sample of polymod's leads to a call of {kernel}"
    return found[:: -(-len(found) // most)]


def definition(kernel: str, engine: pm.Device) -> Any:
    """What the kernel replaces: the portable definition on this engine, or the engine's function of the standard."""
    if kernel in portable:
        return lambda *args, **attrs: portable[kernel](engine.backend.namespace, *args, **attrs)
    own = getattr(engine.backend.xp, kernel, None)
    assert own is not None, f"{kernel} is no operation: neither polymod nor the standard has a function of that name"
    return own


# --------------------------------------------------------------------------------------------------- signatures


def test_signature(kernel: str, engine: pm.Device) -> None:
    """A kernel can be called in every way in which its definition can, and has its defaults."""
    definition(kernel, engine)
    try:
        own = inspect.signature(engine.backend.kernels[kernel])
    except ValueError:  # of a function written in C; calls will tell
        return
    if kernel not in portable:
        return
    parameters = list(inspect.signature(portable[kernel]).parameters.values())[1:]
    kinds = inspect.Parameter
    arrays = [p for p in parameters if p.kind is kinds.POSITIONAL_OR_KEYWORD]
    options = {p.name: p.default for p in parameters if p.kind is kinds.KEYWORD_ONLY}
    if any(p.kind is kinds.VAR_KEYWORD for p in parameters):
        options |= dict.fromkeys(calls_of(kernel, engine)[0][1], kinds.empty)
    needed = sum(p.default is kinds.empty for p in arrays)
    for count in range(needed, len(arrays) + 1):
        for names in ([n for n, default in options.items() if default is kinds.empty], list(options)):
            try:
                own.bind(*[None] * count, **dict.fromkeys(names))
            except TypeError as error:
                pytest.fail(f"{kernel}{own} can't be called with {count} arrays and {names}: {error}")
    for name, default in options.items():
        given = own.parameters[name].default if name in own.parameters else default
        assert given in (default, kinds.empty), f"{name} is {given!r} by default, in the definition {default!r}"


# ------------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("precision", ["float64", "float32", "float16", "bfloat16"])
def test_equals_definition(kernel: str, precision: str, engine: pm.Device) -> None:
    """Values, shapes, dtypes, type and device; and the inputs are as before."""
    if not has(engine, precision):
        pytest.skip(f"the engine has no {precision}")
    wide = "float64" if has(engine, "float64") and precision != "float16" else "float32"
    for args, attrs in calls_of(kernel, engine, 40 if precision == wide else 8):
        narrow = precision in ("float16", "bfloat16")
        if any(isinstance(x, np.ndarray) and x.dtype.kind == "c" for x in flat(args)) and (
            narrow or not engine.backend.capabilities.complex
        ):
            continue
        compare(kernel, engine, args, attrs, precision, wide)


def test_any_strides(kernel: str, engine: pm.Device) -> None:
    """The same for arrays whose elements don't lie in the order of their axes."""
    precision = "float64" if has(engine, "float64") else "float32"
    for args, attrs in calls_of(kernel, engine, 8):
        compare(kernel, engine, args, attrs, precision, precision, place=transposed)


def compare(
    kernel: str, engine: pm.Device, args: tuple, attrs: dict, precision: str, wide: str, place: Any = None
) -> None:
    backend = engine.backend
    what = f"{kernel}({describe(args)}, {attrs})"
    attrs = {k: rounded(v, wide) for k, v in attrs.items()}
    own = native(attrs, engine)

    def seen() -> Any:  # anew each time, for steps of optimizers may overwrite it
        return mapped(args, lambda x: there(x, precision, engine))

    try:
        defined = flat(definition(kernel, engine)(*seen(), **own))
    except Exception:  # the engine lacks what the definition needs
        if precision in ("float16", "bfloat16"):
            return
        defined = None
    given = mapped(args, lambda x: (place or there)(x, precision, engine))
    untouched = [(x, host(x, engine)) for x in keeps(kernel, given)]
    found = flat(backend.kernels[kernel](*given, **own))
    for x, before in untouched:
        np.testing.assert_array_equal(host(x, engine), before, err_msg=f"{what} changed an input")
    exact = oracle(kernel, engine, mapped(seen(), lambda x: widened(x, wide, engine)), attrs)
    assert [y is None for y in found] == [y is None for y in exact], what
    for i, (y, e) in enumerate(zip(found, exact, strict=True)):
        if y is not None:
            assert isinstance(y, backend.array_types), f"{what} gave {type(y).__name__}"
            assert backend.device_of(y) == engine.native, f"{what} is on {backend.device_of(y)}"
            close(host(y, engine), e, precision, f"{what}, result {i}")
    if defined is not None:
        dtypes = [[None if y is None else pm.dtypes.dtype(y.dtype).name for y in ys] for ys in (found, defined)]
        assert dtypes[0] == dtypes[1], f"{what} gave {dtypes[0]}, the definition {dtypes[1]}"


def oracle(kernel: str, engine: pm.Device, args: tuple, attrs: dict) -> list[Any]:
    """The definition's results on the host; NumPy computes them where the engine lacks something they need."""
    try:
        found = flat(definition(kernel, engine)(*args, **native(attrs, engine)))
        return [None if y is None else host(y, engine) for y in found]
    except Exception:
        on_host = mapped(args, lambda x: host(x, engine) if hasattr(x, "dtype") else x)
        found = flat(definition(kernel, pm.device("numpy"))(*on_host, **attrs))
        return [None if y is None else np.asarray(y) for y in found]


def keeps(kernel: str, given: tuple) -> list[Any]:
    """The arrays that a call must leave as they are."""
    if kernel in MAY_OVERWRITE:
        given = given[1:2]
    return [x for x in flat(given) if hasattr(x, "dtype")]


def there(x: Any, precision: str, engine: pm.Device) -> Any:
    """A host array on the engine, its floating numbers in this precision."""
    if not isinstance(x, np.ndarray):
        return x
    known = "float32" if precision == "bfloat16" else precision
    array = engine.backend.from_numpy(rounded(x, known), engine.native)
    if precision == "bfloat16" and x.dtype.kind == "f":
        return engine.backend.xp.astype(array, engine.backend.dtype("bfloat16"))
    return array


def transposed(x: Any, precision: str, engine: pm.Device) -> Any:
    """As `there`, but the last axis varies slowest in memory."""
    array = there(x.T.copy() if isinstance(x, np.ndarray) else x, precision, engine)
    if not isinstance(x, np.ndarray) or x.ndim < 2:
        return array
    return engine.backend.xp.permute_dims(array, tuple(range(x.ndim))[::-1])


def widened(x: Any, wide: str, engine: pm.Device) -> Any:
    """A real floating array of the engine in precision `wide`."""
    if not hasattr(x, "dtype") or pm.dtypes.dtype(x.dtype).kind != "f":
        return x
    return engine.backend.xp.astype(x, engine.backend.dtype(wide))


def host(x: Any, engine: pm.Device) -> np.ndarray:
    wide = widened(x, "float32", engine) if pm.dtypes.dtype(x.dtype) is pm.bfloat16 else x
    return np.asarray(engine.backend.to_numpy(wide))


def mapped(x: Any, function: Any) -> Any:
    return type(x)(mapped(part, function) for part in x) if isinstance(x, tuple | list) else function(x)


def flat(x: Any) -> list[Any]:
    return [y for part in x for y in flat(part)] if isinstance(x, tuple | list) else [x]


def describe(args: Any) -> str:
    return ", ".join(f"{x.dtype}{list(x.shape)}" if isinstance(x, np.ndarray) else repr(x) for x in flat(args))
