"""What was observed of one arm in one segment on one day, and the segments' names.

Deliveries, opens, unsubscribes and complaints count on the UTC day of their mail; clicks and conversions on the UTC day *of the click*,
so that a conversion always stands beside the click it came from and exposure can be weighted by the click's age.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Any

from revenue_engine.errors import BadInput

# Defined in prediction/segments.py. A segment's number is its position: only ever appended to.
SEGMENTS: tuple[str, ...] = ("new", "clicker", "opener", "quiet", "silent")
# How long after its click a conversion came, in bins by their upper edge; only of those whose click is known.
TOOK_DAYS = {"hour": 1 / 24, "day": 1.0, "three_days": 3.0, "week": 7.0, "longer": float("inf")}
_COUNTS = (
    *("deliveries", "opens", "clicks", "conversions", "conversion_micros", "reversed", "unsubscribes", "complaints"),
    *(f"took_{name}" for name in TOOK_DAYS),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One `evidence#{day}#{offer}#{variant}#{segment}` item. Opens and clicks are human; conversions are net of reversals."""

    day: date
    offer: str
    variant: str
    segment: str
    deliveries: int = 0
    opens: int = 0
    clicks: int = 0
    conversions: int = 0
    conversion_micros: int = 0
    unsubscribes: int = 0
    complaints: int = 0
    reversed: int = 0  # conversions that were counted and taken back
    took_hour: int = 0
    took_day: int = 0
    took_three_days: int = 0
    took_week: int = 0
    took_longer: int = 0


def took_of(seconds: float) -> str:
    """The bin of a conversion that came so long after its click."""
    return next(name for name, days in TOOK_DAYS.items() if seconds <= days * 86_400)


def parse_evidence(item: Mapping[str, Any]) -> Evidence:
    """Evidence of a stored item; counts it lacks are zero.

    Raises
    ------
    BadInput
        Naming the field: a day that is no ISO date, an unknown segment, a count that is no whole number.
    """
    try:
        day = date.fromisoformat(str(item["day"]))
        offer, variant, segment = str(item["offer"]), str(item["variant"]), str(item["segment"])
    except KeyError as error:
        raise BadInput(str(error.args[0]), "missing") from None
    except ValueError:
        raise BadInput("day", "not_a_date", str(item["day"])[:40]) from None
    if segment not in SEGMENTS:
        raise BadInput("segment", "unknown_segment", segment[:40])
    counts: dict[str, int] = {}
    for name in _COUNTS:
        value = item.get(name, 0)
        if not isinstance(value, int | float | Decimal) or isinstance(value, bool) or not isfinite(value) or value != int(value):
            raise BadInput(name, "not_a_whole_number", str(value)[:40])
        counts[name] = int(value)
    return Evidence(day, offer, variant, segment, **counts)
