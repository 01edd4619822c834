"""Operations with several results that are not chapters of their own."""

from ..autograd.families import Joint
from ..backend import define


@define
def gate(xp, *arrays):
    """All of `arrays` as they are, as the results of one operation: a place to watch their cotangents together."""
    return arrays


gate = Joint(lambda xp, g, _y, *_arrays: [g.get(i) for i in range(len(_arrays))])
