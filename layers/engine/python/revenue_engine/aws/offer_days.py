"""Offer-days that stand out, in the Control table: the judge writes them, bookings and people read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from revenue_engine.aws.dynamo import ConditionFailed, Expression, Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_seconds, from_epoch
from revenue_engine.records.anomaly import Flag, Severity, parse_flag

KEEP_DAYS = 90
_PREFIX = "offer_day#"


@dataclass(frozen=True, slots=True)
class FlaggedDay:
    """One signal of one offer on one org day."""

    day: date
    offer: str
    flag: Flag
    since: datetime  # of this severity
    dismissed: bool  # a person says that it was no fraud

    @property
    def key(self) -> str:
        """How people name it."""
        return f"{_PREFIX}{self.day}#{self.offer}#{self.flag.signal}"


@dataclass(frozen=True)
class OfferDays:
    """All reads and writes of them."""

    table: Table

    def flag(self, org: str, day: date, offer: str, flag: Flag, *, now: datetime) -> bool:
        """Notes a signal, or that it has become graver. False when that is known, or a person has dismissed it."""
        facts = {
            **flag.as_item(),
            "day": day.isoformat(),
            "offer": offer,
            "since": epoch_seconds(now),
            "expires_at": epoch_seconds(now + timedelta(days=KEEP_DAYS)),
        }
        graver = "attribute_not_exists(#dismissed) AND #before = :review AND :severity = :hold"
        expression = changes(
            set_=facts,
            condition=f"attribute_not_exists(pk) OR ({graver})",
            names={"#dismissed": "dismissed_by", "#before": "severity"},
            values={":severity": flag.severity.value, ":review": Severity.REVIEW.value, ":hold": Severity.HOLD.value},
        )
        return self._update(org, f"{_PREFIX}{day}#{offer}#{flag.signal}", expression)

    def dismiss(self, org: str, key: str, *, by: str, at: int) -> bool:
        """A person says that it was no fraud. False when nothing by that key is noted, or it was dismissed already."""
        exists = "attribute_exists(pk) AND attribute_not_exists(#dismissed)"
        expression = changes(
            set_={"dismissed_by": by, "dismissed_at": at}, condition=exists, names={"#dismissed": "dismissed_by"}
        )
        return key.startswith(_PREFIX) and self._update(org, key, expression)

    def get(self, org: str, day: date, offer: str, signal: str) -> FlaggedDay | None:
        """One of them."""
        item = self.table.get(org, f"{_PREFIX}{day}#{offer}#{signal}")
        return _flagged(item) if item else None

    def since(self, org: str, first_day: date) -> Iterator[FlaggedDay]:
        """All of this day and later ones."""
        for item in self.table.query(
            "#pk = :org AND #sk BETWEEN :first AND :last",
            {":org": org, ":first": f"{_PREFIX}{first_day}", ":last": f"{_PREFIX}~"},
            names={"#pk": "pk", "#sk": "sk"},
            consistent=True,
        ):
            yield _flagged(item)

    def _update(self, org: str, sk: str, expression: Expression) -> bool:
        try:
            self.table.update(org, sk, expression)
        except ConditionFailed:
            return False
        return True


def _flagged(item: Item) -> FlaggedDay:
    facts: dict[str, Any] = {"day": date.fromisoformat(item["day"]), "offer": item["offer"], "flag": parse_flag(item)}
    return FlaggedDay(**facts, since=from_epoch(item["since"]), dismissed="dismissed_by" in item)
