"""The scheduler keeps every rule and finds the best week there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.schedule_cases import drawn, optimum, people_of, violations
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


def crowd(worth: np.ndarray[tuple[int, int], np.dtype[np.float64]], *, gap_hours: int = 24, per_week: int = 4) -> People:
    n = len(worth)
    return People(
        worth=worth,
        permitted=np.ones(worth.shape, dtype=np.bool_),
        offset=np.arange(n) * 7 % HOUR,
        provider=np.arange(n) % 2,
        recent_sends=np.zeros((n, 3), dtype=np.int64),
        gap_seconds=np.full(n, gap_hours * HOUR),
        per_week=per_week,
    )


def worth_of(people: People, made: Plan) -> float:
    return float(people.worth[made.row, made.hour].sum())


@pytest.mark.parametrize(("gap_hours", "per_week"), [(12, 3), (17, 2), (30, 7), (12, 1)])
def test_alone_everybody_gets_the_best_week_there_is(gap_hours: int, per_week: int) -> None:
    """Against all subsets of hours."""
    worth = np.random.default_rng(gap_hours).normal(0.2, 1.0, (3, 48))[:, ::3].repeat(3, axis=1) * np.array([1.0, 0.0, 0.0] * 16)
    people = crowd(worth, gap_hours=gap_hours, per_week=per_week)
    best = 0.0
    for of in worth:
        hours = np.flatnonzero(of > 0).tolist()
        weeks = (
            week
            for size in range(1, per_week + 1)
            for week in combinations(hours, size)
            if all(b - a >= gap_hours for a, b in pairwise(week))
        )
        best += max((sum(of[h] for h in week) for week in weeks), default=0.0)
    assert worth_of(people, plan(people, places(48))) == pytest.approx(best)


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
        (replace(people, per_week=0), places(30)),
        (crowd(np.ones((0, 30))), places(30)),
    ):
        assert len(plan(case, of).row) == 0


def test_earlier_mails_hold_the_gap_and_leave_the_week_one_by_one() -> None:
    people = replace(crowd(np.ones((1, 48)), per_week=2), recent_sends=START - HOUR * np.array([[10, 168 - 20, 168 - 30]]))
    made = plan(people, places(48))
    # three in the week; one leaves in hour 20, another in hour 30: with that of hour 10 ago there is room for one from then on
    assert made.hour.tolist() == [pytest.approx(made.hour[0])]
    assert made.hour[0] >= 30


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


def test_more_than_a_week_is_refused() -> None:
    with pytest.raises(ValueError, match="worth"):
        plan(crowd(np.ones((1, 169))), places(169))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 168))
def test_no_rule_is_ever_broken(seed: int, people: int, hours: int) -> None:
    case = drawn(seed, people, hours)
    assert violations(case, plan(people_of(case), case.places)) == []


@pytest.mark.parametrize("seed", [1, 3])
def test_plans_come_near_the_bound(seed: int) -> None:
    case = drawn(seed, 60, 72)
    made = plan(people_of(case), case.places)
    bound = optimum(case)
    assert 0.97 * bound <= case.worth[made.row, made.hour].sum() <= bound * (1 + 1e-9)


def test_a_plan_does_not_depend_on_who_else_stands_in_which_row() -> None:
    case = drawn(5, 80, 100)
    people = people_of(case)
    made = plan(people, case.places)
    assert (plan(people, case.places).at == made.at).all()
