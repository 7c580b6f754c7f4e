"""What reports are made of: sums of counters, and quotients that are exact until they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from revenue_engine.records.subscriber import ARMS

Counts = Mapping[str, int]  # one day's or one campaign's counters by name


@dataclass(frozen=True, slots=True)
class Revenue:
    """Micros of the org's currency: what postbacks said and nobody has confirmed yet, and what the network has approved."""

    provisional_micros: int = 0
    approved_micros: int = 0

    @property
    def booked_micros(self) -> int:
        """Both together: reversed and rejected money is in neither."""
        return self.provisional_micros + self.approved_micros


def total(days: Mapping[date, Counts], first_day: date, last_day: date) -> Counts:
    """The counters of the days of [first_day, last_day], added up."""
    added = Counter[str]()
    for day, counted in days.items():
        if first_day <= day <= last_day:
            added.update(counted)
    return added


def revenue_of(counted: Counts, of: str = "") -> Revenue:
    """Reported revenue; `of` is "" for all of it, `@offer` or `%policy` for a part."""
    return Revenue(*(counted.get(f"reported_{kind}_micros{of}", 0) for kind in ("provisional", "approved")))


def attributed_to_mails(counted: Counts) -> tuple[Revenue, int]:
    """Reported revenue and base conversions that a mail of ours has brought, whichever policy chose it."""
    parts = [revenue_of(counted, f"%{policy}") for policy in ARMS]
    revenue = Revenue(sum(p.provisional_micros for p in parts), sum(p.approved_micros for p in parts))
    return revenue, sum(counted.get(f"base_conversions%{policy}", 0) for policy in ARMS)


def per(revenue: Revenue, units: int, *, times: int = 1) -> Revenue | None:
    """Revenue per so many (`times`) units, each rounded half even at the micro; None when there are no units."""
    if units <= 0:
        return None
    kinds = (revenue.provisional_micros, revenue.approved_micros)
    return Revenue(*(round(Fraction(micros * times, units)) for micros in kinds))


def ratio(part: int | Fraction, whole: int | Fraction) -> Decimal | None:
    """A quotient to six places, rounded half even; None when there is nothing to divide by."""
    if whole <= 0:
        return None
    return Decimal(round(Fraction(part) / Fraction(whole) * 1_000_000)).scaleb(-6)
