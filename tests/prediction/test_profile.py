"""What a list declares is counted, page by page."""

from __future__ import annotations

import pytest

from revenue_engine.prediction.profile import Coverage, coverage
from revenue_engine.records.subscriber import topic_mask
from tests.core_cases import a_page, a_row


def test_shares_are_of_all_people_and_pages_add_up() -> None:
    nothing = {"topics": 0, "peak_hour": -1, "price_sensitivity": float("nan")}
    rows = [
        a_row(1, **nothing),
        a_row(2, **nothing | {"topics": topic_mask(["finance"])}),
        a_row(3, **nothing | {"peak_hour": 0}),
        a_row(4, topics=topic_mask(["health"]), peak_hour=7, price_sensitivity=0.0, purchases=0),
    ]
    whole = coverage(a_page(rows))
    assert whole == Coverage(4, 2, 2, 1, 1, 1) == coverage(a_page(rows[:1])) + coverage(a_page(rows[1:]))
    assert whole.shares() == pytest.approx(
        {"topics": 0.5, "peak_hour": 0.5, "price_sensitivity": 0.25, "purchases": 0.25, "whole": 0.25}
    )
    assert Coverage().shares() == {}
