"""The derivatives: one line per operation, by chapter.

A primitive is named after the variable that holds it; the engine's function (or the portable definition) of that
name computes it, and `xp.<name>` calls it in rules and definitions.
"""

from ..autograd.primitive import Primitive
from ..ops import ops
from . import elementwise, indexing, linalg, manipulation, neural, reductions

primitives: dict[str, Primitive] = {}

for chapter in (elementwise, reductions, linalg, manipulation, indexing, neural):
    for name, value in vars(chapter).items():
        if isinstance(value, Primitive):
            value.name = name
            primitives[name] = value
            setattr(ops, name, value)
