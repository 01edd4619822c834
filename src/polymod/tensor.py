"""Tensor: an engine's array, and its place in the recorded graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from . import dtypes
from .autograd.tape import Leaf, Node, is_strict, recording
from .backend import Device, backend_of, device, move
from .errors import GradientError
from .handle import Handle
from .methods import Methods
from .ops import ops
from .views import View


class Tensor(Methods):
    """An array of any engine that records how it was computed.

    It follows the Python array API standard: operators, indexing, `shape`, `dtype`, `device` and the functions
    of the `polymod` namespace behave as the standard says. Methods follow NumPy (`x.sum(axis=0)`).

    `x[i] = v` and `x += v` give this Tensor a new array: they can be differentiated, and views taken before keep the
    old values when they are read. Writing to a view writes to the Tensor that it was taken from, as in NumPy. Views
    are what integers, slices, None and Ellipsis between brackets give, and what permute_dims, moveaxis, expand_dims and
    squeeze return; what reshape and other functions return has memory of its own.

    Args:
        data: a Tensor, an array of any engine (shared, not copied), a number, or nested lists of numbers.
        dtype: the data type; by default that of `data`, and the default float dtype for Python floats.
        device: where to put it; by default where `data` is, or the current device for Python numbers.
        requires_grad: whether gradients with respect to it are wanted.

    Attributes:
        array: the engine's array, shared with the engine's own code without a copy.
        node: its place in the graph, or None for a constant.
    """

    __slots__ = ("__weakref__", "array", "node", "view_of")
    __array_ufunc__ = None  # so that np.float64(2) * t reaches __rmul__ below
    __array_priority__ = 1000

    array: Any
    node: Node | Leaf | None
    view_of: View  # set where it is a view of another one

    def __init__(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> None:
        source = ops.asarray(data, dtype=dtype, device=device)
        self.array, self.node = source.array, source.node
        if requires_grad:
            self.requires_grad_()

    # ------------------------------------------------------------------------------------------- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.array.shape)

    @property
    def dtype(self) -> dtypes.DType:
        return dtypes.dtype(self.array.dtype)

    @property
    def device(self) -> Device:
        backend = backend_of(self.array)
        native = backend.device_of(self.array)
        return native if type(native) is Device else Device(backend, native)

    @property
    def T(self) -> Tensor:
        """The transpose of a matrix; for other than two axes use `mT` or `permute_dims`."""
        if self.ndim != 2:
            raise ValueError(f"T needs two axes, received shape {self.shape}; use mT, or transpose(axes)")
        return ops.permute_dims(self, (1, 0))

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return ops.matrix_transpose(self)

    @property
    def real(self) -> Tensor:
        """The real part."""
        return ops.real(self) if self.dtype.kind == "c" else self

    @property
    def imag(self) -> Tensor:
        """The imaginary part; zeros for a real Tensor."""
        return ops.imag(self) if self.dtype.kind == "c" else ops.zeros_like(self.detach())

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d Tensor")
        return self.shape[0]

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d Tensor")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        text = np.array2string(self._on_host(), separator=", ", prefix="tensor(")
        notes = [] if self.dtype in (dtypes.default_float(), dtypes.int64, dtypes.bool_) else [f"dtype={self.dtype}"]
        notes += [] if str(self.device) == "cpu" else [f"device={str(self.device)!r}"]
        if type(self.node) is Node:
            notes.append(f"from={self.node.primitive.name if self.node.primitive else 'a released graph'}")
        elif self.node is not None:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([text, *notes])})"

    # -------------------------------------------------------------------------------------------- gradients

    @property
    def requires_grad(self) -> bool:
        """True if gradients flow to this Tensor."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """True if no recorded operation made this Tensor."""
        return type(self.node) is not Node

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has gathered, of this Tensor's shape and dtype, or None."""
        return self.node.grad if type(self.node) is Leaf else None

    @grad.setter
    def grad(self, value: Any) -> None:
        if type(self.node) is not Leaf:
            if value is None:
                return
            raise GradientError("only a leaf that requires grad has a grad; call requires_grad_() first")
        if value is not None:
            value = value if isinstance(value, Tensor) else ops.asarray(value)
            if value.shape != self.shape:
                raise GradientError(f"grad must have this Tensor's shape {self.shape}, received {value.shape}")
        self.node.grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask (or stop asking) for the gradient of this leaf. Returns it."""
        if requires_grad and self.node is None:
            if self.dtype.kind not in "fc":
                raise GradientError(f"only floating or complex Tensors can require grad, this one is {self.dtype}")
            self.node = Leaf()
        elif not requires_grad:
            if type(self.node) is Node:
                raise GradientError("a computed Tensor can't stop requiring grad; use detach() for its value alone")
            self.node = None
        return self

    def detach(self) -> Tensor:
        """The same array as a constant."""
        return wrap(self.array)

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add the gradient of this Tensor with respect to every leaf below it to that leaf's `grad`.

        Args:
            gradient: the gradient of whatever comes after, of this Tensor's shape; may be left out where this
                Tensor has one element.
            retain_graph: keep the recorded values, so that backward can be called again. Default: create_graph.
            create_graph: record the gradients' own computation, for higher derivatives.

        Raises:
            GradientError: nothing was recorded, the graph was released, or `gradient` is missing or misshapen.
        """
        from .autograd.backward import backward  # it stands on Tensor

        backward([self], [gradient], retain_graph=retain_graph, create_graph=create_graph)

    def register_hook(self, hook: Any) -> Handle:
        """Call `hook(gradient)` when backward reaches this Tensor; what it returns, if anything, replaces it.

        Returns a handle; its `remove()` takes the hook away again.
        """
        if not callable(hook):
            raise TypeError(f"a hook must be callable, received {type(hook).__name__}")
        if self.node is None:
            raise GradientError("a hook needs a Tensor that requires grad")
        hooks = self.node.hooks = self.node.hooks or []
        hooks.append(hook)
        return Handle(hooks, hook)

    # ------------------------------------------------------------------------------------------ interchange

    def _on_host(self) -> np.ndarray:
        """The values to show, or to make Python's numbers of; NumPy has no bfloat16."""
        backend, array = backend_of(self.array), self.array
        if self.dtype is dtypes.bfloat16:
            array = backend.xp.astype(array, backend.dtype(dtypes.float32))
        return backend.to_numpy(array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.node is not None:
            raise TypeError(_would_lose_gradient("a NumPy array"))
        not_on_host = (
            f"this Tensor is on {self.device}, not in host memory; use polymod.to_numpy(t) for an explicit copy"
        )
        if not backend_of(self.array).capabilities.host_access:
            raise TypeError(not_on_host)
        try:
            return np.array(self.array, dtype=dtype, copy=copy)
        except (TypeError, RuntimeError) as error:  # an engine that has arrays on the host and elsewhere
            raise TypeError(not_on_host) from error

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array that shares memory where the engine's arrays are in host memory.

        Raises:
            TypeError: the Tensor carries a gradient, or its array is not in host memory.
        """
        return np.asarray(self)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """What CUDA libraries share arrays by, without a copy; only where the engine's arrays have it."""
        interface = self.array.__cuda_array_interface__  # an AttributeError, so that hasattr tells
        if self.node is not None:
            raise TypeError(_would_lose_gradient("an array of another library"))
        return interface

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        if self.node is not None:
            raise BufferError(_would_lose_gradient("DLPack"))
        source = self.array if hasattr(self.array, "__dlpack__") else np.asarray(self.array)
        given = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return source.__dlpack__(**{k: v for k, v in given.items() if v is not None})

    def __dlpack_device__(self) -> tuple[Any, int]:
        source = self.array if hasattr(self.array, "__dlpack_device__") else np.asarray(self.array)
        return source.__dlpack_device__()

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        import polymod

        if api_version is not None and api_version not in _API_VERSIONS:
            raise ValueError(f"polymod provides the array API of {', '.join(_API_VERSIONS)}; not {api_version!r}")
        return polymod

    def item(self) -> Any:
        """The one element of this Tensor as a Python number."""
        if self.size != 1:
            raise ValueError(f"only a Tensor of one element is a number, this one has shape {self.shape}")
        if self.node is not None and is_strict():
            raise GradientError(
                "this Tensor carries a gradient, which a Python number would lose; use .detach() first, or allow it "
                "with polymod.set_strict(False)"
            )
        return self._on_host().item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self._on_host().tolist()

    def __bool__(self) -> bool:
        return bool(self.detach().item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"only integer Tensors can be an index, this one is {self.dtype}")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def to(self, target: Any) -> Tensor:
        """This Tensor on another device or backend ("cuda", "torch:cpu", a Device) or of another dtype.

        Gradients flow back through the move. It is this Tensor itself where nothing changes.
        """
        try:
            return ops.astype(self, dtypes.dtype(target), copy=False)
        except TypeError:
            return self.to_device(target)

    def to_device(self, target: Any, /, *, stream: Any = None) -> Tensor:
        """This Tensor on the device `target`; see `to`."""
        target = device(target)
        source = self.device
        return self if source == target else ops.move(self, target=target, source=source)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if type(self.node) is Node:
            raise GradientError("a computed Tensor can't be deep-copied, for its graph would be shared; detach() it")
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.array, twin.node = wrap(self.array).copy().array, None
        if self.node is not None:
            twin.node = Leaf()
            twin.node.grad = None if self.grad is None else self.grad.detach().copy()
        return twin

    def __copy__(self) -> Tensor:
        twin = type(self).__new__(type(self))
        twin.array, twin.node = self.array, self.node
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        if type(self.node) is Node:
            raise GradientError("a computed Tensor can't be pickled, for its graph would be lost; detach() it first")
        return _unpickle, (type(self), self._on_host(), str(self.device), self.dtype, self.requires_grad)

    # -------------------------------------------------------------------------------------------- operators

    def __getitem__(self, key: Any) -> Tensor:
        return ops.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        view = getattr(value, "view_of", None)
        if view is None or not view.has_written(self, key):  # x[i] += v has when it comes here
            self._rebind(ops.setitem(self._latest(), key, value), "x[i] = v")

    def _rebind(self, result: Tensor, what: str) -> Self:
        recorded = recording.get()
        if type(self.node) is Leaf:
            if recorded:
                raise GradientError(
                    f"{what} on a leaf that requires grad would put it out of backward's reach; to set values use "
                    "`with polymod.no_grad():`, to compute with changed values start from x.copy()"
                )
        elif (view := getattr(self, "view_of", None)) is not None:
            view.write(result, what)
        self.array = result.array
        if recorded:  # inside no_grad values change, and nothing else
            self.node = result.node
        return self

    def _latest(self) -> Self:
        """This Tensor; if it is a view of one that still exists, with the values that this one has now."""
        view: View | None = getattr(self, "view_of", None)
        if view is None or type(self.node) is Leaf:
            return self
        owner = view.owner()
        if owner is not None:
            now = view.take(owner._latest())
            self.array = now.array
            if recording.get():
                self.node = now.node
        return self

    if TYPE_CHECKING:  # `operators.give_operators` makes them of the primitives

        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rlshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __rrshift__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...

    def __iadd__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.add(self._latest(), other)), "x += v")

    def __isub__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.subtract(self._latest(), other)), "x -= v")

    def __imul__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.multiply(self._latest(), other)), "x *= v")

    def __itruediv__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.divide(self._latest(), other)), "x /= v")

    def __ifloordiv__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.floor_divide(self._latest(), other)), "x //= v")

    def __imod__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.remainder(self._latest(), other)), "x %= v")

    def __ipow__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.pow(self._latest(), other)), "x **= v")

    def __imatmul__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.matmul(self._latest(), other)), "x @= v")

    def __iand__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.bitwise_and(self._latest(), other)), "x &= v")

    def __ior__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.bitwise_or(self._latest(), other)), "x |= v")

    def __ixor__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.bitwise_xor(self._latest(), other)), "x ^= v")

    def __ilshift__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.bitwise_left_shift(self._latest(), other)), "x <<= v")

    def __irshift__(self, other: Any) -> Self:
        return self._rebind(_as_target(self, ops.bitwise_right_shift(self._latest(), other)), "x >>= v")

    def __eq__(self, other: Any) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else ops.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else ops.not_equal(self, other)

    __hash__ = object.__hash__  # by identity: Tensors are keys of optimizers' states


_API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")

_new: Any = Tensor.__new__


def wrap(array: Any, node: Node | Leaf | None = None) -> Tensor:
    """A Tensor of an engine's array, as it is."""
    tensor: Tensor = _new(Tensor)
    tensor.array = array
    tensor.node = node
    return tensor


def from_host(array: np.ndarray, target: Device) -> Tensor:
    """A constant Tensor on `target` with the values of a NumPy array."""
    return wrap(target.backend.from_numpy(array, target.native))


def raw(x: Any) -> Any:
    """The engine's array of a Tensor; anything else as it is."""
    return x.array if isinstance(x, Tensor) else x


def to_numpy(x: Any) -> np.ndarray:
    """The values of a Tensor or of any engine's array as a NumPy array: an explicit copy to the host."""
    array = raw(x)
    return backend_of(array).to_numpy(array)


def _would_lose_gradient(target: str) -> str:
    return f"this Tensor carries a gradient, which {target} would lose; use .detach() first"


def _as_target(x: Tensor, result: Tensor) -> Tensor:
    """The result of an in-place operation on `x`, with the dtype of `x`."""
    if result.shape != x.shape:
        raise ValueError(f"an in-place operation can't change the shape {x.shape} of its target to {result.shape}")
    if result.dtype == x.dtype:
        return result
    if _RANK[result.dtype.kind] > _RANK[x.dtype.kind]:
        raise TypeError(
            f"an in-place operation can't put a result of {result.dtype} into {x.dtype}; convert the target, as in "
            f"x = x.astype({str(result.dtype)!r}), or use x = x + v"
        )
    return ops.astype(result, x.dtype)


_RANK = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def _unpickle(cls: type[Tensor], values: np.ndarray, where: str, dtype: dtypes.DType, requires_grad: bool) -> Tensor:
    """Rebuild a pickled Tensor on its device; on the current one where that device does not exist."""
    from .errors import BackendError

    try:
        target = device(where)
    except BackendError:
        target = device()
    tensor = cls.__new__(cls)
    tensor.array, tensor.node = move(target.backend.from_numpy(values, target.native), target), None
    return tensor.requires_grad_() if requires_grad else tensor
