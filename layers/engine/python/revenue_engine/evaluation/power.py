"""How long until an effect would show: "about N more days"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from revenue_engine.evaluation.anytime import width

FEWEST_PAYERS = 5  # of the smaller arm: with fewer the variance is a guess, and so would be the days
MOST_DAYS = 1_095.0
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why there is no number."""

    reason: Literal["arm_empty", "sample_ratio_mismatch", "no_revenue", "too_few_payers", "not_within_three_years"]
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What an experiment has come to."""

    days: float  # that people have been in it, on average
    payers: int  # of the arm that has fewer
    relative_error: float  # of the difference, over the control's mean
    control_share: float  # the control's mean over that of all people, the yardstick of `anytime.width`


def more_days(
    progress: Progress, *, effect: float, payers_needed: int, tightest_at: float, confidence: float = 0.95, power: float = 0.8
) -> float | Unknown:
    """Days until an effect, as a share of the control's mean, has this chance to be shown by an anytime-valid interval; 0: it has it now.

    People and their rate of paying are taken to stay as they are: then information grows as the days do.
    """
    if progress.payers < FEWEST_PAYERS:
        return Unknown("too_few_payers", f"{progress.payers} of {FEWEST_PAYERS} needed to tell how long it takes")
    spare = NormalDist().inv_cdf(power)

    def short_by(error: float) -> float:
        errors = width(error * progress.control_share, tightest_at=tightest_at, confidence=confidence) + spare
        return errors * error - effect

    needed = _root(short_by, 0.0, effect)
    in_all = progress.days * max((progress.relative_error / needed) ** 2, payers_needed / progress.payers)
    if in_all - progress.days > MOST_DAYS:
        return Unknown("not_within_three_years", f"about {in_all - progress.days:.0f} more days: the control arm is too small")
    return max(in_all - progress.days, 0.0)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that rises through 0 between `low` and `high` does so."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
