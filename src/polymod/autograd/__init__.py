"""Derivatives: the tape, the backward pass, and the functions that ask for gradients."""

from .tape import enable_grad, is_grad_enabled, no_grad, set_grad_enabled, set_strict  # isort: skip
from .backward import grad

__all__ = ["enable_grad", "grad", "is_grad_enabled", "no_grad", "set_grad_enabled", "set_strict"]
