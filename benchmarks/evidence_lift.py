"""Worlds whose lift is known, looked at every day: how often the interval misses the truth on any day, and mis-split arms are noticed.

A world is a list of 40,000 whose people pay now and then, most of them never: about two payments per hundred people and month, payouts
with a long tail. They are approved after 3 to 14 days, one in twenty is reversed, and people leave, sooner under the engine. Truth is the
expected difference of what is approved per person by the evening of a day.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.draws import generator
from revenue_engine.evaluation.lift import Lift, People, Report, Settings, report
from revenue_engine.evaluation.power import Unknown
from revenue_engine.evaluation.srm import anytime_p, chi_square_p

SHARES = (0.95, 0.04, 0.01)
PAYOUT_MICROS = 20e6
FIRST_APPROVED, LAST_APPROVED = 3, 14  # days after the payment
REVERSED_AFTER = 9.0  # days, on average
FIRST_LOOK = 10
Row = tuple[str, str, str]  # what, measured, beside it
UPWORTHY = Path(__file__).resolve().parents[2] / "shared/data/upworthy/upworthy_dev.csv.gz"


@dataclass(frozen=True)
class World:
    """What a kind of world is like. Its people are alike but for their rate of paying, which is very uneven."""

    name: str
    lift: float = 0.5  # of the engine, in payments
    fixed_size: float = 1.0  # of the fixed policy's payouts, against as many fewer of them
    tail: float = 1.0  # standard deviation of the payout's logarithm
    monthly: float = 0.02  # payments of the fixed policy per person
    arriving_days: int = 0  # over which people come; 0: all at once
    people: int = 40_000
    days: int = 90
    reversed_share: float = 0.05
    leaving: tuple[float, float, float] = (0.001, 0.0003, 0.0001)  # per day, by arm

    def earned(self, arm: int) -> Floats:
        """Expected approved micros of a person so many days (days,) after coming."""
        lag = np.arange(self.days)
        approved = np.clip((lag - FIRST_APPROVED + 1) / (LAST_APPROVED - FIRST_APPROVED + 1), 0.0, 1.0)
        since_approval = 1 - (1 - 1 / REVERSED_AFTER) ** lag
        taken = np.diff(approved, prepend=0.0)
        kept = approved - self.reversed_share * np.convolve(taken, since_approval)[: self.days]
        paid = np.exp(-self.leaving[arm] * lag) * self._rate(arm) * PAYOUT_MICROS * self._size(arm)
        return np.convolve(paid, kept)[: self.days]

    def _rate(self, arm: int) -> float:
        return self.monthly / 30 * (1 + self.lift, 1 / self.fixed_size, 0.0)[arm]

    def _size(self, arm: int) -> float:
        return self.fixed_size if arm == 1 else 1.0

    def drawn(self, seed: int) -> Drawn:
        """One of its kind."""
        random = generator("lift", self.name, str(seed))
        arm = random.choice(3, self.people, p=SHARES).astype(np.uint8)
        keen = random.gamma(0.3, 1 / 0.3, self.people)
        came = random.integers(0, self.arriving_days + 1, self.people)
        stayed = random.exponential(1 / np.array(self.leaving)[arm])
        rate = np.array([self._rate(each) for each in range(3)])[arm] * keen
        who = np.repeat(np.arange(self.people), random.poisson(rate * (self.days - came)))
        paid = came[who] + np.floor(random.random(len(who)) * (self.days - came[who])).astype(np.int64)
        here = paid - came[who] <= stayed[who]
        who, paid = who[here], paid[here]
        size = np.array([self._size(each) for each in range(3)])[arm[who]]
        approved = paid + random.integers(FIRST_APPROVED, LAST_APPROVED + 1, len(who))
        taken_back = random.random(len(who)) < self.reversed_share
        gone = approved + np.where(taken_back, random.geometric(1 / REVERSED_AFTER, len(who)), 10 * self.days)
        micros = PAYOUT_MICROS * size * random.lognormal(-(self.tail**2) / 2, self.tail, len(who))
        before = np.column_stack([random.poisson(6.0 * keen), random.poisson(3 * self.monthly * keen) * PAYOUT_MICROS])
        return Drawn(self, arm, came, stayed, who, approved, gone, np.rint(micros).astype(np.int64), before.astype(np.float64))


@dataclass(frozen=True)
class Drawn:
    """A world's people (n,) and payments (m,). Days are counted from 0."""

    world: World
    arm: npt.NDArray[np.uint8]
    came: Ints
    stayed: Floats
    who: Ints
    approved: Ints
    gone: Ints
    micros: Ints
    before: Floats

    def people(self, day: int) -> People:
        """All who have come, with what is approved by the evening."""
        counts = (self.approved <= day) & (self.gone > day)
        total = np.bincount(self.who[counts], self.micros[counts], len(self.arm)).astype(np.int64)
        if not self.world.arriving_days:
            return People(self.arm, total, self.stayed > day, self.before, day + 1.0)
        here: Bools = self.came <= day
        age = day - self.came[here]
        return People(self.arm[here], total[here], self.stayed[here] > age, self.before[here], float(age.mean()) + 1)

    def truth(self, day: int, engine: Floats, fixed: Floats) -> tuple[float, float]:
        """Expected micros per person of both arms, of those who have come."""
        ages = day - self.came[self.came <= day]
        return float(engine[ages].mean()), float(fixed[ages].mean())


WORLDS = (
    World("nothing gained", lift=0.0),
    World("half more", monthly=0.018),
    World("payouts with a very long tail", tail=1.5, monthly=0.018),
    World("fixed policy: half as many payouts, twice as large", fixed_size=2.0, tail=1.2, monthly=0.03),
    World("list grows for 60 days", arriving_days=60),
    World("many pay, twice as much", lift=1.0, monthly=0.1, tail=0.8),
)
METERED = World("for the power meter", lift=0.6, monthly=0.05, tail=0.8, days=180, leaving=(1e-6, 1e-6, 1e-6))
HELD = ("inside", "ratio_inside", "plain_inside")


@dataclass
class Seen:
    """What daily looks at one world came to."""

    looks: int = 0
    inside: bool = True  # the difference, on every day
    ratio_inside: bool = True
    plain_inside: bool = True  # of ± 1.96 standard errors
    shown_on: int | None = None  # the first day on which the interval is above nothing
    margins: list[float] = field(default_factory=list)  # below the estimate, over the fixed policy's revenue


def watch(drawn: Drawn, settings: Settings) -> Seen:
    """Every day's report beside the truth."""
    engine, fixed = drawn.world.earned(0), drawn.world.earned(1)
    seen = Seen()
    for day in range(FIRST_LOOK, drawn.world.days):
        people = drawn.people(day)
        got = report(people, SHARES, settings)
        if not isinstance(got.lift, Lift):
            continue
        seen.looks += 1
        expected, of_fixed = drawn.truth(day, engine, fixed)
        difference, ratio = got.lift.per_person_micros, got.lift.relative
        seen.inside &= difference.lower <= expected - of_fixed <= difference.upper
        seen.ratio_inside &= ratio.lower <= expected / of_fixed - 1 <= ratio.upper
        seen.plain_inside &= plain_holds(people, expected - of_fixed)
        if seen.shown_on is None and difference.lower > 0:
            seen.shown_on = day
        seen.margins.append((difference.value - difference.lower) / of_fixed)
    return seen


def plain_holds(people: People, truth: float) -> bool:
    """Whether the textbook's 95 % interval of one look holds the truth."""
    revenue = people.approved_micros.astype(np.float64)
    engine, fixed = revenue[people.arm == 0], revenue[people.arm == 1]
    error = sqrt(engine.var(ddof=1) / len(engine) + fixed.var(ddof=1) / len(fixed))
    return bool(abs(engine.mean() - fixed.mean() - truth) <= 1.96 * error)


def coverage(worlds: Sequence[World], each: int, settings: Settings) -> tuple[list[Row], list[Seen]]:
    """Rows by kind of world, and what was seen in all those that gave an interval at all."""
    rows: list[Row] = []
    everything = []
    for world in worlds:
        seen = [found for found in (watch(world.drawn(seed), settings) for seed in range(each)) if found.looks]
        everything += seen
        if not seen:
            continue
        held, ratio_held, plain_held = (np.mean([getattr(found, name) for found in seen]) for name in HELD)
        shown = np.mean([found.shown_on is not None for found in seen])
        margin = np.median([found.margins[-1] for found in seen])
        rows.append(
            (
                f"{len(seen)} of {each} lists: {world.name}",
                f"held every day in {held:.1%}, as a ratio {ratio_held:.1%}",
                f"± 1.96: {plain_held:.1%}; {world.lift:+.0%} shown in {shown:.0%}, margin {margin:.0%} at last",
            )
        )
    return rows, everything


def mis_split(shares: Sequence[float], people: int, worlds: int) -> float:
    """How often daily looks at a list that grows to so many people in 60 days ever say that the arms due SHARES are mis-split.

    `shares` are those the people are really given.
    """
    due = SHARES if len(shares) == len(SHARES) else (1 / len(shares),) * len(shares)
    random = generator("mis-split", str(shares), str(people))
    found = 0
    for _ in range(worlds):
        daily = random.multinomial(people // 60, shares, 60).cumsum(axis=0)
        found += any(anytime_p(counts.tolist(), due) < Settings().mismatch_below for counts in daily)
    return found / worlds


def upworthy() -> tuple[float, float]:
    """Share of headline tests that one look's chi-square calls mis-split at 0.01, of those flagged by the archive and of the others."""
    tests: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    with gzip.open(UPWORTHY, "rt") as lines:
        for row in csv.DictReader(lines):
            tests[row["randomisation_risk"], row["test_id"]].append(int(row["impressions"]))
    called = {"0": [0, 0], "1": [0, 0]}
    for (flagged, _), counts in tests.items():
        called[flagged][0] += chi_square_p(counts, [1 / len(counts)] * len(counts)) < 0.01
        called[flagged][1] += 1
    return called["1"][0] / called["1"][1], called["0"][0] / called["0"][1]


def metered(world: World, asked_on: int, each: int) -> tuple[int, int, list[float]]:
    """Of so many worlds: in how many the meter's day lies within them, in how many of these the lift showed by then, and the days."""
    settings = replace(Settings(), effect=world.lift)
    asked = shown = 0
    days = []
    for seed in range(each):
        drawn = world.drawn(seed)
        answer = report(drawn.people(asked_on), SHARES, settings).more_days
        if isinstance(answer, Unknown) or asked_on + answer >= world.days:
            continue
        asked += 1
        days.append(answer)
        later = [_shown(report(drawn.people(day), SHARES, settings)) for day in range(asked_on, asked_on + int(answer) + 1)]
        shown += any(later)
    return asked, shown, days


def _shown(got: Report) -> bool:
    return isinstance(got.lift, Lift) and got.lift.per_person_micros.lower > 0


def lift_figures(quick: bool) -> tuple[list[Row], dict[str, float]]:
    """Rows of a table and named figures. Upworthy's tests are left out where `../shared/data` is missing."""
    rows, seen = coverage(WORLDS, 4 if quick else 100, Settings())
    figures = {
        "lift_coverage": float(np.mean([found.inside for found in seen])),
        "lift_ratio_coverage": float(np.mean([found.ratio_inside for found in seen])),
        "lift_plain_coverage": float(np.mean([found.plain_inside for found in seen])),
        "lift_worlds": float(len(seen)),
    }
    asked, shown, days = metered(METERED, 30, 4 if quick else 100)
    figures["lift_meter_power"] = shown / asked
    rows.append(
        (
            f"power meter, asked on day 30 of {asked} lists: {METERED.lift:+.0%}",
            f"shown by its day in {figures['lift_meter_power']:.0%}",
            f"80 % promised; {np.median(days):.0f} more days, {min(days):.0f} to {max(days):.0f}",
        )
    )
    many = 200 if quick else 2_000
    figures["srm_detected"] = mis_split((0.93, 0.06, 0.01), 20_000, many)
    figures["srm_false"] = mis_split(SHARES, 20_000, many)
    rows.append(
        (f"2 % in the wrong arm of 95/4/1, {many} lists", f"found in {figures['srm_detected']:.1%}", "20,000 people in 60 days")
    )
    rows.append((f"95/4/1 as due, {many} lists", f"found in {figures['srm_false']:.2%}", "at most 1 % over all looks"))
    sizes = (20_000, 50_000, 100_000)
    halves = [f"{mis_split((0.49, 0.51), people, many // 4):.0%} of {people:,}" for people in sizes]
    rows.append((f"49:51 for halves, {many // 4} lists each", ", ".join(halves), "people in 60 days"))
    if UPWORTHY.exists():
        flagged, others = upworthy()
        figures.update(srm_upworthy_flagged=flagged, srm_upworthy_others=others)
        rows.append(("Upworthy's tests, one look", f"flagged {flagged:.1%}, others {others:.1%}", "75 % and 2 %, p < 0.01"))
    return rows, figures
