"""What a plan may approve itself by: nothing new, nothing unusual, nothing wrong, and little money."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.approval_risk import Known, Planned, why_not_routine

# two offers, the first with two variants
PLANNED = Planned(mails=np.array([3, 0, 2]), complaints=5 * 0.0005, predicted_revenue_micros=999)
KNOWN = Known(
    clicks=np.array([1.0, 0.0, 0.2]),
    offer_of_arm=np.array([0, 0, 1]),
    usual_mails=(1, 5, 0),
    anything_stopped=False,
    breaker="closed",
)


def test_what_was_seen_before_in_such_numbers_and_is_worth_less_than_the_bound_is_routine() -> None:
    assert why_not_routine(PLANNED, KNOWN, under_micros=1_000) == ()


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "an offer that nobody ever clicked": ({}, {"clicks": np.array([1.0, 0.0, 0.0])}, ("new_offer",)),
    "a variant nobody clicked of an offer that was clicked": ({"mails": np.array([2, 1, 2])}, {}, ("new_variant",)),
    "one mail more than any cycle": ({"mails": np.array([4, 0, 2])}, {}, ("unusual_volume",)),
    "no cycle to compare with": ({}, {"usual_mails": ()}, ("unusual_volume",)),
    "a stop": ({}, {"anything_stopped": True}, ("something_stopped",)),
    "a trickle": ({}, {"breaker": "half_open"}, ("breaker_not_closed",)),
    "a breaker nobody has seen": ({}, {"breaker": ""}, ("breaker_not_closed",)),
    "more complaints than the budget": ({"complaints": 5 * 0.0006}, {}, ("complaints_above_budget",)),
    "the bound itself": ({"predicted_revenue_micros": 1_000}, {}, ("not_under_bound",)),
    "everything at once": (
        {"mails": np.array([9, 9, 9]), "complaints": 1.0, "predicted_revenue_micros": 10**9},
        {"clicks": np.array([1.0, 0.0, 0.0]), "anything_stopped": True, "breaker": "open"},
        (
            "new_offer",
            "new_variant",
            "unusual_volume",
            "something_stopped",
            "breaker_not_closed",
            "complaints_above_budget",
            "not_under_bound",
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_reason_has_its_name(case: str) -> None:
    planned, known, reasons = CASES[case]
    assert why_not_routine(replace(PLANNED, **planned), replace(KNOWN, **known), under_micros=1_000) == reasons


@given(mails=st.lists(st.integers(0, 5), min_size=3, max_size=3), worth=st.integers(0, 10**12))
def test_a_bound_of_nothing_approves_nothing(mails: list[int], worth: int) -> None:
    planned = Planned(np.array(mails), complaints=0.0, predicted_revenue_micros=worth)
    assert "not_under_bound" in why_not_routine(planned, KNOWN, under_micros=0)
