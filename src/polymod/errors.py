"""The errors of polymod: each says what was received, what was expected and what to do."""

from __future__ import annotations


class PolymodError(Exception):
    """Base class: `except polymod.PolymodError` catches whatever polymod itself refuses.

    `location` is set to the path and repr of the module it happened in, and is part of the text.
    """

    location = ""

    def __str__(self) -> str:
        return super().__str__() + self.location


class BackendError(PolymodError, RuntimeError):
    """A backend or a device is unknown, its array library is missing, or it finds no hardware."""


class MixedDevicesError(PolymodError, ValueError):
    """One operation was given arrays of two engines or of two devices. Nothing is copied unasked."""


class ShapeError(PolymodError, ValueError):
    """An array has a shape that the operation or the module cannot take."""


class GradientError(PolymodError, RuntimeError):
    """A derivative was asked for that does not exist, or whose recorded values are gone."""


class CaptureError(PolymodError, RuntimeError):
    """A step can't be captured: it needs the host, or changes what has to stay where it is. Nothing has changed."""


class StateError(PolymodError, RuntimeError):
    """A state dict does not fit the model. The model is as it was before the call."""


class DataError(PolymodError, ValueError):
    """A data file or checkpoint is missing, damaged, or of another kind than was expected."""
