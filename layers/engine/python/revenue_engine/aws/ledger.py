"""The Ledger table: heads, append-only entries (M2) and the quarantine (M3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from revenue_engine.attribution.ledger import Head
from revenue_engine.aws import names
from revenue_engine.aws.dynamo import ConditionFailed, Expression, Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_millis, from_epoch, iso_millis, parse_iso
from revenue_engine.records.conversion import Allocation, Entry

_HEAD = "head"
_ALIAS = "alias"


@dataclass(frozen=True)
class Ledger:
    """All reads and writes of the table."""

    table: Table

    # --- books -------------------------------------------------------------------------------------------------------
    def head(self, key: str) -> Head | None:
        """The state of one arrival key, strongly consistent."""
        item = self.table.get(key, _HEAD)
        if item is None:
            return None
        facts: Item = {name: tuple(v) if isinstance(v, list) else v for name, v in item.items() if name not in ("pk", "sk")}
        return Head(**facts)

    def booking(self, key: str, *, read: Head | None, head: Head, entry: Entry, org: str, day: str) -> list[dict[str, Any]]:
        """The head moves on from the one that was read, and the entry is appended; both or neither."""
        return [
            self._moving_head(key, read, head),
            self.table.putting(
                {
                    **asdict(entry),
                    "attribution": {model: [asdict(share) for share in shares] for model, shares in entry.attribution.items()},
                    "converted_at": entry.converted_at.isoformat(),
                    "pk": key,
                    "sk": f"entry#{head.entries:06d}",
                    names.BOOKED_AT: epoch_millis(entry.booked_at),
                    names.ORG_DAY: f"{org}#{day}",
                },
                unless_exists=True,
            ),
        ]

    def keeping_doubtful(self, key: str, *, read: Head, head: Head, doubtful_id: str, facts: Item) -> list[dict[str, Any]]:
        """A contradicting arrival waits beside the books for the report or a person; it moves no money."""
        return [
            self._moving_head(key, read, head),
            self.table.putting({**facts, "pk": key, "sk": f"doubtful#{doubtful_id}"}, unless_exists=True),
        ]

    def event_key(self, named: str) -> str | None:
        """Under which arrival key an event of this name was booked: the report knows an event's name, not its id."""
        item = self.table.get(named, _ALIAS)
        return str(item["key"]) if item else None

    def naming_event(self, named: str, key: str) -> dict[str, Any]:
        """Remembers it in the transaction that books; of two writers who name different keys, the second looks again."""
        same = Expression(condition="attribute_not_exists(pk) OR #key = :key", names={"#key": "key"}, values={":key": key})
        return self.table.putting({"pk": named, "sk": _ALIAS, "key": key}, condition=same)

    def _moving_head(self, key: str, read: Head | None, head: Head) -> dict[str, Any]:
        if read is None:
            unchanged = Expression(condition="attribute_not_exists(pk)")
        else:
            unchanged = Expression(condition="#version = :read", names={"#version": "version"}, values={":read": read.version})
        return self.table.putting({**asdict(head), "pk": key, "sk": _HEAD}, condition=unchanged)

    def entries(self, key: str) -> list[Entry]:
        """All entries of one arrival key, in order."""
        return [
            _entry(item)
            for item in self.table.query(
                "#pk = :pk AND begins_with(#sk, :entry)",
                {":pk": key, ":entry": "entry#"},
                names={"#pk": "pk", "#sk": "sk"},
                consistent=True,
            )
        ]

    def booked_on(self, org: str, day: str) -> Iterator[tuple[str, Entry]]:
        """`(arrival key, entry)` of everything booked on one org day, oldest first."""
        for item in self.table.query(
            "#day = :day", {":day": f"{org}#{day}"}, names={"#day": names.ORG_DAY}, index=names.LEDGER_BY_DAY_INDEX
        ):
            yield item["pk"], _entry(item)

    # --- quarantine --------------------------------------------------------------------------------------------------
    def quarantine(self, org: str, *, receipt_id: str, received_at: datetime, facts: Item) -> None:
        """Writes or rewrites the one entry of a receipt."""
        self.table.put(
            {**facts, "pk": f"{org}#quarantine", "sk": f"{iso_millis(received_at)}#{receipt_id}", "receipt_id": receipt_id}
        )

    def release(self, org: str, *, receipt_id: str, received_at: datetime) -> None:
        """A receipt that was quarantined has been understood after all."""
        expression = changes(set_={"state": "replayed"}, condition="attribute_exists(pk)")
        try:
            self.table.update(f"{org}#quarantine", f"{iso_millis(received_at)}#{receipt_id}", expression)
        except ConditionFailed:
            return

    def quarantined(self, org: str) -> Iterator[Item]:
        """Every quarantined receipt of the org, oldest first."""
        return self.table.query("#pk = :pk", {":pk": f"{org}#quarantine"}, names={"#pk": "pk"}, consistent=True)


def _entry(item: Item) -> Entry:
    facts = {name: value for name, value in item.items() if name not in ("pk", "sk", names.ORG_DAY)}
    facts |= {
        "attribution": {
            model: tuple(Allocation(s["send_id"], float(s["weight"]), s["micros"]) for s in shares)
            for model, shares in item["attribution"].items()
        },
        "converted_at": parse_iso(item["converted_at"]),
        "booked_at": from_epoch(item[names.BOOKED_AT] / 1000),
        "subscriber": item.get("subscriber"),
        "send_id": item.get("send_id"),
    }
    return Entry(**facts)
