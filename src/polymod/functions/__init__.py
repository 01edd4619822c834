"""The public functions of the standard, by its chapters."""

from . import (
    beyond,
    creation,
    data_types,
    einsum,
    elementwise,
    indexing,
    info,
    manipulation,
    searching,
    sets,
    sorting,
    statistical,
)

__all__ = [
    "beyond",
    "creation",
    "data_types",
    "einsum",
    "elementwise",
    "indexing",
    "info",
    "manipulation",
    "searching",
    "sets",
    "sorting",
    "statistical",
]
