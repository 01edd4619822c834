"""`grad` and `value_and_grad` of functions, on the engine under test."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
from helpers import B, leaf, near

import polymod as pm


def test_grad_and_value_and_grad():
    f = lambda x: (x * x).sum()  # noqa: E731
    near(pm.grad(f)(pm.tensor(B)), 2 * B)
    value, g = pm.value_and_grad(f)(pm.tensor(B))
    near(value, (B * B).sum())
    near(g, 2 * B)
    assert not value.requires_grad and not g.requires_grad
    x = leaf()
    g = pm.grad(f)(x)
    near(g.detach(), 2 * B)
    assert x.grad is None


def test_argnums_and_keywords():
    def f(a: Any, b: Any, *, power: int = 1) -> Any:
        return (a * b**power).sum()

    a, b = pm.tensor(B), pm.tensor([1.0, 2.0, 3.0])
    near(pm.grad(f)(a, b), [1, 2, 3])
    near(pm.grad(f, argnums=1)(a, b, power=2), 2 * B * [1, 2, 3])
    da, db = pm.grad(f, argnums=(0, 1))(a, b)
    near(da, [1, 2, 3])
    near(db, B)
    _, (g,) = pm.value_and_grad(f, argnums=(1,))(a, b)
    near(g, B)


def test_python_floats():
    g = pm.grad(lambda x: x**3)(2.0)
    assert isinstance(g, pm.Tensor) and float(g) == 12
    assert float(pm.grad(lambda x: x * x)(np.float64(3))) == 6
    assert float(pm.grad(pm.grad(pm.grad(lambda x: x**3)))(2.0)) == 6


def test_raw_arrays_come_back_raw():
    raw = pm.tensor(B).array
    g = pm.grad(lambda x: (pm.sin(x) * x).sum())(raw)
    assert type(g) is type(raw)
    np.testing.assert_allclose(pm.to_numpy(g), np.cos(B) * B + np.sin(B), rtol=1e-5)
    value, h = pm.value_and_grad(lambda x: (x * x).sum())(raw)
    assert isinstance(value, pm.Tensor) and type(h) is type(raw)


Point = namedtuple("Point", "x y")


def test_nested_containers():
    def f(p: Any) -> Any:
        return (p["w"] * p["layers"][0]).sum() + p["layers"][1]["b"] ** 2 + p["point"].x * 3 + p["n"]

    params = {
        "w": pm.tensor(B),
        "layers": [pm.tensor([1.0, 2.0, 3.0]).array, {"b": 4.0}],
        "point": Point(pm.tensor(2.0), pm.tensor(5.0)),
        "n": 3,
        "name": "x",
        "ids": pm.tensor([1, 2]),
    }
    g = pm.grad(f)(params)
    near(g["w"], [1, 2, 3])
    assert type(g["layers"]) is list and type(g["layers"][0]) is type(params["layers"][0])
    np.testing.assert_allclose(pm.to_numpy(g["layers"][0]), B)
    assert float(g["layers"][1]["b"]) == 8
    assert isinstance(g["point"], Point) and float(g["point"].x) == 3 and float(g["point"].y) == 0
    assert g["n"] is None and g["name"] is None and g["ids"] is None
    assert list(g) == list(params)
    ordered = pm.grad(lambda p: p["a"] * 2.0)(OrderedDict(a=pm.tensor(1.0)))
    assert isinstance(ordered, OrderedDict)


def test_grad_refuses_what_it_can_not_differentiate():
    with pytest.raises(pm.GradientError, match=r"shape \(3,\)"):
        pm.grad(lambda x: x * 2)(pm.tensor(B))
    with pytest.raises(pm.GradientError, match="float"):
        pm.grad(lambda x: 3.0)(pm.tensor(B))
    for call in (lambda: pm.grad(lambda x: x, argnums=3)(2.0), lambda: pm.grad(lambda x: x)(x=2.0)):
        with pytest.raises(pm.GradientError, match=r"argnums .* positional"):
            call()
    with pytest.raises(pm.GradientError, match="no floating array"):
        pm.grad(lambda x: x.sum())(pm.tensor([1, 2]))
    near(pm.grad(lambda x: pm.tensor(1.0))(pm.tensor(B)), [0, 0, 0])  # a result that does not depend on it


def test_perturbation_confusion():
    d = pm.grad
    assert float(d(lambda x: x * d(lambda y: x + y)(1.0))(1.0)) == 1
    assert float(d(lambda x: x * d(lambda y: x * y)(2.0))(3.0)) == 6
    assert float(d(lambda x: x * d(lambda y: y * y * x)(x))(2.0)) == 24  # x * 2x * x, at the point x
    assert float(d(lambda x: d(lambda y: d(lambda z: x * y * z)(1.0))(1.0))(1.0)) == 1
    shift = lambda f: lambda x: f(x + 1.0)  # noqa: E731
    assert float(d(lambda x: d(shift(lambda y: x * y * y))(x))(3.0)) == pytest.approx(2 * (2 * 3 + 1))


def test_grad_inside_no_grad_and_backward_inside_grad():
    with pm.no_grad():
        near(pm.grad(lambda x: (x * x).sum())(pm.tensor(B)), 2 * B)
        assert not pm.is_grad_enabled()
    w = leaf()

    def f(x: Any) -> Any:
        (w * 2).sum().backward()
        return (x * 3).sum()

    near(pm.grad(f)(pm.tensor(B)), [3, 3, 3])
    near(w.grad, [2, 2, 2])


def test_closures_over_tracked_tensors():
    w = leaf()
    value, g = pm.value_and_grad(lambda x: (x * x * w).sum())(pm.tensor([1.0, 2.0, 3.0]))
    assert value.requires_grad and g.requires_grad
    (g * g).sum().backward(retain_graph=True)
    near(w.grad, 8 * B * np.array([1, 4, 9]))
    w.grad = None
    value.backward()
    near(w.grad, [1, 4, 9])


def test_gradients_flow_through_grad():
    x = leaf(1.5)
    g = pm.grad(lambda y: pm.sin(y) * y)(x)
    g.backward()
    near(x.grad, 2 * np.cos(1.5) - 1.5 * np.sin(1.5))


def test_functions_that_change_their_argument():
    def f(x: Any) -> Any:
        x[0] = 5.0
        x *= 2
        return (x * x).sum()

    host = pm.tensor(B)
    near(pm.grad(f)(host), [0, *(8 * B[1:])])
    near(host, B)
    raw = pm.tensor(B).array
    g = pm.grad(f)(raw)
    np.testing.assert_allclose(pm.to_numpy(g), [0, *(8 * B[1:])])
    np.testing.assert_array_equal(pm.to_numpy(raw), B)
    near(pm.grad(lambda x: pm.grad(f)(x)[1])(host), [0, 8, 0])


def test_control_flow_on_values():
    def f(x: Any) -> Any:
        n = 0
        while x.sum() < 100:
            x, n = x * 2, n + 1
        return x.sum() * n

    near(pm.grad(f)(pm.tensor([1.0, 2.0])), [6 * 64] * 2)
