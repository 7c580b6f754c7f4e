"""What a policy would have earned, from another policy's log. Definitions agree with Open Bandit Pipeline 0.4.1.

DM, IPS, SNIPS and DR: Dudík, Langford and Li, "Doubly robust policy evaluation and learning", ICML 2011; Swaminathan and Joachims,
"The self-normalized estimator for counterfactual learning", NIPS 2015. Clipping: Bottou et al., JMLR 14 (2013). Switch-DR: Wang,
Agarwal and Dudík, ICML 2017. DRos and the choice of a parameter by bounding the squared error: Su, Dimakopoulou, Krishnamurthy and
Dudík, "Doubly robust off-policy evaluation with shrinkage", ICML 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.evaluation.intervals import Interval, interval_of
from revenue_engine.evaluation.logs import Logged

Method = Literal["dm", "ips", "snips", "clipped_ips", "dr", "switch_dr", "dros"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward per decision, and how much each decision moved it."""

    value: float
    influence: Floats  # (n,) adds up to 0
    least_error: float = 0.0  # a standard error that the weights alone vouch for: `_even`
    parameter: float | None = None  # of a clipped, switching or shrunk estimator


def dm(log: Logged) -> Estimate:
    """Direct method: the model alone, and as biased as the model."""
    return _mean(log.predicted_of_target)


def ips(log: Logged) -> Estimate:
    """Inverse propensity score: no bias, much variance."""
    return _weighted(log, log.weights)


def snips(log: Logged) -> Estimate:
    """Self-normalised: IPS over the mean weight. Its influence is that of a ratio of means; 0 when no weight is."""
    mean = float(log.weights.mean())
    if mean <= 0:
        return _mean(np.zeros(len(log)))
    value = float((log.weights * log.reward).mean()) / mean
    left = log.reward - value
    return Estimate(value, log.weights * left / mean, _even(log.weights / mean, left))


def clipped_ips(log: Logged, most: float) -> Estimate:
    """IPS with no weight above `most`."""
    return _weighted(log, np.minimum(log.weights, most), most)


def dr(log: Logged, most: float = np.inf) -> Estimate:
    """Doubly robust: the model, corrected by what it got wrong; with no weight above `most`."""
    return _corrected(log, np.minimum(log.weights, most), most if np.isfinite(most) else None)


def switch_dr(log: Logged, most: float) -> Estimate:
    """DR where the weight is at most `most`, the model alone elsewhere."""
    return _corrected(log, np.where(log.weights <= most, log.weights, 0.0), most)


def dros(log: Logged, shrinkage: float) -> Estimate:
    """DR with weights λ·w / (w² + λ): none is above √λ / 2. λ = 0 is the direct method."""
    square = log.weights**2 + shrinkage
    shrunk = np.where(square > 0, shrinkage * log.weights / np.where(square > 0, square, 1.0), 0.0)
    return _corrected(log, shrunk, shrinkage)


def difference(log: Logged, base: Floats, most: float = np.inf) -> Estimate:
    """DR of the target less DR of another policy, (n, A), on the same decisions: Σ(π−b)·q̂ + (w_π − w_b)·(r − q̂).

    Against the policy that wrote the log, as played, w_b is 1. With no weight above `most`, the standard error is not below what
    the bias, as seen, adds to it.
    """
    plain = _difference(log, base, np.inf)
    if not np.isfinite(most):
        return plain
    cut = _difference(log, base, most)
    return replace(cut, least_error=float(np.hypot(_interval(log, cut).standard_error, cut.value - plain.value)), parameter=most)


def estimate(log: Logged, method: Method) -> Estimate:
    """By one of `METHODS`, its parameter chosen from the data."""
    return tuned(log, method) if method in _TUNED else _PLAIN[method](log)


def tuned(log: Logged, method: Method) -> Estimate:
    """The parameter with the least estimated squared error, variance + bias²; no parameter at all is a candidate too.

    The bias of a parameter is what it takes away from the unbiased relative of the family, as seen. That finds better values, but
    where no conversion fell among the large weights it sees no bias; so the standard error stays that of the unbiased relative.
    """
    family, unbiased = _TUNED[method]
    best = reference = unbiased(log)
    least = honest = _interval(log, reference).standard_error
    for parameter in _candidates(log, method):
        candidate = family(log, parameter)
        error = float(np.hypot(_interval(log, candidate).standard_error, candidate.value - reference.value))
        if error < least:
            best, least = replace(candidate, least_error=honest), error
    return best


def modelled(log: Logged) -> Estimate:
    """The direct method with an error that admits what the log says against its model: its distance from DR, and DR's noise."""
    got, reference = dm(log), dr(log)
    noise = _interval(log, reference).standard_error
    return replace(got, least_error=float(np.hypot(noise, got.value - reference.value)))


def _candidates(log: Logged, method: Method) -> list[float]:
    heights = np.unique(np.quantile(log.weights[log.weights > 0], (0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)))
    # shrinkage by λ halves a weight of √λ
    return [float(height**2 if method == "dros" else height) for height in heights]


def _interval(log: Logged, of: Estimate) -> Interval:
    return interval_of(of.value, of.influence, log.cluster, of.least_error)


def _difference(log: Logged, base: Floats, most: float) -> Estimate:
    model = ((log.target - base) * log.predicted).sum(axis=1)
    ratio = np.minimum(log.weights, most) - np.minimum(log.played(base) / log.propensity, most)
    left = log.reward - log.played(log.predicted)
    return _mean(model + ratio * left, _even(ratio, left))


def _weighted(log: Logged, weights: Floats, parameter: float | None = None) -> Estimate:
    return _mean(weights * log.reward, _even(weights, log.reward), parameter)


def _corrected(log: Logged, weights: Floats, parameter: float | None) -> Estimate:
    left = log.reward - log.played(log.predicted)
    return _mean(log.predicted_of_target + weights * left, _even(weights, left), parameter)


def _mean(contributions: Floats, least_error: float = 0.0, parameter: float | None = None) -> Estimate:
    value = float(contributions.mean())
    return Estimate(value, contributions - value, least_error, parameter)


def _even(weights: Floats, left: Floats) -> float:
    """The standard error of mean(w·x) if x were no different where the weights are large.

    One decision in a hundred is rewarded, so among the few that weigh most often none is; the sum of squares then knows nothing
    of what they would have done, but the weights do.
    """
    return float(np.sqrt((weights**2).mean() * (left**2).mean() / len(left)))


_TUNED: Mapping[Method, tuple[Callable[[Logged, float], Estimate], Callable[[Logged], Estimate]]] = {
    "clipped_ips": (clipped_ips, ips),
    "switch_dr": (switch_dr, dr),
    "dros": (dros, dr),
}
_PLAIN: Mapping[Method, Callable[[Logged], Estimate]] = {"dm": modelled, "ips": ips, "snips": snips, "dr": dr}
