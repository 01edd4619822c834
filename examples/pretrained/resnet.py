"""The 20-layer residual network for CIFAR-10 (arXiv:1512.03385), with shortcuts that have no weights."""

from __future__ import annotations

from pathlib import Path

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # of ImageNet's colours, which the weights expect


class BasicBlock(nn.Module):
    def __init__(self, in_planes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.added = planes - in_planes

    def shortcut(self, x: pm.Tensor) -> pm.Tensor:
        """Every other pixel, with channels of zeros on both sides, where the block changes the sizes."""
        side = self.added // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, side, side)) if side else x

    def forward(self, x: pm.Tensor) -> pm.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def stage(in_planes: int, planes: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        *(BasicBlock(in_planes if i == 0 else planes, planes, stride if i == 0 else 1) for i in range(3))
    )


class ResNet20(nn.Module):
    """Images (n, 3, 32, 32) -> logits (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(16, 16, 1)
        self.layer2 = stage(16, 32, 2)
        self.layer3 = stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: pm.Tensor) -> pm.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.avg_pool2d(x, x.shape[-1]).flatten(1))


def images(pixels: pm.Tensor) -> pm.Tensor:
    """Bytes (n, height, width, 3) as the network takes them."""
    x = (pixels.to(pm.float32) / 255 - pm.tensor(MEAN)) / pm.tensor(STD)
    return x.permute(0, 3, 1, 2)


def load(folder: str | Path) -> ResNet20:
    model = ResNet20().eval()
    model.load_state_dict(pm.load_file(Path(folder) / "resnet20_cifar10.safetensors"))
    return model
