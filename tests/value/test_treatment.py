"""Treatment: more mail for whales, less for whoever is leaving, offers he likes, how much a price matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.value.segments import HIGH, LOW, MEDIUM, WHALE
from revenue_engine.value.treatment import (
    LEVELS,
    best_interval,
    contact_interval_days,
    per_week,
    preferred_offers,
    price_sensitivity,
)

BANDS = np.array([WHALE, HIGH, MEDIUM, LOW])


def test_a_whale_gets_more_mails_a_week_than_a_low_value() -> None:
    """As the specification says it means, not as its code does: days between mails are not mails a week."""
    days = contact_interval_days(np.full(4, 7.0), BANDS, np.zeros(4, dtype=bool))
    assert days.tolist() == [5.0, 6.0, 7.0, 7.0]
    assert per_week(days) == pytest.approx([1.4, 7 / 6, 1.0, 1.0])


@given(st.floats(0.5, 60.0))
def test_more_value_is_never_less_mail_and_risk_always_is(base: float) -> None:
    interval = contact_interval_days(np.full(4, base), BANDS, np.zeros(4, dtype=bool))
    mails = per_week(interval)
    assert (np.diff(mails) <= 0).all()
    assert mails[0] > mails[-1] or base <= 1.0  # nobody is mailed more than once a day for being a whale
    assert (contact_interval_days(np.full(4, base), BANDS, np.ones(4, dtype=bool)) > interval).all()


def test_the_best_interval_is_where_remaining_value_is_largest() -> None:
    tried = np.array([1.0, 2.0, 7.0])
    value = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [5.0, 5.0, 1.0]])
    assert best_interval(tried, value).tolist() == [1.0, 7.0, 2.0]


def test_what_somebody_clicks_most_he_likes_best_and_of_equals_what_he_clicked_last() -> None:
    clicked = np.array([[4, 9, 9, 4, 9, 2, 7, 0], [3, 5, 0, 0, 0, 0, 0, 0], [0] * 8])
    assert preferred_offers(clicked).tolist() == [[9, 4, 2], [3, 5, 0], [0, 0, 0]]
    assert preferred_offers(clicked[:, :0]).shape == (3, 0)


def test_price_sensitivity_is_what_was_declared() -> None:
    levels = [LEVELS[level] for level in price_sensitivity(np.array([0.9, 0.5, np.nan, 0.1]))]
    assert levels == ["high", "medium", "medium", "low"]
