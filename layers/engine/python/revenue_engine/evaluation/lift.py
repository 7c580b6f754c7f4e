"""The product's claim of success (D4): approved revenue per person, people given to the engine against people of the fixed policy.

By intention to treat: everybody ever given an arm counts in it, whatever became of them, so that an arm which drives people away does
not look better for those who stay. Revenue is what is approved today: one look may know less of it than the look before, after a
reversal. People who get no mail have no tracked revenue by construction; of them there is list health alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf, sqrt

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints
from revenue_engine.evaluation.anytime import Bounds, width
from revenue_engine.evaluation.cuped import ArmMean, arm_means
from revenue_engine.evaluation.power import Progress, Unknown, more_days
from revenue_engine.evaluation.srm import anytime_p
from revenue_engine.records.subscriber import ARMS

_ENGINE, _FIXED = ARMS.index("engine"), ARMS.index("fixed")


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who was ever given an arm, as of one look. Raises ValueError for columns that do not fit and unknown arms."""

    arm: Codes  # (n,) index into ARMS
    approved_micros: Ints  # (n,) since they were given it, reversals taken out
    reachable: Bools  # (n,) may still be mailed, or could be but for the arm
    covariates: Floats  # (n, k) of the time before: revenue, clicks; k may be 0
    days: float  # since they were given it, on average

    def __post_init__(self) -> None:
        n = len(self.arm)
        if len(self.approved_micros) != n or len(self.reachable) != n or self.covariates.shape[:1] != (n,):
            raise ValueError("people: columns of different lengths")
        if self.covariates.ndim != 2 or not np.isfinite(self.covariates).all():
            raise ValueError("covariates: not a table of numbers")
        if n and int(self.arm.max()) >= len(ARMS):
            raise ValueError("arm: no such arm")


@dataclass(frozen=True, slots=True)
class Settings:
    """Fixed before the first look: an interval is valid at any time only if nobody chooses these by what it shows."""

    confidence: float = 0.95
    tightest_at: float = 0.10  # standard error of the lift, over mean revenue, where the interval wastes least
    fewest_payers: int = 30  # of either arm: with fewer the intervals are not what they say
    mismatch_below: float = 0.01  # of the anytime p-value of the arms' sizes
    effect: float = 0.20  # of the fixed arm's revenue: what the power meter waits for


@dataclass(frozen=True, slots=True)
class Health:
    """What is left of an arm."""

    people: int
    reachable: int


@dataclass(frozen=True, slots=True)
class Lift:
    """Engine less fixed policy, with intervals that hold at every look at once, each by itself."""

    per_person_micros: Bounds
    incremental_micros: Bounds  # that times the engine's people
    relative: Bounds  # over the fixed policy's revenue; no upper bound while that may be nothing


@dataclass(frozen=True, slots=True)
class Report:
    """One look."""

    health: dict[str, Health]  # by arm
    mismatch_p: float  # anytime-valid
    engine: ArmMean | None  # micros; None for an empty arm
    fixed: ArmMean | None
    lift: Lift | Unknown
    more_days: float | Unknown  # until `Settings.effect` would show


def report(people: People, shares: tuple[float, float, float], settings: Settings) -> Report:
    """What the arms, due these shares in the order of ARMS, show. Raises ValueError for shares that do not add up to 1.

    People who were given their arm while other shares were due need a report of their own: put together, the arms would differ in age.
    """
    counts = np.bincount(people.arm, minlength=len(ARMS))
    left = np.bincount(people.arm[people.reachable], minlength=len(ARMS))
    health = {name: Health(int(n), int(still)) for name, n, still in zip(ARMS, counts, left, strict=True)}
    p = anytime_p(counts.tolist(), shares)
    if min(counts[_ENGINE], counts[_FIXED]) < 2:
        empty = Unknown("arm_empty", f"{counts[_ENGINE]} people of the engine, {counts[_FIXED]} of the fixed policy")
        return Report(health, p, None, None, empty, empty)
    revenue = people.approved_micros.astype(np.float64)
    engine, fixed = arm_means(revenue, people.covariates, (people.arm == _ENGINE, people.arm == _FIXED))
    if p < settings.mismatch_below:
        mismatch = Unknown("sample_ratio_mismatch", f"{counts.tolist()} people where {shares} were due, p = {p:.2g}")
        return Report(health, p, engine, fixed, mismatch, mismatch)
    if min(engine.adjusted, fixed.adjusted) <= 0:
        nothing = Unknown("no_revenue", "nothing approved yet in one of the arms")
        return Report(health, p, engine, fixed, nothing, nothing)
    return Report(health, p, engine, fixed, _lift(engine, fixed, settings), _more_days(engine, fixed, people.days, settings))


def _lift(engine: ArmMean, fixed: ArmMean, settings: Settings) -> Lift | Unknown:
    payers = min(engine.payers, fixed.payers)
    if payers < settings.fewest_payers:
        return Unknown("too_few_payers", f"{payers} of {settings.fewest_payers} needed")
    return lift_of(engine, fixed, settings)


def _more_days(engine: ArmMean, fixed: ArmMean, days: float, settings: Settings) -> float | Unknown:
    progress = Progress(
        days,
        payers=min(engine.payers, fixed.payers),
        relative_error=hypot(engine.error, fixed.error) / fixed.adjusted,
        control_share=fixed.adjusted / _yardstick(engine, fixed),
    )
    return more_days(
        progress,
        effect=settings.effect,
        payers_needed=settings.fewest_payers,
        tightest_at=settings.tightest_at,
        confidence=settings.confidence,
    )


def lift_of(engine: ArmMean, fixed: ArmMean, settings: Settings) -> Lift:
    """The difference of two arms with revenue; and their ratio by Fieller's argument (JRSS B 16, 1954): all ratios not refuted.

    Both are looked at by one clock, so that they never contradict each other.
    """
    value, error = engine.adjusted - fixed.adjusted, hypot(engine.error, fixed.error)
    errors = width(error / _yardstick(engine, fixed), tightest_at=settings.tightest_at, confidence=settings.confidence)
    difference = Bounds(value, value - errors * error, value + errors * error)
    least, most = _ratios(engine, fixed, errors)
    return Lift(
        per_person_micros=difference,
        incremental_micros=Bounds(*(engine.people * each for each in (difference.value, difference.lower, difference.upper))),
        relative=Bounds(engine.adjusted / fixed.adjusted - 1, least - 1, most - 1),
    )


def _ratios(engine: ArmMean, fixed: ArmMean, errors: float) -> tuple[float, float]:
    """The ends of all r >= 0 with (engine - r * fixed)^2 <= errors^2 * (engine's error^2 + r^2 * fixed's error^2)."""
    both = engine.adjusted * fixed.adjusted
    of_engine = engine.adjusted**2 - (errors * engine.error) ** 2
    of_fixed = fixed.adjusted**2 - (errors * fixed.error) ** 2
    far = both + sqrt(max(both**2 - of_engine * of_fixed, 0.0))
    # an arm that may earn nothing bounds nothing on its side
    return (of_engine / far if of_engine > 0 else 0.0, far / of_fixed if of_fixed > 0 else inf)


def _yardstick(engine: ArmMean, fixed: ArmMean) -> float:
    """Mean revenue of all people: what errors are measured in, so that the clock has no currency."""
    return (engine.plain * engine.people + fixed.plain * fixed.people) / (engine.people + fixed.people)
