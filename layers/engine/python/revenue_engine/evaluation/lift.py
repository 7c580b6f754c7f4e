"""The product's claim of success (D4): approved revenue per person, people given to the engine against people of the fixed policy.

By intention to treat: everybody ever given an arm counts in it, whatever became of them, so that an arm which drives people away does
not look better for those who stay. Revenue is what is approved today: one look may know less of it than the look before, after a
reversal. People who get no mail have no tracked revenue by construction; of them there is list health alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints
from revenue_engine.evaluation.anytime import Bounds, root, width
from revenue_engine.evaluation.cuped import ArmMean, arm_means
from revenue_engine.evaluation.power import Progress, Unknown, more_days
from revenue_engine.evaluation.srm import anytime_p
from revenue_engine.records.subscriber import ARMS

_ENGINE, _FIXED = ARMS.index("engine"), ARMS.index("fixed")
_MOST_RATIO = 1e6


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
    fewest_payers: int = 20  # of either arm: with fewer the intervals are not what they say
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
    relative: Bounds  # of the fixed policy's revenue; no upper bound while that may be nothing


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
    """What the arms, due these shares in the order of ARMS, show. Raises ValueError for shares that do not add up to 1."""
    counts = np.bincount(people.arm, minlength=len(ARMS))
    left = np.bincount(people.arm[people.reachable], minlength=len(ARMS))
    health = {name: Health(int(n), int(still)) for name, n, still in zip(ARMS, counts, left, strict=True)}
    p = anytime_p(counts.tolist(), shares)
    engine = fixed = None
    refused: Unknown | None = None
    if min(counts[_ENGINE], counts[_FIXED]) < 2:
        refused = Unknown("arm_empty", f"{counts[_ENGINE]} people of the engine, {counts[_FIXED]} of the fixed policy")
    else:
        revenue = people.approved_micros.astype(np.float64)
        engine, fixed = arm_means(revenue, people.covariates, (people.arm == _ENGINE, people.arm == _FIXED))
        if p < settings.mismatch_below:
            refused = Unknown("sample_ratio_mismatch", f"{counts.tolist()} people where {shares} were due, p = {p:.2g}")
        elif _yardstick(engine, fixed) <= 0 or fixed.adjusted <= 0:
            refused = Unknown("no_revenue", "nothing approved yet in one of the arms")
    if refused is not None or engine is None or fixed is None:
        assert refused is not None
        return Report(health, p, engine, fixed, refused, refused)
    payers = min(engine.payers, fixed.payers)
    lift: Lift | Unknown
    if payers < settings.fewest_payers:
        lift = Unknown("too_few_payers", f"{payers} of {settings.fewest_payers} needed")
    else:
        lift = lift_of(engine, fixed, settings)
    days = more_days(
        Progress(
            people.days,
            payers,
            relative_error=hypot(engine.error, fixed.error) / fixed.adjusted,
            control_share=fixed.adjusted / _yardstick(engine, fixed),
        ),
        effect=settings.effect,
        payers_needed=settings.fewest_payers,
        tightest_at=settings.tightest_at,
        confidence=settings.confidence,
    )
    return Report(health, p, engine, fixed, lift, days)


def lift_of(engine: ArmMean, fixed: ArmMean, settings: Settings) -> Lift:
    """The difference of two arms with revenue, and their ratio by Fieller's argument (JRSS B 16, 1954): ratios that are not refuted."""

    def against(ratio: float) -> Bounds:
        """Engine less so many times fixed."""
        value, error = engine.adjusted - ratio * fixed.adjusted, hypot(engine.error, ratio * fixed.error)
        yardstick = _yardstick(engine, fixed) * max(ratio, 1.0)
        margin = error * width(error / yardstick, tightest_at=settings.tightest_at, confidence=settings.confidence)
        return Bounds(value, value - margin, value + margin)

    def ratio_where(side: str) -> float:
        # a ratio of nothing leaves the engine's own revenue, which is above 0
        if getattr(against(_MOST_RATIO), side) >= 0:
            return inf
        return root(lambda ratio: -getattr(against(ratio), side), 0.0, _MOST_RATIO)

    difference = against(1.0)
    lowest = ratio_where("lower") if against(0.0).lower > 0 else 0.0
    return Lift(
        per_person_micros=difference,
        incremental_micros=Bounds(*(engine.people * each for each in (difference.value, difference.lower, difference.upper))),
        relative=Bounds(engine.adjusted / fixed.adjusted - 1, lowest - 1, ratio_where("upper") - 1),
    )


def _yardstick(engine: ArmMean, fixed: ArmMean) -> float:
    """Mean revenue of all people: what errors are measured in, so that the clock has no currency."""
    return (engine.plain * engine.people + fixed.plain * fixed.people) / (engine.people + fixed.people)
