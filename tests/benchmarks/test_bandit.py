"""The benchmark's markets are what they claim, and its parts agree on a small one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import bandit
from benchmarks.bandit import LATE, PLAYERS, SLOW, engine_draws, ks, play, specified_draws
from benchmarks.bandit_worlds import STEPS, Seen, clicked, delays, drawn, worth

TINY = replace(SLOW, days=10, clicks_per_day=200, offers=6)


@pytest.mark.parametrize("name", sorted(PLAYERS))
def test_everybody_plays_and_nobody_beats_the_best(name: str) -> None:
    got, best = play(TINY, name, 1)
    assert 0.1 * best < got <= best
    assert play(TINY, name, 1) == (got, best)


def test_some_offer_is_live_at_every_moment_and_late_ones_are_late() -> None:
    offers = drawn(TINY, 3)
    assert all(offers.live(step).sum() == TINY.offers for step in range(TINY.days * STEPS))
    late = drawn(LATE, 3)
    assert [late.live(step).tolist() for step in (39, 40)] == [[True, False], [True, True]]
    assert worth(late, np.array([[1.0, 0.0]] * 5), 40) == pytest.approx((0.2, 0.28))


def test_every_conversion_comes_once_and_after_its_click() -> None:
    offers, market = drawn(TINY, 2), TINY
    seen = Seen.nothing(market, offers)
    shares = offers.live(0) / offers.live(0).sum()
    for step in range(4):
        clicked(market, offers, seen, np.tile(shares, (5, 1)), step, 2)
    assert min(seen.coming) >= 1
    due = sum(len(day) for arrivals in seen.coming.values() for day, *_ in arrivals)
    for step in range(max(seen.coming) + 1):
        seen.arrive(step)
    assert seen.conversions.sum() == seen.by_delay.sum() == due > 0
    assert (seen.conversions <= seen.clicks).all()


def test_slow_conversions_are_slow() -> None:
    offers = drawn(SLOW, 1)
    took = delays(offers, np.zeros(50_000, np.int64), np.random.default_rng(1))
    assert 0.4 < (took < 3.0).mean() < 0.65


def test_the_sampler_of_the_specification_is_found_out() -> None:
    assert ks(engine_draws) < 0.006
    assert ks(specified_draws) > 0.9


def test_the_table_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, market in (("FAST", TINY), ("SLOW", replace(TINY, name="slow")), ("SMALL", TINY)):
        monkeypatch.setattr(bandit, name, replace(market, days=4, name=name.lower()))
    monkeypatch.setattr(bandit, "LATE", replace(LATE, days=4, late_day=1, clicks_per_day=50))
    result = bandit.measure(quick=True)
    assert {"value_fast", "value_slow", "late_offer_ratio_to_naive", "small_list_regret_ratio", "ks_beta"} <= set(result.figures)
    assert all(np.isfinite(value) for value in result.figures.values())
