"""The public functions of the standard, by its chapters."""

from . import creation, elementwise, manipulation, statistical

__all__ = ["creation", "elementwise", "manipulation", "statistical"]
