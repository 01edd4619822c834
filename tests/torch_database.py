"""Samples of torch's own operator database, by polymod and by torch: values, cotangents, second derivatives, tangents.

The database, `torch.testing._internal.common_methods_invocations.op_db`, needs the package expecttest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.autograd.forward_ad as fwAD
from torch.testing._internal.common_methods_invocations import op_db
from torch_functions import Unmapped, adapters

import polymod as pm

TOLERANCE = {"value": 1e-11, "vjp": 1e-9, "gradgrad": 1e-8, "jvp": 1e-9, "jvp of vjp": 1e-8}
absolutes = {"linalg.eigh": (False, True), "linalg.eig": (False, True), "linalg.svd": (True, False, True)}


def operators() -> dict[str, Any]:
    """The database's entries that have an adapter, by name (and the variant's name after an underscore)."""
    named = {o.name + (f"_{o.variant_test_name}" if o.variant_test_name else ""): o for o in op_db}
    return {name: o for name, o in named.items() if name in adapters}


def mapped(f: Callable[[Any], Any], x: Any) -> Any:
    """`x` with every torch tensor in its tuples, lists and dicts replaced."""
    if isinstance(x, torch.Tensor):
        return f(x)
    if isinstance(x, dict):
        return {k: mapped(f, v) for k, v in x.items()}
    if type(x) in (list, tuple):
        return type(x)(mapped(f, v) for v in x)
    return x


def tensors_of(x: Any) -> list[Any]:
    found: list[Any] = []
    mapped(found.append, x)
    return found


def outputs_of(y: Any, kind: type) -> list[Any]:
    """The arrays of class `kind` in a result, in order."""
    if isinstance(y, list | tuple):
        return [t for part in y for t in outputs_of(part, kind)]
    return [y] if isinstance(y, kind) else []


@dataclass
class Call:
    """One sample: functions of the arrays that are differentiated, of torch's and of polymod's."""

    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    operator: Any
    primals: list[np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        self.tracked = [t for t in tensors_of((self.arguments, self.keywords)) if t.requires_grad]
        self.primals = [t.numpy(force=True).copy() for t in self.tracked]

    def __str__(self) -> str:
        def shown(x: Any) -> Any:
            if isinstance(x, torch.Tensor):
                return f"{str(x.dtype).removeprefix('torch.')}{list(x.shape)}"
            if isinstance(x, list | tuple):
                return "(" + ", ".join(map(str, map(shown, x))) + ")"
            return str(x)

        words = [shown(x) for x in self.arguments] + [f"{k}={shown(v)}" for k, v in self.keywords.items()]
        return f"{self.name}({', '.join(words)})"

    def filled(self, replaced: list[Any], constant: Callable[[Any], Any]) -> tuple[Any, Any]:
        """The arguments with the tracked tensors replaced, in order, and the others by `constant`."""
        by_id = {id(t): new for t, new in zip(self.tracked, replaced, strict=True)}

        def new(t: Any) -> Any:
            return by_id[id(t)] if id(t) in by_id else constant(t.detach())

        arguments, keywords = mapped(new, (self.arguments, self.keywords))
        if "hermitian" in getattr(getattr(self.operator, "gradcheck_wrapper", None), "__name__", ""):
            x = arguments[0]
            conj, turned = (torch.conj, x.mT) if isinstance(x, torch.Tensor) else (pm.conj, pm.matrix_transpose(x))
            arguments = (x + conj(turned), *arguments[1:])
        return arguments, keywords

    def torch(self, *xs: Any) -> list[Any]:
        arguments, keywords = self.filled(list(xs), lambda t: t)
        outputs = outputs_of(self.operator.op(*arguments, **keywords), torch.Tensor)
        for i, absolute in enumerate(absolutes.get(self.name, ())):
            outputs[i] = outputs[i].abs() if absolute else outputs[i]
        if self.name in first_output_only:
            outputs = outputs[:1]
        return outputs

    def polymod(self, *xs: Any) -> list[Any]:
        arguments, keywords = self.filled(list(xs), lambda t: pm.tensor(t.numpy(force=True)))
        return outputs_of(adapters[self.name](*arguments, **keywords), pm.Tensor)


first_output_only = ("sort", "msort", "topk", "kthvalue", "max_reduction_with_dim", "min_reduction_with_dim")


def calls(operator: Any, name: str, dtype: Any, reference: bool = False) -> Iterator[Call]:
    torch.manual_seed(0)
    differentiable = operator.supports_autograd and (dtype.is_floating_point or dtype.is_complex)
    make = operator.reference_inputs if reference else operator.sample_inputs
    for sample in make("cpu", dtype, requires_grad=differentiable):
        yield Call(name, (sample.input, *sample.args), dict(sample.kwargs), operator)


def random_like(rng: np.random.Generator, x: Any) -> np.ndarray:
    x = np.asarray(x)
    r = rng.normal(size=x.shape)
    return (r + 1j * rng.normal(size=x.shape) if x.dtype.kind == "c" else r).astype(x.dtype)


Answers = dict[str, list[np.ndarray]]


def floating(ys: list[Any]) -> list[Any]:
    return [y for y in ys if str(y.dtype).rpartition(".")[2].startswith(("float", "complex"))]


def by_torch(call: Call, rng: np.random.Generator, kinds: Any = TOLERANCE) -> tuple[Answers, list[list[np.ndarray]]]:
    """What torch finds, as far as it goes, and the directions that it was asked for."""
    answers: Answers = {}
    xs = [torch.tensor(x, requires_grad=True) for x in call.primals]
    outputs = call.torch(*xs)
    answers["value"] = [y.numpy(force=True) for y in outputs]
    ys = [y for y in floating(outputs) if y.requires_grad]
    wanted = [y.requires_grad for y in floating(outputs)]
    weights = [random_like(rng, y.numpy(force=True)) for y in floating(outputs)]
    directions = [random_like(rng, x) for x in call.primals]
    others = [random_like(rng, x) for x in call.primals]
    asked = [weights, directions, others]
    if not ys:
        return answers, asked
    ws = [torch.tensor(w, requires_grad=True) for w, used in zip(weights, wanted, strict=True) if used]
    try:
        first = torch.autograd.grad(ys, xs, ws, create_graph=True, retain_graph=True, allow_unused=True)
    except RuntimeError:  # torch has only the first derivative
        first = torch.autograd.grad(ys, xs, ws, allow_unused=True)
    first = [torch.zeros_like(x) if g is None else g for g, x in zip(first, xs, strict=True)]
    answers["vjp"] = [g.numpy(force=True) for g in first]
    try:
        pairs = [(g, torch.tensor(u)) for g, u in zip(first, others, strict=True) if g.requires_grad]
        second: Any = [None] * (len(xs) + len(ws))
        if pairs:
            second = torch.autograd.grad([g for g, _ in pairs], [*xs, *ws], [u for _, u in pairs], allow_unused=True)
        answers["gradgrad"] = [
            np.zeros_like(x.numpy(force=True)) if g is None else g.numpy(force=True)
            for g, x in zip(second, [*xs, *ws], strict=True)
        ]
    except (RuntimeError, NotImplementedError):
        pass
    plain = [torch.tensor(x) for x in call.primals]
    moves = [torch.tensor(u) for u in directions]
    try:
        with fwAD.dual_level():
            duals = [fwAD.make_dual(x, u) for x, u in zip(plain, moves, strict=True)]
            tangents = []
            for y in floating(call.torch(*duals)):
                primal, tangent = fwAD.unpack_dual(y)
                tangents.append(torch.zeros_like(primal) if tangent is None else tangent)
        answers["jvp"] = [t.numpy(force=True) for t in tangents]
    except (RuntimeError, NotImplementedError):
        try:
            _, tangents = torch.autograd.functional.jvp(
                lambda *a: tuple(floating(call.torch(*a))), tuple(plain), tuple(moves)
            )
            answers["jvp"] = [t.numpy(force=True) for t in tangents]
        except (RuntimeError, NotImplementedError):
            pass
    if "jvp of vjp" not in kinds:
        return answers, asked
    try:

        def cotangents(*a: Any) -> Any:
            _, pull = torch.func.vjp(lambda *b: tuple(floating(call.torch(*b))), *a)
            return pull(tuple(map(torch.tensor, weights)))

        _, tangents = torch.func.jvp(cotangents, tuple(plain), tuple(moves))
        answers["jvp of vjp"] = [t.numpy(force=True) for t in tangents]
    except (RuntimeError, NotImplementedError):
        pass
    return answers, asked


def by_polymod(call: Call, asked: list[list[np.ndarray]], kinds: Any = TOLERANCE) -> Answers:
    """The same by polymod. `asked` has weights of the outputs, a direction and another one of the inputs."""
    weights, directions, others = asked
    answers: Answers = {}
    xs = [pm.tensor(x, requires_grad=True) for x in call.primals]
    outputs = call.polymod(*xs)
    answers["value"] = [pm.to_numpy(y) for y in outputs]
    ys = floating(outputs)
    ws = [pm.tensor(w, requires_grad=True) for w in weights]
    pairs = [(y, w) for y, w in zip(ys, ws, strict=True) if y.requires_grad]
    first: Any = [None] * len(xs)
    if pairs:
        first = pm.autograd.grad([y for y, _ in pairs], xs, [w for _, w in pairs], create_graph=True, allow_unused=True)
    first = [pm.zeros_like(x) if g is None else g for g, x in zip(first, xs, strict=True)]
    answers["vjp"] = [pm.to_numpy(g) for g in first]
    if "gradgrad" in kinds:
        moved = [(g, pm.tensor(u)) for g, u in zip(first, others, strict=True) if g.requires_grad]
        inputs = [*xs, *(w for y, w in pairs)]
        second: Any = [None] * len(inputs)
        if moved:
            second = pm.autograd.grad([g for g, _ in moved], inputs, [u for _, u in moved], allow_unused=True)
        answers["gradgrad"] = [
            pm.to_numpy(pm.zeros_like(x.detach()) if g is None else g) for g, x in zip(second, inputs, strict=True)
        ]
    plain, moves = tuple(map(pm.tensor, call.primals)), tuple(map(pm.tensor, directions))
    if "jvp" in kinds:
        answers["jvp"] = [pm.to_numpy(t) for t in pm.jvp(lambda *a: tuple(floating(call.polymod(*a))), plain, moves)[1]]
    if "jvp of vjp" in kinds:

        def cotangents(*a: Any) -> Any:
            _, pull = pm.vjp(lambda *b: tuple(floating(call.polymod(*b))), *a)
            found = pull(tuple(map(pm.tensor, weights)))
            return found if isinstance(found, tuple) else (found,)

        answers["jvp of vjp"] = [pm.to_numpy(t) for t in pm.jvp(cotangents, plain, moves)[1]]
    return answers


def difference(found: list[np.ndarray], expected: list[np.ndarray], tolerance: float) -> str | None:
    """What is different, or None."""
    if len(found) != len(expected):
        return f"{len(found)} arrays, expected {len(expected)}"
    for i, (f, e) in enumerate(zip(found, expected, strict=True)):
        if f.shape != e.shape or f.dtype != e.dtype:
            return f"[{i}] {f.dtype}{list(f.shape)}, expected {e.dtype}{list(e.shape)}"
        if f.dtype.kind not in "fc":
            if not np.array_equal(f, e):
                return f"[{i}] other values"
            continue
        special_values = ~np.isfinite(f) | ~np.isfinite(e)
        alike = (f == e) | ((f != f) & (e != e))
        if np.any(special_values & ~alike):
            where = tuple(np.argwhere(special_values & ~alike)[0])
            return f"[{i}] at {tuple(map(int, where))}: {f[where]}, expected {e[where]}"
        f, e = np.where(special_values, 0, f), np.where(special_values, 0, e)
        scale = max(1.0, float(np.max(np.abs(e), initial=0.0)))
        error = np.abs(f - e)
        single = f.dtype in (np.float32, np.complex64)  # the results of integers
        if float(np.max(error, initial=0.0)) > max(tolerance, 1e-5 * single) * scale:
            where = np.unravel_index(int(np.argmax(error)), error.shape)
            return f"[{i}] at {tuple(map(int, where))}: {f[where]}, expected {e[where]}"
    return None


__all__ = ["TOLERANCE", "Call", "Unmapped", "by_polymod", "by_torch", "calls", "difference", "operators"]
