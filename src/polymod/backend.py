"""What a backend is, where backends are found, and which one new arrays are made on.

A backend is data: a namespace of the array API standard plus the few things the standard leaves out. Plugins
announce one under the entry-point group `polymod.backends`; the group `polymod.devices` says which backend
serves a bare device name such as "cpu" or "cuda". No engine is imported before it is chosen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import array_api_compat
import numpy as np

from .dtypes import DType, dtype
from .errors import BackendError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

portable: dict[str, Callable[..., Any]] = {}
"""Definitions of operations beyond the standard, `f(xp, *arrays, **attributes)`, by name.

Each is written against the standard alone; it is the fallback where an engine has no kernel of that name, and
the oracle that the kernels are tested against.
"""


def define(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register `function(xp, ...)` as the portable definition of the operation named like it."""
    portable[function.__name__] = function
    return function


corrections: dict[str, tuple[str, Callable[..., Any]]] = {}
"""What puts an engine's own function right, `f(xp, own, *arrays)`, by the function's name, with the kinds of dtype
that it is for."""


def correct(kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register `function(xp, own, x, ...)` as the correction of the engine's function of its name, `own`.

    It is called for arrays of these kinds ("c" for complex, "f" for real floating numbers); others go straight to
    the engine.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        corrections[function.__name__] = kinds, function
        return function

    return register


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do, where engines differ."""

    mutable: bool = True  # x[i] = v writes in place
    host_access: bool = True  # np.asarray(x) shares the array's memory
    float64: bool = True
    complex: bool = True


@dataclass(frozen=True, eq=False, repr=False)
class Backend:
    """An engine: everything polymod needs to know of an array library.

    Attributes:
        name: as in `use_backend(name)`; the entry point has the same name.
        xp: the namespace of the standard, from array_api_compat where the library needs it.
        array_types: the classes of the engine's arrays.
        devices: returns the native devices, the current one first.
        from_numpy: `(host_array, native_device) -> array`, always a copy.
        to_numpy: `array -> np.ndarray`, always a copy, from whatever device.
        synchronize: wait until everything queued on the engine's devices is done.
        index_add: `(x, key, values) -> array`: a copy of `x` with `values` added at `x[key]`; where an
            element is named several times, every value counts.
        kernels: faster implementations by operation name, with the signature of the portable definition less
            its first parameter (`relu(x)`, `conv2d(x, weight, *, stride, ...)`).
        capabilities: see `Capabilities`.
        device_name: the name of a native device as a user writes it ("cpu", "cuda:1").
        device_of: the native device that holds an array.
        to_device: `(array, native_device) -> array`, within the engine.
        version: the array library's version.
        peak_memory: `(native_device, function) -> int | None`: call `function` and return the most bytes that arrays
            took on that device meanwhile, beyond those before. None (also as the result, after the call) where the
            engine keeps no count.
        capture: `native_device -> recorder`, which can record what is launched and launch it again; None where the
            engine can't. See `Recorder`.
        following: turns a function of the engine's arrays into one that runs on the device of the first of them; None
            where all of the engine's functions, and its arrays' operators, do so themselves.
        precedence: 0 for an engine; higher for the arrays of a transformation, whose operations with others it takes.
    """

    name: str
    xp: Any
    array_types: tuple[type, ...]
    devices: Callable[[], Sequence[Any]]
    from_numpy: Callable[[np.ndarray, Any], Any]
    to_numpy: Callable[[Any], np.ndarray]
    synchronize: Callable[[], None]
    index_add: Callable[[Any, Any, Any], Any]
    kernels: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    capabilities: Capabilities = Capabilities()
    device_name: Callable[[Any], str] = str
    device_of: Callable[[Any], Any] = array_api_compat.device
    to_device: Callable[[Any, Any], Any] = array_api_compat.to_device
    version: str = ""
    peak_memory: Callable[[Any, Callable[[], Any]], int | None] | None = None
    capture: Callable[[Any], Recorder] | None = None
    following: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    precedence: int = 0

    def __repr__(self) -> str:
        return f"<backend {self.name} {self.version}>"

    @property
    def is_engine(self) -> bool:
        """Whether these are arrays with values of their own; engines are never mixed in one operation."""
        return self.precedence == 0

    @cached_property
    def namespace(self) -> Namespace:
        """The standard as this engine provides it, with its kernels and every portable definition."""
        return Namespace(self)

    @cached_property
    def _dtypes(self) -> dict[DType, Any]:
        return {}

    def dtype(self, d: Any) -> Any:
        """The engine's own dtype object for `d`.

        Raises:
            TypeError: the engine has no such dtype.
        """
        d = dtype(d)
        try:
            return self._dtypes[d]
        except KeyError:
            native = getattr(self.xp, d.name, None)
            if native is None:
                raise TypeError(f"backend {self.name} has no dtype {d.name}") from None
            self._dtypes[d] = native
            return native

    def has_dtype(self, d: Any) -> bool:
        """Whether the engine has the dtype `d`."""
        return getattr(self.xp, dtype(d).name, None) is not None


class Recorder(Protocol):
    """What `Backend.capture` returns: one recording, for `polymod.capture`.

    While something is recorded, operations get arrays as usual, but nothing has run and no value can be read. The
    engine's kernels of `sgd_steps` and `adam_steps` then get `live=`, a function that gives their options (and
    `steps`) at the launch at hand, and its kernels of random numbers an `offset` (see `draws`), made by `value`.
    """

    def rehearse(self) -> AbstractContextManager[Any]:
        """Inside, operations run at once, by the kernels that recording uses: those are compiled then."""

    def record(self) -> AbstractContextManager[Any]:
        """Inside, what is launched is recorded and not run. After an error there is no recording."""

    def launch(self) -> None:
        """Run what was recorded, after setting every `value`."""

    def refuses(self, error: BaseException) -> bool:
        """Whether `error` is the engine's way to say that something can't be recorded."""

    def value(self, dtype: np.dtype, function: Callable[[], Any]) -> Any:
        """An array of one `dtype` on the device, which each launch sets to what `function` gives then."""

    def input(self, array: Any) -> Any:
        """An array of the engine's for the recording to read, with the values of `array`, the engine's or NumPy's."""

    def write(self, target: Any, source: Any) -> None:
        """Write the values of `source`, the engine's or NumPy's, to `target`: now, or recorded while recording."""

    def own(self, array: Any) -> Any:
        """`array`, or a copy if it may be a view of another one."""

    def copy(self, array: Any) -> Any:
        """A copy in memory of its own."""


class Namespace:
    """The functions that derivative rules and portable definitions call on one engine's arrays.

    A name is looked up among the engine's kernels, the portable definitions, and the engine's namespace, whose
    functions may be corrected.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.index_add = backend.index_add

    def __getattr__(self, name: str) -> Any:
        if name in self.backend.kernels:
            value = self.backend.kernels[name]
        elif name in portable:
            value = partial(portable[name], self)
        else:
            value = getattr(self.backend.xp, name)
            if name in corrections:
                value = self._corrected(value, *corrections[name])
        if self.backend.following is not None and callable(value) and not isinstance(value, type):
            value = self.backend.following(value)
        setattr(self, name, value)  # found once
        return value

    def _corrected(self, own: Callable[..., Any], kinds: str, function: Callable[..., Any]) -> Callable[..., Any]:
        plain = set()  # the engine's dtypes for which its function is right
        corrected = partial(function, self, own)

        def choose(*arrays: Any) -> Any:
            try:
                given = arrays[0].dtype
            except AttributeError:  # a number
                given = arrays[1].dtype
            if given in plain:
                return own(*arrays)
            if dtype(given).kind in kinds:
                return corrected(*arrays)
            plain.add(given)
            return own(*arrays)

        return choose


class Device:
    """A device of a backend, for instance `cpu`, `cuda:1` or `strict:device1`.

    `str(device)` is accepted wherever a device is.
    """

    __slots__ = ("backend", "native")

    def __init__(self, backend: Backend, native: Any) -> None:
        self.backend, self.native = backend, native

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        if isinstance(other, Device):
            return self.backend is other.backend and self.native == other.native
        return NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        name = self.backend.device_name(self.native)
        served = _device_entries().get(name.partition(":")[0])
        owner = served is not None and served.value == getattr(_entries().get(self.backend.name), "value", None)
        return name if owner else f"{self.backend.name}:{name}"

    def __repr__(self) -> str:
        return f"Device({str(self)!r})"


# ---------------------------------------------------------------------------------------------- the registry

_loaded: dict[str, Backend] = {}
_owner: dict[type, Backend | None] = {}  # array type -> its backend, or None for what is no array


@cache
def _entries() -> dict[str, EntryPoint]:
    return _announced("polymod.backends")


@cache
def _device_entries() -> dict[str, EntryPoint]:
    return _announced("polymod.devices")


def _announced(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # a slow import, which many programs that import polymod never need

    return {e.name: e for e in entry_points(group=group)}


def backend_names() -> list[str]:
    """The names of all backends found, usable or not. Imports none of them."""
    return sorted({*_entries(), *(name for name, backend in _loaded.items() if backend.is_engine)})


def register_backend(backend: Backend) -> Backend:
    """Make `backend` known without an entry point, for instance from a notebook or a test."""
    _loaded[backend.name] = backend
    for known, owner in list(_owner.items()):
        if owner is None or issubclass(known, backend.array_types):
            del _owner[known]
    for array_type in backend.array_types:
        _owner[array_type] = backend
    return backend


def load_backend(name: str) -> Backend:
    """Return the backend `name`, importing its engine if need be.

    Raises:
        BackendError: no backend has that name, or its engine can't be used; the message says what mends it.
    """
    if name in _loaded:
        return _loaded[name]
    entry = _entries().get(name)
    if entry is None:
        raise BackendError(f"unknown backend {name!r}; found: {', '.join(backend_names())}")
    try:
        backend = entry.load()
    except BackendError:
        raise
    except Exception as error:  # whatever a plugin raises must not look like a fault of polymod
        raise BackendError(_why_unusable(entry, error)) from error
    if not isinstance(backend, Backend):
        raise BackendError(f"plugin {name!r} ({entry.value}) gives {type(backend).__name__}, not a polymod.Backend")
    return register_backend(backend)


def _why_unusable(entry: EntryPoint, error: Exception) -> str:
    distribution = entry.dist.name if entry.dist is not None else "polymod"
    if isinstance(error, ModuleNotFoundError) and error.name:
        remedy = f"pip install '{distribution}[{entry.name}]'"
        return f"backend {entry.name!r} needs the package {error.name!r}, which is not installed: {remedy}"
    cause = " ".join(str(error).split())  # some engines explain at length, and errors here take one line
    remedy = f"pip install --upgrade '{distribution}[{entry.name}]'"
    return f"backend {entry.name!r} can't be imported ({type(error).__name__}: {cause}): {remedy}"


def backend_of(array: Any) -> Backend:
    """The backend whose array `array` is.

    Raises:
        TypeError: `array` belongs to no known engine.
        BackendError: it belongs to an engine whose plugin can't be used.
    """
    owner = find_owner(type(array))
    if owner is None:
        for name in _plugins_named_in(type(array)):
            load_backend(name)
        raise TypeError(
            f"{type(array).__module__}.{type(array).__qualname__} is no array of a known engine; expected a "
            f"Tensor or an array of one of: {', '.join(backend_names())}"
        )
    return owner


def _plugins_named_in(kind: type) -> list[str]:
    packages = {c.__module__.partition(".")[0] for c in kind.__mro__}
    return [name for name in _entries() if name not in _loaded and any(name in p for p in packages)]


def find_owner(kind: type) -> Backend | None:
    """The backend that owns arrays of class `kind`, or None.

    The engine of an array is imported already, but its plugin may not be: it is the one whose name occurs in
    the package of the array's class or of one it derives from (`array_api_strict`, `jaxlib`, `cupy`).
    """
    if kind in _owner:
        return _owner[kind]
    for name in _plugins_named_in(kind):
        with suppress(BackendError):  # `kind` need not be its array; `backend_of` tells why it can't be used
            load_backend(name)
    owner = next((b for b in _loaded.values() if issubclass(kind, b.array_types)), None)
    _owner[kind] = owner
    return owner


# --------------------------------------------------------------------------------------------- the selection

_chosen: ContextVar[Device | None] = ContextVar("polymod device", default=None)
_default: Device | None = None


def device(spec: Any = None) -> Device:
    """Turn what a user writes for a device or a backend into a `Device`.

    Args:
        spec: None for the current choice; a `Device`; a `Backend`; a backend's name ("torch"); a device's
            name that some backend serves ("cpu", "cuda:1"); or both ("strict:device1", "torch:cpu").

    Raises:
        BackendError: nothing has that name, or the engine can't be used.
    """
    if spec is None:
        return current_device()
    if isinstance(spec, Device):
        return spec
    if isinstance(spec, Backend):
        return Device(spec, spec.devices()[0])
    if isinstance(spec, str):
        return _device_named(spec)
    for backend in _loaded.values():  # an engine's own device object
        for native in backend.devices():
            if type(native) is type(spec) and native == spec:
                return Device(backend, native)
    raise BackendError(f"{spec!r} is no device; {_known_places()}")


def _device_named(spec: str) -> Device:
    head, _, rest = spec.partition(":")
    if head in _entries() or head in _loaded:
        backend, wanted = load_backend(head), rest
    elif head in _device_entries():
        value = _device_entries()[head].value
        name = next((n for n, e in _entries().items() if e.value == value), None)
        if name is None:
            raise BackendError(f"device {head!r} is served by {value}, which is no backend; {_known_places()}")
        backend, wanted = load_backend(name), spec if rest else ""
    else:
        raise BackendError(f"unknown device or backend {spec!r}; {_known_places()}")
    devices = backend.devices()
    if not wanted:
        return Device(backend, devices[0])
    names = [backend.device_name(d) for d in devices]
    tests: tuple[Callable[[str], bool], ...] = (
        lambda n: n == wanted,
        lambda n: n.endswith(":" + wanted),  # "cupy:1" is cuda:1
        lambda n: n.startswith(wanted + ":"),  # "jax:cpu" is jax's cpu:0
    )
    for fits in tests:
        for native, name in zip(devices, names, strict=True):
            if fits(name):
                return Device(backend, native)
    raise BackendError(f"backend {backend.name!r} has no device {wanted!r}; it has: {', '.join(names)}")


def _known_places() -> str:
    return f"backends: {', '.join(backend_names())}; devices: {', '.join(sorted(_device_entries()))}"


def current_device() -> Device:
    """Where arrays are created that name no device.

    In order: the innermost `use_backend`, `set_backend`, the environment's POLYMOD_BACKEND, NumPy.
    """
    chosen = _chosen.get() or _default
    if chosen is not None:
        return chosen
    named = os.environ.get("POLYMOD_BACKEND")
    if not named:
        return _device_named("numpy")
    try:
        return _device_named(named)
    except BackendError as error:
        raise BackendError(f"POLYMOD_BACKEND={named}: {error}") from error


@contextmanager
def use_backend(spec: Any) -> Iterator[Device]:
    """Within the `with` block (and only in this thread or task), create arrays on `spec`.

    Args:
        spec: a backend or a device, as `polymod.device` takes it: "cupy", "cuda:1", "strict:device1".
    """
    token = _chosen.set(device(spec))
    try:
        yield current_device()
    finally:
        _chosen.reset(token)


def set_backend(spec: Any) -> None:
    """Create arrays on `spec`, a backend or a device, from now on; None returns to the environment's choice.

    It holds for all threads; `use_backend` takes precedence.
    """
    global _default
    _default = None if spec is None else device(spec)


def place(device_: Any = None, backend: Any = None) -> Device:
    """The device that the arguments `device=` and `backend=` of a creation function name together."""
    if backend is None:
        return device(device_)
    if device_ is None:
        return device(backend)
    if isinstance(device_, str) and isinstance(backend, str):
        head = device_.partition(":")[0]
        return device(device_ if head == backend else f"{backend}:{device_}")
    chosen = device(device_)
    if chosen.backend is not device(backend).backend:
        raise BackendError(f"device {chosen} is not a device of backend {backend!r}")
    return chosen


def move(array: Any, target: Device) -> Any:
    """Return `array`, an engine's array, as an array on `target`; the same array if it is there already."""
    source = backend_of(array)
    if source is not target.backend:
        return target.backend.from_numpy(source.to_numpy(array), target.native)
    if source.device_of(array) == target.native:
        return array
    return source.to_device(array, target.native)
