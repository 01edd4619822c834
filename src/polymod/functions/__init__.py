"""The public functions of the standard, by its chapters."""

from . import creation, elementwise, indexing, manipulation, statistical

__all__ = ["creation", "elementwise", "indexing", "manipulation", "statistical"]
