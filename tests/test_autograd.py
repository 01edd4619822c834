"""Recording and the backward pass: what is added, kept and refused, on the engine under test."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from helpers import B, engine_name, leaf, near

import polymod as pm
from polymod.autograd.families import General

# --------------------------------------------------------------------------------------------------------- backward


def test_backward_fills_grad_of_leaves():
    x, w, c = leaf(), leaf([1.0, 2.0, 3.0]), pm.tensor(B)
    y = (x * w * c).sum()
    assert (x.is_leaf, y.is_leaf, c.is_leaf) == (True, False, True)
    assert (x.requires_grad, y.requires_grad, c.requires_grad) == (True, True, False)
    assert y.backward() is None
    near(x.grad, B * [1, 2, 3])
    near(w.grad, B * B)
    assert (x.grad.dtype, x.grad.shape) == (x.dtype, x.shape)
    assert c.grad is None and y.grad is None and not x.grad.requires_grad


def test_gradients_accumulate():
    x = leaf()
    for n in (1, 2, 3):
        (x * x).sum().backward()
        near(x.grad, n * 2 * B)
    first = x.grad
    (x * x).sum().backward()
    near(first, 3 * 2 * B)  # a grad taken earlier keeps its values
    x.grad = None
    assert x.grad is None
    x.grad = pm.tensor(np.ones(3, np.float32))
    x.sum().backward()
    near(x.grad, np.full(3, 2))


def test_a_tensor_used_many_times_gets_the_sum():
    x = leaf()
    y = x * x
    (y + y * y + x).sum().backward()
    near(x.grad, 2 * B + 4 * B**3 + 1)


def test_gradient_argument():
    x = leaf()
    (x * 2).backward(pm.tensor([1.0, 2.0, 3.0]))
    near(x.grad, [2, 4, 6])
    (x * 2).backward([1.0, 0.0, 0.0])
    near(x.grad, [4, 4, 6])
    (x * 2).backward(gradient=pm.tensor(np.ones(3)))  # float64, cast to the output's dtype
    assert x.grad.dtype == pm.float32
    with pytest.raises(pm.GradientError, match=r"\(3,\).*must be given"):
        (x * 2).backward()
    with pytest.raises(pm.GradientError, match=r"\(3,\).*\(2,\)"):
        (x * 2).backward(pm.tensor([1.0, 2.0]))
    other = "cpu" if str(x.device) != "cpu" else "strict:device1"
    with pytest.raises(pm.MixedDevicesError, match="gradient"):
        (x + 2).backward(pm.tensor(B, device=other))
    with pm.use_backend(other):
        (x + 2).backward([1.0, 1.0, 1.0])  # numbers go where they are wanted
    y = leaf([[4.0]])
    (y * y).backward()  # one element, though not 0-d
    near(y.grad, [[8]])


def test_backward_of_a_leaf():
    x = leaf(3.0)
    x.backward()
    near(x.grad, 1)


def test_backward_needs_something_recorded():
    x = leaf()
    for y in (pm.tensor(2.0), x.detach().sum(), (x > 0).sum(), x.sum().detach()):
        with pytest.raises(pm.GradientError, match="requires grad"):
            y.backward()
    with pm.no_grad():
        y = x.sum()
    with pytest.raises(pm.GradientError, match="no_grad"):
        y.backward()
    assert x.grad is None


def test_complex_results_need_a_gradient():
    z = leaf(np.complex64(1 + 2j))
    with pytest.raises(pm.GradientError, match="complex"):
        (z * z).backward()
    with pytest.raises(pm.GradientError, match="complex"):
        pm.grad(lambda z: z * z)(z)
    (z * z).backward(pm.tensor(np.complex64(1)))
    near(z.grad, np.conj(2 * (1 + 2j)))


def test_retain_graph():
    x = leaf()
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    near(x.grad, 4 * B)
    with pytest.raises(pm.GradientError, match="retain_graph=True"):
        y.backward()
    near(x.grad, 4 * B)
    h = x * x
    (h * 2).sum().backward()
    with pytest.raises(pm.GradientError, match="released"):
        (h * 3).sum().backward()


def test_grad_attribute_is_checked():
    x = leaf()
    with pytest.raises(pm.GradientError, match=r"\(3,\).*\(2,\)"):
        x.grad = pm.tensor([1.0, 2.0])
    with pytest.raises(pm.GradientError, match="requires_grad_"):
        pm.tensor(B).grad = pm.tensor(B)
    pm.tensor(B).grad = None
    x.grad = pm.tensor(B)
    near(x.grad, B)


def test_requires_grad():
    x = pm.tensor(B)
    assert x.requires_grad_() is x and x.requires_grad
    x.requires_grad = False
    assert not x.requires_grad and x.grad is None
    y = x.requires_grad_() * 2
    with pytest.raises(pm.GradientError, match="detach"):
        y.requires_grad_(False)
    assert y.requires_grad_() is y
    d = y.detach()
    assert not d.requires_grad and d.array is y.array


# ---------------------------------------------------------------------------------------------------- autograd.grad


def test_grad_returns_gradients_and_leaves_grad_alone():
    x, w = leaf(), leaf([1.0, 2.0, 3.0])
    h = x * w
    y = (h * h).sum()
    dx, dw, dh = pm.autograd.grad(y, [x, w, h])
    near(dh, 2 * B * [1, 2, 3])
    near(dx, 2 * B * np.array([1, 2, 3]) ** 2)
    near(dw, 2 * B * B * [1, 2, 3])
    assert x.grad is None and w.grad is None
    found = pm.autograd.grad((x * 3).sum(), x)
    assert isinstance(found, tuple) and len(found) == 1
    with pytest.raises(pm.GradientError, match="released"):
        pm.autograd.grad(y, x)


def test_grad_of_several_outputs():
    x = leaf()
    a, b = x * 2, x.sum()
    (g,) = pm.autograd.grad([a, b], x, [pm.tensor([1.0, 0.0, 1.0]), None])
    near(g, [3, 1, 3])
    y = x * x
    (g,) = pm.autograd.grad([y, y], x, [pm.ones(3), pm.ones(3)])
    near(g, 4 * B)
    with pytest.raises(pm.GradientError, match="2 outputs"):
        pm.autograd.grad([x.sum(), x.sum()], x, [None])
    with pytest.raises(pm.GradientError, match="must be given"):
        pm.autograd.grad(x * 2, x)


def test_unused_inputs():
    x, w = leaf(), leaf()
    with pytest.raises(pm.GradientError, match=r"input \[1\].*allow_unused"):
        pm.autograd.grad(x.sum(), [x, w])
    g, none = pm.autograd.grad(x.sum(), [x, w], allow_unused=True)
    near(g, np.ones(3))
    assert none is None
    with pytest.raises(pm.GradientError, match=r"input 1 .*requires_grad_"):
        pm.autograd.grad(x.sum(), [x, pm.tensor(B)])


def test_create_graph_and_third_derivatives():
    x = leaf(dtype=pm.float64)
    y = (x**4).sum()
    for expected in (4 * B**3, 12 * B**2, 24 * B):
        (g,) = pm.autograd.grad(y, x, create_graph=True)
        near(g, expected)
        y = g.sum()
    (g,) = pm.autograd.grad(y, x)
    near(g, np.full(3, 24.0))
    assert not g.requires_grad
    x = leaf(1.5)
    pm.sin(x).backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.backward()
    near(x.grad, -np.sin(1.5))


def test_create_graph_through_products_of_matrices(rng: np.random.Generator):
    w, x = leaf(rng.normal(size=(3, 4))), pm.tensor(rng.normal(size=(2, 3)))
    y = pm.tanh(x @ w).sum()
    (g,) = pm.autograd.grad(y, w, create_graph=True)
    penalty = (g * g).sum()
    penalty.backward()
    step, v = 1e-5, rng.normal(size=(3, 4))

    def value(w0: np.ndarray) -> float:
        x0 = pm.to_numpy(x)
        g0 = x0.T @ (1 - np.tanh(x0 @ w0) ** 2)
        return float((g0 * g0).sum())

    w0 = pm.to_numpy(w)
    expected = (value(w0 + step * v) - value(w0 - step * v)) / (2 * step)
    assert float((pm.to_numpy(w.grad) * v).sum()) == pytest.approx(expected, rel=1e-6)


def test_create_graph_with_released_graph():
    x = leaf()
    y = (x * x).sum()
    (g,) = pm.autograd.grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(pm.GradientError, match="released"):
        y.backward()
    with pytest.raises(pm.GradientError, match="released"):
        pm.autograd.grad(g.sum() + y, x)


# ------------------------------------------------------------------------------------------------------ not recording


def test_no_grad_and_enable_grad_nest():
    x = leaf()
    assert pm.is_grad_enabled()
    with pm.no_grad():
        assert not pm.is_grad_enabled() and not (x * 2).requires_grad
        with pm.enable_grad():
            assert (x * 2).requires_grad
            with pm.no_grad():
                assert not (x * 2).requires_grad
            assert pm.is_grad_enabled()
        assert not pm.is_grad_enabled()
        assert x.requires_grad and leaf().requires_grad
    assert pm.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), pm.no_grad():
        raise ZeroDivisionError
    assert pm.is_grad_enabled()
    once = pm.no_grad()
    with once, once:
        assert not pm.is_grad_enabled()
    assert pm.is_grad_enabled()
    with pm.set_grad_enabled(False):
        assert not (x * 2).requires_grad


def test_in_place_changes_without_recording_keep_the_graph():
    x, c = leaf(), pm.tensor(B)
    y = pm.exp(x)
    with pm.no_grad():
        y += 1
        y[0] = 0.0
        c *= x
        x *= 0
    assert y.requires_grad and not c.requires_grad and x.requires_grad
    (y * y).sum().backward()
    changed = np.exp(B) + 1
    changed[0] = 0
    near(x.grad, 2 * changed * np.exp(B))  # the new values of y count, and the slope at the old ones of x


def test_no_grad_as_decorator():
    x = leaf()

    @pm.no_grad()
    def plain(t: pm.Tensor, depth: int = 3) -> pm.Tensor:
        """Twice."""
        return plain(t, depth - 1) if depth else t * 2

    @pm.enable_grad()
    def recorded(t: pm.Tensor) -> pm.Tensor:
        return t * 2

    assert not plain(x).requires_grad and plain.__doc__ == "Twice."
    with pm.no_grad():
        assert recorded(x).requires_grad and not (x * 2).requires_grad
    assert (x * 2).requires_grad


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_each_thread_has_its_own_mode():
    x = leaf()
    inside, go = threading.Event(), threading.Event()
    seen: list[bool] = []

    @pm.no_grad()
    def slow() -> None:
        inside.set()
        go.wait(5)
        seen.append((x * 2).requires_grad)

    @pm.no_grad()
    def twice() -> None:
        seen.append((x * 2).requires_grad)

    threads = [threading.Thread(target=slow), threading.Thread(target=slow)]
    for t in threads:
        t.start()
    assert inside.wait(5)
    assert (x * 2).requires_grad  # the other threads' no_grad does not reach this one
    go.set()
    for t in threads:
        t.join()
    twice()
    assert seen == [False] * 3 and pm.is_grad_enabled()
    with pm.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen[-1] is True


def test_backward_in_threads():
    def run(results: list, i: int) -> None:
        x = leaf(B * (i + 1), dtype=pm.float64)
        for _ in range(30):
            y = (x * x).sum()
            y.backward()
        results[i] = pm.to_numpy(x.grad)

    results: list[Any] = [None] * 4
    threads = [threading.Thread(target=run, args=(results, i)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, r in enumerate(results):
        np.testing.assert_allclose(r, 60 * B * (i + 1), rtol=1e-6)


# ------------------------------------------------------------------------------------------------------------- hooks


def test_hooks_see_and_replace_gradients():
    x = leaf()
    h = x * 2
    seen: list[np.ndarray] = []
    h.register_hook(lambda g: seen.append(pm.to_numpy(g)))
    remove = h.register_hook(lambda g: g * 10)
    h.register_hook(lambda g: seen.append(pm.to_numpy(g)))
    x.register_hook(lambda g: g + 1)
    (h * h).sum().backward(retain_graph=True)
    np.testing.assert_allclose(seen, [4 * B, 40 * B])
    near(x.grad, 80 * B + 1)
    remove.remove()
    x.grad = None
    (h * h).sum().backward()
    near(x.grad, 8 * B + 1)


def test_hooks_are_removed_once_each():
    x = leaf()

    def double(g: pm.Tensor) -> pm.Tensor:
        return g * 2

    first, second = x.register_hook(double), x.register_hook(double)
    first.remove()
    first.remove()
    x.sum().backward()
    near(x.grad, [2, 2, 2])
    with second:
        pass
    x.grad = None
    x.sum().backward()
    near(x.grad, [1, 1, 1])


def test_hooks_on_inputs_of_grad_and_recorded_hooks():
    x = leaf()
    x.register_hook(lambda g: g * g)
    (g,) = pm.autograd.grad((x**3).sum(), x, create_graph=True)
    near(g, 9 * B**4)
    (h,) = pm.autograd.grad(g.sum(), x)
    near(h, (36 * B**3) ** 2)
    with pytest.raises(pm.GradientError, match="requires grad"):
        pm.tensor(B).register_hook(print)
    with pytest.raises(TypeError, match="callable"):
        x.register_hook(None)


def test_a_hook_must_keep_the_shape():
    x = leaf()
    h = x * 2
    for wrong, received in ((lambda g: g.sum(), r"\(\)"), (lambda g: 3.0, "float")):
        with h.register_hook(wrong), pytest.raises(pm.GradientError, match=rf"hook.*\(3,\).*{received}"):
            h.sum().backward(retain_graph=True)
    h.register_hook(lambda g: g.astype(pm.float64))
    h.sum().backward()
    assert x.grad.dtype == pm.float32


# ------------------------------------------------------------------------------------------------- what is refused


def test_an_operation_without_a_rule_raises_when_it_is_recorded():
    ruleless = General(None)
    ruleless.name = "sinh"
    near(ruleless(pm.tensor(B)), np.sinh(B))
    with pytest.raises(pm.GradientError, match=r"polymod\.sinh .*input 0.*detach"):
        ruleless(leaf())
    with pm.no_grad():
        near(ruleless(leaf()), np.sinh(B))
    scores, classes = leaf([[0.1, 0.9]]), pm.tensor([1])
    with pytest.raises(pm.GradientError, match="input 2"):
        pm.ops.nll_loss(scores, classes, leaf([1.0, 1.0]), ignore_index=-100, reduction="sum")


def test_engines_and_devices_are_never_mixed():
    x = leaf()
    others = ["strict:device1" if engine_name != "strict" else "cpu"]
    if engine_name == "strict":
        others.append("strict:device2")
    functions = (pm.add, pm.matmul, lambda a, b: pm.where(a > 0, a, b), lambda a, b: pm.concat([a, b]))
    for where in others:
        y = pm.tensor(B, device=where)
        for f in functions:
            with pytest.raises(pm.MixedDevicesError) as caught:
                f(x, y)
            for part in (str(x.device), where, "(3,)", "polymod.", ".to("):
                assert part in str(caught.value)
