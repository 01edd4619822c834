"""Samples of torch's module database, and of classes that it lacks, built in torch and here.

The database, `torch.testing._internal.common_modules.module_db`, needs the package expecttest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_modules import FunctionInput, ModuleInfo, ModuleInput, module_db
from torch_database import Call, mapped, outputs_of
from torch_functions.adapters import dtype_of
from torch_functions.layers import translated as option
from torch_more_modules import more

import polymod as pm

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def entries() -> dict[str, Any]:
    """The database's entries and ours, by the name of the class."""
    found = {info.name.removeprefix("nn."): info for info in module_db}
    return found | {name: More(name) for name in more}


class More:
    """An entry for a class that the database lacks, with the fields of one that are used here."""

    def __init__(self, name: str) -> None:
        self.name, self.module_cls = name, getattr(torch.nn, name)
        self.is_lazy = issubclass(self.module_cls, torch.nn.modules.lazy.LazyModuleMixin)

    def module_inputs_func(
        self, info: Any, device: str, dtype: torch.dtype, requires_grad: bool, training: bool
    ) -> Iterator[ModuleInput]:
        generator = torch.Generator().manual_seed(5)

        def tensor(x: Any) -> Any:
            if not isinstance(x, torch.Size):
                return x
            return torch.randn(x, generator=generator, dtype=torch.float64).to(dtype).requires_grad_(requires_grad)

        for made, called in more[self.name]:
            yield ModuleInput(FunctionInput(*made[0], **made[1]), FunctionInput(*map(tensor, called[0]), **called[1]))


def here(x: Any) -> Any:
    """An argument of a constructor or a call as polymod takes it."""
    if isinstance(x, torch.Tensor):
        return pm.tensor(x.numpy(force=True))
    if isinstance(x, torch.dtype):
        return dtype_of(x)
    if isinstance(x, torch.nn.TransformerEncoderLayer | torch.nn.TransformerDecoderLayer):
        return of_same_sizes(x)
    if type(x) in (list, tuple):
        return type(x)(map(here, x))
    if isinstance(x, torch.nn.LayerNorm):
        return pm.nn.LayerNorm(x.normalized_shape, x.eps)
    if callable(x) and getattr(x, "__name__", "") and hasattr(pm.nn.functional, x.__name__):
        return getattr(pm.nn.functional, x.__name__)
    return option(x)


def of_same_sizes(x: Any) -> Any:
    """A layer of a Transformer that was made with the arguments of `x`."""
    activation = x.activation if isinstance(x.activation, str) else x.activation.__name__
    attention = x.self_attn
    return getattr(pm.nn, type(x).__name__)(
        attention.embed_dim,
        attention.num_heads,
        x.linear1.out_features,
        x.dropout.p,
        activation,
        x.norm1.eps,
        attention.batch_first,
        x.norm_first,
        x.linear1.bias is not None,
        dtype=dtype_of(x.linear1.weight.dtype),
    )


class ModuleCall(Call):
    """A module of torch's and one of polymod's with its state, and one call of both.

    The inputs and the parameters are what is differentiated.
    """

    def __init__(self, info: ModuleInfo, sample: ModuleInput, dtype: torch.dtype, training: bool) -> None:
        made, called = sample.constructor_input, sample.forward_input
        self.constructed = made.kwargs
        torch.manual_seed(3)
        takes_dtype = "dtype" in info.module_cls.__init__.__annotations__ or "dtype" in signature_of(info.module_cls)
        placed = {"dtype": dtype} if takes_dtype and "dtype" not in made.kwargs else {}
        self.theirs = info.module_cls(*made.args, **made.kwargs, **placed).to(dtype).train(training)
        keywords = {k: here(v) for k, v in (made.kwargs | placed).items() if k != "device"}
        self.ours = getattr(pm.nn, info.module_cls.__name__)(*map(here, made.args), **keywords).train(training)
        self.started = {k: v.clone() for k, v in self.theirs.state_dict().items()} if not info.is_lazy else {}
        if info.is_lazy:
            with torch.no_grad():
                self.theirs(*called.args, **called.kwargs)
        self.names = [n for n, _ in self.theirs.named_parameters()]
        super().__init__(f"{info.name}{(*made.args, made.kwargs)}", called.args, called.kwargs, info)
        self.inputs = len(self.tracked)
        self.tracked = [*self.tracked, *self.theirs.parameters()]
        self.primals += [p.numpy(force=True).copy() for p in self.theirs.parameters()]
        self.buffers = {n: b.clone() for n, b in self.theirs.named_buffers()}

    def made_with(self, name: str) -> bool:
        """Whether the constructor was given a keyword, other than None."""
        return self.constructed.get(name) is not None

    def take_state(self) -> None:
        """Give our module the state of torch's."""
        if self.operator.is_lazy:
            self.ours(*map(here, self.arguments), **{k: here(v) for k, v in self.keywords.items()})
        self.ours.to(dtype_of(self.dtype))
        self.ours.load_state_dict({k: pm.tensor(v.numpy(force=True)) for k, v in self.theirs.state_dict().items()})

    @property
    def dtype(self) -> torch.dtype:
        floating = [t.dtype for t in [*self.tracked, *self.theirs.state_dict().values()] if t.is_floating_point()]
        return floating[0] if floating else torch.float64

    def torch(self, *xs: Any) -> list[Any]:
        arguments, keywords = self.filled(list(xs), lambda t: t)
        state = dict(zip(self.names, xs[self.inputs :], strict=True)) | {n: b.clone() for n, b in self.buffers.items()}
        return outputs_of(torch.func.functional_call(self.theirs, state, arguments, keywords), torch.Tensor)

    def polymod(self, *xs: Any) -> list[Any]:
        arguments, keywords = self.filled(list(xs), here)
        state = dict(zip(self.names, xs[self.inputs :], strict=True))
        state |= {n: here(b) for n, b in self.buffers.items()}
        return outputs_of(pm.func.functional_call(self.ours, state, arguments, keywords), pm.Tensor)

    def states_after_a_call(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Both modules' states after one call in their mode: what the layers do to their buffers."""
        with torch.no_grad():
            self.theirs(*mapped(torch.clone, self.arguments), **mapped(torch.clone, self.keywords))
        with pm.no_grad():
            self.ours(*map(here, self.arguments), **{k: here(v) for k, v in self.keywords.items()})
        return (
            {k: pm.to_numpy(v) for k, v in self.ours.state_dict().items()},
            {k: v.numpy(force=True) for k, v in self.theirs.state_dict().items()},
        )


def signature_of(kind: Any) -> Any:
    import inspect

    return inspect.signature(kind).parameters


def calls(info: Any, dtype: torch.dtype, training: bool) -> Iterator[ModuleCall]:
    """The calls of an entry, each distinct one once."""
    torch.manual_seed(0)
    for sample in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training):
        if sample.forward_input is not None:
            yield ModuleCall(info, sample, dtype, training)
