"""Into and out of arrays of examples, which `vmap` runs a function on."""

from ..autograd.batched import entered, left, shared, summed
from ..autograd.families import Linear
from ..backend import define


@define
def enter_examples(xp, x, *, level, n):
    """x (n, ...) as n examples of a `vmap`."""
    return entered(x, level)


@define
def leave_examples(xp, x, *, level, n):
    """n examples as an array (n, ...); what has none is repeated."""
    return left(x, level, n)


@define
def share_examples(xp, x, *, level, n):
    """`x` as what each of n examples has."""
    return shared(x, level, n)


@define
def sum_examples(xp, x, *, level, n):
    """The sum of n examples."""
    return summed(x, level, n)


enter_examples = Linear(lambda xp, g, _x, level, n: xp.leave_examples(g, level=level, n=n))
leave_examples = Linear(lambda xp, g, _x, level, n: xp.enter_examples(g, level=level, n=n))
share_examples = Linear(lambda xp, g, _x, level, n: xp.sum_examples(g, level=level, n=n))
sum_examples = Linear(lambda xp, g, _x, level, n: xp.share_examples(g, level=level, n=n))
