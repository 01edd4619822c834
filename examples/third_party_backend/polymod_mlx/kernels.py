"""Optimizers' steps that compute what they return.

MLX is lazy: a training loop that never looks at a value would build an ever larger graph. A step ends an iteration, so
this is the place to compute.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
from polymod.backend import portable


def evaluated(name: str) -> Callable[..., Any]:
    """The portable definition of `name`, with its results computed."""

    def run(*args: Any, **kwargs: Any) -> Any:
        import polymod.optim  # noqa: F401 - brings the definition
        from polymod_mlx import backend

        result = portable[name](backend.namespace, *args, **kwargs)
        mx.eval(result)
        return result

    return run


STEPS = ("sgd_steps", "adam_steps")
steps = {name: evaluated(name) for name in STEPS}
