"""The models: forward and gradients on the engine under test, moving, saving, and the deep stacks."""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod import models, nn
from polymod.nn import functional as F

Case = tuple[Callable[[], nn.Module], tuple[int, ...]]

CASES: dict[str, Case] = {
    "mlp": (models.MLP, (2, 20)),
    "sequential": (lambda: nn.Sequential(nn.Linear(None, 256), nn.ReLU(), nn.Linear(None, 10)), (2, 20)),
    "my sequential": (
        lambda: models.MySequential(nn.Linear(None, 256), nn.ReLU(), nn.Linear(None, 10)),
        (2, 20),
    ),
    "fixed hidden": (models.FixedHiddenMLP, (2, 20)),
    "nest": (models.NestMLP, (2, 20)),
    "chimera": (models.chimera, (2, 20)),
    "chimera classifier": (models.ChimeraClassifier, (3, 1, 8, 8)),
    "cnn": (lambda: models.CNN(width=2), (2, 1, 8, 8)),
    "block": (lambda: models.TransformerBlock(8, 2), (2, 3, 8)),
    "stack": (lambda: models.TransformerStack(2, 8, 2, dim_feedforward=6), (2, 3, 8)),
    "transformer": (lambda: models.TransformerClassifier((1, 8, 8), d_model=8, nhead=2), (2, 1, 8, 8)),
    "resnet basic": (
        lambda: models.ResNet(models.BasicBlock, (1, 1, 1, 1), num_classes=5, width=2),
        (4, 3, 32, 32),
    ),
    "resnet bottleneck": (
        lambda: models.ResNet(models.Bottleneck, (1, 2, 1, 1), num_classes=5, width=2),
        (4, 3, 32, 32),
    ),
}
SHAPES = {"mlp": (2, 10), "sequential": (2, 10), "my sequential": (2, 10), "fixed hidden": (), "nest": (2, 16)}
SHAPES |= {"chimera": (), "chimera classifier": (3, 10), "cnn": (2, 10), "block": (2, 3, 8), "stack": (2, 3, 8)}
SHAPES |= {"transformer": (2, 10), "resnet basic": (4, 5), "resnet bottleneck": (4, 5)}

every_case = pytest.mark.parametrize("name", CASES)


def built(name: str, seed: int = 0) -> nn.Module:
    """The model in double precision, its open sizes found."""
    pm.manual_seed(seed)
    make, shape = CASES[name]
    model = make().to(pm.float64)
    with pm.no_grad():
        model.eval()(pm.zeros(shape, dtype=pm.float64))
    return model.train()


def scalar(y: pm.Tensor, weights: np.ndarray) -> pm.Tensor:
    return (y * pm.tensor(weights)).sum()


@every_case
def test_forward_gives_the_documented_shape(name: str, rng: np.random.Generator) -> None:
    y = built(name)(pm.tensor(rng.normal(size=CASES[name][1])))
    assert y.shape == SHAPES[name]
    assert y.dtype == pm.float64
    assert str(y.device) == str(pm.current_device())
    assert np.isfinite(pm.to_numpy(y.detach())).all()


@every_case
def test_gradients_match_finite_differences(name: str, rng: np.random.Generator) -> None:
    model, shape = built(name), CASES[name][1]
    x = pm.tensor(rng.normal(size=shape), requires_grad=True)
    weights = rng.normal(size=SHAPES[name])
    scalar(model(x), weights).backward()
    tensors = [x, *model.parameters()]
    assert all(t.grad is not None for t in tensors)
    starts = [t.array for t in tensors]
    for _ in range(2):  # along random directions of everything at once
        directions = [pm.tensor(rng.normal(size=t.shape)) for t in tensors]
        expected = sum(float((t.grad * d).sum()) for t, d in zip(tensors, directions, strict=True))
        values = []
        for step in (1e-6, -1e-6):
            with pm.no_grad():
                for tensor, start, direction in zip(tensors, starts, directions, strict=True):
                    tensor.array = (pm.Tensor(start) + step * direction).array
                values.append(float(scalar(model(x), weights)))
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(expected, rel=2e-5, abs=2e-6)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if "resnet" in name else pytest.mark.every_engine) for name in CASES]
)
def test_same_numbers_as_on_the_default_engine(name: str, rng: np.random.Generator) -> None:
    model = built(name)
    with pm.use_backend("numpy"):
        twin = built(name)
    x, weights = rng.normal(size=CASES[name][1]), rng.normal(size=SHAPES[name])
    y = model(pm.tensor(x))
    scalar(y, weights).backward()
    with pm.use_backend("numpy"):
        z = twin(pm.tensor(x))
        scalar(z, weights).backward()
    np.testing.assert_allclose(pm.to_numpy(y.detach()), pm.to_numpy(z.detach()), rtol=1e-9, atol=1e-10)
    ours, theirs = dict(model.named_parameters()), dict(twin.named_parameters())
    assert list(ours) == list(theirs)
    for path, parameter in ours.items():
        np.testing.assert_allclose(
            pm.to_numpy(parameter.grad), pm.to_numpy(theirs[path].grad), rtol=1e-7, atol=1e-9, err_msg=path
        )


@every_case
def test_state_dict_goes_to_another_engine_and_back(name: str, rng: np.random.Generator) -> None:
    model = built(name)
    with pm.use_backend("numpy"):
        twin = built(name, seed=1)
        assert twin.load_state_dict(model.state_dict()) == ([], [])
    back = built(name, seed=2)
    back.load_state_dict({k: pm.to_numpy(v) for k, v in twin.state_dict().items()})
    returned = back.state_dict()
    for path, value in model.state_dict().items():
        np.testing.assert_array_equal(pm.to_numpy(value), pm.to_numpy(returned[path]), err_msg=path)
        assert returned[path].device == value.device
    x = pm.tensor(rng.normal(size=CASES[name][1]))
    np.testing.assert_array_equal(pm.to_numpy(model.eval()(x).detach()), pm.to_numpy(back.eval()(x).detach()))


@every_case
def test_to_moves_the_whole_tree_and_keeps_its_parameters(name: str, rng: np.random.Generator) -> None:
    model, x = built(name).eval(), rng.normal(size=CASES[name][1])
    here = pm.current_device()
    expected = pm.to_numpy(model(pm.tensor(x)).detach())
    before = list(model.parameters())
    assert model.to("numpy") is model
    tensors = [*model.parameters(), *model.buffers()]
    assert {str(t.device) for t in tensors} == {"cpu"}
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
    with pm.use_backend("numpy"):
        moved = pm.to_numpy(model(pm.tensor(x)).detach())
    np.testing.assert_allclose(moved, expected, rtol=1e-9, atol=1e-10)
    model.to(here)
    np.testing.assert_array_equal(pm.to_numpy(model(pm.tensor(x)).detach()), expected)


@every_case
def test_output_shape_needs_no_data(name: str) -> None:
    make, shape = CASES[name]
    assert make().output_shape(shape) == SHAPES[name]


# ------------------------------------------------------------------------------------------- the guide's models


def test_chimera_lists_the_parameters_of_the_whole_tree() -> None:
    net = models.chimera()
    net(pm.zeros((2, 20)))
    named = {path: p.shape for path, p in net.named_parameters()}
    assert named == {
        "0.net.0.weight": (64, 20),
        "0.net.0.bias": (64,),
        "0.net.2.weight": (32, 64),
        "0.net.2.bias": (32,),
        "0.linear.weight": (16, 32),
        "0.linear.bias": (16,),
        "1.weight": (20, 16),
        "1.bias": (20,),
        "2.linear.weight": (20, 20),
        "2.linear.bias": (20,),
    }
    assert set(net.state_dict()) == {*named, "2.rand_weight"}


def test_my_sequential_applies_a_module_as_often_as_it_is_given() -> None:
    double = nn.Lambda(lambda x: 2 * x)
    net = models.MySequential(double, nn.ReLU(), double)
    assert net(pm.tensor([-1.0, 1.0, 3.0])).tolist() == [0.0, 4.0, 12.0]


def test_fixed_hidden_mlp_halves_until_the_sum_is_at_most_one(rng: np.random.Generator) -> None:
    """Its value is exactly a power of two of what it would be without the loop."""
    net = models.FixedHiddenMLP()
    x = pm.tensor(rng.normal(size=(2, 20)).astype(np.float32))
    h = net.linear(F.relu(net.linear(x) @ net.rand_weight + 1)).detach()
    halvings = max(0, math.ceil(math.log2(float(abs(h).sum()))))
    assert halvings > 0
    assert float(net(x)) == pytest.approx(float(h.sum()) / 2**halvings, rel=1e-5)


def test_fixed_hidden_mlp_does_not_learn_its_constant() -> None:
    net = models.FixedHiddenMLP()
    before = pm.to_numpy(net.rand_weight)
    assert before.shape == (20, 20)
    assert before.min() >= 0 and before.max() < 1
    optimizer = pm.optim.SGD(net.parameters(), lr=0.1)
    net(pm.ones((2, 20))).backward()
    optimizer.step()
    np.testing.assert_array_equal(pm.to_numpy(net.rand_weight), before)
    assert [path for path, _ in net.named_parameters()] == ["linear.weight", "linear.bias"]
    assert [path for path, _ in net.named_buffers()] == ["rand_weight"]


def test_chimera_classifier_treats_each_image_by_itself(rng: np.random.Generator) -> None:
    net = built("chimera classifier").eval()
    images = rng.normal(size=(4, 1, 8, 8)) * np.array([0.1, 1.0, 10.0, 100.0]).reshape(4, 1, 1, 1)
    together = pm.to_numpy(net(pm.tensor(images)).detach())
    for i in range(4):
        alone = pm.to_numpy(net(pm.tensor(images[i : i + 1])).detach())
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_chimera_classifier_ends_on_infinite_values() -> None:
    net = built("chimera classifier").eval()
    assert net(pm.full((1, 1, 8, 8), math.inf, dtype=pm.float64)).shape == (1, 10)


def test_same_seed_gives_the_same_weights_on_every_engine() -> None:
    for name in ("chimera classifier", "cnn", "transformer"):
        with pm.use_backend("numpy"):
            expected = {k: pm.to_numpy(v) for k, v in built(name, seed=7).state_dict().items()}
        for path, value in built(name, seed=7).state_dict().items():
            np.testing.assert_array_equal(pm.to_numpy(value), expected[path], err_msg=f"{name} {path}")


# ------------------------------------------------------------------------------------------------------- images


@pytest.mark.parametrize("size", [8, 28])
def test_the_classifiers_take_digits_and_fashion_images(size: int) -> None:
    images = pm.zeros((2, 1, size, size))
    for model in (models.CNN(), models.TransformerClassifier((1, size, size)), models.ChimeraClassifier()):
        assert model(images).shape == (2, 10)


def test_patches_are_the_squares_of_the_image() -> None:
    model = models.TransformerClassifier((2, 4, 6), patch=2)
    image = np.arange(48.0).reshape(2, 4, 6)
    patches = pm.to_numpy(model.patches(pm.tensor(image[None])))
    assert patches.shape == (1, 6, 8)
    np.testing.assert_array_equal(patches[0, 4], image[:, 2:4, 2:4].ravel())  # second row, second column


def test_patches_that_do_not_fit_are_refused() -> None:
    with pytest.raises(pm.ShapeError, match="3x3 do not cover an image of 8x8"):
        models.TransformerClassifier((1, 8, 8), patch=3)
    model = models.TransformerClassifier((1, 8, 8))
    with pytest.raises(pm.ShapeError, match=r"expected images of shape \(N, 1, 8, 8\), received \(2, 1, 8, 4\)"):
        model(pm.zeros((2, 1, 8, 4)))


# -------------------------------------------------------------------------------------------------- deep stacks


def saved_and_loaded(model: nn.Module, other: nn.Module, folder: Any) -> None:
    pm.save_file(model.state_dict(), folder / "model.safetensors")
    assert other.load_state_dict(pm.load_file(folder / "model.safetensors")) == ([], [])
    loaded = other.state_dict()
    for path, value in model.state_dict().items():
        np.testing.assert_array_equal(pm.to_numpy(value), pm.to_numpy(loaded[path]), err_msg=path)


def gradients_reach_everything(model: nn.Module) -> None:
    for path, parameter in model.named_parameters():
        gradient = pm.to_numpy(parameter.grad)
        assert np.isfinite(gradient).all(), path
        assert gradient.any(), path


def test_96_transformer_blocks(tmp_path: Any, rng: np.random.Generator) -> None:
    def build() -> models.TransformerStack:
        return models.TransformerStack(depth=96, d_model=8, nhead=2, dim_feedforward=8)

    model, other = build(), build()
    assert len(list(model.parameters())) == 96 * 12 + 2
    assert len({path for path, _ in model.named_parameters()}) == 96 * 12 + 2
    saved_and_loaded(model, other, tmp_path)
    x = pm.tensor(rng.normal(size=(2, 3, 8)).astype(np.float32))
    y = other(x)
    np.testing.assert_array_equal(pm.to_numpy(y.detach()), pm.to_numpy(model(x).detach()))
    (y * pm.tensor(rng.normal(size=y.shape).astype(np.float32))).sum().backward()
    for path, parameter in other.named_parameters():  # attention does not see what is added to every key
        if not path.endswith("in_proj_bias"):
            gradient = pm.to_numpy(parameter.grad)
            assert np.isfinite(gradient).all() and gradient.any(), path


def test_resnet_152(tmp_path: Any, rng: np.random.Generator) -> None:
    model, other = (models.resnet152(width=2, num_classes=3) for _ in range(2))
    layers = [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and "downsample" not in path
    ]
    assert len(layers) == 152
    assert len(list(model.parameters())) == 467
    assert model.layer3[35].conv3.weight.shape == (32, 8, 1, 1)
    saved_and_loaded(model, other, tmp_path)
    x = pm.tensor(rng.normal(size=(2, 3, 32, 32)).astype(np.float32))
    loss = F.cross_entropy(other(x), pm.tensor(np.array([0, 2])))
    loss.backward()
    gradients_reach_everything(other)


# -------------------------------------------------------------------------------------------------- the example


def test_the_builders_guide_runs_section_by_section(
    engine: pm.Device, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    script = Path(__file__).parents[1] / "examples" / "builders_guide.py"
    place = f"{engine.backend.name}:{engine.backend.device_name(engine.native)}"
    monkeypatch.setattr("sys.argv", [str(script), "--backend", place])
    runpy.run_path(str(script), run_name="__main__")
    out = capsys.readouterr().out
    assert out.count("\n--- ") == 10
    assert "0.net.2.bias         (32,)\n" in out
    assert out.split("--- Reading and writing files\n")[1].startswith("True\n")
    moved = "nothing to move" if str(engine) == "cpu" else "refused: "
    assert moved in out
    assert float(out.split("largest difference ")[1]) < 1e-6
