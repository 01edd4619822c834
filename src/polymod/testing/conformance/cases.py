"""The cases of the chapters that go through all operations."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from polymod.testing.samples import Sample, complex_table, table
from polymod.testing.samples.constant import table as constant_table


def each(**tables: Mapping[str, list[Sample]]) -> pytest.MarkDecorator:
    """Parametrize a test by the name of an operation and a sample of it; a table's name is part of the ids."""
    cases = [
        pytest.param(name, sample, id="-".join(p for p in (name.replace(" ", "_"), kind.strip("_"), str(i)) if p))
        for kind, samples in tables.items()
        for name in samples
        for i, sample in enumerate(samples[name])
    ]
    return pytest.mark.parametrize(("name", "sample"), cases)


each_rule = each(_=table, complex=complex_table)
each_call = each(_=table, complex=complex_table, constant=constant_table)
