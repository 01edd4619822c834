"""Functions of torch, by their names in its operator database and with its signatures, written with polymod.

An adapter raises Unmapped for a call that the standard's function has no counterpart of.
"""

# each chapter enters its functions
from . import elementwise, extensions, indexing, layers, manipulation, reductions, sorting, special  # noqa: F401
from .adapters import Unmapped, adapters

__all__ = ["Unmapped", "adapters"]
