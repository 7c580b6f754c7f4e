"""Money is exact (M1)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.errors import BadInput
from revenue_engine.money import format_micros, parse_currency, parse_micros


@pytest.mark.parametrize(
    ("text", "micros"), [("25.996", 25_996_000), ("32.5", 32_500_000), ("0", 0), (" 1.000001 ", 1_000_001), ("-4.25", -4_250_000)]
)
def test_a_decimal_amount_becomes_exact_micros(text: str, micros: int) -> None:
    assert parse_micros(text, field="payout") == micros


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_a_number"),
        ("abc", "not_a_number"),
        ("NaN", "not_a_number"),
        ("-Infinity", "not_a_number"),
        ("32,5", "not_a_number"),
        ("0.0000001", "finer_than_a_micro"),
        ("1e12", "amount_out_of_range"),
    ],
)
def test_what_is_no_amount_is_refused_by_field(text: str, reason: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_micros(text, field="payout")
    assert (caught.value.field, caught.value.reason) == ("payout", reason)


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (0, "0.00 USD"),
        (4_000, "0.004 USD"),
        (-4_000, "-0.004 USD"),
        (1, "0.000001 USD"),
        (50_000, "0.05 USD"),
        (99_999, "0.099999 USD"),
        (123_456, "0.12 USD"),
        (47_211_383, "47.21 USD"),
    ],
)
def test_small_amounts_are_shown_to_the_last_digit(micros: int, shown: str) -> None:
    assert format_micros(micros, "USD") == shown


def test_more_decimals_are_shown_where_they_are_asked_for() -> None:
    assert format_micros(4_000, "USD", decimals=6) == "0.004000 USD"
    assert format_micros(1_234_567_890, "USD", decimals=4) == "1,234.5679 USD"


@given(st.integers(min_value=-(10**17), max_value=10**17))
def test_every_amount_of_micros_survives_being_written_and_read(micros: int) -> None:
    assert parse_micros(str(Decimal(micros) / 1_000_000), field="x") == micros


def test_currencies_are_iso_codes_in_use() -> None:
    assert parse_currency(" usd ", field="currency") == "USD"
    for text in ("", "US", "XAU", "DEM", "dollars"):
        with pytest.raises(BadInput, match="currency: unknown_currency"):
            parse_currency(text, field="currency")


def test_people_read_rounded_amounts_with_their_currency() -> None:
    assert format_micros(1_234_567_891, "USD") == "1,234.57 USD"
    assert format_micros(-2_500, "EUR", decimals=4) == "-0.0025 EUR"
