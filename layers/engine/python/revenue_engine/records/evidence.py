"""What was observed of one arm in one segment on one day, and the segments' names.

Deliveries, opens, unsubscribes and complaints count on their own UTC day; clicks and conversions on the UTC day *of the click*,
so that a conversion always stands beside the click it came from and exposure can be weighted by the click's age.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from revenue_engine.errors import BadInput

# Defined in prediction/segments.py. A segment's number is its position: only ever appended to.
SEGMENTS: tuple[str, ...] = ("new", "clicker", "opener", "quiet", "silent")
_COUNTS = ("deliveries", "opens", "clicks", "conversions", "conversion_micros", "unsubscribes", "complaints")


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
        if isinstance(value, bool) or value != int(value):
            raise BadInput(name, "not_a_whole_number", str(value)[:40])
        counts[name] = int(value)
    return Evidence(day, offer, variant, segment, **counts)
