"""What is flagged of a conversion, and that one row and many go the same way."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.records.anomaly import Flag, Severity, parse_flag
from revenue_engine.records.send import Touch
from revenue_engine.safety.anomalies import (
    KNOWN_TO_ALLOW,
    Conversions,
    Facts,
    conversion_flags,
    credited_click_at,
    most_further_clicks,
    signals,
)
from tests.core_cases import NOW

PRICE = 20_000_000
HONEST = Facts(
    seconds_from_click=600.0,
    before_its_mail=False,
    payout_micros=PRICE,
    catalogue_micros=PRICE,
    from_report=False,
    known_payouts=(PRICE,) * 20,
    duplicate=False,
    known_duplicates=0,
    others_of_mail=0,
    others_of_subscriber=0,
    others_of_click=0,
    further_clicks=0,
)
COMPANY = ("others_of_mail", "others_of_subscriber", "others_of_click", "further_clicks")
BASKETS = tuple(int(PRICE * f) for f in np.exp(np.random.default_rng(2).normal(0, 0.4, 64)))


def flagged(**changes: Any) -> dict[str, str]:
    return {flag.signal: flag.severity.value for flag in conversion_flags(replace(HONEST, **changes))}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"seconds_from_click": None}, {}),
        (dict.fromkeys(COMPANY, -1) | {"catalogue_micros": 0, "known_payouts": ()}, {}),  # nothing is known of it
        ({"seconds_from_click": 10.0}, {}),
        ({"seconds_from_click": 9.9}, {"instant_conversion": "review"}),
        ({"seconds_from_click": 5.0}, {"instant_conversion": "review"}),
        ({"seconds_from_click": 4.9}, {"instant_conversion": "hold"}),
        ({"seconds_from_click": 0.0}, {"instant_conversion": "hold"}),
        ({"seconds_from_click": -1.0}, {"conversion_before_click": "hold"}),
        ({"before_its_mail": True}, {"before_its_mail": "hold"}),
        # payouts
        ({"payout_micros": 100_000_000}, {"payout_high": "hold", "payout_not_catalogue": "review"}),
        ({"payout_micros": 4_000_000}, {"payout_low": "review", "payout_not_catalogue": "review"}),
        ({"payout_micros": 21_000_000}, {"payout_not_catalogue": "review"}),
        ({"payout_micros": 20_050_000}, {}),
        ({"payout_micros": 0}, {"payout_not_catalogue": "review"}),
        ({"payout_micros": 21_000_000, "from_report": True}, {}),
        ({"payout_micros": 100_000_000, "from_report": True}, {"payout_high": "hold"}),
        # a tier, or a new price: paid before, or in the catalogue
        ({"payout_micros": 100_000_000, "known_payouts": (PRICE,) * 20 + (100_000_000,)}, {}),
        ({"payout_micros": 100_000_000, "catalogue_micros": 100_000_000}, {}),
        # shares of sales
        ({"payout_micros": PRICE * 5 // 2, "catalogue_micros": 0, "known_payouts": BASKETS}, {}),
        ({"payout_micros": PRICE * 30, "catalogue_micros": 0, "known_payouts": BASKETS}, {"payout_high": "hold"}),
        ({"payout_micros": PRICE // 30, "catalogue_micros": 0, "known_payouts": BASKETS}, {"payout_low": "review"}),
        ({"payout_micros": PRICE * 30, "catalogue_micros": 0, "known_payouts": ()}, {}),
        # company
        ({"duplicate": True}, {"duplicate_conversion": "review"}),
        ({"duplicate": True, "known_duplicates": KNOWN_TO_ALLOW}, {}),
        ({"others_of_mail": 1}, {}),
        ({"others_of_mail": 2}, {"many_of_mail": "review"}),
        ({"others_of_mail": 3}, {"many_of_mail": "hold"}),
        ({"others_of_subscriber": 2}, {}),
        ({"others_of_subscriber": 3}, {"many_of_subscriber": "review"}),
        ({"others_of_subscriber": 4}, {"many_of_subscriber": "hold"}),
        ({"others_of_click": 8}, {}),
        ({"others_of_click": 13}, {"many_of_click": "hold"}),
        ({"further_clicks": 3}, {}),
        ({"further_clicks": 4}, {"machine_like_clicks": "review"}),
        ({"further_clicks": 40}, {"machine_like_clicks": "review"}),
    ],
)
def test_what_is_flagged(changes: dict[str, Any], expected: dict[str, str]) -> None:
    assert flagged(**changes) == expected


def test_the_tests_of_one_conversion_share_its_chance_of_a_false_alarm() -> None:
    """P(>= 3 | 0.08) = 8e-5 is below 1e-4 alone, and not when it is one of five."""
    alone = {"others_of_mail": -1, "others_of_click": -1, "further_clicks": -1, "known_payouts": (), "catalogue_micros": 0}
    assert flagged(others_of_subscriber=3, **alone) == {"many_of_subscriber": "hold"}
    assert flagged(others_of_subscriber=3) == {"many_of_subscriber": "review"}


def test_a_flag_carries_its_figures_and_survives_json() -> None:
    (flag,) = conversion_flags(replace(HONEST, seconds_from_click=3.0))
    assert flag == Flag("instant_conversion", Severity.HOLD, {"seconds_from_click": 3.0})
    for changes in ({"payout_micros": 100_000_000}, {"others_of_mail": 40}, {"duplicate": True}):
        for one in conversion_flags(replace(HONEST, **changes)):
            assert parse_flag(json.loads(json.dumps(one.as_item(), allow_nan=False))) == one


facts = st.builds(
    Facts,
    seconds_from_click=st.none() | st.floats(-1e6, 1e7),
    before_its_mail=st.booleans(),
    payout_micros=st.integers(0, 10**12),
    catalogue_micros=st.just(0) | st.integers(1, 10**9),
    from_report=st.booleans(),
    known_payouts=st.lists(st.integers(1, 10**10), max_size=64),
    duplicate=st.booleans(),
    known_duplicates=st.integers(0, 16),
    others_of_mail=st.integers(-1, 50),
    others_of_subscriber=st.integers(-1, 50),
    others_of_click=st.integers(-1, 50),
    further_clicks=st.integers(-1, 50),
)


@given(st.lists(facts, min_size=1, max_size=8))
def test_many_rows_are_flagged_as_each_alone(many: list[Facts]) -> None:
    known = np.zeros((len(many), 64), dtype=np.int64)
    for row, one in enumerate(many):
        known[row, : len(one.known_payouts)] = one.known_payouts
    columns: dict[str, Any] = {
        field.name: np.array([getattr(one, field.name) for one in many])
        for field in fields(Facts)
        if field.name != "known_payouts"
    }
    columns["seconds_from_click"] = np.array(
        [np.nan if one.seconds_from_click is None else one.seconds_from_click for one in many]
    )
    found = signals(Conversions(**columns, known_payouts=known))
    for row, one in enumerate(many):
        together = {signal.name: ("review", "hold")[signal.severity[row] - 1] for signal in found if signal.severity[row]}
        assert together == {flag.signal: flag.severity.value for flag in conversion_flags(one)}


# --- touches ------------------------------------------------------------------------------------------------------------
def click(seconds: float, send_id: str = "a", *, human: bool = True, kind: str = "click") -> Touch:
    return Touch(kind, NOW + timedelta(seconds=seconds), send_id, human, 0.9)


def test_the_click_that_counts_is_the_mails_last_before_the_conversion_a_machines_too() -> None:
    touches = [click(0), click(50, human=False), click(70, kind="open"), click(80, "b"), click(200)]
    assert credited_click_at(touches, "a", NOW + timedelta(seconds=100)) == NOW + timedelta(seconds=50)
    assert credited_click_at(touches, "a", NOW) == NOW
    # later clicks prove nothing: earlier ones may have passed nobody who counts
    assert credited_click_at(touches, "a", NOW - timedelta(seconds=1)) is None


def test_the_most_clicks_within_ten_seconds_are_counted_beside_the_first() -> None:
    slow = [click(20 * n) for n in range(30)]
    assert most_further_clicks(slow, "a") == 0
    assert most_further_clicks([], "a") == 0
    burst = [click(1_000 + 2 * n) for n in range(8)]
    assert most_further_clicks([*burst, *slow], "a") == 5
    assert most_further_clicks(burst, "b") == 0
    assert most_further_clicks([replace(one, human=False) for one in burst], "a") == 0
