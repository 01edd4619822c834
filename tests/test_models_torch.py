"""The models against the same models written in torch, with the same weights: values, gradients and keys."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import polymod as pm
from polymod import models, nn

torch = pytest.importorskip("torch")
from torch.nn import functional as TF  # noqa: E402

T = torch.nn


class MLP(T.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = T.Linear(20, 256), T.Linear(256, 10)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))


class FixedHiddenMLP(T.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("rand_weight", torch.rand(20, 20))
        self.linear = T.Linear(20, 20)

    def forward(self, x):
        x = torch.relu(self.linear(x) @ self.rand_weight + 1)
        x = self.linear(x)
        while x.abs().sum() > 1:
            x = x / 2
        return x.sum()


class NestMLP(T.Module):
    def __init__(self, features=20):
        super().__init__()
        self.net = T.Sequential(T.Linear(features, 64), T.ReLU(), T.Linear(64, 32), T.ReLU())
        self.linear = T.Linear(32, 16)

    def forward(self, x):
        return self.linear(self.net(x))


class ChimeraClassifier(T.Module):
    def __init__(self):
        super().__init__()
        self.net = T.Sequential(T.Flatten(), NestMLP(64), T.Linear(16, 20))
        self.register_buffer("rand_weight", torch.rand(20, 20))
        self.linear = T.Linear(20, 20)
        self.norm = T.LayerNorm(20, eps=1e-8)
        self.out = T.Linear(20, 10)

    def forward(self, x):
        x = self.linear(torch.relu(self.linear(self.net(x)) @ self.rand_weight + 1))
        images = []
        for image in x:
            while image.abs().sum() > 1:
                image = image / 2
            images.append(image)
        return self.out(self.norm(torch.stack(images)))


class CNN(T.Module):
    def __init__(self):
        super().__init__()

        def conv(i, o):
            return T.Conv2d(i, o, 3, padding=1, bias=False), T.BatchNorm2d(o), T.ReLU()

        self.features = T.Sequential(*conv(1, 2), T.MaxPool2d(2), *conv(2, 4), *conv(4, 4), T.MaxPool2d(2), T.Flatten())
        self.hidden, self.out = T.Linear(16, 64), T.Linear(64, 10)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(self.features(x))))


def block(width=8, heads=2, hidden=None):
    return T.TransformerEncoderLayer(width, heads, hidden or 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)


class TransformerStack(T.Module):
    def __init__(self, depth, width, heads, hidden=None):
        super().__init__()
        self.layers = T.ModuleList(block(width, heads, hidden) for _ in range(depth))
        self.norm = T.LayerNorm(width)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class TransformerClassifier(T.Module):
    def __init__(self):
        super().__init__()
        self.position = T.Parameter(torch.zeros(16, 8))
        self.embedding = T.Linear(4, 8)
        self.stack = TransformerStack(2, 8, 2)
        self.out = T.Linear(8, 10)

    def forward(self, x):
        patches = TF.unfold(x, 2, stride=2).mT
        return self.out(self.stack(self.embedding(patches) + self.position).mean(1))


class Block(T.Module):
    """torchvision's BasicBlock or Bottleneck, from a list of (channels, kernel, stride)."""

    def __init__(self, channels, convolutions, stride):
        super().__init__()
        out = channels
        for i, (width, kernel, step) in enumerate(convolutions, 1):
            setattr(self, f"conv{i}", T.Conv2d(out, width, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{i}", T.BatchNorm2d(width))
            out = width
        self.count = len(convolutions)
        self.downsample = None
        if stride != 1 or out != channels:
            self.downsample = T.Sequential(T.Conv2d(channels, out, 1, stride, bias=False), T.BatchNorm2d(out))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = torch.relu(y) if i < self.count else y
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(T.Module):
    def __init__(self, bottleneck, layers, classes, width):
        super().__init__()
        self.conv1 = T.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = T.BatchNorm2d(width)
        self.maxpool = T.MaxPool2d(3, 2, 1)
        channels = width
        for i, count in enumerate(layers):
            planes, blocks = width * 2**i, []
            for j in range(count):
                stride = 2 if i and not j else 1
                if bottleneck:
                    shape = [(planes, 1, 1), (planes, 3, stride), (4 * planes, 1, 1)]
                else:
                    shape = [(planes, 3, stride), (planes, 3, 1)]
                blocks.append(Block(channels, shape, stride))
                channels = shape[-1][0]
            setattr(self, f"layer{i + 1}", T.Sequential(*blocks))
        self.fc = T.Linear(channels, classes)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


PAIRS: dict[str, tuple[Callable, Callable, tuple[int, ...]]] = {
    "mlp": (models.MLP, MLP, (2, 20)),
    "my sequential": (
        lambda: models.MySequential(nn.Linear(None, 256), nn.ReLU(), nn.Linear(None, 10)),
        lambda: T.Sequential(T.Linear(20, 256), T.ReLU(), T.Linear(256, 10)),
        (2, 20),
    ),
    "fixed hidden": (models.FixedHiddenMLP, FixedHiddenMLP, (2, 20)),
    "nest": (models.NestMLP, NestMLP, (2, 20)),
    "chimera": (models.chimera, lambda: T.Sequential(NestMLP(), T.Linear(16, 20), FixedHiddenMLP()), (2, 20)),
    "chimera classifier": (models.ChimeraClassifier, ChimeraClassifier, (3, 1, 8, 8)),
    "cnn": (lambda: models.CNN(width=2), CNN, (3, 1, 8, 8)),
    "block": (lambda: models.TransformerBlock(8, 2), block, (2, 3, 8)),
    "transformer": (
        lambda: models.TransformerClassifier((1, 8, 8), d_model=8, nhead=2),
        TransformerClassifier,
        (2, 1, 8, 8),
    ),
    "96 blocks": (
        lambda: models.TransformerStack(96, 4, 2, dim_feedforward=4),
        lambda: TransformerStack(96, 4, 2, 4),
        (2, 3, 4),
    ),
    "resnet basic": (
        lambda: models.ResNet(models.BasicBlock, (2, 1, 1, 1), num_classes=5, width=2),
        lambda: ResNet(False, (2, 1, 1, 1), 5, 2),
        (4, 3, 32, 32),
    ),
    "resnet 50": (
        lambda: models.resnet50(num_classes=5, width=2),
        lambda: ResNet(True, (3, 4, 6, 3), 5, 2),
        (4, 3, 32, 32),
    ),
    "resnet 152": (
        lambda: models.resnet152(num_classes=5, width=2),
        lambda: ResNet(True, (3, 8, 36, 3), 5, 2),
        (4, 3, 64, 64),  # batch norm of few values, and so many times, makes much of a rounding
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_values_and_gradients_match_torch(name: str, rng: np.random.Generator) -> None:
    make, make_twin, shape = PAIRS[name]
    pm.manual_seed(0)
    model = make().to(pm.float64)
    model.output_shape(shape)
    twin = make_twin().double()
    # strict: the keys are torch's
    twin.load_state_dict({k: torch.tensor(pm.to_numpy(v)) for k, v in model.state_dict().items()})

    data = rng.normal(size=shape)
    x, z = pm.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    y, expected = model(x), twin(z)
    assert y.shape == tuple(expected.shape)
    weights = rng.normal(size=y.shape)
    (y * pm.tensor(weights)).sum().backward()
    (expected * torch.tensor(weights)).sum().backward()

    close(y.detach(), expected.detach(), "the result")
    close(x.grad, z.grad, "the input's gradient")
    theirs = dict(twin.named_parameters())
    assert {path for path, _ in model.named_parameters()} == set(theirs)
    for path, parameter in model.named_parameters():
        close(parameter.grad, theirs[path].grad, path)
    buffers = dict(twin.named_buffers())
    for path, buffer in model.named_buffers():
        close(buffer, buffers[path], path)


def close(ours: pm.Tensor, theirs: torch.Tensor, what: str) -> None:
    expected = theirs.numpy()
    scale = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(pm.to_numpy(ours), expected, rtol=1e-7, atol=1e-9 * max(1.0, scale), err_msg=what)


def test_a_checkpoint_of_torch_loads(rng: np.random.Generator) -> None:
    twin = ResNet(True, (1, 1, 1, 1), 5, 2).double().eval()
    model = models.ResNet(models.Bottleneck, (1, 1, 1, 1), num_classes=5, width=2).to(pm.float64).eval()
    assert model.load_state_dict({k: v.numpy() for k, v in twin.state_dict().items()}) == ([], [])
    data = rng.normal(size=(2, 3, 32, 32))
    with torch.no_grad(), pm.no_grad():
        close(model(pm.tensor(data)), twin(torch.tensor(data)), "the result")
