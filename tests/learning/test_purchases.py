"""What was known of buyers on a day; nothing after it may change that."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.learning.purchases import Purchases, features, history, purchases


def orders(seed: int = 1, rows: int = 400, last_day: int = 200) -> Purchases:
    random = np.random.default_rng(seed)
    amount = np.where(random.random(rows) < 0.05, 0.0, random.gamma(2.0, 15.0, rows))
    items = random.integers(1, 5, rows).astype(np.float64)
    return purchases(random.integers(0, 60, rows), random.integers(0, last_day, rows), amount, items)


def test_orders_of_one_day_are_one_purchase() -> None:
    mine = purchases(np.array([7, 7, 7, 3]), np.array([4, 9, 4, 1]), np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.0, 1, 2, 5]))
    assert mine.buyer.tolist() == [3, 7, 7]
    assert mine.amount.tolist() == [8.0, 5.0, 2.0] and mine.items.tolist() == [5.0, 3.0, 1.0]


def test_a_history_by_hand() -> None:
    mine = purchases(np.array([7, 7, 7, 3, 9]), np.array([0, 14, 28, 7, 36]), np.array([9.0, 10, 30, 5, 1]), np.ones(5))
    buyers, past = history(mine, 35)
    assert buyers.tolist() == [3, 7]
    assert past.repeats.tolist() == [0.0, 2.0]
    assert past.last_week.tolist() == [0.0, 4.0] and past.weeks.tolist() == [4.0, 5.0]
    assert past.paid_repeats.tolist() == [0.0, 2.0] and past.mean_paid.tolist() == [0.0, 20.0]
    known = features(mine, 35)
    assert known["spent"].tolist() == [5.0, 49.0] and known["largest_amount"].tolist() == [5.0, 30.0]
    assert known["first_amount"].tolist() == [5.0, 9.0] and known["last_amount"].tolist() == [5.0, 30.0]
    assert known["orders_14d"].tolist() == [0.0, 1.0] and known["spent_28d"].tolist() == [0.0, 40.0]
    assert known["silent_weeks"].tolist() == [4.0, 1.0]
    assert mine.spent(buyers, 28, 40).tolist() == [0.0, 0.0] and mine.spent(buyers, 27, 28).tolist() == [0.0, 30.0]


@pytest.mark.parametrize("day", [60, 120])
def test_nothing_that_happens_later_changes_what_was_known(day: int) -> None:
    everything = orders()
    past = everything.until(day)
    for name, values in features(past, day).items():
        assert np.array_equal(values, features(everything, day)[name]), name
    assert np.array_equal(history(past, day)[0], history(everything, day)[0])


def test_no_feature_is_an_outcome_or_made_from_one() -> None:
    outcomes = ("ltv", "value_segment", "segment", "unsubscribed", "exit", "remaining")
    assert not [name for name in features(orders(), 100) for word in outcomes if word in name]
