"""Write docs/torch_nn.md: every name of torch.nn and its parts, and whether polymod has it.

    python tools/torch_names.py [--write]

Torch's names are read from torch where it is installed, and else from the page itself, so that what polymod has can be
checked without torch. Without --write the page is compared; the exit status is 1 if it is not up to date.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "torch_nn.md"
VERSION = "2.13"  # of torch
CHAPTERS = {
    "nn": "Classes: torch.nn",
    "nn.functional": "Functions: torch.nn.functional",
    "nn.init": "Initial values: torch.nn.init",
    "nn.utils": "Tools: torch.nn.utils",
    "nn.utils.parametrizations": "Parametrizations: torch.nn.utils.parametrizations",
    "nn.utils.parametrize": "Parametrized modules: torch.nn.utils.parametrize",
    "nn.utils.prune": "Pruning: torch.nn.utils.prune",
    "nn.utils.rnn": "Sequences of several lengths: torch.nn.utils.rnn",
    "nn.utils.stateless": "Calls with other parameters: torch.nn.utils.stateless",
}
# Families as torch's documentation has them: the first whose pattern fits a name, in small letters, is its own.
FAMILIES = {
    "Containers": r"module|module(list|dict)|sequential|parameter(list|dict)|container",
    "Parameters and buffers": r"(uninitialized)?(parameter|buffer)",
    "Convolution": r"(lazy)?conv\w+|unfold|fold",
    "Pooling": r"\w*(pool|unpool)\dd",
    "Padding": r"\w*pad(\dd)?",
    "Attention and Transformers": r"transformer\w*|multi_?head_?attention\w*|scaled_dot_product_attention",
    "Losses": r"\w*(loss|cross_?entropy(_?with_?logits|options)?|kl_?div)",
    "Normalization": r"\w*norm\w*|crossmaplrn2d|normalize",
    "Recurrent": r"(rnn|lstm|gru)\w*",
    "Activations": r"((log|soft|hard|leaky|gumbel|tanh|r|p)_?)*"
    r"(relu6?|[csg]?elu|[gs]i?lu|mish|sigmoid|tanh|swish|shrink|sign|plus|max(2d)?|min|threshold)_?",
    "Linear": r"(lazy)?(bi)?linear|identity",
    "Dropout": r"\w*dropout(\dd)?",
    "Embeddings": r"embedding(_?bag)?|one_hot",
    "Distances": r"\w*(distance|similarity)|pdist",
    "Images and shuffles": r"\w*shuffle|upsampl\w+|upsample|interpolate|grid_sample|affine_grid",
    "Shapes": r"flatten|unflatten",
    "Products of small numbers and of groups": r"\w*_mm",
    "Several devices": r"dataparallel",
}
NOTES = {
    "nn.DataParallel": "a module under the name `module`, so that keys fit; a process computes on one device",
    "nn.SyncBatchNorm": "batch normalization of this process; `process_group` is kept and not used",
    "nn.Embedding": "`sparse=True` is accepted; the gradient is dense",
    "nn.EmbeddingBag": "`sparse=True` is accepted; the gradient is dense",
    "nn.functional.embedding": "`sparse=True` is accepted; the gradient is dense",
    "nn.functional.embedding_bag": "`sparse=True` is accepted; the gradient is dense",
    "nn.MultiheadAttention": "`out_proj` is a plain `Linear`; torch's is a subclass marked for quantization",
    "nn.TransformerEncoder": "`enable_nested_tensor` and `mask_check` are accepted; padding is always computed, too",
    "nn.functional.grouped_mm": "left out: products of bfloat16 on GPUs, which the standard has no dtype for",
    "nn.functional.scaled_grouped_mm": "left out: products of 8-bit floats, which the standard has no dtypes for",
    "nn.functional.scaled_mm": "left out: products of 8-bit floats, which the standard has no dtypes for",
    "nn.utils.convert_conv2d_weight_memory_format": "left out: arrays of the standard have no memory format",
    "nn.utils.convert_conv3d_weight_memory_format": "left out: arrays of the standard have no memory format",
}
DEPRECATED = re.compile(r"this (function|method|class) is (now )?deprecated", re.I)
HALVES = re.compile(r"_with_indices$")  # what `return_indices=True` calls
INTRODUCTION = """# torch.nn, name by name

What torch {version} has under `torch.nn` and what polymod has under the same name in `polymod.nn`, with the same
arguments, results and state dict keys. Written by `python tools/torch_names.py --write`.

{counts}

Listed are the classes and functions that torch defines in these namespaces, except

- names that begin with an underscore, constants, and functions without a docstring (helpers);
- the halves `..._with_indices` of functions that take `return_indices=`, which torch does not document;
{deprecated}

The namespaces `torch.nn.attention`, `grad`, `parallel`, `quantized`, `qat`, `quantizable` and `intrinsic` are not
layers and are not listed. What holds for all:

- `inplace=True` is accepted and changes nothing: results are always new Tensors. Functions whose names end in an
  underscore (`relu_`, `normal_`) do give their input its new values.
- Random numbers have torch's distributions but are other numbers: those of `polymod.random`, the same on every engine.
- The dtypes are the standard's: float32, float64 and complex; no 16-bit floats, no quantized numbers.
"""


def names_of_torch() -> dict[str, list[str]] | None:
    """Torch's names by namespace, deprecated ones under "deprecated"; None where that version is not installed."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.__version__.startswith(VERSION + "."):
        return None
    found: dict[str, list[str]] = {"deprecated": []}
    for space in CHAPTERS:
        namespace = importlib.import_module(f"torch.{space}")
        names = sorted(
            n for n, x in vars(namespace).items() if listed(space, n, x, getattr(namespace, "__all__", None))
        )
        old = [n for n in names if is_deprecated(getattr(namespace, n))]
        found[space] = [n for n in names if n not in old]
        found["deprecated"] += [f"{space}.{n}" for n in old]
    return found


def listed(space: str, name: str, x: Any, public: list[str] | None) -> bool:
    """Whether it is a public class or function that torch defines here."""
    if name.startswith("_") or HALVES.search(name):
        return False
    if space != "nn" and public is not None and name not in public:
        return False
    if isinstance(x, type):
        return x.__module__.startswith("torch.nn") and space != "nn.functional"
    if space == "nn" or not callable(x) or not getattr(x, "__doc__", None):
        return False
    defined = getattr(x, "__module__", None) or ""
    return defined.startswith("torch.nn") or (space == "nn.functional" and type(x).__name__ != "function" and in_c(x))


def in_c(x: Any) -> bool:
    """Whether `x` is one of torch's compiled functions that are not about overriding torch's functions."""
    return type(x) is type(len) and not x.__name__.startswith("_") and "torch_function" not in x.__name__


def is_deprecated(x: Any) -> bool:
    return hasattr(x, "__deprecated__") or DEPRECATED.search(x.__doc__ or "") is not None


def names_in_page(text: str) -> dict[str, list[str]]:
    """Torch's names by namespace, as the page has them."""
    found: dict[str, list[str]] = {space: [] for space in CHAPTERS}
    for full in re.findall(r"^\| `torch\.([\w.]+)` \|", text, re.M):
        space, _, name = full.rpartition(".")
        found[space].append(name)
    old = re.search(r"^- what torch says is deprecated\..*?$(?=\n\n)", text, re.M | re.S)
    found["deprecated"] = re.findall(r"`([\w.]+)`", old.group(0)) if old else []
    return found


def here(full: str) -> bool:
    """Whether polymod has the class or function `full`, such as nn.functional.relu."""
    space, _, name = full.rpartition(".")
    try:
        return callable(getattr(importlib.import_module(f"polymod.{space}"), name, None))
    except ModuleNotFoundError:
        return False


def family(name: str) -> str:
    """The family of a class or function of torch.nn.

    Raises:
        ValueError: no pattern fits it.
    """
    for title, pattern in FAMILIES.items():
        if re.fullmatch(pattern, name.lower()):
            return title
    raise ValueError(f"tools/torch_names.py: FAMILIES has no pattern that fits {name!r}")


def tables(space: str, names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The families of a namespace that has several, with their names."""
    if space not in ("nn", "nn.functional"):
        yield "", names
        return
    of = {n: family(n) for n in names}
    for title in FAMILIES:
        members = [n for n in names if of[n] == title]
        if members:
            yield title, members


def page(names: dict[str, list[str]]) -> str:
    """The whole page."""
    counts = ["| | torch | polymod |", "|---|---|---|"]
    chapters = {space: title for space, title in CHAPTERS.items() if names[space]}
    for space, title in chapters.items():
        has = sum(here(f"{space}.{n}") for n in names[space])
        counts.append(f"| {title} | {len(names[space])} | {has} |")
    total = [f"{s}.{n}" for s in CHAPTERS for n in names[s]]
    counts.append(f"| all | {len(total)} | {sum(map(here, total))} |")
    old = {mark: [f"`{n}`" for n in sorted(names["deprecated"]) if here(n) is mark] for mark in (True, False)}
    sentence = (
        f"- what torch says is deprecated. polymod has these of them: {', '.join(old[True]) or 'none'}; "
        f"not these: {', '.join(old[False]) or 'none'}."
    )
    lines = [
        INTRODUCTION.format(
            version=VERSION,
            counts="\n".join(counts),
            deprecated=textwrap.fill(sentence, 120, subsequent_indent="  ", break_on_hyphens=False),
        )
    ]
    for space, title in chapters.items():
        lines += [f"## {title}", ""]
        for heading, members in tables(space, names[space]):
            lines += [f"### {heading}", ""] if heading else []
            lines += ["| torch | polymod | |", "|---|:-:|---|"]
            for name in members:
                full = f"{space}.{name}"
                note = f" {NOTES[full]} |" if full in NOTES else " |"
                lines.append(f"| `torch.{full}` | {'✓' if here(full) else '—'} |{note}")
            lines.append("")
    unknown = NOTES.keys() - set(total) - set(names["deprecated"])
    if unknown:
        raise ValueError(f"tools/torch_names.py: NOTES has names that torch has not: {sorted(unknown)}")
    return "\n".join(lines)


def current() -> str:
    """The page as it should be."""
    return page(names_of_torch() or names_in_page(PAGE.read_text(encoding="utf-8")))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the page instead of comparing it")
    text = current()
    if parser.parse_args().write:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        print(f"{PAGE} is not up to date: run `python tools/torch_names.py --write`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
