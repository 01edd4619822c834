"""Captured steps as CUDA graphs: bit by bit what the same kernels give uncaptured, and never silently anything else."""

from __future__ import annotations

import numpy as np
import pytest

import polymod as pm
from polymod import nn, optim
from polymod.nn import functional as F

cupy = pytest.importorskip("cupy")
pytestmark = pytest.mark.engine("cupy")


def uncaptured(step):
    """`step` with the kernels that a recording uses."""
    recorder = pm.device("cupy").backend.capture(pm.device("cupy").native)

    def run(*args):
        with recorder.rehearse():
            return step(*map(pm.tensor, args))

    return run


def everything(model, optimizer, losses):
    """Values, buffers, state, counters and the generator, on the host."""
    state = [
        {k: v if k == "step" else pm.to_numpy(v) for k, v in optimizer.state[p].items()} for p in model.parameters()
    ]
    return {
        "losses": [pm.to_numpy(loss) for loss in losses],
        "parameters": [pm.to_numpy(p) for p in model.parameters()],
        "buffers": [pm.to_numpy(b) for b in model.buffers()],
        "gradients": [pm.to_numpy(p.grad) for p in model.parameters() if p.grad is not None],
        "state": state,
        "generator": pm.random.get_state(),
    }


def assert_equal(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        a, b = a.values(), b.values()
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, int):
        assert a == b
    else:
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)


def classify(model, optimizer, max_norm=None):
    def step(x, y):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        return loss

    return step


def mlp():
    model = nn.Sequential(nn.Linear(6, 9), nn.GELU(), nn.Dropout(0.3), nn.LayerNorm(9), nn.Linear(9, 4))
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    return model, optimizer, classify(model, optimizer, max_norm=0.5), (5, 6)


def conv_net():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 3, stride=2),
        nn.BatchNorm2d(3, momentum=None),
        nn.Flatten(),
        nn.Linear(3, 4),
    )
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)
    return model, optimizer, classify(model, optimizer), (3, 2, 8, 8)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.2, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.block(x).mean(axis=1))


def transformer():
    model = Classifier()
    decay, rest = list(model.block.parameters()), list(model.head.parameters())
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "lr": 0.02, "amsgrad": True}]
    optimizer = optim.Adam(groups, lr=0.01)
    return model, optimizer, classify(model, optimizer, max_norm=1.0), (3, 5, 8)


def batches(rng, shape, count=10):
    return [(rng.normal(size=shape).astype(np.float32), rng.integers(0, 4, size=shape[0])) for _ in range(count)]


def trained(make, data, between=None, captured=True):
    pm.manual_seed(11)
    model, optimizer, step, _ = make()
    step = pm.capture(step, model, optimizer) if captured else uncaptured(step)
    losses = []
    for i, batch in enumerate(data):
        if between is not None:
            between(i, model, optimizer)
        losses.append(step(*batch).detach())
    return everything(model, optimizer, losses), step


def assert_same(make, data, between=None, recordings=1):
    expected, _ = trained(make, data, between, captured=False)
    found, step = trained(make, data, between)
    assert_equal(found, expected)
    assert step.recordings == recordings
    return found


@pytest.mark.parametrize("make", [mlp, conv_net, transformer])
def test_ten_steps_bit_by_bit(make, rng):
    found = assert_same(make, batches(rng, make()[3]))
    assert len({loss.tobytes() for loss in found["losses"]}) == 10
    assert found["gradients"]


def test_dropout_of_attention_that_keeps_no_weights(rng, monkeypatch):
    xp, seeds = pm.device("cupy").backend.namespace, []
    seed_draw = xp.seed_draw
    monkeypatch.setattr(pm.rules.attention, "BLOCK", 16)
    monkeypatch.setattr(xp, "seed_draw", lambda *args, **how: (seeds.append(args), seed_draw(*args, **how))[1])
    found = assert_same(transformer, batches(rng, (3, 5, 8), 5))
    assert len({loss.tobytes() for loss in found["losses"]}) == 5
    assert len(seeds) == 1  # while the step was recorded


def test_options_changed_between_steps(rng):
    def between(i, model, optimizer):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * (i + 1)
        if i == 5 and "betas" in optimizer.defaults:
            optimizer.param_groups[0]["betas"] = (0.5, 0.6)
            optimizer.param_groups[0]["eps"] = 1e-4

    assert_same(mlp, batches(rng, (5, 6), 8), between)
    assert_same(conv_net, batches(rng, (3, 2, 8, 8), 5), between)


def test_what_else_changes_between_steps(rng):
    """Modes, seeds, values, loaded state, gradients: each is followed or recorded anew."""
    kept = {}

    def between(i, model, optimizer):
        if i == 2:
            pm.random.rand(3)  # others draw, too
            kept["model"] = {k: v.copy() for k, v in model.state_dict().items()}
            kept["optimizer"] = pickled(optimizer.state_dict())
        if i == 3:
            pm.manual_seed(99)
        if i == 4:
            model.load_state_dict(kept["model"])
            optimizer.load_state_dict(kept["optimizer"])
        if i == 6:
            model.eval()
        if i == 8:
            model.train()
            with pm.no_grad():
                model[0].weight *= 0.5
        if i == 9:
            optimizer.zero_grad()
        if i == 10:
            model[4].bias = nn.Parameter(pm.ones(4))
            optimizer.param_groups[0]["params"][-1] = model[4].bias

    def pickled(x):
        import copy

        return copy.deepcopy(x)

    assert_same(mlp, batches(rng, (5, 6), 13), between, recordings=2)


def test_inputs_of_several_shapes(rng):
    data = [*batches(rng, (5, 6), 3), *batches(rng, (2, 6), 3)] * 2
    assert_same(mlp, data, recordings=2)
    model, optimizer, step, _ = mlp()
    step = pm.capture(step, model, optimizer, graphs=2)
    for n in (1, 2, 3, 1, 2, 3, 3, 1):
        step(*batches(rng, (n, 6), 1)[0])
    assert step.recordings == 2
    step.reset()
    assert step.recordings == 0


def test_results_are_copies_and_gradients_are_there(rng):
    model, optimizer, step, shape = mlp()
    step = pm.capture(step, model, optimizer)
    losses = [step(*batch) for batch in batches(rng, shape, 4)]
    assert len({loss.array.data.ptr for loss in losses}) == 4
    assert len({float(loss) for loss in losses}) == 4
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.parameters())


def test_arrays_stay_where_they_are_and_in_a_pool_of_their_own(rng):
    model, optimizer, step, shape = conv_net()
    step = pm.capture(step, model, optimizer)
    data = batches(rng, shape, 6)
    step(*data[0])
    step(*data[1])
    places = [t.array.data.ptr for t in (*model.parameters(), *model.buffers())]
    pool = cupy.get_default_memory_pool()
    step(*data[2])
    used = pool.used_bytes()
    for batch in data[3:]:
        step(*batch)
    assert [t.array.data.ptr for t in (*model.parameters(), *model.buffers())] == places
    assert pool.used_bytes() <= used
    (recording,) = [r for r in step._known.values() if r is not None]
    assert recording.graph.pool.total_bytes() > 0


def test_tensors_that_a_step_keeps(rng):
    """Variables of the step: one changed in place, one bound anew, two exchanged."""

    def make():
        mean, total, a, b = (pm.zeros(3) + i for i in range(4))

        def step(x):
            nonlocal total
            with pm.no_grad():
                mean[...] = 0.9 * mean + 0.1 * x
                total = total + x
                a.array, b.array = b.array, a.array
            return total * 1.0, a + 0 * x

        return step, lambda: [pm.to_numpy(t) for t in (mean, total, a, b)]

    data = [rng.normal(size=3).astype(np.float32) for _ in range(5)]
    eager, seen = make()
    captured, found = make()
    captured = pm.capture(captured)
    for x in data:
        assert_equal([pm.to_numpy(t) for t in captured(x)], [pm.to_numpy(t) for t in eager(pm.tensor(x))])
        assert_equal(found(), seen())
    assert captured.recordings == 1


def test_arrays_that_others_share_are_not_written_over(rng):
    model, optimizer, step, shape = conv_net()
    step = pm.capture(step, model, optimizer)
    data = batches(rng, shape, 4)
    step(*data[0])
    own = cupy.ones(4, np.float32)
    model[1].running_mean.array = own
    model[1].running_var.array = own
    for batch in data[1:]:
        step(*batch)
    assert own.get().tolist() == [1, 1, 1, 1]
    assert not (model[1].running_mean.array == model[1].running_var.array).any()


def test_notes_of_a_run(rng):
    """An attribute that a forward pass leaves: one that it computed, and one that the next call reads."""

    class Notes(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.last = None

        def forward(self, x):
            self.seen = self.layer(x)
            before = 0 if self.last is None else self.last
            self.last = (self.seen + 0.5 * before).detach()
            return self.seen + before

    model = Notes()
    captured, plain = pm.capture(model), nn.Module.__call__
    twin = Notes()
    twin.load_state_dict(model.state_dict())
    for _ in range(5):
        x = rng.normal(size=(2, 3)).astype(np.float32)
        expected = uncaptured(lambda x: plain(twin, x))(x).detach()
        np.testing.assert_array_equal(pm.to_numpy(captured(x)), pm.to_numpy(expected))
    assert captured.recordings == 1


def test_a_variable_bound_anew_outside_is_seen(rng):
    factor = pm.ones(3)

    def scaled(x):
        return x * factor

    step = pm.capture(scaled)
    for i in range(6):
        factor = pm.full((3,), float(i))
        assert float(step(np.ones(3, np.float32))[0]) == i


# ------------------------------------------------------------------------------------------------- what is refused


def refused(break_it, match, rng):
    """The third call, which `break_it` spoils, raises and changes nothing; what follows is as if it had not been."""
    pm.manual_seed(4)
    model, optimizer, step, shape = mlp()
    spoiled = [False]

    def sometimes(x, y):
        if spoiled[0]:
            break_it(model, optimizer, x)
        loss = step(x, y)
        if spoiled[0]:
            break_it(model, optimizer, loss)
        return loss

    captured = pm.capture(sometimes, model, optimizer)
    data = batches(rng, shape, 2)
    losses = [captured(*data[0])]
    before = everything(model, optimizer, losses)
    arrays = [p.array for p in model.parameters()]
    grads = [p.grad for p in model.parameters()]
    spoiled[0] = True
    with pytest.raises(pm.CaptureError, match=match) as error:
        captured(*data[1])
    assert_equal(everything(model, optimizer, losses), before)
    assert all(p.array is a and p.grad is g for p, a, g in zip(model.parameters(), arrays, grads, strict=True))
    spoiled[0] = False
    expected = None
    captured(*data[1])
    captured(*data[0])
    found = everything(model, optimizer, losses)
    pm.manual_seed(4)
    model, optimizer, step, _ = mlp()
    step = uncaptured(step)
    for batch in (data[0], data[1], data[0]):
        step(*batch)
    expected = everything(model, optimizer, losses)
    assert_equal(found, expected)
    return str(error.value)


@pytest.mark.parametrize(
    ("break_it", "match"),
    [
        (lambda m, o, x: float(x.sum().detach()), "reads a Tensor's values on the host"),
        (lambda m, o, x: bool((x.detach() > 0).any()), "reads a Tensor's values on the host"),
        (lambda m, o, x: print(x.detach()), "reads a Tensor's values on the host"),
        (lambda m, o, x: pm.tensor([1.0, 2.0]), "2 host value"),
        (lambda m, o, x: pm.random.default_generator.normal((2,)), "draws random numbers on the host"),
        (lambda m, o, x: cupy.cuda.Device().synchronize(), "can't be captured"),
        (lambda m, o, x: pm.nonzero(x.detach()), r"can't be captured.*nonzero"),
        (lambda m, o, x: pm.linalg.inv(pm.eye(3)), r"can't be captured.*inv"),
        (lambda m, o, x: pm.manual_seed(7), "another seed"),
        (lambda m, o, x: x.ndim or setattr(m[0], "weight", None), "'weight' of its state"),
    ],
    ids=["float", "bool", "print", "tensor", "host random", "synchronize", "nonzero", "inv", "seed", "replaced"],
)
def test_what_needs_the_host_is_refused_and_nothing_has_changed(break_it, match, rng):
    refused(break_it, match, rng)


def test_other_errors_are_raised_as_they_are(rng):
    model, optimizer, step, shape = mlp()
    captured = pm.capture(lambda x, y: step(x, y) if x.ndim == 2 else pm.ones(2) @ pm.ones(3), model, optimizer)
    for batch in batches(rng, shape, 3):
        captured(*batch)
    with pytest.raises(ValueError, match=r"\(2,\)|shape|fit"):
        captured(np.ones((2, 2, 2), np.float32), np.zeros(2, np.int64))


def test_gradients_of_earlier_calls(rng):
    """They may be dropped in the step or outside of it; adding to them is refused."""
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    captured = pm.capture(step, model, optimizer)
    x = np.ones((4, 3), np.float32)
    captured(x)
    with pytest.raises(pm.CaptureError, match="zero_grad"):
        captured(x)
    assert all(p.grad is not None for p in model.parameters())
    before = pm.to_numpy(model.weight)
    for _ in range(3):
        optimizer.zero_grad()
        captured(x)
    assert captured.recordings == 1
    np.testing.assert_allclose(pm.to_numpy(model.weight), before - 3 * 0.4, rtol=1e-6)
    with pytest.raises(pm.CaptureError, match="zero_grad"):
        captured(x)


def test_an_optimizer_without_live_options_is_recorded_anew(rng):
    class Signs(optim.Optimizer):
        def step(self, closure=None):
            with pm.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p -= group["lr"] * pm.sign(p.grad)

    model = nn.Linear(3, 2)
    optimizer = Signs(model.parameters(), {"lr": 0.5})

    def step(x):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    captured = pm.capture(step, model, optimizer)
    expected = pm.to_numpy(model.bias)
    for lr in (0.5, 0.5, 0.5, 0.25, 0.25, 0.25):
        optimizer.param_groups[0]["lr"] = lr
        captured(np.ones((1, 3), np.float32))
        expected = expected - np.float32(lr)
        np.testing.assert_array_equal(pm.to_numpy(model.bias), expected)
    assert captured.recordings == 2


def test_an_engine_s_kernels_that_can_t_follow_are_refused(rng):
    p = nn.Parameter(pm.tensor(np.ones(3) + 1j))
    optimizer = optim.Adam([p])

    def step(x):
        optimizer.zero_grad()
        pm.real(p * p).sum().backward()
        optimizer.step()

    captured = pm.capture(step, optimizer)
    captured(np.ones(1))
    with pytest.raises(pm.CaptureError, match="complex128"):
        captured(np.ones(1))


def test_inputs_that_carry_gradients_and_strange_arguments(rng):
    step = pm.capture(lambda x, how=None: x * 2)
    with pytest.raises(pm.CaptureError, match="carry no gradient"):
        step(pm.ones(2, requires_grad=True))
    with pytest.raises(pm.CaptureError, match="received bytearray"):
        step(pm.ones(2), how=bytearray(b""))


def test_a_backward_through_what_a_launch_overwrote_is_refused(rng):
    model, optimizer, step, shape = mlp()
    captured = pm.capture(step, model, optimizer)
    data = batches(rng, shape, 4)
    for batch in data[:3]:
        captured(*batch)
    loss = model(pm.tensor(data[3][0])).sum()
    captured(*data[3])
    with pytest.raises(pm.GradientError, match="changed in place"):
        loss.backward()


# --------------------------------------------------------------------------------------------------- own products


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4, 5)),
        ((65, 70), (70, 130)),
        ((2, 3, 17, 9), (3, 9, 70)),
        ((4, 3000), (3000, 5)),
        ((2, 1, 3, 1, 2, 5, 6), (1, 2, 1, 2, 2, 6, 7)),
        ((1500, 20), (20, 1600)),
        ((0, 3), (3, 4)),
        ((3, 0), (0, 4)),
        ((4,), (4, 3)),
        ((2, 3, 4), (4,)),
        ((4,), (4,)),
    ],
)
def test_own_products(dtype, a, b, rng):
    from polymod_cupy.gemm import own_matmul

    x, y = (rng.integers(-8, 9, size=s) / 8 for s in (a, b))
    ours = [cupy.asarray(z.astype(dtype)) for z in (x, y)]
    tolerance = {"float16": 2e-3, "float32": 1e-6, "float64": 1e-14}[dtype]

    def turned(z):
        return cupy.ascontiguousarray(z.swapaxes(-1, -2)).swapaxes(-1, -2) if z.ndim > 1 else z[::-1].copy()[::-1]

    for left, right in ((ours[0], ours[1]), (turned(ours[0]), ours[1]), (ours[0], turned(ours[1]))):
        found = own_matmul(left, right)
        assert found.dtype == dtype
        expected = np.matmul(x, y)
        np.testing.assert_allclose(found.get(), expected, rtol=tolerance, atol=tolerance * 30)


def test_a_model_itself_captured(rng):
    """Inference: a recording for each mode, and for inside and outside of no_grad."""
    model = conv_net()[0].eval()
    captured = pm.capture(model)
    xs = [rng.normal(size=(2, 2, 8, 8)).astype(np.float32) for _ in range(4)]
    with pm.no_grad():
        for x in xs:
            np.testing.assert_array_equal(pm.to_numpy(captured(x)), pm.to_numpy(uncaptured(model)(x)))
    assert captured.recordings == 1
    for x in xs[:2]:
        assert captured(pm.tensor(x)).node is None
    assert captured.recordings == 2


def test_an_option_out_of_range_stops_a_launch_and_changes_nothing(rng):
    def between(i, model, optimizer):
        if i == 4:
            before = everything(model, optimizer, [])
            optimizer.param_groups[0]["lr"] = -1.0
            with pytest.raises(ValueError, match="lr"):
                steps[-1](*data[0])
            optimizer.param_groups[0]["lr"] = 0.01
            assert_equal(everything(model, optimizer, []), before)

    data, steps = batches(rng, (5, 6), 6), []
    expected, _ = trained(mlp, data, captured=False)
    pm.manual_seed(11)
    model, optimizer, step, _ = mlp()
    steps.append(pm.capture(step, model, optimizer))
    losses = []
    for i, batch in enumerate(data):
        between(i, model, optimizer)
        losses.append(steps[0](*batch))
    assert_equal(everything(model, optimizer, losses), expected)
