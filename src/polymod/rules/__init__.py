"""The derivatives: one line per operation, by chapter.

A primitive is named after the variable that holds it; the engine's function (or the portable definition) of that
name computes it, and `xp.<name>` calls it in rules and definitions.
"""

from ..autograd.primitive import Primitive
from ..ops import ops
from . import (
    activation,
    attention,
    convolution,
    elementwise,
    embedding,
    indexing,
    linalg,
    losses,
    manipulation,
    normalization,
    pooling,
    reductions,
    several,
    special,
)

primitives: dict[str, Primitive] = {}

chapters = (
    elementwise,
    reductions,
    linalg,
    manipulation,
    indexing,
    special,
    activation,
    embedding,
    losses,
    attention,
    several,
    convolution,
    pooling,
    normalization,
)
for chapter in chapters:
    for name, value in vars(chapter).items():
        if isinstance(value, Primitive):
            value.name = name
            primitives[name] = value
            setattr(ops, name, value)
