"""Whether a challenger may take traffic from the policy that wrote the log (D3): stage 1, before any canary.

All must hold: overlap; a lower bound above nothing on the surrogate; complaints that neither are shown to rise nor may be over
the budget; revenue that does not contradict; a surrogate that is not misled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.evaluation.estimators import difference, snips
from revenue_engine.evaluation.evaluate import compare
from revenue_engine.evaluation.intervals import Interval, interval_of
from revenue_engine.evaluation.logs import Logged, left_to_chance
from revenue_engine.evaluation.overlap import Guards, Overlap, Refusal
from revenue_engine.evaluation.rewards import Agreement, agreement, scatter


@dataclass(frozen=True, slots=True)
class Limits:
    """The gate's own settings."""

    guards: Guards = field(default_factory=Guards)
    confidence: float = 0.95  # one-sided
    most_weight: float = 10.0  # weights above are cut: far less noise for a bias that the model of rewards takes up
    complaint_budget: float = 0.001  # per decision


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenger's target and the surrogate rewards in `log`, whose `logging` must be there; and what confirms them, (n,)."""

    log: Logged
    expected_revenue: Floats
    expected_square: Floats
    revenue: Floats  # matured
    complained: Floats  # 0 or 1


@dataclass(frozen=True, slots=True)
class Eligible:
    """A take-over that may go on to its canary, and what it rests on."""

    gain: Interval  # surrogate per decision, challenger less incumbent
    revenue_gain: Interval
    complaints_at_most: float  # per decision, one-sided
    agreement: Agreement | None
    overlap: Overlap


def take_over(challenge: Challenge, limits: Limits) -> Eligible | Refusal:
    """Stage 1 of the gate. Raises ValueError for a log without its policy."""
    if challenge.log.logging is None:
        raise ValueError("logging: the gate compares with the whole policy as played")
    gained = compare(challenge.log, challenge.log.logging, limits.guards, most=limits.most_weight)
    if isinstance(gained, Refusal):
        return gained
    free = left_to_chance(challenge.log)
    log = challenge.log.only(free)
    expected, square = challenge.expected_revenue[free], challenge.expected_square[free]
    revenue, complained = challenge.revenue[free], challenge.complained[free]
    bound = gained.interval.lower(limits.confidence)
    if bound <= 0:
        return Refusal("no_improvement_shown", f"{gained.value:.4g}, lower bound {bound:.4g}")

    more = _difference(log, complained, limits.most_weight).lower(limits.confidence)
    if more > 0:
        return Refusal("complaints_would_rise", f"by {more:.2g} per decision at least")
    trials = gained.overlap.effective_share * gained.overlap.decisions  # of decisions: who complains is not mailed again
    at_most = _rate_at_most(snips(log.rewarded(complained)).value, trials, limits.confidence)
    if at_most > limits.complaint_budget:
        return Refusal("complaints_over_budget", f"up to {at_most:.2g} per decision, {limits.complaint_budget:g} allowed")

    in_revenue = _difference(log, revenue, limits.most_weight, square)
    in_clicks = _difference(log, expected, limits.most_weight).value
    high = in_revenue.both(0.95)[1]
    if high < in_clicks:  # more revenue than expected is no reason to refuse
        return Refusal("revenue_contradicts", f"{in_clicks:.4g} expected, revenue says {high:.4g} at most")
    agreed = agreement(log, expected, square, revenue, most=limits.most_weight)
    if agreed is not None and agreed.misled:
        return Refusal("surrogate_misleads", agreed.bias_statement())
    return Eligible(gained.interval, in_revenue, at_most, agreed, gained.overlap)


def _difference(log: Logged, reward: Floats, most: float, expected_square: Floats | None = None) -> Interval:
    """The plain mean is the model: weight that is cut then counts as average, not as nothing."""
    assert log.logging is not None
    got = difference(log.rewarded(reward, np.full_like(log.target, reward.mean())), log.logging, most)
    least = 0.0 if expected_square is None else scatter(np.minimum(log.weights, most) - 1.0, expected_square, reward)
    return interval_of(got.value, got.influence, log.cluster, max(got.least_error, least))


def _rate_at_most(rate: float, trials: float, confidence: float) -> float:
    """Wilson's one-sided upper bound (JASA 22, 1927): no complaint yet is not no complaint ever."""
    z = NormalDist().inv_cdf(confidence)
    rate = min(max(rate, 0.0), 1.0)
    middle = rate + z * z / (2 * trials)
    spread = z * float(np.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials**2)))
    return (middle + spread) / (1 + z * z / trials)
