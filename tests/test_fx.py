"""Exchange: exact, half even, both ways alike; a rate nobody gave is none."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.fx import convert, rate_for
from revenue_engine.records.controls import Controls, FxRate

_MICROS = st.integers(-(10**15), 10**15)
_RATES = st.decimals(min_value="0.000001", max_value=100_000, places=6).map(str)


@pytest.mark.parametrize(
    ("micros", "rate", "converted"),
    [
        (10_000_000, "1.0832", 10_832_000),
        (12_345_678, "1.0832", 13_372_838),  # ....4096
        (1, "0.5", 0),  # half to even
        (3, "0.5", 2),
        (5, "0.5", 2),
        (-3, "0.5", -2),
        (1_000_000, "0.0067", 6_700),
        (1, "0.000000000001", 0),
        (10**15, "1.000000000001", 10**15 + 1_000),
    ],
)
def test_known_amounts(micros: int, rate: str, converted: int) -> None:
    assert convert(micros, rate) == converted


@given(micros=_MICROS, rate=_RATES)
def test_within_half_a_micro_and_the_mirror_of_its_negative(micros: int, rate: str) -> None:
    assert abs(convert(micros, rate) - micros * Fraction(rate)) <= Fraction(1, 2)
    assert convert(-micros, rate) == -convert(micros, rate)


@given(micros=_MICROS)
def test_the_orgs_own_currency_is_itself(micros: int) -> None:
    assert convert(micros, rate_for(Controls(currency="EUR"), "EUR") or "") == micros


def test_a_rate_is_the_operators_or_none() -> None:
    controls = Controls(currency="EUR", fx_rates={"USD": FxRate(rate="0.92", as_of=date(2026, 3, 1))})
    assert (rate_for(controls, "USD"), rate_for(controls, "EUR"), rate_for(controls, "GBP")) == ("0.92", "1", None)
