"""Connectionist temporal classification: A. Graves et al., "Connectionist temporal classification: labelling
unsegmented sequence data with recurrent neural networks", ICML 2006.

The states of a target are its labels with a blank before, between and after them. A path goes from the first blank or
the first label, at each step to the same state, to the next, or from a label to the next one over the blank between
them, unless these labels are equal.
"""

from ..autograd.families import Elementwise, General
from ..backend import define


@define
def ctc_states(xp, scores, skips):
    """The log-probability of all paths that are in a state at a step, together (the paper's alpha).

    Args:
        scores: (T, N, S), the log-probability of each state's label at each step.
        skips: (N, S), boolean: whether a path may come here from the state before the last.
    """
    outside = xp.full_like(scores[0, :, :1], -xp.inf)
    start = xp.arange(scores.shape[2], device=getattr(scores, "device", None)) < 2
    states = [xp.where(start, scores[0, :, :], -xp.inf)]
    for t in range(1, scores.shape[0]):
        here, before, far = sources(xp, states[-1], outside, skips)
        top = xp.maximum(xp.maximum(here, before), far)
        base = xp.where(top == -xp.inf, 0, top)
        total = xp.exp(here - base) + xp.exp(before - base) + xp.exp(far - base)  # at least 1 where it is not 0
        states.append(xp.log(xp.clip(total, 1, None)) + top + scores[t, :, :])
    return xp.stack(states)


def sources(xp, states, outside, skips):
    """Where paths come from: their log-probabilities in the same state, in the last and in the one before it."""
    before = xp.concat([outside, states[..., :-1]], axis=-1)
    far = xp.concat([outside, before[..., :-1]], axis=-1)
    return states, before, xp.where(skips, far, -xp.inf)


@define
def ctc_states_back(xp, g, states, skips):
    """The cotangent of the scores: `g` and what comes back along the paths, by each one's share of a state."""
    outside = xp.full_like(states[:-1, :, :1], -xp.inf)
    shares = xp.masked_softmax(xp.stack(sources(xp, states[:-1, :, :], outside, skips)), axis=0)
    nothing = xp.zeros_like(g[0, :, :1])
    cotangents = [g[-1, :, :]]
    for t in range(g.shape[0] - 2, -1, -1):
        here, before, far = (shares[i, t, :, :] * cotangents[-1] for i in range(3))
        before = xp.concat([(before + xp.concat([far[:, 1:], nothing], axis=1))[:, 1:], nothing], axis=1)
        cotangents.append(g[t, :, :] + here + before)
    return xp.stack(cotangents[::-1])


@define
def surprisal(xp, log_probability):
    """Minus the log-probability. Of the impossible it is infinite, without a derivative: NaN, as torch has it."""
    return -log_probability


ctc_states = General(lambda xp, g, y, _scores, skips: xp.ctc_states_back(g, y, skips))
surprisal = Elementwise(lambda xp, y, _x: xp.where(y == xp.inf, xp.nan, -xp.ones_like(y)))
