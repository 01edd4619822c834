"""Which cases are run where not all of them can be: of engines that compile each shape anew, say."""

from __future__ import annotations


def in_share(number: int, share: int) -> bool:
    """Whether case `number`, counted from 0, is one of those that stand for `share` each: the first of the first
    `share` cases, the second of the next, and so on, so that parameters that take turns all have theirs."""
    return number % share == number // share % share
