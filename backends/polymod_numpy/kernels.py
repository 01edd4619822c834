"""Faster NumPy spellings of a few operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

kernels: dict[str, Callable[..., Any]] = {}
