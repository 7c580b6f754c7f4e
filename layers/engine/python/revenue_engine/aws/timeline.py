"""The Timeline table: what happened between one person and our mails, in the order of time. Its put is the dedupe of an event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_seconds, iso_millis, parse_iso
from revenue_engine.records.send import Touch

KEEP_DAYS = 400
_CLOCKS_DIFFER = timedelta(hours=1)
_NO_END = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Timeline:
    """All reads and writes of the table."""

    table: Table

    def recording(self, org: str, subscriber: str, *, at: datetime, kind: str, event_id: str, facts: Item) -> dict[str, Any]:
        """One event, once: a second arrival of the same event cancels the transaction it is part of."""
        item = {
            "pk": f"{org}#{subscriber}",
            "sk": self.sort_key(at, kind, event_id),
            "kind": kind,
            **facts,
            names.EXPIRES_AT: epoch_seconds(at) + KEEP_DAYS * 86_400,
        }
        return self.table.putting(item, unless_exists=True)

    @staticmethod
    def sort_key(at: datetime, kind: str, event_id: str) -> str:
        """Where an event stands among a person's."""
        return f"{iso_millis(at)}#{kind}#{event_id}"

    def revising(self, org: str, subscriber: str, key: str, facts: Item) -> dict[str, Any]:
        """A verdict on an event that others after it have changed; the event itself stays as it was told."""
        there = changes(set_=facts, condition="attribute_exists(pk)")
        return self.table.updating(f"{org}#{subscriber}", key, there)

    def of_mail(self, org: str, subscriber: str, send_id: str, *, since: datetime) -> list[Item]:
        """Everything that happened to one mail, oldest first; `since`: when SES took it, by clocks that may differ a little."""
        found = self.between(org, subscriber, start=since - _CLOCKS_DIFFER, end=_NO_END)
        return [item for item in found if item.get("send_id") == send_id]

    def between(self, org: str, subscriber: str, *, start: datetime, end: datetime) -> list[Item]:
        """Events of [start, end], oldest first."""
        return list(
            self.table.query(
                "#pk = :pk AND #sk BETWEEN :start AND :end",
                {":pk": f"{org}#{subscriber}", ":start": iso_millis(start), ":end": iso_millis(end) + "~"},
                names={"#pk": "pk", "#sk": "sk"},
                consistent=True,
            )
        )

    def touches(self, org: str, subscriber: str, *, start: datetime, end: datetime) -> list[Touch]:
        """Opens and clicks of the window, human and machine, as attribution reads them."""
        return touches_of(self.between(org, subscriber, start=start, end=end))


def touches_of(events: Iterable[Item]) -> list[Touch]:
    """The opens and clicks among them."""
    return [
        Touch(
            kind=item["kind"],
            at=parse_iso(item["sk"].split("#", 1)[0]),
            send_id=item["send_id"],
            human=item["human"],
            human_probability=item["human_probability"],
        )
        for item in events
        if item["kind"] in ("open", "click")
    ]
