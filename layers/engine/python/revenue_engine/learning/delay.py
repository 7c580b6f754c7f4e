"""How long conversions take after their click, while many clicks are still open. Shapes: n groups of clicks of one day, B bins of delay.

Of c clicks of age a that convert with chance p, conversions whose delay lies in a bin (l, u] are Poisson with mean

    c · p · (G(min(u, a)) - G(min(l, a)))

so clicks that are still young say nothing of long delays, and are no failures either (Chapelle, "Modeling delayed feedback in display
advertising", KDD 2014). Fitting G on the conversions alone, without that truncation, would call every delay short. The chance p is
each offer's own and drops out: given how many an offer has by now, they fall on its days and bins in proportion to these means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.prediction.rates import Delay

PRIOR_CONVERSIONS = 20.0  # what the curve before this evidence is worth
_FAST_DAYS, _TAIL_DAYS, _SHARE = (0.002, 2.0), (0.25, 60.0), (0.02, 0.98)
_LEAST = 1e-12
_EVER = 1e4  # days
_PRECISION = 0.01  # of the logarithms of days and odds


@dataclass(frozen=True, slots=True)
class Clicks:
    """Groups of clicks, one of each offer and day."""

    offer: npt.NDArray[np.intp]  # (n,)
    youngest: Floats  # (n,) ages in days, evenly between
    oldest: Floats  # (n,)
    clicks: Floats  # (n,)
    conversions: Floats  # (n, B) that have come, by delay

    def where(self, chosen: Bools) -> Clicks:
        """Some of them."""
        return Clicks(*(getattr(self, name)[chosen] for name in self.__slots__))


def fit_delay(groups: Clicks, edges: Floats, prior: Delay) -> Delay:
    """The curve of highest posterior density.

    Parameters
    ----------
    edges
        (B,) upper edges of the bins in days, the last of them infinity.
    prior
        Worth as much as `PRIOR_CONVERSIONS` matured conversions.
    """
    ever = np.full(1, _EVER)
    matured = PRIOR_CONVERSIONS * _by_bin(prior, edges, ever, ever)[0]
    came = np.maximum(groups.conversions, 0.0)
    of_offer = np.bincount(groups.offer, came.sum(axis=1))

    def loss(parameters: Floats) -> float:
        delay = _of(parameters)
        due = groups.clicks[:, None] * _by_bin(delay, edges, groups.youngest, groups.oldest)
        total = np.bincount(groups.offer, due.sum(axis=1))
        likely = (came * np.log(np.maximum(due, _LEAST))).sum() - (of_offer * np.log(np.maximum(total, _LEAST))).sum()
        believed = (matured * np.log(np.maximum(_by_bin(delay, edges, ever, ever)[0], _LEAST))).sum()
        return -float(likely + believed)

    start = np.array([np.log(prior.fast_share / (1 - prior.fast_share)), np.log(prior.fast_days), np.log(prior.tail_days)])
    low, high = (np.array([np.log(_SHARE[i] / (1 - _SHARE[i])), np.log(_FAST_DAYS[i]), np.log(_TAIL_DAYS[i])]) for i in range(2))
    return _of(_lowest(loss, start, low, high))


def _lowest(loss: Callable[[Floats], float], at: Floats, low: Floats, high: Floats) -> Floats:
    """A minimum between bounds by steps along the axes, halved where none helps (Hooke and Jeeves, "Direct search", JACM 8, 1961)."""
    step, best = 1.0, loss(at)
    while step > _PRECISION:
        tries = [np.clip(at + sign * step * axis, low, high) for axis in np.eye(len(at)) for sign in (1.0, -1.0)]
        losses = [loss(point) for point in tries]
        found = int(np.argmin(losses))
        if losses[found] < best - 1e-9:
            at, best = tries[found], losses[found]
        else:
            step /= 2
    return at


def fit_delays(groups: Clicks, edges: Floats, category: Ints, prior: Delay) -> tuple[Delay, dict[int, Delay]]:
    """The curve of all, and that of each category with at least as many conversions as a prior is worth.

    Parameters
    ----------
    category
        (O,) of each offer.
    """
    pooled = fit_delay(groups, edges, prior)
    of_group, found = category[groups.offer], {}
    for c in np.unique(of_group):
        own = groups.where(of_group == c)
        if own.conversions.sum() >= PRIOR_CONVERSIONS:
            found[int(c)] = fit_delay(own, edges, pooled)
    return pooled, found


def _of(parameters: Floats) -> Delay:
    share, fast, tail = 1.0 / (1.0 + np.exp(-parameters[0])), np.exp(parameters[1]), np.exp(parameters[2])
    return Delay(fast_share=float(share), fast_days=float(fast), tail_days=float(tail))


def _by_bin(delay: Delay, edges: Floats, youngest: Floats, oldest: Floats) -> Floats:
    """Chance that a conversion has come by now with a delay of each bin, (n, B)."""
    below = np.stack([_within(delay, edge, youngest, oldest) for edge in edges.tolist()], axis=1)
    return np.diff(below, axis=1, prepend=0.0)


def _within(delay: Delay, edge: float, youngest: Floats, oldest: Floats) -> Floats:
    """Mean of G(min(age, edge)) over ages evenly between youngest and oldest, (n,)."""
    low, high, width = np.minimum(youngest, edge), np.minimum(oldest, edge), oldest - youngest
    at = np.full(len(width), min(edge, _EVER))
    inside = np.divide(high - low, width, out=(youngest < edge).astype(np.float64), where=width > 0)  # of the ages below the edge
    return np.asarray(inside * delay.arrived(low, high) + (1.0 - inside) * delay.arrived(at, at))
