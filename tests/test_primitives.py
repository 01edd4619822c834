"""What every primitive must keep to, whatever it computes."""

from __future__ import annotations

import pytest

from polymod.autograd.families import one, zero
from polymod.autograd.primitive import Constant, Primitive, names_read
from polymod.backend import load_backend, portable
from polymod.rules import primitives

pytestmark = pytest.mark.any_engine

ruled = [(name, i, rule) for name, p in primitives.items() for i, rule in enumerate(p.rules) if rule is not None]


def test_every_primitive_is_named_after_its_variable() -> None:
    assert primitives["exp"].name == "exp"
    assert all(p.name == name for name, p in primitives.items())


@pytest.mark.parametrize(("name", "i", "rule"), ruled, ids=[f"{name}-{i}" for name, i, _ in ruled])
def test_a_rule_keeps_no_value_that_it_does_not_read(name: str, i: int, rule) -> None:
    """A parameter without an underscore keeps an array in memory until backward."""
    code = rule.__code__
    primitive = primitives[name]
    first = len(primitive.reads) - ("y" in primitive.reads)
    kept = {n for n in code.co_varnames[first : code.co_argcount] if not n.startswith("_")}
    attributes = kept - names_read(code)
    arrays = {"x", "y", "a", "b", "g0", "weight", "values", "indices", "target", "statistics"}
    assert not attributes & arrays, f"{name}'s rule {i} keeps {attributes & arrays} but never reads it"


@pytest.mark.parametrize("name", sorted(primitives))
def test_every_primitive_can_be_computed(name: str) -> None:
    """By the standard's function of that name, or by a portable definition."""
    assert name in portable or callable(getattr(load_backend("numpy").xp, name))


def test_steps_have_no_slope() -> None:
    assert primitives["floor"].rules == (zero,)
    assert primitives["add"].rules == (one, one)
    assert isinstance(primitives["less"], Constant) and isinstance(primitives["less"], Primitive)
