"""How much a provider gets a day: slow growth, and less while it defers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.pacing.warm_up import BEST_DAYS, DAYS, daily_allowance

QUIET = [0] * (DAYS + 1)


def days(*last: int) -> list[int]:
    """The days up to today."""
    return [*[0] * (DAYS + 1 - len(last)), *last]


@pytest.mark.parametrize(
    ("delivered", "allowed"),
    [
        (QUIET, 100),
        (days(40, 0), 100),
        (days(100, 0), 200),
        (days(100, 200, 0), 400),
        (days(900, 0, 0, 0), 1_800),  # a weekend without mail
        (days(900, *[0] * BEST_DAYS), 1_800),
        (days(900, *[0] * (BEST_DAYS + 1)), 100),  # forgotten
        (days(0, 5_000), 100),  # what has left today teaches nothing yet
    ],
)
def test_twice_the_best_of_seven_days_and_never_less_than_the_start(delivered: list[int], allowed: int) -> None:
    assert daily_allowance(delivered, QUIET, start=100) == allowed


@pytest.mark.parametrize(
    ("delivered", "deferred", "allowed"),
    [
        (days(1_000, 0), days(19, 0), 2_000),  # too few to tell
        (days(1_000, 0), days(50, 0), 2_000),  # one in twenty and no more
        (days(1_000, 0), days(40, 30), 500),
        (days(1_000, 0), days(900, 0, 0), 2_000),  # the day before yesterday is over
        (days(40, 0), days(30, 0), 20),
        (days(0, 0), days(0, 25), 50),  # nobody knows it: of the start
        (days(5_000, 0, 0, 300), days(0, 0, 0, 25), 2_500),  # on a Monday, of Friday
        (days(5_000, 5_000, 0, 0, 0), days(0, 2_000, 0, 0, 0), 2_500),  # and it stays so over a weekend
        (days(5_000, 0, 0), days(0, 2_500, 0), 2_500),  # a day on which it took nothing
        (days(5_000, 0, 0, 0), days(0, 2_500, 1_250, 0), 1_250),  # and another: half again
        (days(5_000, 0, 0, 0), days(0, 2_500, 1_250, 625), 625),  # and today
        (days(5_000, 1_000, 0, 0), days(0, 1_500, 500, 0), 250),  # of what it last took, which was too much itself
        (days(0, 0), days(50, 25), 25),  # of the start as well
        (days(5_000, 2_400, 0), days(2_000, 0, 0), 4_800),  # what it took before was too much, what it took since was not
        ([0], [25], 50),
    ],
)
def test_a_provider_that_defers_gets_half_of_what_it_had_and_grows_from_there(
    delivered: list[int], deferred: list[int], allowed: int
) -> None:
    assert daily_allowance(delivered, deferred, start=100) == allowed


@given(st.lists(st.integers(0, 10**6), min_size=DAYS + 1, max_size=DAYS + 1), st.integers(10, 10**5))
def test_a_provider_that_takes_everything_never_gets_more_than_twice_what_it_knows(delivered: list[int], start: int) -> None:
    assert start <= daily_allowance(delivered, QUIET, start=start) <= max(start, 2 * max(delivered))


@pytest.mark.parametrize("demand", [10**6, 50, 0])
def test_a_provider_that_put_everything_off_is_met_in_no_leap_for_as_long_as_it_remembers(demand: int) -> None:
    """Three mails of 5,000 it took that day. From there it doubles what it takes, or stays where nothing is sent."""
    delivered, deferred, given = [5_000, 3], [0, 2_500], []
    for _ in range(DAYS):
        given.append(daily_allowance([*delivered, 0], [*deferred, 0], start=5_000))
        delivered, deferred = [*delivered, min(given[-1], demand)], [*deferred, 0]
    if demand == 10**6:
        assert given[:14] == [2**day for day in range(14)]
    assert all(now <= 2 * max(before, demand) for before, now in pairwise(given))
    assert given[-1] == {10**6: 2 * 10**6, 50: 100, 0: 1}[demand]


def test_after_deferrals_it_takes_as_long_to_come_back_as_it_takes_to_grow() -> None:
    delivered, deferred, given = [5_000] * 7, [0] * 6 + [2_000], []
    for _ in range(4):
        given.append(daily_allowance([*delivered, 0], [*deferred, 0], start=100))
        delivered, deferred = [*delivered, given[-1]], [*deferred, 0]
    assert given == [2_500, 5_000, 10_000, 20_000]


@pytest.mark.parametrize(("warm", "start"), [(100_000, 5_000), (0, 5_000), (0, 100), (0, 10)])
def test_a_provider_that_refuses_everything_is_soon_asked_with_a_few_mails_a_day_and_never_with_none(
    warm: int, start: int
) -> None:
    """For ninety days, beyond what is remembered; then it takes everything again, and is back in as many days as it takes to double."""
    delivered, deferred, given = [warm] * 7, [0] * 7, []
    for _ in range(90):
        given.append(daily_allowance([*delivered, 0], [*deferred, 0], start=start))
        delivered, deferred = [*delivered, 0], [*deferred, given[-1]]
    assert given[0] >= max(warm, start)
    assert all(now <= before // 2 for before, now in pairwise(given[:4]) if before > 20)
    assert all(1 <= mails <= 50 for mails in given[20:])
    for _ in range(20):
        given.append(daily_allowance([*delivered, 0], [*deferred, 0], start=start))
        delivered, deferred = [*delivered, given[-1]], [*deferred, 0]
    assert all(2 * before <= now for before, now in pairwise(given[95:110]))
