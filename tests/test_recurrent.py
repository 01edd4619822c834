"""Recurrent layers and cells beside torch's, and what torch's database of modules does not ask."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from parity import compare_layers

import polymod as pm
from polymod import nn
from polymod.backend import load_backend, portable

KINDS = ("RNN", "LSTM", "GRU")
CELLS = ("RNNCell", "LSTMCell", "GRUCell")


def flat(result: Any) -> tuple:
    """What a layer gives, as one tuple."""
    return tuple(x for part in result for x in (part if isinstance(part, tuple) else (part,)))


def both(kind: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    return getattr(nn, kind)(*args, **kwargs), getattr(torch.nn, kind)(*args, **kwargs)


def states_for(kind: str, *shape: int, proj: int = 0, rng: np.random.Generator) -> list[np.ndarray]:
    first = (*shape[:-1], proj) if proj else shape
    return [rng.normal(size=first), rng.normal(size=shape)] if kind.startswith("LSTM") else [rng.normal(size=first)]


def call(module: Any, x: Any, *states: Any) -> tuple:
    return flat(module(x, states if len(states) > 1 else states[0] if states else None))


# ------------------------------------------------------------------------------------------------ beside torch


OPTIONS: list[dict] = [
    {},
    {"num_layers": 3, "batch_first": True},
    {"num_layers": 2, "bidirectional": True, "bias": False},
]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, options) for kind in KINDS for options in OPTIONS),
        ("RNN", {"num_layers": 2, "bidirectional": True, "batch_first": True, "nonlinearity": "relu"}),
        ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 2}),
    ],
)
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_layers_are_torchs(kind: str, options: dict, single: bool, given: bool, rng: np.random.Generator):
    """Keys, outputs, final states and the gradients of all inputs, states and parameters."""
    ours, theirs = both(kind, 4, 3, **options)
    runs = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    n = () if single else (2,)
    shape = (5,) if single else (2, 5) if options.get("batch_first") else (5, 2)
    hosts = [rng.normal(size=(*shape, 4))]
    if given:
        hosts += states_for(kind, runs, *n, 3, proj=options.get("proj_size", 0), rng=rng)
    compare_layers(ours, theirs, *hosts, call=call)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("shape", [(), (2,), (0,)])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_cells_are_torchs(kind: str, shape: tuple, given: bool, bias: bool, rng: np.random.Generator):
    ours, theirs = both(kind, 4, 3, bias=bias)
    hosts = [rng.normal(size=(*shape, 4)), *(states_for(kind, *shape, 3, rng=rng) if given else [])]

    def of_cell(module: Any, x: Any, *states: Any) -> tuple:
        result = module(x, states if len(states) > 1 else states[0] if states else None)
        return result if isinstance(result, tuple) else (result,)

    compare_layers(ours, theirs, *hosts, call=of_cell)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_step_by_step(kind: str, rng: np.random.Generator):
    layer = getattr(nn, kind)(4, 3, dtype=pm.float64)
    cell = getattr(nn, kind + "Cell")(4, 3, dtype=pm.float64)
    cell.load_state_dict({k.removesuffix("_l0"): pm.to_numpy(v) for k, v in layer.state_dict().items()})
    x = pm.tensor(rng.normal(size=(5, 2, 4)))
    y, final = layer(x)
    state = None
    for t in range(5):
        state = cell(x[t], state)
        h = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(pm.to_numpy(h), pm.to_numpy(y[t]), atol=1e-12)
    for s, f in zip(flat([state]), flat([final]), strict=True):
        np.testing.assert_allclose(pm.to_numpy(s), pm.to_numpy(f[0]), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "dropout": 0.5}, {"bias": False}])
def test_repr_and_attributes_are_torchs(kind: str, options: dict):
    ours, theirs = both(kind, 4, 3, **options)
    assert repr(ours) == repr(theirs)
    shown = "mode input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size".split()
    assert {n: getattr(ours, n) for n in shown} == {n: getattr(theirs, n) for n in shown}
    assert [[tuple(w.shape) for w in ws] for ws in ours.all_weights] == [
        [tuple(w.shape) for w in ws] for ws in theirs.all_weights
    ]
    assert ours.all_weights[0][1] is ours.weight_hh_l0
    ours.flatten_parameters()


def test_repr_of_cells_is_torchs():
    for kind, kwargs in (("RNNCell", {"nonlinearity": "relu", "bias": False}), ("LSTMCell", {}), ("GRUCell", {})):
        ours, theirs = both(kind, 4, 3, **kwargs)
        assert repr(ours) == repr(theirs)


# ------------------------------------------------------------------------------------------------- modes


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_between_layers_and_in_training_only(kind: str, rng: np.random.Generator):
    layer = getattr(nn, kind)(4, 50, num_layers=2, dropout=0.5, dtype=pm.float64)
    plain = getattr(nn, kind)(4, 50, num_layers=2, dtype=pm.float64)
    plain.load_state_dict(layer.state_dict())
    first = getattr(nn, kind)(4, 50, dtype=pm.float64)
    first.load_state_dict({k: v for k, v in layer.state_dict().items() if k.endswith("_l0")})
    x = pm.tensor(rng.normal(size=(3, 2, 4)))
    expected, one_layer = pm.to_numpy(plain(x)[0]), flat([first(x)[1]])
    np.testing.assert_array_equal(pm.to_numpy(layer.eval()(x)[0]), expected)
    y, final = layer.train()(x)
    assert np.abs(pm.to_numpy(y) - expected).max() > 1e-3
    assert not np.any(pm.to_numpy(y) == 0)  # the last layer's output is not dropped
    for s, alone in zip(flat([final]), one_layer, strict=True):  # nor is the first one's state
        np.testing.assert_allclose(pm.to_numpy(s[:1]), pm.to_numpy(alone), atol=1e-12)
    everything = getattr(nn, kind)(4, 3, num_layers=2, dropout=1.0)
    everything(pm.astype(x, pm.float32))[0].sum().backward()
    assert np.all(pm.to_numpy(everything.weight_ih_l0.grad) == 0)


@pytest.mark.parametrize("kind", (*KINDS, *CELLS))
def test_lazy_width(kind: str, rng: np.random.Generator):
    layer = getattr(nn, kind)(None, 3)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(layer)))
    x = pm.tensor(rng.normal(size=(5, 4)).astype(np.float32))
    y = layer(x)
    assert layer.input_size == 4
    twin.load_state_dict(layer.state_dict())
    y, z = (r if isinstance(r, tuple) else (r,) for r in (y, twin(x)))
    np.testing.assert_array_equal(pm.to_numpy(y[0]), pm.to_numpy(z[0]))
    assert twin.input_size == 4
    assert np.abs(pm.to_numpy(next(iter(layer.parameters())))).max() <= 3**-0.5


def test_lazy_width_of_both_directions(rng: np.random.Generator):
    layer = nn.LSTM(None, 3, num_layers=2, bidirectional=True)
    assert layer.output_shape((5, 2, 4))[0] == (5, 2, 6)
    assert layer.weight_ih_l0_reverse.shape == (12, 4)
    assert layer.weight_ih_l1.shape == (12, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_without_data(kind: str):
    layer = getattr(nn, kind)(4, 3, num_layers=2, bidirectional=True, batch_first=True)
    shapes = layer.output_shape((2, 5, 4))
    assert shapes[0] == (2, 5, 6)
    assert shapes[1] == (((4, 2, 3), (4, 2, 3)) if kind == "LSTM" else (4, 2, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_functional_call_and_vmap_over_models(kind: str, rng: np.random.Generator):
    models = [getattr(nn, kind)(4, 3, dtype=pm.float64) for _ in range(3)]
    stacked, _ = pm.func.stack_module_state(models)
    x = pm.tensor(rng.normal(size=(5, 2, 4)))
    together = pm.vmap(lambda p: pm.func.functional_call(models[0], p, (x,))[0])(stacked)
    for y, model in zip(together, models, strict=True):
        np.testing.assert_allclose(pm.to_numpy(y), pm.to_numpy(model(x)[0]), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_parts(kind: str, rng: np.random.Generator):
    """Only of the final states; only of the weights; only of the input."""
    layer = getattr(nn, kind)(4, 3, num_layers=2, dtype=pm.float64)
    host = rng.normal(size=(5, 2, 4))
    x = pm.tensor(host, requires_grad=True)
    whole = pm.autograd.grad(flat(layer(x))[-1].sum(), [x, *layer.parameters()])
    alone = pm.autograd.grad(flat(layer(pm.tensor(host)))[-1].sum(), list(layer.parameters()))
    for a, b in zip(whole[1:], alone, strict=True):
        np.testing.assert_allclose(pm.to_numpy(a), pm.to_numpy(b), atol=1e-12)
    layer.requires_grad_(False)
    (only,) = pm.autograd.grad(flat(layer(x))[-1].sum(), [x])
    np.testing.assert_allclose(pm.to_numpy(only), pm.to_numpy(whole[0]), atol=1e-12)


# ------------------------------------------------------------------------------------------------ NumPy's kernels


def close(found: Any, expected: Any, tolerance: float) -> None:
    assert len(found) == len(expected)
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert (a is None) == (b is None), k
        if a is not None:
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max(initial=0)), err_msg=str(k))


@pytest.mark.any_engine
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [(3,) * 4, (4, 4, 2, 1), (2,), (0, 0), tuple(range(70, 0, -1))])
@pytest.mark.parametrize("name", ["rnn", "relu", "lstm", "projected", "gru"])
@pytest.mark.parametrize("full", [False, True])
def test_kernels_are_the_portable_definitions(name, sizes, reverse, dtype, full, rng):
    """Values and cotangents; with and without biases, initial states and the input's cotangent."""
    xp = load_backend("numpy").namespace
    tolerance = {"float64": 1e-12, "float32": 1e-5, "float16": 3e-2}[dtype]
    gates = {"lstm": 4, "projected": 4, "gru": 3}.get(name, 1)
    width, out = 3, 2 if name == "projected" else 3

    def draw(*shape: int) -> np.ndarray:
        return (0.5 * rng.normal(size=shape)).astype(dtype)

    x, weights = draw(sum(sizes), 4), [draw(gates * width, 4), draw(gates * width, out)]
    biases = [draw(gates * width), draw(gates * width)] if full else [None, None]
    h, c = (draw(sizes[0], out), draw(sizes[0], width)) if full else (None, None)
    w_hr = draw(out, width) if name == "projected" else None
    how: dict[str, Any] = {"sizes": sizes, "reverse": reverse}
    if name in ("rnn", "relu"):
        how["nonlinearity"] = "tanh" if name == "rnn" else "relu"
    kind = {"relu": "rnn", "projected": "lstm"}.get(name, name)
    inputs = [x, *weights, *biases, *([w_hr, h, c] if kind == "lstm" else [h])]
    found, expected = getattr(xp, kind)(*inputs, **how), portable[kind](xp, *inputs, **how)
    found, expected = (r if isinstance(r, tuple) else (r,) for r in (found, expected))
    close(found, expected, tolerance)
    g = draw(*expected[0].shape)
    kept = [*expected, x, *weights]
    cases = [[g, *kept, h]]
    if kind == "lstm":
        g_cells = draw(*expected[1].shape)
        cases = [[a, b, None, *kept, w_hr, h, c] for a, b in ((g, None), (g, g_cells), (None, g_cells))]
    elif kind == "gru":
        cases = [[g, None, *kept, h], [None, draw(*expected[1].shape), *kept, h]]
    for case in cases:
        for to_input in (False, True):
            attrs = how | {"to_input": to_input}
            back = getattr(xp, kind + "_back")(*case, **attrs)
            close(back, portable[kind + "_back"](xp, *case, **attrs), tolerance)


@pytest.mark.any_engine
@pytest.mark.parametrize("kind", KINDS)
def test_kernels_for_wide_layers(kind, rng):
    """Products that are cut into pieces, and blocks of steps that are not all steps."""
    xp, gates = load_backend("numpy").namespace, {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    sizes, width, name = (20,) * 9 + (7,), 256, kind.lower()
    how: dict[str, Any] = {"sizes": sizes, "reverse": False} | ({"nonlinearity": "tanh"} if kind == "RNN" else {})
    x, w_ih, w_hh = (0.1 * rng.normal(size=s) for s in ((187, 3), (gates * width, 3), (gates * width, width)))
    found, kept = getattr(xp, name)(x, w_ih, w_hh, **how), portable[name](xp, x, w_ih, w_hh, **how)
    found, kept = (r if isinstance(r, tuple) else (r,) for r in (found, kept))
    close(found, kept, 1e-12)
    g, rest = rng.normal(size=kept[0].shape), [None, None, None] if kind == "LSTM" else [None]
    case = [g, *[None] * (len(kept) - 1), *kept, x, w_ih, w_hh, *rest]
    expected = portable[name + "_back"](xp, *case, to_input=True, **how)
    close(getattr(xp, name + "_back")(*case, to_input=True, **how), expected, 1e-12)


# ------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: nn.LSTM(4, 0), ValueError, "hidden_size must be at least 1"),
        (lambda: nn.GRU(0, 3), ValueError, "input_size must be at least 1"),
        (lambda: nn.GRU(4.0, 3), TypeError, "input_size must be a whole number"),
        (lambda: nn.RNN(4, 3, 0), ValueError, "num_layers must be at least 1"),
        (lambda: nn.LSTM(4, 3, proj_size=3), ValueError, "proj_size must be below hidden_size 3"),
        (lambda: nn.LSTM(4, 3, proj_size=-1), ValueError, "proj_size must be at least 0"),
        (lambda: nn.LSTM(4, 3, bias=1), TypeError, "bias must be True or False, received 1"),
        (lambda: nn.LSTM(4, 3, batch_first="yes"), TypeError, "batch_first must be True or False"),
        (lambda: nn.LSTM(4, 3, 2, dropout=1.5), ValueError, "probability"),
        (lambda: nn.LSTM(4, 3, 2, dropout=True), TypeError, "dropout must be a number"),
        (lambda: nn.RNN(4, 3, nonlinearity="gelu"), ValueError, "'tanh' or 'relu', received 'gelu'"),
        (lambda: nn.RNNCell(4, 3, nonlinearity="gelu"), ValueError, "'tanh' or 'relu', received 'gelu'"),
        (lambda: nn.RNN(4, 3, proj_size=2), TypeError, "proj_size"),
        (lambda: nn.RNNBase("QRNN", 4, 3), ValueError, "mode must be one of"),
    ],
)
def test_errors_at_construction(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(
    ("layer", "shapes", "error", "text"),
    [
        (nn.LSTM(4, 3), [(4,)], pm.ShapeError, "2 or 3 axes, received"),
        (nn.LSTM(4, 3), [(5, 2, 3)], pm.ShapeError, r"width input_size=4, received \(5, 2, 3\)"),
        (nn.LSTM(4, 3), [(0, 2, 4)], pm.ShapeError, "one step or more"),
        (nn.GRU(4, 3, batch_first=True), [(5, 0, 4)], pm.ShapeError, "one step or more"),
        (nn.GRU(4, 3), [(5, 2, 4), (1, 3, 3)], pm.ShapeError, r"state h \(1, 2, 3\) .* received \(1, 3, 3\)"),
        (nn.GRU(4, 3), [(5, 4), (1, 1, 3)], pm.ShapeError, r"state h \(1, 3\)"),
        (nn.LSTM(4, 3), [(5, 2, 4), (1, 2, 3), (2, 3)], pm.ShapeError, r"state c \(1, 2, 3\)"),
        (nn.LSTM(4, 3), [(5, 2, 4), (1, 2, 3)], TypeError, "a pair of states"),
        (nn.GRU(4, 3), [(5, 2, 4), (1, 2, 3), (1, 2, 3)], TypeError, "one Tensor as its state"),
        (nn.LSTMCell(4, 3), [(2, 4), (2, 3)], TypeError, "a pair of states"),
        (nn.GRUCell(4, 3), [(2, 2, 4)], pm.ShapeError, "1 or 2 axes"),
        (nn.GRUCell(4, 3), [(2, 5), (2, 2)], pm.ShapeError, r"input_size=4 .*a state \(2, 3\)"),
        (nn.RNNCell(4, 3), [(4,), (1, 3)], pm.ShapeError, r"a state \(3,\)"),
    ],
)
@pytest.mark.any_engine
def test_errors_of_a_call(layer, shapes, error, text):
    with pm.use_backend("numpy"):
        arrays = [pm.zeros(s) for s in shapes]
        states = arrays[1:]
        with pytest.raises(error, match=text):
            layer(arrays[0], tuple(states) if len(states) > 1 else states[0] if states else None)


def test_errors_name_the_dtypes():
    with pytest.raises(ValueError, match="dtype float64 is not the parameters' float32"):
        nn.LSTM(4, 3)(pm.zeros((5, 2, 4), dtype=pm.float64))


def test_dropout_with_one_layer_warns():
    with pytest.warns(UserWarning, match="between layers"):
        nn.LSTM(4, 3, dropout=0.5)
