"""A small convolutional network for small images."""

from __future__ import annotations

from .. import nn
from ..nn import functional as F
from ..tensor import Tensor


class CNN(nn.Module):
    """Three convolutions with batch norm, two poolings, two dense layers: (N, C, H, W) to (N, classes).

    The size of the images is found at the first call, so the same code takes 1x8x8 and 1x28x28. The layout is
    that of LeNet-5 (LeCun et al. 1998) with batch normalization (Ioffe and Szegedy 2015) and 3x3 kernels.

    Args:
        in_channels: C.
        width: the channels of the first convolution; the others have twice as many.
        classes: the number of logits.
    """

    def __init__(self, in_channels: int = 1, width: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *convolution(in_channels, width),
            nn.MaxPool2d(2),
            *convolution(width, 2 * width),
            *convolution(2 * width, 2 * width),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.hidden = nn.Linear(None, 64)
        self.out = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.hidden(self.features(x))))


def convolution(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """A 3x3 convolution that keeps the image's size, normalized, and ReLU; the norm's bias serves both."""
    return (
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
