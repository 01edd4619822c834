"""The derivatives: one line per operation, by chapter.

A primitive is named after the variable that holds it; the engine's function (or the portable definition) of that
name computes it, and `xp.<name>` calls it in rules and definitions.
"""

from ..autograd.primitive import Primitive
from ..operators import give_operators
from ..ops import ops
from ..tensor import Tensor
from . import (
    activation,
    attention,
    bessel,
    convolution,
    ctc,
    decompositions,
    determinants,
    elementwise,
    embedding,
    entropy,
    examples,
    fft,
    fold,
    gamma,
    incomplete,
    indexing,
    linalg,
    losses,
    manipulation,
    normalization,
    pooling,
    recurrent,
    reductions,
    resampling,
    several,
    sorting,
    special,
    student,
)

primitives: dict[str, Primitive] = {}

chapters = (
    elementwise,
    reductions,
    linalg,
    determinants,
    decompositions,
    fft,
    manipulation,
    indexing,
    sorting,
    special,
    gamma,
    incomplete,
    student,
    bessel,
    entropy,
    activation,
    embedding,
    losses,
    ctc,
    attention,
    several,
    examples,
    convolution,
    fold,
    pooling,
    resampling,
    normalization,
    recurrent,
)
for chapter in chapters:
    for name, value in vars(chapter).items():
        if isinstance(value, Primitive):
            value.name = name
            primitives[name] = value
            setattr(ops, name, value)


def give_tensors_their_operators() -> None:
    """Make Python's operators on Tensors the calls of the primitives, directly, which saves a lookup at each."""
    give_operators(Tensor, lambda name: primitives[name].__call__, besides=("eq", "ne"))


give_tensors_their_operators()
