"""A page that is down is seen by the hour, and a healthy one is hardly ever taken for it, however often one looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from revenue_engine.arrays import Ints
from revenue_engine.safety.offer_days import BREAKS_FROM, LOOK_BACK_DAYS, WHOLE_DAYS, Baseline, broken, morning
from revenue_engine.safety.silence import _DELAY, Bucket, silence

MONTH = 30
# Of a day's clicks by hour: mails leave at seven, and are clicked for some hours.
_HOURS = np.array([1, 1, 1, 1, 1, 1, 2, 12, 24, 14, 9, 7, 5, 4, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1]) / 103


def month(rng: np.random.Generator, clicks_per_day: float, rate: float) -> tuple[Ints, Ints]:
    """(days, 24) clicks and conversions by hour: days differ by a quarter in how well they sell, a day in six has hardly a mail, and
    conversions come after minutes (half to four fifths of them), the next day, or days later."""
    days = LOOK_BACK_DAYS + MONTH
    crowd = clicks_per_day * rng.gamma(6.0, 1 / 6.0, days) * np.where(rng.random(days) < 1 / 6, 0.1, 1.0)
    clicks = rng.poisson(crowd[:, None] * _HOURS)
    sells = rate * np.exp(rng.normal(0.0, 0.25, days))
    sold = rng.binomial(clicks, np.minimum(sells, 1.0)[:, None]).ravel()
    at = np.repeat(np.arange(24 * days), sold) + rng.random(int(sold.sum()))
    fast = rng.uniform(0.5, 0.8)
    wait = np.where(
        rng.random(len(at)) < fast,
        rng.exponential(0.3, len(at)),
        np.where(rng.random(len(at)) < 0.6, 14 * np.exp(rng.normal(0, 0.5, len(at))), rng.exponential(120.0, len(at))),
    )
    came = np.bincount((at + wait).astype(np.int64), minlength=24 * days)[: 24 * days]
    return clicks, came.reshape(days, 24)


def hours_held(clicks: Ints, conversions: Ints) -> list[int]:
    """Hours of the month at whose end the offer is stopped, for three days each, others selling all the time."""
    held: list[int] = []
    for day in range(LOOK_BACK_DAYS, len(clicks)):
        first, whole = day - LOOK_BACK_DAYS, day - LOOK_BACK_DAYS + WHOLE_DAYS
        by_day = clicks[first:day].sum(axis=1).tolist(), conversions[first:day].sum(axis=1).tolist()
        before = morning(*by_day, [True] * LOOK_BACK_DAYS)
        if before is None:
            continue
        days = [Bucket(24.0, *of) for of in zip(*(of[:WHOLE_DAYS] for of in by_day), strict=True)]
        hours = [
            Bucket(1.0, *of)
            for of in zip(clicks[whole : day + 1].ravel().tolist(), conversions[whole : day + 1].ravel().tolist(), strict=True)
        ]
        for hour in range(24):
            now = 24 * (day - LOOK_BACK_DAYS) + hour + 1
            if held and now < held[-1] + 72:
                continue
            buckets = [*days, *hours[: 48 + hour + 1]]
            fresh = len(buckets) - (now - held[-1]) if held else 0
            if broken("7", before.before, buckets, begins=max(BREAKS_FROM, fresh), others_sold=len(buckets)).hold:
                held.append(now)
    return held


def steady(hours: int, clicks: float = 20.0, sold: int = 1) -> list[Bucket]:
    """Ten weeks of it by day, then so many hours."""
    return [*[Bucket(24.0, 24 * clicks, 24 * sold)] * 70, *[Bucket(1.0, clicks, sold)] * hours]


def test_the_ratio_is_that_of_two_negative_binomials_by_hand() -> None:
    """One old bucket, then one of an hour in which nothing is sold: only the clicks of before may still convert when it is down."""
    buckets = [Bucket(24.0, 240.0, 12), Bucket(6.0, 600.0, 0)]
    rate, dispersion = 0.05, 0.1
    waiting = [share * 240.0 * (1 - math.exp(-24 / tau)) * tau / 24 for share, tau in _DELAY]
    old = sum(w * (1 - math.exp(-6 / tau)) for w, (_, tau) in zip(waiting, _DELAY, strict=True))
    fresh = sum(share * 600.0 * (1 - (1 - math.exp(-6 / tau)) * tau / 6) for share, tau in _DELAY)
    found = silence(buckets, rate=rate, dispersion=dispersion, begins=1)
    r = 1 / dispersion
    assert found.chance == pytest.approx(((r + rate * old) / (r + rate * (old + fresh))) ** r)
    assert (found.hours, found.conversions) == (6.0, 0)
    assert found.expected == pytest.approx(rate * (old + fresh))
    # the same by the mass function at none sold
    zero = [(r / (r + rate * due)) ** r for due in (old + fresh, old)]
    assert found.chance == pytest.approx(zero[0] / zero[1])


def test_clicks_of_the_last_hour_alone_say_little_and_of_the_day_much() -> None:
    known = {"rate": 0.05, "dispersion": 0.06, "begins": 63}
    just = [*steady(48), Bucket(1.0, 300.0, 0)]
    assert silence(just, **known).chance > 0.05  # type: ignore[arg-type]
    later = [*just, *[Bucket(1.0, 20.0, 0)] * 12]
    assert silence(later, **known).chance < 1e-3  # type: ignore[arg-type]
    assert silence(steady(48), **known).chance == 1.0  # type: ignore[arg-type]


def test_a_sale_soon_after_the_break_speaks_less_against_it_than_one_that_only_fresh_clicks_could_bring() -> None:
    """Hardly anybody clicks before it is down: what sells an hour later may be of an old click, a day later hardly."""
    known = {"rate": 0.05, "dispersion": 0.06, "begins": 70}
    quiet = [Bucket(1.0, 30.0, 0)] * 23
    early = [*steady(0), Bucket(1.0, 30.0, 1), *quiet]
    late = [*steady(0), *quiet, Bucket(1.0, 30.0, 1)]
    assert silence(early, **known).chance < 0.5 * silence(late, **known).chance  # type: ignore[arg-type]


def test_a_page_is_held_only_on_what_came_while_another_offer_sold() -> None:
    usual = Baseline(0.05, 0.1, 0.06, 14)
    silent = [*steady(48), *[Bucket(1.0, 30.0, 0)] * 20]
    for others, hold in ((len(silent), True), (len(silent) - 19, False), (0, False)):
        found = broken("7", usual, silent, begins=63, others_sold=others)
        assert found.chance < 1e-3 and found.hold is hold
    tried_anew = broken("7", usual, silent, begins=len(silent) - 2, others_sold=len(silent))
    assert not tried_anew.hold and tried_anew.chance > 0.05


def test_a_healthy_offer_is_hardly_ever_stopped_in_a_month() -> None:
    """Looked at every hour of ten months at each of two volumes; longer measured figures stand in decisions/0035."""
    rng = np.random.default_rng(5)
    stops = {volume: [len(hours_held(*month(rng, volume, 0.05))) for _ in range(5)] for volume in (40, 300)}
    assert sum(map(sum, stops.values())) <= 1, stops
