"""Whether a log can say anything about a policy at all: support, effective sample, weights. A refusal is a value with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from revenue_engine.evaluation.intervals import interval_of
from revenue_engine.evaluation.logs import Logged, left_to_chance

_ROUNDING = 1e-9

Reason = Literal[
    "nothing_left_to_chance",  # every decision was certain: no other policy can be judged by it
    "unsupported_actions",  # the target wants what the log says could not, or all but not, be played
    "too_few_subscribers",
    "too_few_effective_samples",
    "weights_too_large",  # one decision would carry the estimate
    "weights_do_not_average_one",  # the propensities are not those the log was drawn with, or support is missing
    "too_few_rewards",
    # and of the gate
    "no_improvement_shown",
    "complaints_would_rise",
    "complaints_over_budget",
    "revenue_contradicts",
    "surrogate_misleads",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no estimate, or no take-over, with the numbers that decided."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Guards:
    """What a log must offer. The defaults are for a gate that acts by itself."""

    least_propensity: float = 1e-6  # below it an arm was not in play
    fewest_subscribers: int = 200
    fewest_effective: float = 2_000.0
    least_effective_share: float = 0.10
    most_weight_share: float = 0.01  # of all weight on one subscriber
    most_mean_errors: float = 3.0  # standard errors of the mean weight from 1
    fewest_rewarded: int = 20  # subscribers with any reward: fewer, and the intervals are not what they say


@dataclass(frozen=True, slots=True)
class Overlap:
    """How well a log covers a policy."""

    decisions: int  # left to chance
    left_out: int  # certain ones, outside the support (D2)
    subscribers: int
    rewarded: int  # subscribers with any reward for what the target might do
    effective: float  # Kish's sample size: of decisions or of subscribers, whichever is less
    effective_share: float  # of the decisions
    largest: float  # weight of a decision
    largest_share: float  # of all weight, on one subscriber
    mean: float  # weight
    mean_error: float  # its standard error


def overlap(log: Logged, guards: Guards) -> tuple[Logged, Overlap] | Refusal:
    """The decisions that were left to chance, and how well they cover the target; or why none can be used."""
    free = left_to_chance(log)
    left_out = int((~free).sum())
    inside = log.only(free) if left_out else log
    if not len(inside):
        return Refusal("nothing_left_to_chance", f"{left_out} decisions, all certain")
    unsupported = int((~(inside.propensity >= guards.least_propensity)).sum())
    if unsupported:
        return Refusal("unsupported_actions", f"{unsupported} of {len(inside)} propensities below {guards.least_propensity:g}")
    if inside.logging is not None:
        missed = float(np.where(inside.logging < guards.least_propensity, inside.target, 0.0).sum(axis=1).mean())
        if missed > _ROUNDING:
            return Refusal("unsupported_actions", f"{missed:.3g} of the target's probability is on arms that were not in play")
    weights = inside.weights
    per_subscriber = np.bincount(inside.cluster, weights)
    subscribers = len(per_subscriber)
    if subscribers < guards.fewest_subscribers:
        return Refusal("too_few_subscribers", f"{subscribers} of {guards.fewest_subscribers} needed")
    total = float(weights.sum())
    if total <= 0:
        return Refusal("unsupported_actions", f"the target would have done nothing of {len(inside)} decisions")
    effective = total**2 / float((weights**2).sum())
    mean = total / len(weights)
    error = interval_of(mean, weights - mean, inside.cluster).standard_error
    return inside, Overlap(
        decisions=len(inside),
        left_out=left_out,
        subscribers=subscribers,
        rewarded=int((np.bincount(inside.cluster, (inside.reward != 0) & (weights > 0)) > 0).sum()),
        effective=min(effective, total**2 / float((per_subscriber**2).sum())),
        effective_share=effective / len(inside),
        largest=float(weights.max()),
        largest_share=float(per_subscriber.max()) / total,
        mean=mean,
        mean_error=error,
    )


def refusal(seen: Overlap, guards: Guards) -> Refusal | None:
    """The first guard that this overlap fails."""
    off = abs(seen.mean - 1.0)
    checks: tuple[tuple[bool, Reason, str], ...] = (
        (
            seen.effective < guards.fewest_effective or seen.effective_share < guards.least_effective_share,
            "too_few_effective_samples",
            f"{seen.effective:.0f} of {seen.decisions}; needed {guards.fewest_effective:.0f} and {guards.least_effective_share:.0%}",
        ),
        (
            seen.largest_share > guards.most_weight_share,
            "weights_too_large",
            f"one subscriber carries {seen.largest_share:.1%} of all weight, the largest is {seen.largest:.4g}",
        ),
        (
            off > guards.most_mean_errors * seen.mean_error + _ROUNDING,
            "weights_do_not_average_one",
            f"{seen.mean:.4g} ± {seen.mean_error:.2g}",
        ),
        (seen.rewarded < guards.fewest_rewarded, "too_few_rewards", f"{seen.rewarded} of {guards.fewest_rewarded} needed"),
    )
    return next((Refusal(reason, detail) for failed, reason, detail in checks if failed), None)


def admitted(log: Logged, guards: Guards) -> tuple[Logged, Overlap] | Refusal:
    """The decisions that were left to chance, when every guard holds for them."""
    covered = overlap(log, guards)
    if isinstance(covered, Refusal):
        return covered
    return refusal(covered[1], guards) or covered
