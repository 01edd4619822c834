"""Inputs for every primitive that has derivative rules, by chapter: what is differentiated in the tests of the rules
and, engine by engine, in the conformance kit.

A primitive may have several samples. Values stay clear of kinks and poles, whose derivatives have tests of their own.
"""

from __future__ import annotations

from . import (
    activation,
    attention,
    convolution,
    decompositions,
    elementwise,
    fft,
    indexing,
    losses,
    manipulation,
    normalization,
    pooling,
    products,
    recurrent,
    reductions,
    resampling,
    several,
    special,
)
from .sample import Draw, Sample

__all__ = ["Draw", "Sample", "complex_table", "table"]

chapters = (
    elementwise,
    reductions,
    products,
    manipulation,
    indexing,
    special,
    activation,
    losses,
    attention,
    several,
    convolution,
    pooling,
    resampling,
    normalization,
    recurrent,
    decompositions,
    fft,
)
table: dict[str, list[Sample]] = {}
# Where the rules hold for complex arrays too. A holomorphic function has the conjugate of its derivative as rule.
complex_table: dict[str, list[Sample]] = {}
for chapter in chapters:
    assert not table.keys() & chapter.table.keys(), "a primitive has its samples in one chapter"
    table |= chapter.table
    complex_table |= chapter.complex_table
