"""The Timeline table: what happened between one person and our mails, in the order of time. Its put is the dedupe of an event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import Table
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_seconds, iso_millis, parse_iso
from revenue_engine.records.send import Touch

KEEP_DAYS = 400


@dataclass(frozen=True)
class Timeline:
    """All reads and writes of the table."""

    table: Table

    def recording(self, org: str, subscriber: str, *, at: datetime, kind: str, event_id: str, facts: Item) -> dict[str, Any]:
        """One event, once: a second arrival of the same event cancels the transaction it is part of."""
        item = {
            "pk": f"{org}#{subscriber}",
            "sk": f"{iso_millis(at)}#{kind}#{event_id}",
            "kind": kind,
            **facts,
            names.EXPIRES_AT: epoch_seconds(at) + KEEP_DAYS * 86_400,
        }
        return self.table.putting(item, unless_exists=True)

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
