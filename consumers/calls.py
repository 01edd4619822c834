"""The whole table."""

from __future__ import annotations

from . import calls_numerics, calls_signal, calls_sklearn, calls_small, calls_special, calls_stats
from .table import Call

chapters = [
    calls_special.calls,
    calls_stats.calls,
    calls_signal.calls,
    calls_numerics.calls,
    calls_sklearn.calls,
    calls_small.extra,
    calls_small.ein,
    calls_small.contractions,
]
table: dict[str, Call] = {call.name: call for chapter in chapters for call in chapter}
if len(table) != sum(map(len, chapters)):
    raise ValueError("two calls have one name")
