"""What looks wrong about a conversion, or about an offer's day, and how grave it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from revenue_engine.errors import BadInput

LEAST_CHANCE = 1e-30  # smaller ones are no better evidence, and a table's numbers end at 1e-130


class Severity(StrEnum):
    """`review`: listed for a person. `hold`: booked, listed, and nothing is learned from it until a person or time decides."""

    REVIEW = "review"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Flag:
    """One signal of one conversion or one offer-day, with the figures it was raised on."""

    signal: str
    severity: Severity
    detail: Mapping[str, int | float]

    def as_item(self) -> dict[str, Any]:
        """For JSON and for items."""
        return {"signal": self.signal, "severity": self.severity.value, "detail": dict(self.detail)}


def parse_flag(item: Mapping[str, Any]) -> Flag:
    """The flag of a stored item. Raises BadInput naming what is missing or unknown."""
    try:
        return Flag(str(item["signal"]), Severity(item["severity"]), dict(item["detail"]))
    except KeyError as error:
        raise BadInput(str(error.args[0]), "missing") from None
    except ValueError:
        raise BadInput("severity", "unknown_severity", str(item["severity"])[:20]) from None
