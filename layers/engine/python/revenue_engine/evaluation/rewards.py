"""Rewards that the gate judges by. Revenue is too rare for it: one mail in ten thousand converts, and that days later.

The surrogate pays a click its expected revenue at once, and charges what a lost subscriber was worth. It is as good as the model
of conversions: whatever makes people click and not buy is overpaid. So it decides only while `misled` finds that what the clicks
of the preferred actions brought agrees with what the model said of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats
from revenue_engine.evaluation.intervals import Interval, interval_of
from revenue_engine.evaluation.logs import Logged

COMPLAINT_FACTOR = 2.0  # a complaint costs the subscriber and standing with the provider
TOLERANCE = 0.15  # of revenue per predicted revenue
FEW = 20  # conversions


@dataclass(frozen=True, slots=True)
class Surrogate:
    """Readings of each decision, (n,), in the currency's units."""

    reward: Floats  # what the gate judges
    expected_revenue: Floats  # the part of it that revenue will confirm or contradict
    expected_square: Floats  # of revenue: how far it may scatter while the model is right, converted or not


def surrogate(
    clicks: Floats,
    p_conversion: Floats,
    payout: Floats,
    unsubscribed: Bools,
    complained: Bools,
    worth: Floats,
    continuation: Floats,
) -> Surrogate:
    """y = clicks · p̂(conversion | click) · m̂ − 1[unsubscribed] · L − 1[complained] · 2L + continuation.

    Parameters
    ----------
    p_conversion, payout
        Of a click on what was sent, and m̂: the net payout of a conversion.
    worth
        L: what the subscriber would have brought if not lost.
    continuation
        γ^Δt · V̂ of the state after, under the policy that wrote the log; zeros where it is left out.
    """
    expected = clicks * p_conversion * payout
    lost = np.where(complained, COMPLAINT_FACTOR, unsubscribed.astype(np.float64)) * worth
    return Surrogate(expected - lost + continuation, expected, expected * payout)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Revenue over predicted revenue under the target: 1 is a surrogate without bias. Its interval says how well that is known."""

    ratio: Interval
    converted: int  # decisions with revenue, on which the ratio rests

    def bias_statement(self) -> str:
        """For people: what the surrogate may be off by."""
        low, high = self.ratio.both(0.95)
        return (
            f"revenue is {self.ratio.value:.2f} of what the surrogate paid for the clicks of the target's actions "
            f"(95 % {max(low, 0.0):.2f} to {high:.2f}, {self.converted} conversions)"
        )

    @property
    def misled(self) -> bool:
        """Whether revenue per click is shown to be more than 15 % from what was predicted. Few conversions show nothing."""
        low, high = self.ratio.both(0.95)
        return low > 1 + TOLERANCE or high < 1 - TOLERANCE


def agreement(
    log: Logged, expected_revenue: Floats, expected_square: Floats, revenue: Floats, *, most: float
) -> Agreement | None:
    """Of matured decisions, weighted towards what the target prefers, with no weight above `most`. None before any predicted revenue.

    Before `FEW` conversions the standard error is not below that of a right model: none yet is no proof that there will be none.
    """
    weights = np.minimum(log.weights, most)
    predicted = float((weights * expected_revenue).mean())
    if predicted <= 0:
        return None
    ratio = float((weights * revenue).mean()) / predicted
    influence = weights * (revenue - ratio * expected_revenue) / predicted
    least = scatter(weights, expected_square, revenue) / predicted
    return Agreement(interval_of(ratio, influence, log.cluster, least), int(((revenue > 0) & (weights > 0)).sum()))


def scatter(weights: Floats, expected_square: Floats, revenue: Floats) -> float:
    """Standard error of mean(w · revenue) while the model of revenue is right; 0 from `FEW` conversions on, which show their own."""
    if (revenue > 0).sum() >= FEW:
        return 0.0
    return float(np.sqrt((weights**2 * expected_square).mean() / len(weights)))
