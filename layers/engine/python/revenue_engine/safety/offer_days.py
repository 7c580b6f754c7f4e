"""Too many conversions of an offer on one day, or none where there should be some. Needs no numpy: the judge loads it.

A day's conversions are compared with what its clicks, and those of the days before, should have brought at the rate of the last clean
days. They scatter more than chance, by weekdays, audiences and landing pages, so the tail is a negative binomial's, whose dispersion
is estimated from those days: mean ± 3 deviations cries wolf on two days of a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from revenue_engine.records.anomaly import LEAST_CHANCE, Flag, Severity
from revenue_engine.safety.tails import negative_binomial_at_least, negative_binomial_at_most

BURST, BREAK = "conversion_burst", "conversion_break"
REVIEW_BELOW, HOLD_BELOW = 1e-3, 1e-4
FALSE_DISCOVERIES = 0.05  # of a look's alerts, at most this share false (Benjamini and Hochberg 1995)

CLEAN_DAYS = 14
FEWEST_CLEAN_DAYS = 5
# Shares of a click's conversions that come on its own org day, on the next, and so on: half within the hour, the rest with a mean of
# five days. Only their rough shape matters: they keep yesterday's clicks from looking like today's burst.
LANDING = (0.53, 0.09, 0.07, 0.06, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01)
LOOK_BACK_DAYS = len(LANDING) + 2 * CLEAN_DAYS  # flagged days are skipped, and the first lack what came before them
SETTLES_IN_HOURS = 6  # clicks this old have brought half of what their own day gets

# What an offer's own days are drawn towards, as if it had been seen on so many of them: days differ by two fifths. Nearly so few
# conversions are rarer than nearly so many: a page has no worse day than a bad one, unless it is broken.
_USUAL_DISPERSION, _USUAL_BREAK_DISPERSION, _USUAL_DAYS = 0.15, 0.05, 20
_SILENT_DAYS = 7


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
    exposure: float  # of today, to the clicks of earlier days
    silent_exposure: float  # of the days before today that brought nothing, since the last that did


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
    silent = 0.0
    for exposure, brought in list(zip(due[:-1], conversions, strict=True))[: -_SILENT_DAYS - 1 : -1]:
        if brought:
            break
        silent += exposure
    return Morning(usual, due[-1], silent)


@dataclass(frozen=True, slots=True)
class Finding:
    """One test of one offer-day: the chance of so many, or so few, on a usual day."""

    offer: str
    signal: str
    chance: float
    conversions: int
    expected: float
    dispersion: float
    days: int


def findings(
    offer: str, before: Morning, *, clicks: int, settled_clicks: int, conversions: int, elapsed: float
) -> tuple[Finding, Finding]:
    """Both sides of a day of which a share `elapsed` is over; `settled_clicks`: those of today that are SETTLES_IN_HOURS old.

    Each side errs on its own safe side: a burst is one against the exposure of the whole day, a break against what surely had to
    come by now.
    """
    usual = before.usual
    most = usual.rate * (before.exposure + LANDING[0] * clicks)
    least = usual.rate * (before.silent_exposure + before.exposure * elapsed + LANDING[0] * settled_clicks / 2)
    many = negative_binomial_at_least(conversions, most, usual.burst_dispersion)
    few = negative_binomial_at_most(conversions, least, usual.break_dispersion)
    return (
        Finding(offer, BURST, many, conversions, most, usual.burst_dispersion, usual.days),
        Finding(offer, BREAK, few, conversions, least, usual.break_dispersion, usual.days),
    )


def alerts(tests: Iterable[Finding]) -> list[tuple[str, Flag]]:
    """Offers with their flags, from all tests of one look: below a threshold, and not the luck of many tests."""
    ordered = sorted(tests, key=lambda test: test.chance)
    allowed = 0
    for rank, test in enumerate(ordered, start=1):
        if test.chance <= FALSE_DISCOVERIES * rank / len(ordered):
            allowed = rank
    return [(test.offer, _flag(test)) for test in ordered[:allowed] if test.chance < REVIEW_BELOW]


def pages_down(alerted: Iterable[tuple[str, Flag]], tests: Iterable[Finding]) -> set[str]:
    """The offers among a look's alerts whose own page must be down: somebody converts elsewhere today. Where nobody does, it may be the
    news of conversions that fails, which is no reason to mail less."""
    sold = {test.offer for test in tests if test.conversions > 0}
    return {offer for offer, flag in alerted if flag.signal == BREAK and sold - {offer}}


def _flag(test: Finding) -> Flag:
    # a break teaches nothing false: there is nothing to hold back
    hold = test.signal == BURST and test.chance < HOLD_BELOW
    detail = {
        "chance": max(test.chance, LEAST_CHANCE),
        "conversions": test.conversions,
        "expected": round(test.expected, 3),
        "usual_deviation": round(math.sqrt(test.expected + test.dispersion * test.expected**2), 3),
        "clean_days": test.days,
    }
    return Flag(test.signal, Severity.HOLD if hold else Severity.REVIEW, detail)
