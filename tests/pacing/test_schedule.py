"""The scheduler keeps every rule and finds the best week there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.schedule_cases import drawn, optimum, plans_of, played, told_otherwise, violations
from revenue_engine.pacing.schedule import HOUR, People, Places, Plan, permitted, plan
from revenue_engine.records.controls import Controls
from revenue_engine.records.zones import zone_number

START = 1_774_742_400  # 2026-03-29T00:00Z, the day Europe's clocks go forward
DAY = 24 * HOUR


def places(hours: int, *, hour: int = 99, provider_hour: int = 99, day: int = 99, provider_day: int = 99) -> Places:
    days = hours // 24 + 2
    return Places(
        start=START,
        hour=np.full(hours, hour),
        provider_hour=np.full((2, hours), provider_hour),
        day_ends=START + DAY * np.arange(1, days + 1),
        day=np.full(days, day),
        provider_day=np.full((2, days), provider_day),
    )


def crowd(worth: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> People:
    n = len(worth)
    return People(
        worth=worth,
        permitted=np.ones(worth.shape, dtype=np.bool_),
        offset=np.arange(n) * 7 % HOUR,
        provider=np.arange(n) % 2,
    )


def worth_of(people: People, made: Plan) -> float:
    return float(people.worth[made.row, made.hour].sum())


def test_where_there_is_room_everybody_gets_his_best_hour_once() -> None:
    worth = np.random.default_rng(3).normal(0.2, 1.0, (40, 48))
    made = plan(crowd(worth), places(48))
    assert made.row.tolist() == list(range(40))
    assert (made.hour == worth.argmax(axis=1)).all()


def test_a_shared_hour_goes_to_those_who_lose_most_without_it() -> None:
    worth = np.array([[5.0, 4.9], [5.1, 1.0], [5.0, 3.0]])
    people = crowd(worth)
    made = plan(people, places(2, hour=1))
    assert worth_of(people, made) == pytest.approx(10.0)
    assert sorted(zip(made.row.tolist(), made.hour.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert plan(people, places(2)).price.tolist() == [0.0] * 3


def test_no_room_no_worth_no_permission_no_mail() -> None:
    people = crowd(np.ones((4, 30)))
    for case, of in (
        (people, places(30, day=0)),
        (people, places(30, provider_hour=0)),
        (replace(people, worth=-people.worth), places(30)),
        (replace(people, permitted=~people.permitted), places(30)),
        (crowd(np.ones((0, 30))), places(30)),
    ):
        assert len(plan(case, of).row) == 0


def test_a_warm_up_and_a_provider_s_rate_bind_only_their_own() -> None:
    people = crowd(np.ones((20, 24)))
    of = places(24)
    of = replace(of, provider_day=np.array([[3, 3, 3], [99, 99, 99]]), provider_hour=np.array([[99] * 24, [1] * 24]))
    made = plan(people, of)
    provider = people.provider[made.row]
    assert (provider == 0).sum() == 3
    assert (provider == 1).sum() == 10
    assert np.bincount(made.hour[provider == 1]).max() == 1


def test_quiet_hours_follow_the_clock_when_it_goes_forward_and_the_offer_ends_when_it_ends() -> None:
    zones = np.array([zone_number("Europe/Berlin", field="zone"), zone_number("UTC", field="zone")], dtype=np.uint16)
    controls = Controls(sending_hours_start=6, sending_hours_end=8, enabled_weekdays=frozenset({6}))  # Sundays
    ends = np.array([START + 10 * DAY, START + 7 * HOUR])
    open_ = permitted(zones, np.array([0, 1_800]), ends, start=START, hours=30, controls=controls, for_seconds=900)
    assert np.flatnonzero(open_[0]).tolist() == [4, 5]  # six o'clock is four hours after midnight UTC, not five
    assert np.flatnonzero(open_[1]).tolist() == [6]  # half past seven would be in hours, and after the end


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 240), st.integers(1, 4))
def test_no_rule_is_ever_broken(seed: int, people: int, pages: int) -> None:
    context, batches = drawn(seed, people, pages)
    made = played(context, batches)
    plans = plans_of(made)
    assert violations(context, made, plans) == []
    assert sum(told_otherwise(page, of) for page, of in zip(made, plans, strict=True)) == 0


def test_plans_come_near_the_bound() -> None:
    pages = [page for seed in range(6) for page in played(*drawn(seed, 300, 1))]
    worth = sum(worth_of(page.people, plan(page.people, page.places)) for page in pages)
    bound = sum(optimum(page.people, page.places) for page in pages)
    assert 0 < 0.97 * bound <= worth <= bound * (1 + 1e-9)


def test_the_same_people_and_places_have_the_same_plan() -> None:
    (page,) = played(*drawn(8, 300, 1))
    made = plan(page.people, page.places)
    assert len(made.row) and (plan(page.people, page.places).at == made.at).all()
