"""The bid price of a day: as many are left above it as the budget pays for, and nobody is held back for nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.pacing.price import BINS, EDGES, histogram, mean_price, shadow_price

INDICES = st.lists(st.integers(1, 200_000_000), max_size=200)


def test_where_the_cap_does_not_bind_the_price_is_nothing() -> None:
    some = np.array([500, 40_000, 2_000_000])
    assert shadow_price([histogram(some, np.ones(3, dtype=bool))], 3) == 0
    assert shadow_price([], 0) == 0


def test_the_best_find_a_place_and_the_others_do_not() -> None:
    index = np.array([1_000, 5_000, 20_000, 90_000])
    price = shadow_price([histogram(index, np.ones(4, dtype=bool))], 2)
    assert (index > price).tolist() == [False, False, True, True]


def test_without_a_budget_nothing_is_worth_enough() -> None:
    assert shadow_price([histogram(np.array([5_000, 200_000_000]), np.ones(2, dtype=bool))], 0) >= EDGES[-1] - 1


@given(index=INDICES, parts=st.integers(1, 5), budget=st.integers(0, 250))
def test_never_more_than_the_budget_and_only_a_bin_s_worth_fewer(index: list[int], parts: int, budget: int) -> None:
    values = np.array(index, dtype=np.int64)
    split = [histogram(some, np.ones(len(some), dtype=bool)) for some in np.array_split(values, parts)]
    price = shadow_price(split, budget)
    known = values[values >= EDGES[0]]
    left = int((known > price).sum())
    if price == 0:
        assert left <= budget
        return
    lower = EDGES[max(int(np.searchsorted(EDGES, price, side="right")) - 1, 0)]
    assert left <= budget or price == EDGES[-1] - 1
    assert int((known >= lower).sum()) > budget


def test_rows_that_no_price_would_mail_are_not_supply() -> None:
    counted = histogram(np.array([-5, 0, 99, 100, 10_000]), np.array([True, True, True, True, False]))
    assert (counted.sum(), counted[0], len(counted)) == (1, 1, BINS)


def test_what_is_to_come_is_asked_the_mean_price_of_the_days_that_are_known() -> None:
    assert mean_price(700, ()) == 700
    assert mean_price(700, (0, 0, 0, 0, 0, 0)) == 100
    assert mean_price(0, (30, 11)) == 14  # a whole micro
