"""Operations with several results, and arrays of examples."""

from __future__ import annotations

import polymod as pm
from polymod.autograd.batched import Level
from polymod.autograd.tape import mapped
from polymod.ops import ops

from .sample import Draw, Sample

draw = Draw("several")
normal = draw.normal


def in_and_out(x: pm.Tensor, n: int) -> pm.Tensor:
    """Squares, computed on an array of n examples."""
    level = Level(max((outer.depth for outer, _ in mapped.get()), default=0))
    return ops.leave_examples(ops.enter_examples(x, level=level, n=n) ** 2, level=level, n=n)


def shared_and_summed(x: pm.Tensor, n: int) -> pm.Tensor:
    """n times the squares."""
    level = Level(max((outer.depth for outer, _ in mapped.get()), default=0))
    return ops.sum_examples(ops.share_examples(x, level=level, n=n) ** 2, level=level, n=n)


table: dict[str, list[Sample]] = {
    "gate": [Sample((normal(2, 3), normal(2)))],
    # arrays of examples: into one and out again
    "enter_examples": [Sample((normal(2, 3),), {"n": 2}, call=in_and_out)],
    "leave_examples": [Sample((normal(2, 3),), {"n": 2}, call=in_and_out)],
    "share_examples": [Sample((normal(3),), {"n": 2}, call=shared_and_summed)],
    "sum_examples": [Sample((normal(3),), {"n": 2}, call=shared_and_summed)],
}

complex_table: dict[str, list[Sample]] = {}
