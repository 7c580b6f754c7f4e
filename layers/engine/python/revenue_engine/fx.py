"""Money of other currencies in the org's own, by the operator's dated rates (M1: exact, and integer micros at both ends)."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from revenue_engine.errors import BadInput
from revenue_engine.records.controls import Controls


def rate_for(controls: Controls, currency: str) -> str | None:
    """The org's currency per unit of `currency`, decimal text; "1" for the org's own. None: the operator has given none."""
    if currency == controls.currency:
        return "1"
    known = controls.fx_rates.get(currency)
    return known.rate if known else None


def convert(micros: int, rate: str) -> int:
    """Micros of the org's currency, rounded half even at the micro; a negative amount is the mirror of its positive twin."""
    return round(micros * Fraction(rate))


def check_day(as_of: date, *, today: date, field: str) -> None:
    """Nobody has read a rate of a day to come. Raises BadInput naming `field`."""
    if as_of > today:
        raise BadInput(field, "in_the_future", as_of.isoformat())
