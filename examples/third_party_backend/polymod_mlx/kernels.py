"""Optimizers' steps that compute what they return.

MLX is lazy: a training loop that never looks at a value would build an ever larger graph. A step ends an iteration, so
this is the place to compute.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx

import polymod.optim  # noqa: F401 - brings the portable definitions
from polymod.backend import portable


def evaluated(name: str, namespace: Callable[[], Any]) -> Callable[..., Any]:
    """The portable definition of `name`, with its results computed. `namespace()` is the backend's."""

    def run(*args: Any, **kwargs: Any) -> Any:
        result = portable[name](namespace(), *args, **kwargs)
        mx.eval(result)
        return result

    return run
