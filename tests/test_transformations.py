"""vjp, jvp, linearize, jacobian, hessian, hvp, checkpoint, custom functions and the checks, in every nesting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

X = np.array([0.5, -1.25, 2.0])
V = np.array([1.0, 0.5, -2.0])


def same(found: Any, expected: Any, tolerance: float = 1e-10) -> None:
    found = pm.to_numpy(found) if isinstance(found, pm.Tensor) else np.asarray(found)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def cubic(x: pm.Tensor) -> pm.Tensor:
    return (x * x * x).sum() + x[0] * x[1]


# ------------------------------------------------------------------------------------------------- products


def test_vjp_may_be_pulled_many_times_and_keeps_structure():
    value, pull = pm.vjp(lambda x, d: {"a": x * d["k"], "b": (x.sum(), 3)}, pm.tensor(X), {"k": pm.tensor(V)})
    same(value["a"], X * V)
    assert value["b"][1] == 3 and not value["a"].requires_grad
    for factor in (1.0, 2.0):
        x, d = pull({"a": pm.tensor(factor * X), "b": (pm.tensor(1.0, dtype=pm.float64), None)})
        same(x, factor * X * V + 1)
        same(d["k"], factor * X * X)


def test_jvp_and_linearize():
    x, v = pm.tensor(X), pm.tensor(V)
    value, tangent = pm.jvp(lambda x: (cubic(x), x, 2), (x,), (v,))
    same(value[0], (X**3).sum() + X[0] * X[1])
    same(tangent[0], (3 * X**2 * V).sum() + V[0] * X[1] + X[0] * V[1])
    same(tangent[1], V)
    value, push = pm.linearize(cubic, x)
    same(push(2 * v), 2 * pm.to_numpy(tangent[0]))
    same(push(x * 0), 0)


def test_jvp_of_what_does_not_depend_is_zero():
    _, t = pm.jvp(lambda x: pm.ones(2, dtype=pm.float64), (pm.tensor(X),), (pm.tensor(V),))
    same(t, [0, 0])


def test_numbers_raw_arrays_and_aux(engine: pm.Device):
    value, tangent = pm.jvp(lambda x: x * x, (3.0,), (2.0,))
    assert (float(value), float(tangent)) == (9.0, 12.0)
    raw = pm.tensor(X).array
    _, pull = pm.vjp(lambda x: x * 2, raw)
    assert type(pull(pm.tensor(V))) is type(raw)
    value, pull, aux = pm.vjp(lambda x: (x.sum(), {"seen": x}), pm.tensor(X), has_aux=True)
    same(aux["seen"], X)
    assert not aux["seen"].requires_grad
    gradient, aux = pm.grad(lambda x: (x.sum(), "kept"), has_aux=True)(pm.tensor(X))
    assert aux == "kept" and gradient.device == engine
    (value, aux), gradient = pm.value_and_grad(lambda x: (x.sum(), 1), has_aux=True)(pm.tensor(X))
    assert aux == 1


def test_integers_have_no_tangent():
    _, pull = pm.vjp(lambda x, n: x[n], pm.tensor(X), pm.tensor([2, 2]))
    g, nothing = pull(pm.tensor([1.0, 2.0], dtype=pm.float64))
    same(g, [0, 0, 3])
    assert nothing is None
    _, t = pm.jvp(lambda x, n: x[n], (pm.tensor(X), pm.tensor([2, 2])), (pm.tensor(V), None))
    same(t, [-2, -2])


def test_complex_products_are_dual(rng: np.random.Generator):
    z = rng.normal(size=3) + 1j * rng.normal(size=3)
    v, w = (rng.normal(size=3) + 1j * rng.normal(size=3) for _ in range(2))

    def f(z: pm.Tensor) -> pm.Tensor:
        return z * z * pm.conj(z) + pm.abs(z)

    t = pm.to_numpy(pm.jvp(f, (pm.tensor(z),), (pm.tensor(v),))[1])
    g = pm.to_numpy(pm.vjp(f, pm.tensor(z))[1](pm.tensor(w)))
    assert np.vdot(w, t).real == pytest.approx(np.vdot(g, v).real)
    step = 1e-6
    expected = (pm.to_numpy(f(pm.tensor(z + step * v))) - pm.to_numpy(f(pm.tensor(z - step * v)))) / (2 * step)
    same(t, expected, 1e-7)


# ------------------------------------------------------------------------------------------------- nesting


def test_perturbations_are_not_confused():
    x, y = 3.0, 2.0
    same(pm.grad(lambda x: x * pm.grad(lambda y: x + y)(y))(x), 1)
    same(pm.jvp(lambda x: x * pm.jvp(lambda y: x + y, (y,), (1.0,))[1], (x,), (1.0,))[1], 1)
    same(pm.grad(lambda x: x * pm.jvp(lambda y: x * y, (y,), (1.0,))[1])(x), 2 * x)
    same(pm.jvp(lambda x: x * pm.grad(lambda y: x * y)(y), (x,), (1.0,))[1], 2 * x)


@pytest.mark.parametrize("outer", ["grad", "jvp", "jacobian", "vmap"])
@pytest.mark.parametrize("inner", ["grad", "jvp", "jacobian", "checkpoint", "vjp"])
def test_every_order_of_nesting(outer: str, inner: str):
    """d/dx of 3 x**2 + x0's neighbour, whichever way the inner derivative was found."""
    x, v = pm.tensor(X), pm.tensor(V)
    unit = pm.ones((), dtype=pm.float64)
    first = {
        "grad": pm.grad(cubic),
        "jvp": lambda x: pm.stack([pm.jvp(cubic, (x,), (e,))[1] for e in pm.eye(3, dtype=pm.float64)]),
        "jacobian": pm.jacobian(cubic),
        "checkpoint": lambda x: pm.grad(lambda z: pm.checkpoint(cubic, z))(x),
        "vjp": lambda x: pm.vjp(cubic, x)[1](unit),
    }[inner]
    H = np.diag(6 * X) + np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    if outer == "grad":
        same(pm.grad(lambda x: (first(x) * v).sum())(x), H @ V)
    elif outer == "jvp":
        same(pm.jvp(first, (x,), (v,))[1], H @ V)
    elif outer == "jacobian":
        same(pm.jacobian(first)(x), H)
        same(pm.jacobian(first, mode="forward")(x), H)
    else:
        both = pm.stack([x, 2 * x])
        same(pm.vmap(first)(both), [pm.to_numpy(first(x)), pm.to_numpy(first(2 * x))])


def test_third_derivatives_in_every_mode():
    def f(x: pm.Tensor) -> pm.Tensor:
        return pm.sin(x) * pm.exp(x)

    def reverse(g: Any) -> Any:
        return pm.grad(g)

    def forward(g: Any) -> Any:
        return lambda x: pm.jvp(g, (x,), (pm.ones((), dtype=pm.float64),))[1]

    x = pm.tensor(0.7, dtype=pm.float64)
    expected = 2 * np.exp(0.7) * (np.cos(0.7) - np.sin(0.7))
    for a in (reverse, forward):
        for b in (reverse, forward):
            for c in (reverse, forward):
                same(a(b(c(f)))(x), expected)


def test_derivatives_flow_to_what_a_function_closes_over():
    w = pm.tensor(V, requires_grad=True)
    _, t = pm.jvp(lambda x: (w * x * x).sum(), (pm.tensor(X),), (pm.tensor(X),))
    t.backward()
    same(w.grad, 2 * X * X)
    w.grad = None
    direction = pm.tensor(V, requires_grad=True)
    pm.jvp(lambda x: (x * x).sum(), (pm.tensor(X),), (direction,))[1].backward()
    same(direction.grad, 2 * X)
    with pm.no_grad():
        assert not pm.jvp(lambda x: (w * x).sum(), (pm.tensor(X),), (pm.tensor(X),))[1].requires_grad


def test_a_call_leaves_no_graph_behind():
    x = pm.tensor(X)
    results = [
        pm.grad(lambda x: (pm.grad(cubic)(x) ** 2).sum())(x),
        pm.hessian(cubic)(x),
        pm.jvp(pm.grad(cubic), (x,), (x,))[1],
        pm.vmap(pm.grad(cubic))(pm.stack([x, x])),
    ]
    assert not any(r.requires_grad for r in results)


# ---------------------------------------------------------------------------------------------- jacobians


def outputs(x: pm.Tensor) -> pm.Tensor:
    return pm.stack([pm.stack([x[0] * x[1], pm.sin(x[2])]), pm.stack([x.sum(), x[0] ** 3])])


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("chunk_size", [None, 2])
def test_jacobian(mode: str, chunk_size: int | None):
    a, b, c = X
    found = pm.jacobian(outputs, mode=mode, chunk_size=chunk_size)(pm.tensor(X))
    same(found, [[[b, a, 0], [0, 0, np.cos(c)]], [[1, 1, 1], [3 * a * a, 0, 0]]])


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_jacobian_of_containers(mode: str):
    def f(x: Any, d: Any, k: Any) -> Any:
        return {"p": x * d["w"][0], "q": [(x * x).sum() * k]}

    x, w, k = pm.tensor(X), pm.tensor(V), pm.tensor(2.0, dtype=pm.float64)
    found = pm.jacobian(f, argnums=(0, 1), mode=mode)(x, {"w": (w,)}, k)
    same(found["p"][0], np.diag(V))
    same(found["p"][1]["w"][0], np.diag(X))
    same(found["q"][0][0], 4 * X)
    same(found["q"][0][1]["w"][0], 0 * X)
    same(pm.jacobian(f, argnums=2, mode=mode)(x, {"w": (w,)}, k)["q"][0], (X * X).sum())


def test_hessian_and_hvp(rng: np.random.Generator):
    W = rng.normal(size=(4, 3))
    w = pm.tensor(W)

    def f(x: pm.Tensor) -> pm.Tensor:
        return pm.logsumexp(w @ x)

    p = np.exp(W @ X)
    p /= p.sum()
    H = W.T @ (np.diag(p) - np.outer(p, p)) @ W
    same(pm.hessian(f)(pm.tensor(X)), H)
    same(pm.hvp(f, (pm.tensor(X),), (pm.tensor(V),)), H @ V)
    nested = pm.hessian(lambda a, b: (a * b).sum(), argnums=(0, 1))(pm.tensor(X), pm.tensor(V))
    same(nested[0][1], np.eye(3))
    same(nested[0][0], np.zeros((3, 3)))
    a, b = pm.hvp(lambda a, b: (a * a * b).sum(), (pm.tensor(X), pm.tensor(V)), (pm.tensor(V), pm.tensor(X)))
    same(a, 2 * V * V + 2 * X * X)
    same(b, 2 * X * V)


# ------------------------------------------------------------------------------------------------- modules


def test_modules_are_differentiated_by_parameter():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    net[0].bias.requires_grad_(False)
    x = pm.tensor(np.float32(np.stack([X, V])))

    def loss(net: nn.Module, x: pm.Tensor) -> pm.Tensor:
        return (net(x) ** 2).mean()

    gradient = pm.grad(loss)(net, x)
    loss(net, x).backward()
    assert list(gradient) == ["0.weight", "2.weight", "2.bias"]
    for name, p in net.named_parameters():
        if p.requires_grad:
            same(gradient[name], pm.to_numpy(p.grad), 1e-6)
    direction = {name: pm.ones_like(p.detach()) for name, p in net.named_parameters() if p.requires_grad}
    _, t = pm.jvp(lambda net: loss(net, x), (net,), (direction,))
    same(t.detach(), sum(float(g.detach().sum()) for g in gradient.values()), 1e-5)
    same(
        pm.grad(lambda x: loss(net, x))(x).detach(), pm.to_numpy(pm.jacobian(lambda x: loss(net, x))(x).detach()), 1e-6
    )


def test_functional_call_and_ensembles():
    nets = [nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval() for _ in range(4)]
    x = pm.tensor(np.float32(np.stack([X, V])))
    parameters, buffers = pm.func.stack_module_state(nets)

    def run(p: Any, b: Any) -> pm.Tensor:
        return pm.func.functional_call(nets[0], {**p, **b}, x)

    found = pm.vmap(run)(parameters, buffers)
    same(found.detach(), np.stack([pm.to_numpy(n(x)) for n in nets]), 1e-6)
    (found**2).sum().backward()
    for net in nets:
        (net(x) ** 2).sum().backward()
    same(parameters["0.weight"].grad, np.stack([pm.to_numpy(n[0].weight.grad) for n in nets]), 1e-5)
    with pytest.raises(pm.StateError, match="no parameter or buffer wrong"):
        pm.func.functional_call(nets[0], {"wrong": x}, x)
    with pytest.raises(pm.StateError, match=r"model 1 differs from model 0 in 1\.weight"):
        pm.func.stack_module_state([nets[0], nn.Sequential(nn.Linear(3, 2))])
    before = nets[0][0].weight
    with pytest.raises(ZeroDivisionError):
        pm.func.functional_call(lambda_net(before), {"weight": pm.zeros((2, 3))}, x)
    assert nets[0][0].weight is before


def lambda_net(weight: Any) -> nn.Module:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = weight

        def forward(self, x: Any) -> Any:
            raise ZeroDivisionError

    return Broken()


# ---------------------------------------------------------------------------------------------- checkpoint


def test_checkpoint_keeps_nothing_and_draws_the_same_numbers():
    net = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 2))
    calls = []

    def run(x: pm.Tensor, scale: float = 1.0) -> tuple[pm.Tensor, int]:
        calls.append(1)
        return net(x) * scale, 7

    x = pm.tensor(np.float32(np.stack([X, V])), requires_grad=True)
    pm.manual_seed(3)
    ((net(x) * 2) ** 2).sum().backward()
    expected = [pm.to_numpy(t.grad) for t in (x, *net.parameters())]
    x.grad = None
    net.zero_grad()
    pm.manual_seed(3)
    y, seven = pm.checkpoint(run, x, scale=2.0)
    assert seven == 7 and len(calls) == 1
    following = pm.rand(2)
    (y**2).sum().backward()
    assert len(calls) == 2
    for t, e in zip((x, *net.parameters()), expected, strict=True):
        same(t.grad, e, 1e-6)
    pm.manual_seed(3)
    pm.rand((2, 8))
    same(following, pm.to_numpy(pm.rand(2)))  # the second run left the generator where it was


def test_checkpoint_of_several_results_and_what_passes_through():
    def f(a: pm.Tensor, b: dict) -> Any:
        return [a * b["k"], a, b["k"].sum()]

    a, k = pm.tensor(X, requires_grad=True), pm.tensor(V, requires_grad=True)
    first, same_a, total = pm.checkpoint(f, a, {"k": k})
    (first.sum() + 2 * same_a.sum() + 3 * total).backward()
    same(a.grad, V + 2)
    same(k.grad, X + 3)
    pm.check_grads(lambda a, k: pm.checkpoint(f, a, {"k": k}), (pm.tensor(X), pm.tensor(V)))


# ------------------------------------------------------------------------------------------- own derivatives


def test_custom_vjp_and_jvp_follow_from_each_other():
    @pm.custom_function
    def by_vjp(x: pm.Tensor, y: pm.Tensor) -> pm.Tensor:
        return pm.exp(x) * y

    @by_vjp.vjp
    def _(g: Any, z: Any, x: Any, y: Any) -> Any:
        return g * z, g * pm.exp(x)

    @pm.custom_function
    def by_jvp(x: pm.Tensor, y: pm.Tensor) -> pm.Tensor:
        return pm.exp(x) * y

    @by_jvp.jvp
    def _(tangents: Any, z: Any, x: Any, y: Any) -> Any:
        s, t = tangents
        return (0 if s is None else s * z) + (0 if t is None else pm.exp(x) * t)

    for f in (by_vjp, by_jvp):
        pm.check_grads(f, (pm.tensor(X), pm.tensor(V)), order=3)
        same(pm.grad(lambda x, f=f: f(x, pm.tensor(V)).sum())(pm.tensor(X)), np.exp(X) * V)
        same(pm.vmap(pm.grad(f))(pm.tensor(X), pm.tensor(V)), np.exp(X) * V)


def test_custom_rule_is_what_counts():
    @pm.custom_function
    def straight_through(x: pm.Tensor) -> pm.Tensor:
        return pm.round(x)

    with pytest.raises(pm.GradientError, match="straight_through has no derivative"):
        pm.grad(lambda x: straight_through(x).sum())(pm.tensor(X))
    straight_through.vjp(lambda g, y, x: g)
    same(pm.grad(lambda x: straight_through(x).sum())(pm.tensor(X)), [1, 1, 1])
    straight_through.vjp(lambda g, y, x: g[:2])
    with pytest.raises(pm.GradientError, match=r"gave shape \(2,\) for an input of shape \(3,\)"):
        pm.grad(lambda x: straight_through(x).sum())(pm.tensor(X))
    with pytest.raises(pm.GradientError, match="must return a Tensor"):
        pm.custom_function(lambda x: 3)(pm.tensor(X))


def test_stop_gradient():
    g = pm.grad(lambda x: (pm.stop_gradient({"a": x})["a"] * x).sum())(pm.tensor(X))
    same(g, X)


# -------------------------------------------------------------------------------------------------- checks


def test_check_grads_finds_a_wrong_rule():
    pm.check_grads(cubic, (pm.tensor(X),), order=3)
    pm.check_grads(lambda d: F.softmax(d["x"], dim=0) * 2, ({"x": pm.tensor(X)},))
    pm.check_grads(lambda x: pm.tanh(x).sum(), (pm.tensor(np.float32(X)),))

    @pm.custom_function
    def wrong(x: pm.Tensor) -> pm.Tensor:
        return x * x

    wrong.vjp(lambda g, y, x: g * x)
    with pytest.raises(pm.GradientError, match="by differences"):
        pm.check_grads(wrong, (pm.tensor(X),), order=1)

    @pm.custom_function
    def wrong_twice(x: pm.Tensor) -> pm.Tensor:
        return x * x

    wrong_twice.vjp(lambda g, y, x: g * 2 * x.detach())
    pm.check_grads(wrong_twice, (pm.tensor(X),), order=1)
    with pytest.raises(pm.GradientError, match="over"):
        pm.check_grads(wrong_twice, (pm.tensor(X),), order=2)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_detect_anomaly_names_the_module_and_the_operation():
    class Inner(nn.Module):
        def forward(self, x: Any) -> Any:
            return pm.sqrt(pm.abs(x) * 0) * 0

    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Identity(), Inner()))
    with pytest.raises(pm.GradientError, match=r"sqrt in module '1\.1' \(Inner\)"), pm.detect_anomaly():
        net(pm.ones((1, 2))).sum().backward()
    net(pm.ones((1, 2))).sum().backward()  # nothing is looked at outside

    class Negative(nn.Module):
        def forward(self, x: Any) -> Any:
            return pm.log(x - 5)

    net = nn.Sequential(nn.Linear(2, 2), Negative())
    with (
        pytest.raises(pm.GradientError, match=r"log made NaN of \(1, 2\) polymod.float32(.|\n)*'1': Negative"),
        pm.detect_anomaly(),
    ):
        net(pm.zeros((1, 2)))


def test_set_strict():
    x = pm.tensor(2.0, requires_grad=True)
    assert float(x) == 2.0
    pm.set_strict(True)
    try:
        for use in (float, int, lambda t: t.item()):
            with pytest.raises(pm.GradientError, match="detach"):
                use(x * 1)
            use(x.detach())
        assert x > 1 and bool(x)
    finally:
        pm.set_strict(False)


def test_errors_say_what_is_wrong():
    x = pm.tensor(X)
    with pytest.raises(pm.GradientError, match="tuple of arguments"):
        pm.jvp(cubic, x, x)
    with pytest.raises(pm.GradientError, match=r"primal's shape \(3,\), received \(2,\)"):
        pm.jvp(cubic, (x,), (x[:2],))
    with pytest.raises(pm.GradientError, match="expected a tuple of 1, received a tuple of 2"):
        pm.jvp(cubic, (x,), (x, x))
    with pytest.raises(pm.GradientError, match="keys 'a', received a dict with keys 'b'"):
        pm.vjp(lambda x: {"a": x}, x)[1]({"b": x})
    with pytest.raises(pm.GradientError, match="mode must be"):
        pm.jacobian(cubic, mode="backward")
    with pytest.raises(pm.GradientError, match="complex"):
        pm.jacobian(lambda x: x * 1j)(x)
    with pytest.raises(pm.GradientError, match="no floating array"):
        pm.vjp(lambda n: n, pm.tensor([1, 2]))
    with pytest.raises(pm.GradientError, match="pair"):
        pm.grad(cubic, has_aux=True)(x)
