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


@dataclass(frozen=True, slots=True)
class Surrogate:
    """Two readings of each decision, (n,), in the currency's units."""

    reward: Floats  # what the gate judges
    expected_revenue: Floats  # the part of it that revenue will confirm or contradict


def surrogate(
    clicks: Floats, value_per_click: Floats, unsubscribed: Bools, complained: Bools, worth: Floats, continuation: Floats
) -> Surrogate:
    """y = clicks · m̂ · p̂(conversion | click) − 1[unsubscribed] · L − 1[complained] · 2L + continuation.

    Parameters
    ----------
    value_per_click
        Expected net revenue of a click on what was sent, (n,).
    worth
        L: what the subscriber would have brought if not lost.
    continuation
        γ^Δt · V̂ of the state after, under the policy that wrote the log; zeros where it is left out.
    """
    expected = clicks * value_per_click
    lost = np.where(complained, COMPLAINT_FACTOR, unsubscribed.astype(np.float64)) * worth
    return Surrogate(expected - lost + continuation, expected)


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


def agreement(log: Logged, expected_revenue: Floats, revenue: Floats, *, most: float) -> Agreement | None:
    """Of matured decisions, weighted towards what the target prefers, with no weight above `most`. None before any predicted revenue."""
    weights = np.minimum(log.weights, most)
    predicted = float((weights * expected_revenue).mean())
    if predicted <= 0:
        return None
    ratio = float((weights * revenue).mean()) / predicted
    influence = weights * (revenue - ratio * expected_revenue) / predicted
    return Agreement(interval_of(ratio, influence, log.cluster), int(((revenue > 0) & (weights > 0)).sum()))
