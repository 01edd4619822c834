"""Inputs for every primitive that has derivative rules: what `test_rules.py` differentiates.

A primitive may have several samples. Values stay clear of kinks and poles, whose derivatives have tests of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import polymod as pm
from polymod.autograd.batched import Level
from polymod.autograd.tape import mapped
from polymod.ops import ops
from polymod.rules import primitives

rng = np.random.default_rng(20240613)


@dataclass(frozen=True)
class Sample:
    """One call of a primitive.

    Attributes:
        inputs: host arrays, or Python numbers and None, which are passed as they are.
        attrs: keywords; host arrays in them become the engine's. A callable gets the device under test.
        constant: positions of floating inputs that are not differentiated.
        call: what to call instead of the primitive itself: `call(*tensors)`.
        torch: the same function of torch's tensors, or its name in torch; None where torch has none.
    """

    inputs: tuple[Any, ...]
    attrs: dict[str, Any] | Callable[[pm.Device], dict[str, Any]] = field(default_factory=dict)
    constant: tuple[int, ...] = ()
    call: Callable[..., Any] | None = None
    torch: str | Callable[..., Any] | None = None

    @property
    def tracked(self) -> tuple[int, ...]:
        """The positions of the inputs that are differentiated."""
        floating = [i for i, x in enumerate(self.inputs) if isinstance(x, np.ndarray) and x.dtype.kind in "fc"]
        return tuple(i for i in floating if i not in self.constant)


def normal(*shape: int) -> np.ndarray:
    return rng.normal(size=shape)


def within(low: float, high: float, *shape: int) -> np.ndarray:
    return rng.uniform(low, high, size=shape)


def distinct(*shape: int) -> np.ndarray:
    """Values at least 0.1 apart from each other and from 0, so that no small step changes their order."""
    count = int(np.prod(shape))
    values = 0.1 * (np.arange(count) - count // 2) + 0.05
    return rng.permutation(values).reshape(shape)


def complex_numbers(*shape: int) -> np.ndarray:
    """In the square of -1 - 1j and 1 + 1j, so that a shift takes them away from a pole for sure."""
    return within(-1, 1, *shape) + 1j * within(-1, 1, *shape)


near = np.random.default_rng(2)


def regular(*shape: int) -> np.ndarray:
    """Matrices whose singular values and eigenvalues are apart from each other and from 0."""
    return near.uniform(-0.4, 0.4, size=shape) + np.eye(*shape[-2:]) * np.arange(1, shape[-1] + 1)


def complex_regular(*shape: int) -> np.ndarray:
    return regular(*shape) + 1j * near.uniform(-0.4, 0.4, size=shape)


def singular(*shape: int, rank: int) -> np.ndarray:
    return normal(*shape[:-1], rank) @ normal(*shape[:-2], rank, shape[-1])


def complex_singular(*shape: int, rank: int) -> np.ndarray:
    return complex_numbers(*shape[:-1], rank) @ complex_numbers(*shape[:-2], rank, shape[-1])


def one(make: np.ndarray, torch: Any = None, **attrs: Any) -> list[Sample]:
    return [Sample((make,), attrs, torch=torch)]


def pair(name: str, a: Callable[..., np.ndarray], b: Callable[..., np.ndarray]) -> list[Sample]:
    """Equal shapes, broadcasting in both directions, 0-d, and a number on each side."""
    return [
        Sample((a(2, 3), b(2, 3)), torch=name),
        Sample((a(2, 1, 3), b(4, 1)), torch=name),
        Sample((a(), b(3)), torch=name),
        Sample((a(3), 1.25)),
        Sample((1.25, b(3))),
    ]


# ------------------------------------------------------------------------------------------------ functions of torch


def functional(name: str, **attrs: Any) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        import torch

        return getattr(torch.nn.functional, name)(*args, **attrs)

    return call


def special(name: str) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        import torch

        return getattr(torch.special, name)(*args)

    return call


def method(name: str, *args: Any, **attrs: Any) -> Callable[..., Any]:
    return lambda x, *more: getattr(x, name)(*more, *args, **attrs)


def joined(*arrays: Any, axis: int = 0) -> Any:
    import torch

    return torch.cat(arrays, axis)


def piled(axis: int) -> Callable[..., Any]:
    def call(*arrays: Any) -> Any:
        import torch

        return torch.stack(arrays, axis)

    return call


def torch_attention(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    weights = query @ key.mT * 0.4
    if mask is not None:
        weights = weights + mask if mask.is_floating_point() else weights.masked_fill(~mask, -np.inf)
    weights = weights.softmax(-1)
    return weights @ value, weights


def torch_linalg(name: str, **attrs: Any) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        import torch

        return getattr(torch.linalg, name)(*args, **attrs)

    return call


def of_hermitian(name: str) -> Callable[..., Any]:
    return lambda x: torch_linalg(name)((x + x.mH) / 2)


def torch_eigh(x: Any) -> Any:
    w, v = of_hermitian("eigh")(x)
    return w, v.abs() ** 2


def torch_svd(x: Any) -> Any:
    u, s, vh = torch_linalg("svd", full_matrices=False)(x)
    return u @ vh, s, u.abs() ** 2


def torch_fft(name: str, **attrs: Any) -> Callable[..., Any]:
    def call(x: Any) -> Any:
        import torch

        return getattr(torch.fft, name)(x, **attrs)

    return call


# what does not depend on the signs or phases of eigenvectors and singular vectors


def plain_eigh(x: Any) -> Any:
    w, v = pm.ops.eigh(x)
    return w, pm.abs(v) ** 2


def plain_svd(x: Any) -> Any:
    u, s, vh = pm.ops.svd(x, full_matrices=False)
    return u @ vh, s, pm.abs(u) ** 2


def plain_full_svd(x: Any) -> Any:
    u, s, vh = pm.ops.svd(x, full_matrices=True)
    k, dtype = s.shape[-1], u.dtype
    first, rest, v_first, v_rest = u[..., :k], u[..., k:], vh[..., :k, :], vh[..., k:, :]
    first = first * pm.expand_dims(pm.astype(s, dtype), axis=-2)
    return first @ v_first, rest @ pm.conj(pm.matrix_transpose(rest)), pm.matrix_transpose(pm.conj(v_rest)) @ v_rest


def plain_eig(x: Any) -> Any:
    w, v = pm.ops.eig(x)
    return w, pm.abs(v) ** 2


def torch_eig(x: Any) -> Any:
    w, v = torch_linalg("eig")(x)
    return w, v.abs() ** 2


def complete_qr(x: Any) -> Any:
    q, r = pm.ops.qr(x, mode="complete")
    n = r.shape[-1]
    rest = q[..., n:]
    return q[..., :n], r, rest @ pm.conj(pm.matrix_transpose(rest))


# ------------------------------------------------------------------------------------------------------ the table

steps = within(0.1, 0.4, 2, 3) + rng.integers(-3, 3, (2, 3))  # away from integers and halves
ramp = np.sort(distinct(2, 1, 6))  # the largest of two neighbours is the second


def in_and_out(x: pm.Tensor, n: int) -> pm.Tensor:
    """Squares, computed on an array of n examples."""
    level = Level(max((outer.depth for outer, _ in mapped.get()), default=0))
    return ops.leave_examples(ops.enter_examples(x, level=level, n=n) ** 2, level=level, n=n)


def shared_and_summed(x: pm.Tensor, n: int) -> pm.Tensor:
    """n times the squares."""
    level = Level(max((outer.depth for outer, _ in mapped.get()), default=0))
    return ops.sum_examples(ops.share_examples(x, level=level, n=n) ** 2, level=level, n=n)


table: dict[str, list[Sample]] = {
    # arithmetic
    "add": pair("add", normal, normal),
    "subtract": pair("subtract", normal, normal),
    "multiply": pair("multiply", normal, normal),
    "divide": pair("divide", normal, lambda *s: within(0.5, 2, *s)),
    "negative": one(normal(2, 3), "negative"),
    "positive": one(normal(2, 3), "positive"),
    "reciprocal": one(within(0.5, 2, 3), "reciprocal"),
    "square": one(normal(2, 3), "square"),
    "pow": [
        *pair("pow", lambda *s: within(0.5, 2, *s), normal),
        *(Sample((within(0.5, 2, 4) * [1, -1, 1, -1], n), torch=lambda x, n=n: x**n) for n in (0, 1, 2, 3, -1, -2)),
        *(Sample((within(0.5, 2, 4), n), torch=lambda x, n=n: x**n) for n in (0.0, 0.5, 1.0, 2.0, -1.5)),
        Sample((2, normal(4)), torch=lambda x: 2**x),
        Sample((within(0.5, 2, 4), np.asarray([1.0, 2.0, 3.0, -1.0])), torch="pow"),
        Sample((within(0.5, 2, 4), np.asarray([0.0, 0.0, 2.0, 0.0]))),  # torch's second derivative is wrong there
    ],
    "remainder": [
        Sample((steps, np.asarray([1.0, -1.0, 1.0])), constant=(1,), torch="remainder"),
        Sample((np.asarray([5.3, -5.3, 5.3]), np.asarray([2.1, 2.1, -2.1])), torch="remainder"),
    ],
    "hypot": [Sample((distinct(2, 3) * 4, distinct(3)), torch="hypot")],
    "copysign": [Sample((distinct(2, 3), distinct(3)), torch="copysign")],
    "logaddexp": [Sample((normal(2, 3), normal(3)), torch="logaddexp")],
    "maximum": [Sample((distinct(2, 3), distinct(3) + 0.02), torch="maximum"), Sample((distinct(4), 0.01))],
    "minimum": [Sample((distinct(2, 3), distinct(3) + 0.02), torch="minimum"), Sample((distinct(4), 0.01))],
    "abs": one(distinct(2, 3), "abs"),
    "clip": [
        Sample((distinct(2, 4), -0.2, 0.21), torch=lambda x: x.clip(-0.2, 0.21)),
        Sample((distinct(5), None, 0.12), torch=lambda x: x.clip(None, 0.12)),
        Sample((distinct(5), 0.12, None), torch=lambda x: x.clip(0.12, None)),
        Sample((distinct(2, 4), distinct(4) - 0.22, distinct(2, 1) + 0.03), torch="clip"),
        Sample((distinct(4), distinct(2, 1) + 0.03, None), torch="clip"),
    ],
    "where": [
        Sample((normal(2, 3) > 0, normal(3), normal(2, 1)), torch="where"),
        Sample((normal(2, 3) > 0, normal(3), 2.5)),
        Sample((normal(2, 3) > 0, 2.5, normal(3))),
    ],
    # exponentials, logarithms, trigonometry
    **{name: one(normal(2, 3), name) for name in ("exp", "expm1", "sin", "cos", "sinh", "cosh", "tanh", "atan")},
    **{name: one(within(0.3, 3, 2, 3), name) for name in ("log", "log1p", "log2", "log10", "sqrt")},
    **{name: one(within(-0.8, 0.8, 2, 3), name) for name in ("asin", "acos", "atanh", "tan")},
    "flat_sqrt": one(within(0.3, 3, 2, 3), "sqrt"),
    "asinh": one(normal(2, 3), "asinh"),
    "acosh": one(within(1.2, 3, 2, 3), "acosh"),
    "atan2": [Sample((distinct(2, 3) * 4, distinct(3)), torch="atan2")],
    # steps
    **{name: one(steps, name) for name in ("sign", "floor", "ceil", "trunc", "round")},
    "floor_divide": [Sample((steps, np.asarray([1.0, -1.0, 2.0])), constant=(1,)), Sample((steps, 1.0))],
    "nextafter": [Sample((distinct(2, 3), distinct(3)))],
    # complex numbers
    "real": one(complex_numbers(2, 3), "real"),
    "imag": one(complex_numbers(2, 3), "imag"),
    "conj": one(complex_numbers(2, 3), "conj"),
    # reductions
    **{
        name: [
            Sample((distinct(2, 3, 4),), {"axis": None, "keepdims": False}, torch=method(torch or name)),
            Sample((distinct(2, 3, 4),), {"axis": 1, "keepdims": False}, torch=method(torch or name, 1)),
            Sample(
                (distinct(2, 3, 4),), {"axis": (0, -1), "keepdims": True}, torch=method(torch or name, (0, -1), True)
            ),
            Sample((distinct(2, 3, 4),), {"axis": (2, 0), "keepdims": False}, torch=method(torch or name, (2, 0))),
            Sample((normal(),), {"axis": None, "keepdims": False}, torch=method(torch or name)),
        ]
        for name, torch in (("sum", None), ("mean", None), ("max", "amax"), ("min", "amin"))
    },
    "prod": [
        Sample((within(0.5, 2, 2, 3, 4),), {"axis": None, "keepdims": False}, torch="prod"),
        Sample((normal(2, 5),), {"axis": -1, "keepdims": True}, torch=lambda x: x.prod(-1, keepdim=True)),
        Sample((normal(2, 3, 2),), {"axis": (0, 2), "keepdims": False}, torch=lambda x: x.prod(2).prod(0)),
        Sample((np.asarray([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]]),), {"axis": 1, "keepdims": False}),
        Sample((normal(),), {"axis": None, "keepdims": False}, torch="prod"),
    ],
    "cumulative_sum": [Sample((normal(2, 3),), {"axis": a}, torch=method("cumsum", a)) for a in (0, -1)],
    "cumulative_prod": [
        *(Sample((normal(2, 5),), {"axis": a}, torch=method("cumprod", a)) for a in (0, -1)),
        Sample((np.asarray([2.0, 0.0, 3.0, -1.0, 0.0, 2.0]),), {"axis": 0}),  # torch's second derivative is NaN there
        Sample((normal(3, 1),), {"axis": 1}, torch=method("cumprod", 1)),
    ],
    "sort": [
        *(Sample((distinct(2, 5),), {"axis": a}, torch=lambda x, a=a: x.sort(a)[0]) for a in (0, -1)),
        Sample((distinct(4),), {"axis": 0, "descending": True}, torch=lambda x: x.sort(0, descending=True)[0]),
    ],
    "logsumexp": [
        Sample((normal(2, 3),), {"axis": 1}, torch=method("logsumexp", 1)),
        Sample((normal(2, 3),), {"axis": None}, torch=method("logsumexp", (0, 1))),
        Sample((normal(2, 3, 2),), {"axis": (0, -1), "keepdims": True}, torch=method("logsumexp", (0, -1), True)),
        Sample((complex_numbers(2, 3),), {"axis": 1}, torch=method("logsumexp", 1)),
    ],
    # products
    "matmul": [
        Sample((normal(*a), normal(*b)), torch="matmul")
        for a, b in (
            ((2, 3), (3, 4)),
            ((3,), (3,)),
            ((3,), (3, 4)),
            ((2, 3), (3,)),
            ((5, 2, 3), (3,)),
            ((3,), (5, 3, 2)),
            ((5, 2, 3), (3, 4)),
            ((2, 3), (5, 3, 4)),
            ((2, 1, 2, 3), (4, 3, 2)),
        )
    ],
    "matrix_transpose": one(normal(2, 3, 4), lambda x: x.mT),
    "vecdot": [
        Sample((normal(2, 3), normal(2, 3)), torch=lambda a, b: (a * b).sum(-1)),
        Sample((normal(2, 3), normal(3)), {"axis": -1}, torch=lambda a, b: (a * b).sum(-1)),
        Sample((normal(2, 1, 3), normal(4, 3)), {"axis": -1}, torch=lambda a, b: (a * b).sum(-1)),
        Sample((normal(3, 2), normal(3, 2)), {"axis": -2}, torch=lambda a, b: (a * b).sum(-2)),
    ],
    "linear": [
        Sample((normal(2, 3), normal(4, 3)), torch=functional("linear")),
        Sample((normal(2, 3), normal(4, 3), normal(4)), torch=functional("linear")),
        Sample((normal(2, 5, 3), normal(4, 3), normal(4)), torch=functional("linear")),
        Sample((normal(3), normal(4, 3), normal(4)), torch=functional("linear")),
        Sample((normal(3), normal(4, 3)), torch=functional("linear")),
    ],
    # manipulation
    "reshape": one(normal(2, 3), method("reshape", (3, 2)), shape=(3, 2)),
    "squeeze": one(normal(2, 1, 3), method("squeeze", 1), axis=1),
    "expand_dims": one(normal(2, 3), method("unsqueeze", 1), axis=1),
    "broadcast_to": [
        Sample((normal(2, 1),), {"shape": (4, 2, 3)}, torch=method("broadcast_to", (4, 2, 3))),
        Sample((normal(),), {"shape": (2, 3)}, torch=method("broadcast_to", (2, 3))),
    ],
    "permute_dims": one(normal(2, 3, 4), method("permute", (2, 0, 1)), axes=(2, 0, 1)),
    "flip": [
        Sample((normal(2, 3),), {"axis": None}, torch=method("flip", (0, 1))),
        Sample((normal(2, 3),), {"axis": -1}, torch=method("flip", (1,))),
        Sample((normal(2, 3, 2),), {"axis": (0, 2)}, torch=method("flip", (0, 2))),
    ],
    "roll": [
        Sample((normal(2, 3),), {"shift": 2, "axis": None}, torch=method("roll", 2)),
        Sample((normal(2, 3),), {"shift": (1, -1), "axis": (0, 1)}, torch=method("roll", (1, -1), (0, 1))),
    ],
    "tril": one(normal(2, 3, 3), method("tril", -1), k=-1),
    "triu": one(normal(2, 3, 4), method("triu", 1), k=1),
    "cast": [
        Sample((normal(3),), lambda engine: {"dtype": engine.backend.dtype("float64")}),
        Sample((normal(3),), lambda engine: {"dtype": engine.backend.dtype("complex128")}),
    ],
    "join": [
        Sample((normal(2, 3), normal(1, 3), normal(2, 3)), {"axis": 0}, torch=joined),
        Sample((normal(2, 3), normal(2, 1)), {"axis": -1}, torch=lambda *a: joined(*a, axis=-1)),
        Sample((normal(2, 3), normal(), normal(2)), {"axis": None}),
    ],
    "pile": [Sample((normal(2, 3), normal(2, 3)), {"axis": a}, torch=piled(a)) for a in (0, 1, -1)],
    "copy": one(normal(2, 3), "clone"),
    "alias": one(normal(2, 3)),
    "zero_pad": one(normal(2, 3), functional("pad", pad=(0, 3, 1, 2)), widths=((1, 2), (0, 3))),
    "move": [
        Sample((normal(2, 3),), lambda engine: {"target": engine, "source": engine}),
        Sample((normal(2, 3),), lambda engine: {"target": pm.device("strict:device2"), "source": engine}),
    ],
    # elements
    "index": [
        Sample((normal(3, 4),), {"key": (slice(None), 1)}, torch=lambda x: x[:, 1]),
        Sample((normal(3, 4),), {"key": (slice(2, 0, -1), None, slice(1, None, 2))}),
        Sample((normal(3, 4),), {"key": (np.asarray([0, 2, 0, 0]),)}, torch=lambda x: x[[0, 2, 0, 0]]),
        Sample((normal(3, 4),), {"key": (np.asarray([[0], [2]]), np.asarray([1, 1, -1]))}),
        Sample((normal(3, 4),), {"key": (slice(None), np.asarray([1, 1]))}, torch=lambda x: x[:, [1, 1]]),
        Sample((normal(3, 4),), {"key": np.asarray([True, False, True])}, torch=lambda x: x[[True, False, True]]),
        Sample((normal(2, 2),), {"key": (np.asarray([[True, False], [True, True]]),)}),
        Sample((normal(4),), {"key": (slice(0, 0),)}, torch=lambda x: x[:0]),
    ],
    "index_set": [
        Sample((normal(3, 4), normal(3)), {"key": (slice(None), 1)}),
        Sample((normal(3, 4), normal(4)), {"key": (slice(0, 2),)}),
        Sample((normal(3, 4), normal()), {"key": (np.asarray([True, False, True]),)}),
        Sample((normal(3, 4), normal(2, 1)), {"key": (np.asarray([2, 0]),)}),
    ],
    "index_back": [
        Sample((normal(3),), {"key": (slice(None), 1), "shape": (3, 4)}),
        Sample((normal(3, 4),), {"key": (np.asarray([0, 1, 0]),), "shape": (2, 4)}),
    ],
    "scatter_add": [
        Sample((normal(3, 4), normal(3, 4)), {"key": (np.asarray([0, 2, 0]),)}),
        Sample((normal(3, 4), normal(4)), {"key": (np.asarray([0, 2, 0]),)}),
        Sample((normal(3, 4), normal(3)), {"key": (slice(None), 1)}),
    ],
    "take": [
        Sample((normal(3, 4), np.asarray([2, 0, 2])), {"axis": 0}),
        Sample((normal(3, 4), np.asarray([3, 3])), {"axis": -1}),
    ],
    "take_along_axis": [
        Sample((normal(3, 4), np.asarray([[2, 0, 2, 0]])), {"axis": 0}),
        Sample((normal(3, 4), np.asarray([[3, 3], [0, 1], [2, 2]])), {"axis": -1}),
    ],
    # special functions and activations
    "erf": one(normal(2, 3), "erf"),
    **{name: one(normal(2, 3), special(name)) for name in ("erfc", "erfcx", "ndtr", "log_ndtr", "i0", "i1")},
    **{name: one(distinct(2, 3), special(name)) for name in ("i0e", "i1e")},
    "erfinv": one(within(-0.6, 0.6, 2, 3), "erfinv"),
    "ndtri": one(within(0.25, 0.75, 2, 3), special("ndtri")),
    "logit": one(within(0.25, 0.75, 2, 3), "logit"),
    "log_expit": one(normal(2, 3), functional("logsigmoid")),
    "xlogy": [Sample((normal(2, 1, 3), within(0.5, 2, 4, 1)), torch="xlogy")],
    "xlog1py": [Sample((normal(2, 1, 3), within(-0.5, 2, 4, 1)), torch=special("xlog1py"))],
    "entr": one(within(0.2, 2, 2, 3), special("entr")),
    "rel_entr": [Sample((within(0.2, 2, 2, 1, 3), within(0.2, 2, 4, 1)))],
    "kl_div": [Sample((within(0.2, 2, 2, 1, 3), within(0.2, 2, 4, 1)))],
    "gammaln": one(np.asarray([0.3, 1.2, 2.1, 4.5, 12.0, -0.4, -3.3]), "lgamma"),
    "digamma": one(np.asarray([0.5, 1.2, 2.1, 4.5, 12.0, -0.4, -3.3]), "digamma"),
    "gamma": one(np.asarray([0.5, 1.2, 2.1, 4.5, -0.4, -1.6])),
    "gamma_sign": one(np.asarray([0.5, 1.2, -0.4, -1.6])),
    "polygamma": [Sample((np.asarray([0.0, 1.0, 2.0, 3.0]), np.asarray([0.7, 1.5, 2.5, 11.0])), constant=(0,))],
    "zeta": [Sample((np.asarray([1.5, 2.0, 3.0]), within(0.6, 3, 2, 1)))],
    "riemann": one(np.asarray([2.0, 3.0, 0.4, -0.7, -3.5])),
    "betaln": [Sample((within(0.5, 3, 2, 1), within(0.5, 15, 3)))],
    "gamma_term": [Sample((within(0.5, 4, 2, 1), within(0.5, 4, 3)))],
    "gammainc": [
        Sample((np.asarray([[0.4], [1.5], [9.0]]), np.asarray([0.5, 2.0, 8.0]))),
        Sample((np.asarray([1.5, 30.0]), np.asarray([2.0, 25.0]))),
    ],
    "gammaincc": [
        Sample((np.asarray([[0.4], [1.5], [9.0]]), np.asarray([0.5, 2.0, 8.0]))),
        Sample((np.asarray([1.5, 30.0]), np.asarray([2.0, 25.0]))),
    ],
    "beta_term": [
        Sample(
            (within(0.5, 4, 2, 1), within(0.5, 4, 3), within(0.2, 0.8, 3)),
            call=lambda a, b, x: primitives["beta_term"](a, b, x, 1 - x),
        )
    ],
    "betainc": [Sample((np.asarray([[0.6], [1.5], [8.0]]), np.asarray([0.7, 2.0, 6.0]), np.asarray([0.15, 0.4, 0.8])))],
    "stdtr": [Sample((np.asarray([[1.5], [7.0], [40.0]]), np.asarray([-2.0, -0.3, 0.6, 1.5])))],
    "relu": one(distinct(2, 3), "relu"),
    "sigmoid": one(normal(2, 3), "sigmoid"),
    "softmax": [Sample((normal(2, 3),), {"axis": a}, torch=method("softmax", a)) for a in (0, -1)],
    "masked_softmax": one(normal(2, 3), method("softmax", -1), axis=-1),
    "log_softmax": [Sample((normal(2, 3),), {"axis": a}, torch=method("log_softmax", a)) for a in (0, -1)],
    "gelu": [
        Sample((normal(2, 3),), torch=functional("gelu")),
        Sample((normal(2, 3),), {"approximate": "tanh"}, torch=functional("gelu", approximate="tanh")),
    ],
    "dropout": [Sample((normal(2, 3), normal(2, 3) > 0), {"scale": 2.0})],
    # losses
    "mse_loss": [
        Sample((normal(2, 3), normal(2, 3)), {"reduction": r}, torch=functional("mse_loss", reduction=r))
        for r in ("none", "sum", "mean")
    ],
    "nll_loss": [
        Sample(
            (normal(4, 3), np.asarray([0, 2, 1, 2]), *weight),
            {"ignore_index": 1, "reduction": r},
            constant=(2,),
            torch=functional("nll_loss", ignore_index=1, reduction=r),
        )
        for r in ("none", "sum", "mean")
        for weight in ((), (within(0.5, 2, 3),))
    ],
    "cross_entropy": [
        Sample(
            (normal(*shape), target, *weight),
            {"ignore_index": 1, "reduction": r, "label_smoothing": s},
            constant=(2,),
            torch=functional("cross_entropy", ignore_index=1, reduction=r, label_smoothing=s),
        )
        for r, s in (("none", 0.0), ("sum", 0.2), ("mean", 0.0), ("mean", 0.1))
        for shape, target in (((4, 3), np.asarray([0, 2, 1, 2])), ((2, 3, 2), np.asarray([[0, 1], [2, 2]])))
        for weight in ((), (within(0.5, 2, 3),))
    ],
    "bce_with_logits": [
        Sample(
            (normal(2, 3), within(0, 1, 2, 3)),
            torch=functional("binary_cross_entropy_with_logits", reduction="none"),
        ),
        Sample(
            (normal(2, 3), within(0, 1, 2, 3), within(0.5, 2, 3)),
            constant=(2,),
            torch=lambda x, t, w: functional("binary_cross_entropy_with_logits", reduction="none", pos_weight=w)(x, t),
        ),
        Sample((normal(2, 3), within(0, 1, 2, 3), within(0.5, 2, 3))),
    ],
    # attention
    "attention": [
        Sample((normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3)), {"scale": 0.4}, torch=torch_attention),
        Sample((normal(3, 2), normal(2, 4, 2), normal(4, 3), normal(3, 4)), {"scale": 0.4}, torch=torch_attention),
        Sample(
            (normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3), np.tri(3, 4, dtype=bool)),
            {"scale": 0.4},
            torch=torch_attention,
        ),
        Sample(
            (normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3), None, normal(2, 3, 4) > 0),
            {"scale": 0.4, "keep_scale": 2.0},
        ),
    ],
    "split_heads": one(normal(2, 3, 12), groups=3, heads=2),
    "merge_heads": one(normal(2, 3, 4, 2)),
    # several results
    "gate": [Sample((normal(2, 3), normal(2)))],
    # arrays of examples: into one and out again
    "enter_examples": [Sample((normal(2, 3),), {"n": 2}, call=in_and_out)],
    "leave_examples": [Sample((normal(2, 3),), {"n": 2}, call=in_and_out)],
    "share_examples": [Sample((normal(3),), {"n": 2}, call=shared_and_summed)],
    "sum_examples": [Sample((normal(3),), {"n": 2}, call=shared_and_summed)],
    # embedding
    "embedding": [
        Sample((normal(5, 3), np.asarray([[0, 2], [2, 4]])), torch=lambda w, i: w[i]),
    ],
    # convolution and pooling
    "conv": [
        Sample(
            (normal(2, 4, 7), normal(6, 2, 3), normal(6)),
            {"stride": (2,), "padding": ((1, 2),), "dilation": (2,), "groups": 2},
        ),
        Sample(
            (normal(2, 2, 5, 4), normal(3, 2, 3, 2)),
            {"stride": (1, 2), "padding": ((1, 1), (0, 0)), "dilation": (1, 1), "groups": 1},
            torch=functional("conv2d", stride=(1, 2), padding=(1, 0)),
        ),
    ],
    "conv_input_back": [
        Sample(
            (normal(2, 6, 4), normal(6, 2, 3)),
            {"size": (7,), "stride": (2,), "padding": ((1, 2),), "dilation": (1,), "groups": 2},
        ),
    ],
    "conv_weight_back": [
        Sample(
            (normal(2, 4, 7), normal(2, 6, 4)),
            {"size": (3,), "stride": (2,), "padding": ((1, 2),), "dilation": (1,), "groups": 2},
        ),
    ],
    "sum_pool": [
        Sample(
            (normal(2, 2, 6, 5),),
            {"size": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1))},
        ),
    ],
    "sum_pool_back": [
        Sample(
            (normal(2, 1, 3, 5),),
            {"size": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1)), "shape": (6, 5)},
        ),
    ],
    "max_pool": [
        Sample(
            (distinct(2, 2, 6, 5),),
            {"size": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1)), "dilation": (1, 2)},
        ),
        Sample(
            (distinct(2, 2, 6, 5),),
            {"size": (3, 2), "stride": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)},
            torch=functional("max_pool2d", kernel_size=(3, 2), stride=2, padding=1),
        ),
    ],
    "max_pool_back": [
        Sample(
            (normal(2, 1, 3), ramp, ramp[:, :, 1::2]),
            {"size": (2,), "stride": (2,), "padding": ((0, 0),), "dilation": (1,)},
            constant=(1, 2),
        ),
    ],
    "max_pool_select": [
        Sample(
            (normal(2, 1, 6), ramp, ramp[:, :, 1::2]),
            {"size": (2,), "stride": (2,), "padding": ((0, 0),), "dilation": (1,)},
            constant=(1, 2),
        ),
    ],
    # normalisation
    "layer_norm": [
        Sample(
            (normal(2, 3, 4),),
            {"axes": (-1,), "eps": 1e-3},
            torch=functional("layer_norm", normalized_shape=(4,), eps=1e-3),
        ),
        Sample(
            (normal(2, 3, 4), normal(3, 4), normal(3, 4)),
            {"axes": (-2, -1), "eps": 1e-3},
            torch=lambda x, w, b: functional("layer_norm", normalized_shape=(3, 4), eps=1e-3, weight=w, bias=b)(x),
        ),
        Sample((normal(2, 4), normal(4)), {"axes": (-1,), "eps": 1e-3}),
        Sample((normal(2, 4), None, normal(4)), {"axes": (-1,), "eps": 1e-3}),
    ],
    "moments": one(normal(3, 2, 4)),
    "batch_norm": [
        Sample(
            (normal(3, 2, 4), *affine),
            call=lambda x, *affine: pm.ops.batch_norm(x, pm.ops.moments(x), *affine, eps=1e-3),
            torch=lambda x, w=None, b=None: functional(
                "batch_norm", running_mean=None, running_var=None, weight=w, bias=b, training=True, eps=1e-3
            )(x),
        )
        for affine in ((), (normal(2),), (normal(2), normal(2)))
    ],
    # linear algebra
    "diagonal": [
        Sample((normal(3, 4),), torch=method("diagonal")),
        Sample((normal(2, 4, 3),), {"offset": -1}, torch=method("diagonal", -1, -2, -1)),
        Sample((normal(2, 3, 4),), {"offset": 2}, torch=method("diagonal", 2, -2, -1)),
    ],
    "diagonal_back": [
        Sample((normal(3),), {"shape": (3, 4)}),
        Sample((normal(2, 3),), {"offset": -1, "shape": (4, 3)}),
    ],
    "inv": [Sample((regular(*s),), torch=torch_linalg("inv")) for s in ((3, 3), (2, 1, 1))],
    "solve": [
        Sample((regular(*a), normal(*b)), torch=torch_linalg("solve"))
        for a, b in (((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)), ((3, 3), (2, 3, 2)), ((2, 1, 2, 2), (3, 2, 2)))
    ],
    "pinv": [Sample((regular(*s),), {"rtol": 1e-12}, torch=torch_linalg("pinv")) for s in ((2, 3, 3), (4, 2), (2, 3))],
    "det": [Sample((regular(*s),), torch=torch_linalg("det")) for s in ((3, 3), (2, 4, 4), (1, 1))]
    + [Sample((singular(*s, rank=r),)) for s, r in (((3, 3), 2), ((4, 4), 2), ((2, 4, 4), 3))],
    "slogdet": [Sample((regular(*s),), torch=torch_linalg("slogdet")) for s in ((3, 3), (2, 2, 2))],
    "cholesky": [Sample((regular(*s),), torch=of_hermitian("cholesky")) for s in ((3, 3), (2, 2, 2), (1, 1))],
    "qr": [
        *(
            Sample((regular(*s),), {"mode": "reduced"}, torch=torch_linalg("qr"))
            for s in ((3, 3), (4, 2), (2, 4), (2, 3, 2))
        ),
        Sample((regular(2, 4),), {"mode": "complete"}, torch=torch_linalg("qr")),
        Sample((regular(4, 2),), call=complete_qr),
    ],
    "eigh": [Sample((regular(*s),), call=plain_eigh, torch=torch_eigh) for s in ((3, 3), (2, 2, 2))],
    "eigvalsh": [Sample((regular(*s),), torch=of_hermitian("eigvalsh")) for s in ((3, 3), (2, 2, 2))],
    "eig": [Sample((regular(*s),), call=plain_eig, torch=torch_eig) for s in ((3, 3), (2, 2, 2))],
    "svd": [
        *(Sample((regular(*s),), call=plain_svd, torch=torch_svd) for s in ((3, 3), (4, 2), (2, 3), (2, 3, 2))),
        *(Sample((regular(*s),), call=plain_full_svd) for s in ((4, 2), (2, 4))),
    ],
    "svdvals": [Sample((regular(*s),), torch=torch_linalg("svdvals")) for s in ((3, 3), (2, 3, 2))],
    "dft": [
        Sample((complex_numbers(4, 3),), {"axis": (0,), "norm": "backward"}, torch=torch_fft("fft", dim=0)),
        Sample(
            (complex_numbers(2, 3, 2),),
            {"axis": (2, 1), "norm": "forward", "inverse": True},
            torch=torch_fft("ifftn", dim=(2, 1), norm="forward"),
        ),
    ],
    "rdft": [
        Sample((normal(2, n),), {"axis": 1, "norm": norm}, torch=torch_fft("rfft", norm=norm))
        for n, norm in ((4, "backward"), (5, "forward"), (1, "ortho"), (6, "ortho"))
    ],
    "irdft": [
        Sample(
            (complex_numbers(n // 2 + 1, 2),),
            {"axis": 0, "n": n, "norm": norm},
            torch=torch_fft("irfft", n=n, dim=0, norm=norm),
        )
        for n, norm in ((4, "backward"), (5, "forward"), (1, "ortho"), (6, "ortho"))
    ],
}

# Where the rules hold for complex arrays too. A holomorphic function has the conjugate of its derivative as rule.
complex_table: dict[str, list[Sample]] = {
    **{
        name: [
            Sample((complex_numbers(2, 3), complex_numbers(3)), torch=name),
            Sample((complex_numbers(2, 3), 2 - 3j), torch=lambda x, name=name: getattr(x, name)(2 - 3j)),
            Sample((2 - 3j, complex_numbers(2, 3))),
        ]
        for name in ("add", "subtract", "multiply")
    },
    "divide": [Sample((complex_numbers(2, 3), complex_numbers(3) + 3), torch="divide")],
    "pow": [
        Sample((complex_numbers(3) + 2, complex_numbers(3)), torch="pow"),
        Sample((complex_numbers(3), 2), torch=lambda x: x**2),
        Sample((complex_numbers(3) + 2, 0.5), torch=lambda x: x**0.5),
        Sample((2, complex_numbers(3)), torch=lambda x: 2**x),
        Sample((1 - 2j, complex_numbers(3)), torch=lambda x: (1 - 2j) ** x),
    ],
    **{
        name: one(complex_numbers(2, 3) + shift, name)
        for name, shift in (
            *((name, 0) for name in ("negative", "positive", "square", "exp", "sin", "cos", "sinh", "cosh", "tanh")),
            ("abs", 1.5 - 1j),
        )
    },
    **{name: one(complex_numbers(2, 3) + 2.5, name) for name in ("reciprocal", "log", "log2", "log10", "sqrt")},
    **{name: one(complex_numbers(2, 3), name) for name in ("real", "imag", "conj")},
    "copy": one(complex_numbers(2, 3), "clone"),
    "sign": one(complex_numbers(2, 3) + (1.5 - 1j), "sgn"),
    "expm1": one(complex_numbers(2, 3), "expm1"),
    "log1p": one(complex_numbers(2, 3) + 1.5, "log1p"),
    **{  # away from the cuts, and from the branch points 1, -1, 1j and -1j
        name: one(0.3 * complex_numbers(2, 3) + 0.35j, name)
        for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh", "tan")
    },
    "where": [Sample((normal(2, 3) > 0, complex_numbers(3), complex_numbers(2, 1)), torch="where")],
    "sum": one(complex_numbers(2, 3), method("sum", 1), axis=1),
    "mean": one(complex_numbers(2, 3), method("mean"), axis=None),
    "prod": one(complex_numbers(2, 3), method("prod", 1), axis=1, keepdims=False),
    "cumulative_prod": one(complex_numbers(2, 4), method("cumprod", 1), axis=1),
    "cumulative_sum": one(complex_numbers(2, 4), method("cumsum", 0), axis=0),
    "matmul": [Sample((complex_numbers(2, 3), complex_numbers(3, 2)), torch="matmul")],
    "vecdot": [Sample((complex_numbers(2, 3), complex_numbers(2, 3)), torch=lambda a, b: (a.conj() * b).sum(-1))],
    "linear": [Sample((complex_numbers(2, 3), complex_numbers(4, 3), complex_numbers(4)), torch=functional("linear"))],
    "index": one(complex_numbers(3, 4), lambda x: x[:, 1], key=(slice(None), 1)),
    "join": [Sample((complex_numbers(2, 3), complex_numbers(1, 3)), {"axis": 0}, torch=joined)],
    "reshape": one(complex_numbers(2, 3), method("reshape", (6,)), shape=(6,)),
    # linear algebra
    "diagonal": [
        Sample((complex_numbers(3, 4),), torch=method("diagonal")),
        Sample((complex_numbers(2, 4, 3),), {"offset": -1}, torch=method("diagonal", -1, -2, -1)),
        Sample((complex_numbers(2, 3, 4),), {"offset": 2}, torch=method("diagonal", 2, -2, -1)),
    ],
    "diagonal_back": [
        Sample((complex_numbers(3),), {"shape": (3, 4)}),
        Sample((complex_numbers(2, 3),), {"offset": -1, "shape": (4, 3)}),
    ],
    "inv": [Sample((complex_regular(*s),), torch=torch_linalg("inv")) for s in ((3, 3), (2, 1, 1))],
    "solve": [
        Sample((complex_regular(*a), complex_numbers(*b)), torch=torch_linalg("solve"))
        for a, b in (((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)), ((3, 3), (2, 3, 2)), ((2, 1, 2, 2), (3, 2, 2)))
    ],
    "pinv": [
        Sample((complex_regular(*s),), {"rtol": 1e-12}, torch=torch_linalg("pinv")) for s in ((2, 3, 3), (4, 2), (2, 3))
    ],
    "det": [Sample((complex_regular(*s),), torch=torch_linalg("det")) for s in ((3, 3), (2, 4, 4), (1, 1))]
    + [Sample((complex_singular(*s, rank=r),)) for s, r in (((3, 3), 2), ((4, 4), 2), ((2, 4, 4), 3))],
    "slogdet": [Sample((complex_regular(*s),), torch=torch_linalg("slogdet")) for s in ((3, 3), (2, 2, 2))],
    "cholesky": [Sample((complex_regular(*s),), torch=of_hermitian("cholesky")) for s in ((3, 3), (2, 2, 2), (1, 1))],
    "qr": [
        *(
            Sample((complex_regular(*s),), {"mode": "reduced"}, torch=torch_linalg("qr"))
            for s in ((3, 3), (4, 2), (2, 4), (2, 3, 2))
        ),
        Sample((complex_regular(2, 4),), {"mode": "complete"}, torch=torch_linalg("qr")),
        Sample((complex_regular(4, 2),), call=complete_qr),
    ],
    "eigh": [Sample((complex_regular(*s),), call=plain_eigh, torch=torch_eigh) for s in ((3, 3), (2, 2, 2))],
    "eigvalsh": [Sample((complex_regular(*s),), torch=of_hermitian("eigvalsh")) for s in ((3, 3), (2, 2, 2))],
    "eig": [Sample((complex_regular(*s),), call=plain_eig, torch=torch_eig) for s in ((3, 3), (2, 2, 2))],
    "svd": [
        *(Sample((complex_regular(*s),), call=plain_svd, torch=torch_svd) for s in ((3, 3), (4, 2), (2, 3), (2, 3, 2))),
        *(Sample((complex_regular(*s),), call=plain_full_svd) for s in ((4, 2), (2, 4))),
    ],
    "svdvals": [Sample((complex_regular(*s),), torch=torch_linalg("svdvals")) for s in ((3, 3), (2, 3, 2))],
}
