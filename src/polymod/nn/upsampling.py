"""Layers that change the size of signals, images and volumes."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .functional.resampling import check
from .module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """The input at another resolution: (N, C, L), (N, C, H, W) or (N, C, D, H, W). See `nn.functional.interpolate`.

    Args:
        size: how many elements each spatial axis is to have: an integer, or one per axis.
        scale_factor: by what each spatial axis grows, instead.
        mode: "nearest", "nearest-exact", "area", "linear", "bilinear", "bicubic" or "trilinear".
        align_corners: for the modes from "linear" on; None means False.
        recompute_scale_factor: whether the scale is the ratio of the sizes, after rounding.

    Raises:
        ValueError: at construction, for an unknown mode and arguments that exclude each other.
        ShapeError: at the call, for an input that does not fit.
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        check(size, scale_factor, mode, align_corners, recompute_scale_factor)
        self.size, self.mode, self.align_corners = size, mode, align_corners
        many = isinstance(scale_factor, tuple | list)
        self.scale_factor: float | tuple[float, ...] | None = None
        if scale_factor is not None:
            self.scale_factor = tuple(map(float, scale_factor)) if many else float(scale_factor)
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Any) -> Tensor:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        how = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{how}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images (N, C, H, W) at another resolution, by the nearest pixel: `Upsample` with mode "nearest"."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images (N, C, H, W) at another resolution: `Upsample` with mode "bilinear" and aligned corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
