"""Residual networks (He et al. 2016) with the layout and the names of torchvision's."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..tensor import Tensor


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around which the input is carried.

    (N, in_channels, H, W) to (N, planes, H / stride, W / stride).

    Args:
        in_channels: the channels of the input.
        planes: the channels of the convolutions.
        stride: of the first convolution.
    """

    expansion = 1

    def __init__(self, in_channels: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = shortcut(in_channels, planes * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        carried = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + carried)


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3, 1x1 around which the input is carried; four times `planes` channels come out.

    The stride is in the 3x3 convolution, as in torchvision's "V1.5". Arguments as of BasicBlock.
    """

    expansion = 4

    def __init__(self, in_channels: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = planes * self.expansion
        self.conv1 = nn.Conv2d(in_channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.downsample = shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        carried = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + carried)


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """What fits a block's input to its output where their shapes differ."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class ResNet(nn.Module):
    """Images (N, C, H, W) to (N, num_classes), through four groups of residual blocks.

    Args:
        block: BasicBlock or Bottleneck.
        layers: the number of blocks in each group.
        num_classes: the number of logits.
        in_channels: C.
        width: the channels after the first convolution; the groups have 1, 2, 4 and 8 times as many.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: tuple[int, int, int, int],
        num_classes: int = 1000,
        in_channels: int = 3,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = group(block, width, width, layers[0], 1)
        self.layer2 = group(block, width * block.expansion, 2 * width, layers[1], 2)
        self.layer3 = group(block, 2 * width * block.expansion, 4 * width, layers[2], 2)
        self.layer4 = group(block, 4 * width * block.expansion, 8 * width, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def group(block: Any, in_channels: int, planes: int, count: int, stride: int) -> nn.Sequential:
    """`count` blocks, the first of which changes the number of channels and the size."""
    rest = [block(planes * block.expansion, planes) for _ in range(count - 1)]
    return nn.Sequential(block(in_channels, planes, stride), *rest)


def resnet18(**options: Any) -> ResNet:
    """ResNet-18. `options` are those of ResNet (num_classes, in_channels, width); so too below."""
    return ResNet(BasicBlock, (2, 2, 2, 2), **options)


def resnet34(**options: Any) -> ResNet:
    """ResNet-34."""
    return ResNet(BasicBlock, (3, 4, 6, 3), **options)


def resnet50(**options: Any) -> ResNet:
    """ResNet-50."""
    return ResNet(Bottleneck, (3, 4, 6, 3), **options)


def resnet101(**options: Any) -> ResNet:
    """ResNet-101."""
    return ResNet(Bottleneck, (3, 4, 23, 3), **options)


def resnet152(**options: Any) -> ResNet:
    """ResNet-152."""
    return ResNet(Bottleneck, (3, 8, 36, 3), **options)
