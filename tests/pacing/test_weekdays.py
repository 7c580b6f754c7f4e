"""Days on which an org mails."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.pacing.weekdays import days_ahead, days_back

MONDAY, FRIDAY = date(2026, 3, 2), date(2026, 3, 6)
WORKING = frozenset(range(5))


def test_over_a_weekend() -> None:
    assert (days_ahead(FRIDAY, WORKING), days_back(MONDAY, WORKING, 3)) == (3, (3, 4, 5))
    assert (days_ahead(MONDAY, WORKING), days_back(FRIDAY, WORKING, 2)) == (1, (1, 2))
    assert (days_ahead(MONDAY, frozenset({0})), days_back(MONDAY, frozenset({0}), 2)) == (7, (7, 14))


@given(st.dates(), st.frozensets(st.integers(0, 6), min_size=1))
def test_what_comes_next_has_today_as_its_last(today: date, weekdays: frozenset[int]) -> None:
    if today.weekday() not in weekdays or today.year in (1, 9999):
        return
    ahead = days_ahead(today, weekdays)
    following = date.fromordinal(today.toordinal() + ahead)
    assert days_back(following, weekdays, 1) == (ahead,)


@pytest.mark.parametrize("weekdays", [frozenset(range(7))])
def test_every_day(weekdays: frozenset[int]) -> None:
    assert (days_ahead(FRIDAY, weekdays), days_back(FRIDAY, weekdays, 2)) == (1, (1, 2))
