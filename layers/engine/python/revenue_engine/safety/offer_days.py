"""Too many conversions of an offer on one day, or none where there should be some. Needs no numpy: the judge loads it.

A day's conversions are compared with what its clicks, and those of the days before, should have brought at the rate of the last clean
days. They scatter more than chance, by weekdays, audiences and landing pages, so the tail is a negative binomial's, whose dispersion
is estimated from those days: mean ± 3 deviations cries wolf on two days of a hundred. A break is looked for by the hour (`silence`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from revenue_engine.records.anomaly import LEAST_CHANCE, Flag, Severity
from revenue_engine.safety.silence import Bucket, Silence, silence
from revenue_engine.safety.tails import negative_binomial_at_least

BURST, BREAK = "conversion_burst", "conversion_break"
REVIEW_BELOW, HOLD_BELOW = {BURST: 1e-3, BREAK: 2e-3}, 1e-4
FALSE_DISCOVERIES = 0.05  # of a look's alerts, at most this share false (Benjamini and Hochberg 1995)

CLEAN_DAYS = 14
FEWEST_CLEAN_DAYS = 5
# Shares of a click's conversions that come on its own org day, on the next, and so on: half within the hour, the rest with a mean of
# five days. Only their rough shape matters: they keep yesterday's clicks from looking like today's burst.
LANDING = (0.53, 0.09, 0.07, 0.06, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01)
LOOK_BACK_DAYS = len(LANDING) + 2 * CLEAN_DAYS  # flagged days are skipped, and the first lack what came before them
# A break is looked for in so many whole days and then by the hour, since midnight two days ago; a page may be down for a week.
WHOLE_DAYS = LOOK_BACK_DAYS - 2
BREAK_DAYS = 7
BREAKS_FROM = LOOK_BACK_DAYS - BREAK_DAYS

# What an offer's own days are drawn towards, as if it had been seen on so many of them: days differ by two fifths. Nearly so few
# conversions are rarer than nearly so many: a page has no worse day than a bad one, unless it is broken.
_USUAL_DISPERSION, _USUAL_BREAK_DISPERSION, _USUAL_DAYS = 0.15, 0.05, 20


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the clean days say: conversions per click of exposure, and the dispersions of the next day around it."""

    rate: float
    burst_dispersion: float
    break_dispersion: float
    days: int


@dataclass(frozen=True, slots=True)
class Morning:
    """What is known of an offer before its day begins. Exposure is in clicks: how many clicks' conversions are to come."""

    usual: Baseline
    before: Baseline  # of the days before the last week, where they are known: a page that is down must not be its own measure
    exposure: float  # of today, to the clicks of earlier days


def exposures(clicks: Sequence[float]) -> list[float]:
    """The exposure of each day, from the clicks of each day, oldest first. The first days lack what came before them."""
    return [sum(share * clicks[day - lag] for lag, share in enumerate(LANDING) if lag <= day) for day in range(len(clicks))]


def baseline(exposure: Sequence[float], conversions: Sequence[int], clean: Sequence[bool]) -> Baseline | None:
    """What the newest clean days say; one value a day, oldest first. None when they are too few.

    The rate is that of all days but the best and the worst, so that a day nobody flagged does not make its like look normal.
    Dispersion by moments, drawn towards the usual; to it comes what the rate itself is unsure of.
    """
    days = [(e, c) for e, c, ok in zip(exposure, conversions, clean, strict=True) if ok and e > 0][-CLEAN_DAYS:]
    if len(days) < FEWEST_CLEAN_DAYS:
        return None
    middle = sorted(days, key=lambda day: day[1] / day[0])[1:-1]
    total = max(sum(c for _, c in middle), 0.5)
    rate = total / sum(e for e, _ in middle)
    means = [rate * e for e, _ in days]
    excess = sum((c - mean) ** 2 - mean for (_, c), mean in zip(days, means, strict=True))
    own = len(days) * max(excess / sum(mean**2 for mean in means), 0.0)
    burst, broken = (
        _predictive((own + _USUAL_DAYS * usual) / (len(days) + _USUAL_DAYS), total, len(middle))
        for usual in (_USUAL_DISPERSION, _USUAL_BREAK_DISPERSION)
    )
    return Baseline(rate, burst, broken, len(days))


def _predictive(dispersion: float, conversions: float, days: int) -> float:
    """With what a rate is unsure of that comes from so many conversions on so many days."""
    return dispersion + (1.0 / conversions + dispersion / days) * (1.0 + dispersion)


def morning(clicks: Sequence[float], conversions: Sequence[int], clean: Sequence[bool]) -> Morning | None:
    """As of the start of a day, from the days before it, oldest first; None while too few of them are known."""
    due = exposures([*clicks, 0.0])
    first = min(len(LANDING), max(len(clicks) - CLEAN_DAYS, 0))
    usual = baseline(due[first:-1], conversions[first:], clean[first:])
    if usual is None:
        return None
    week = max(len(clicks) - BREAK_DAYS, first)
    before = baseline(due[first:week], conversions[first:week], clean[first:week])
    return Morning(usual, before or usual, due[-1])


@dataclass(frozen=True, slots=True)
class Finding:
    """One test of one offer-day: the chance of so many, or so few, on a usual day."""

    offer: str
    signal: str
    chance: float
    hold: bool  # BURST: nothing is learned from it. BREAK: the offer is mailed no more
    conversions: int
    expected: float
    dispersion: float
    days: int
    hours: float  # in which they came


def burst(offer: str, before: Morning, *, clicks: int, conversions: int, hours: float) -> Finding:
    """Of a day of which so many hours are over: against the exposure of the whole day, which errs on the safe side."""
    usual = before.usual
    most = usual.rate * (before.exposure + LANDING[0] * clicks)
    chance = negative_binomial_at_least(conversions, most, usual.burst_dispersion)
    return Finding(offer, BURST, chance, chance < HOLD_BELOW, conversions, most, usual.burst_dispersion, usual.days, hours)


def broken(offer: str, usual: Baseline, buckets: Sequence[Bucket], *, begins: int, others_sold: int) -> Finding:
    """Whether its page is down by now; buckets as `silence` takes them, oldest first.

    `others_sold`: how many buckets there are up to the last in which another offer was bought. The page must be down by these alone to
    be held: where nobody buys anything any more it may be the news of conversions that fails, which is no reason to mail less.
    """

    def down(known: Sequence[Bucket]) -> Silence:
        return silence(known, rate=usual.rate, dispersion=usual.break_dispersion, begins=begins)

    now = down(buckets)
    hold = now.chance < REVIEW_BELOW[BREAK] and down(buckets[:others_sold]).chance < REVIEW_BELOW[BREAK]
    return Finding(offer, BREAK, now.chance, hold, now.conversions, now.expected, usual.break_dispersion, usual.days, now.hours)


def alerts(tests: Iterable[Finding]) -> list[tuple[str, Flag]]:
    """Offers with their flags, from all tests of one look: below a threshold, and not the luck of many tests."""
    ordered = sorted(tests, key=lambda test: test.chance)
    allowed = 0
    for rank, test in enumerate(ordered, start=1):
        if test.chance <= FALSE_DISCOVERIES * rank / len(ordered):
            allowed = rank
    return [(test.offer, _flag(test)) for test in ordered[:allowed] if test.chance < REVIEW_BELOW[test.signal]]


def _flag(test: Finding) -> Flag:
    detail = {
        "chance": max(test.chance, LEAST_CHANCE),
        "conversions": test.conversions,
        "expected": round(test.expected, 3),
        "usual_deviation": round(math.sqrt(test.expected + test.dispersion * test.expected**2), 3),
        "clean_days": test.days,
        "hours": round(test.hours, 1),
    }
    return Flag(test.signal, Severity.HOLD if test.hold else Severity.REVIEW, detail)
