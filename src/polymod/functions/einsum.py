"""Sums of products over named axes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from ..ops import ops
from ..tensor import Tensor, raw

__all__ = ["einsum"]

Labels = tuple[Hashable, ...]
Path = Sequence[tuple[int, ...]]


@ops.publish
def einsum(subscripts: Any, /, *operands: Any, optimize: bool | str | Path = True) -> Tensor:
    """The sum of products of `operands` over the axes that `subscripts` names and leaves out of the result.

    As in NumPy: "ij,jk->ik" is a matrix product, "ii->i" a diagonal, "...ij->...ji" a transpose of the last two axes;
    without "->" the result has the labels that occur once, in alphabetical order, after those of the ellipsis. The
    alternating form `einsum(a, [0, 1], b, [1, 2], [0, 2])` is understood, too. An axis of length one goes with a
    longer one of the same label.

    Two operands at a time are contracted by one matrix product; in what order is decided by opt_einsum where it is
    installed, else greedily. Everything is made of primitives, so it has all derivatives.

    Args:
        subscripts: labels of the axes of each operand, separated by commas, and after "->" those of the result.
        operands: arrays of any shapes; their dtypes are combined as the standard says.
        optimize: how opt_einsum seeks the order ("greedy", "optimal", ...; True leaves it to it), the order itself as
            pairs of positions, or False for from left to right.

    Raises:
        ValueError: the subscripts don't fit the operands; all that is wrong is listed.
    """
    if not isinstance(subscripts, str):
        subscripts, operands = alternating(subscripts, *operands)
    arrays = _of_one_dtype(operands)
    terms, result = parse(subscripts, tuple(tuple(x.shape) for x in arrays))
    parts = []
    for i, (x, term) in enumerate(zip(arrays, terms, strict=True)):
        others = {v for k, other in enumerate(terms) if k != i for v in other}
        parts.append(_prepared(x, term, others.union(result)))
    lengths = {v: n for x, labels in parts for v, n in zip(labels, x.shape, strict=True)}
    left = tuple(v for v in result if v in lengths)  # the others have length one
    for positions in path(tuple(labels for _, labels in parts), left, tuple(lengths.items()), _frozen(optimize)):
        chosen = [parts[i] for i in positions]
        parts = [p for i, p in enumerate(parts) if i not in positions]
        merged = chosen[0]
        for k, other in enumerate(chosen[1:], 2):
            rest = {v for _, labels in [*parts, *chosen[k:]] for v in labels}
            merged = _contracted(merged, other, rest.union(result))
        parts.append(merged)
    x, labels = parts[0]
    x = _arranged(x, labels, left)
    return x if left == result else ops.reshape(x, tuple(lengths.get(v, 1) for v in result))


# ------------------------------------------------------------------------------------------------- subscripts


def alternating(*arguments: Any) -> tuple[str, tuple[Any, ...]]:
    """The string form of `a, [0, 1], b, [1, 2], [0, 2]`."""

    def letters(labels: Iterable[Any]) -> str:
        return "".join("..." if v is Ellipsis else chr(ord("A") + v + (6 if v > 25 else 0)) for v in labels)

    pairs = arguments[: len(arguments) // 2 * 2]
    text = ",".join(letters(labels) for labels in pairs[1::2])
    return text + ("->" + letters(arguments[-1]) if len(arguments) % 2 else ""), tuple(pairs[::2])


@lru_cache(maxsize=1024)
def parse(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[Labels, ...], Labels]:
    """The labels of each operand's axes and of the result's; those of an ellipsis are integers from the right."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    texts = left.split(",")
    problems = []
    if len(texts) != len(shapes):
        problems.append(f"it names {len(texts)} operands, received {len(shapes)}")
    terms = []
    for text, shape in zip(texts, shapes, strict=False):
        before, dots, after = text.partition("...")
        named = len(before) + len(after)
        if not (before + after).isalpha() and before + after:
            problems.append(f"{text!r} has characters that are no letters")
        if named > len(shape) or (not dots and named < len(shape)):
            problems.append(f"{text!r} does not fit an operand of shape {shape}")
        terms.append((*before, *range(named - len(shape), 0), *after))
    hidden = sorted({v for term in terms for v in term if isinstance(v, int)})
    if arrow:
        before, dots, after = right.partition("...")
        result: Labels = (*before, *(hidden if dots else ()), *after)
        if hidden and not dots:
            problems.append('the result has no "..." for the axes of the operands\' "..."')
    else:
        counts = Counter(v for text in texts for v in text if v.isalpha())
        result = (*hidden, *sorted(v for v, n in counts.items() if n == 1))
    known = {v for term in terms for v in term}
    problems += [f"label {v!r} of the result is in no operand" for v in result if v not in known]
    problems += [f"label {v!r} occurs twice in the result" for v, n in Counter(result).items() if n > 1]
    lengths: dict[Hashable, int] = {}
    for text, term, shape in zip(texts, terms, shapes, strict=False):
        for v in set(term):
            if len({n for w, n in zip(term, shape, strict=False) if w == v}) > 1:
                problems.append(f"{text!r} takes a diagonal of axes of different lengths of shape {shape}")
        for v, n in zip(term, shape, strict=False):
            if lengths.setdefault(v, n) == 1:
                lengths[v] = n
            elif n not in (1, lengths[v]):
                problems.append(f"label {v!r} has the lengths {lengths[v]} and {n}")
    if problems:
        raise ValueError(f"einsum {subscripts!r}: " + "; ".join(dict.fromkeys(problems)))
    return tuple(terms), result


# ------------------------------------------------------------------------------------------------------- order


def _frozen(optimize: Any) -> Any:
    if isinstance(optimize, bool | str):
        return optimize
    return tuple(tuple(p) for p in optimize if not isinstance(p, str))  # NumPy's paths begin with "einsum_path"


@lru_cache(maxsize=1024)
def path(terms: tuple[Labels, ...], result: Labels, lengths: tuple[tuple[Hashable, int], ...], optimize: Any) -> Path:
    """Which operands to contract next, by position; what comes out goes to the end."""
    if len(terms) == 1:
        return []
    if isinstance(optimize, tuple):
        return optimize
    if len(terms) == 2:
        return [(0, 1)]
    if optimize is False:
        return [(0, 1)] + [(0, len(terms) - 2 - k) for k in range(len(terms) - 2)]
    try:
        import opt_einsum
    except ImportError:
        return greedy(terms, result, dict(lengths))
    symbols = {v: opt_einsum.get_symbol(i) for i, (v, _) in enumerate(lengths)}
    text = ",".join("".join(symbols[v] for v in term) for term in terms)
    text += "->" + "".join(symbols[v] for v in result)
    sizes = dict(lengths)
    shapes = [tuple(sizes[v] for v in term) for term in terms]
    how = "auto" if optimize is True else optimize
    found: Any = opt_einsum.contract_path(text, *shapes, shapes=True, optimize=how)[0]
    return found


def greedy(terms: Sequence[Labels], result: Labels, lengths: dict[Hashable, int]) -> Path:
    """Always the two whose product is smallest, compared with what goes into it."""
    sets, order = [set(t) for t in terms], []

    def gain(i: int, j: int) -> tuple[int, int, int]:
        others = set(result).union(*(s for k, s in enumerate(sets) if k not in (i, j)))
        made = math.prod(lengths[v] for v in (sets[i] | sets[j]) & others)
        used = sum(math.prod(lengths[v] for v in sets[k]) for k in (i, j))
        return made - used, i, j

    while len(sets) > 1:
        _, i, j = min(gain(i, j) for j in range(len(sets)) for i in range(j))
        others = set(result).union(*(s for k, s in enumerate(sets) if k not in (i, j)))
        merged = (sets[i] | sets[j]) & others
        sets = [s for k, s in enumerate(sets) if k not in (i, j)] + [merged]
        order.append((i, j))
    return order


# ------------------------------------------------------------------------------------------------- contraction


def _of_one_dtype(operands: Sequence[Any]) -> list[Any]:
    arrays = [x if hasattr(raw(x), "shape") else ops.asarray(x) for x in operands]
    if not arrays:
        raise ValueError("einsum needs at least one operand")
    dtype = ops.result_type(*arrays)
    return [ops.astype(x, dtype, copy=False) for x in arrays]


def _prepared(x: Tensor, labels: Labels, needed: set[Hashable]) -> tuple[Tensor, Labels]:
    """`x` with each label once: diagonals taken, axes summed that are not `needed`, and those of length one dropped,
    for they change no product."""
    for v in [v for v, n in Counter(labels).items() if n > 1]:
        while labels.count(v) > 1:
            x, labels = _diagonal(x, labels, v)
    x, labels = _summed(x, labels, needed)
    single = tuple(i for i, v in enumerate(labels) if x.shape[i] == 1)
    if single:
        x = ops.squeeze(x, axis=single)
        labels = tuple(v for i, v in enumerate(labels) if i not in single)
    return x, labels


def _diagonal(x: Tensor, labels: Labels, v: Hashable) -> tuple[Tensor, Labels]:
    """The elements of `x` at which two axes labelled `v` have the same index."""
    i, j = [k for k, w in enumerate(labels) if w == v][:2]
    n = x.shape[i]
    rest = tuple(k for k in range(x.ndim) if k not in (i, j))
    x = ops.permute_dims(x, (*rest, i, j))
    x = ops.reshape(x, (*x.shape[:-2], n * n))
    return x[..., :: n + 1], (*(labels[k] for k in rest), v)


def _summed(x: Tensor, labels: Labels, needed: set[Hashable]) -> tuple[Tensor, Labels]:
    """`x` summed over the axes whose labels are not `needed`."""
    axes = tuple(i for i, v in enumerate(labels) if v not in needed)
    if not axes:
        return x, labels
    return ops.sum(x, axis=axes, dtype=x.dtype), tuple(v for v in labels if v in needed)


def _contracted(left: tuple[Tensor, Labels], right: tuple[Tensor, Labels], needed: set[Hashable]) -> Any:
    """The product of two operands, summed over the labels that are not `needed` any more."""
    a, la = _summed(*left, needed.union(right[1]))
    b, lb = _summed(*right, needed.union(la))
    shared = [v for v in la if v in lb]
    batch, inner = [v for v in shared if v in needed], [v for v in shared if v not in needed]
    rows, columns = [v for v in la if v not in shared], [v for v in lb if v not in shared]
    a = _arranged(a, la, [*batch, *rows, *inner])
    b = _arranged(b, lb, [*batch, *inner, *columns])
    lead, labels = a.shape[: len(batch)], (*batch, *rows, *columns)
    outer, across = a.shape[len(batch) : len(batch) + len(rows)], b.shape[b.ndim - len(columns) :]
    if not inner:
        a = ops.reshape(a, (*lead, *outer, *(1,) * len(columns))) if columns else a
        b = ops.reshape(b, (*lead, *(1,) * len(rows), *across)) if rows else b
        return a * b, labels
    m, n, k = math.prod(outer), math.prod(across), math.prod(a.shape[a.ndim - len(inner) :])
    stack = (math.prod(lead),) if batch else ()
    product = ops.matmul(ops.reshape(a, (*stack, m, k)), ops.reshape(b, (*stack, k, n)))
    return ops.reshape(product, (*lead, *outer, *across)), labels


def _arranged(x: Tensor, labels: Labels, order: Sequence[Hashable]) -> Tensor:
    axes = tuple(labels.index(v) for v in order)
    return x if axes == tuple(range(len(axes))) else ops.permute_dims(x, axes)
