"""The Ledger table: heads and append-only entries (M2), and what ties a click's facts together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from pydantic import TypeAdapter

from revenue_engine.attribution.ledger import Change, Entry, Head
from revenue_engine.attribution.position import Position
from revenue_engine.aws import names
from revenue_engine.aws.dynamo import Expression, Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_millis, from_epoch

_HEAD = "head"
_ALIAS = "alias"
_MAIL = "mail"
_CLAIM = "claim"
_TRANSACTIONS = "transactions"
_HEADS, _HEAD_FIELDS = TypeAdapter(Head), tuple(field.name for field in fields(Head))
_ENTRIES, _ENTRY_FIELDS = TypeAdapter(Entry), tuple(field.name for field in fields(Entry))


@dataclass(frozen=True)
class Ledger:
    """All reads and writes of the table."""

    table: Table

    def head(self, key: str) -> Head | None:
        """The state of one arrival key, strongly consistent."""
        item = self.table.get(key, _HEAD)
        return _HEADS.validate_python({name: item[name] for name in _HEAD_FIELDS}) if item else None

    def booking(self, key: str, *, read: Head | None, change: Change, org: str, day: str) -> list[dict[str, Any]]:
        """The head moves on from the one that was read, and the entries are appended; all or none."""
        first = change.head.entries - len(change.entries) + 1
        return [
            self._moving_head(key, read, change.head),
            *(
                self.table.putting(
                    {
                        **_ENTRIES.dump_python(entry, mode="json"),
                        **_shown(entry.position, "_delta"),
                        "pk": key,
                        "sk": f"entry#{number:06d}",
                        names.BOOKED_AT: epoch_millis(entry.booked_at),
                        names.ORG_DAY: f"{org}#{day}",
                    },
                    unless_exists=True,
                )
                for number, entry in enumerate(change.entries, start=first)
            ),
        ]

    def event_key(self, named: str) -> str | None:
        """The arrival key under which an event is booked that is known by its name, not its id."""
        item = self.table.get(named, _ALIAS)
        return str(item["key"]) if item else None

    def naming_event(self, named: str, key: str) -> dict[str, Any]:
        """Remembers it in the transaction that books; of two writers who name different keys, the second looks again."""
        return self._unless_other(named, _ALIAS, "key", key)

    def claimant_of(self, named: str) -> str | None:
        """The id of the event that a name alone was booked under, once a postback has told it."""
        item = self.table.get(named, _CLAIM)
        return str(item["event_id"]) if item else None

    def claiming_name(self, named: str, event_id: str) -> dict[str, Any]:
        """The first id of a name known alone is its id; another id is another event."""
        return self._unless_other(named, _CLAIM, "event_id", event_id)

    def key_of_conversion(self, org: str, conversion_id: str) -> str | None:
        """Where a row of the report is booked: its event may be renamed, its id never changes."""
        item = self.table.get(f"{org}#conversion_id#{conversion_id}", _ALIAS)
        return str(item["key"]) if item else None

    def naming_conversion(self, org: str, conversion_id: str, key: str) -> dict[str, Any]:
        """Remembers it in the transaction that books."""
        return self._unless_other(f"{org}#conversion_id#{conversion_id}", _ALIAS, "key", key)

    def mail_of(self, org: str, transaction_id: str) -> str | None:
        """The mail whose click a transaction is, once an authentic id has named it."""
        item = self.table.get(f"{org}#transaction#{transaction_id}", _MAIL)
        return str(item["send_id"]) if item else None

    def binding(self, org: str, transaction_id: str, send_id: str) -> dict[str, Any]:
        """One click has one mail: remembered in the transaction that books."""
        return self._unless_other(f"{org}#transaction#{transaction_id}", _MAIL, "send_id", send_id)

    def transactions_of(self, org: str, send_id: str) -> int:
        """How many transactions were bound to a mail."""
        item = self.table.get(f"{org}#mail#{send_id}", _TRANSACTIONS)
        return int(item["n"]) if item else 0

    def counting_transaction(self, org: str, send_id: str, *, most: int) -> dict[str, Any]:
        """One more, in the transaction that binds it, unless there are `most` already."""
        expression = changes(
            add={"n": 1},
            condition="attribute_not_exists(#count) OR #count < :most",
            names={"#count": "n"},
            values={":most": most},
        )
        return self.table.updating(f"{org}#mail#{send_id}", _TRANSACTIONS, expression)

    def _unless_other(self, pk: str, sk: str, name: str, value: str) -> dict[str, Any]:
        same = Expression(condition="attribute_not_exists(pk) OR #name = :value", names={"#name": name}, values={":value": value})
        return self.table.putting({"pk": pk, "sk": sk, name: value}, condition=same)

    def _moving_head(self, key: str, read: Head | None, head: Head) -> dict[str, Any]:
        if read is None:
            unchanged = Expression(condition="attribute_not_exists(pk)")
        else:
            unchanged = Expression(condition="#version = :read", names={"#version": "version"}, values={":read": read.version})
        item = {**_HEADS.dump_python(head, mode="json"), **_shown(head.position, ""), "state": head.position.state}
        return self.table.putting({**item, "pk": key, "sk": _HEAD}, condition=unchanged)

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
        """`(arrival key, entry)` of everything booked on one org day, oldest first; eventually consistent."""
        for item in self.table.query(
            "#day = :day", {":day": f"{org}#{day}"}, names={"#day": names.ORG_DAY}, index=names.LEDGER_BY_DAY_INDEX
        ):
            yield item["pk"], _entry(item)


def _shown(position: Position, suffix: str) -> Item:
    """What people and reconciliation look for, beside the whole."""
    return {
        f"provisional{suffix}_micros": position.amounts.provisional_micros,
        f"approved{suffix}_micros": position.amounts.approved_micros,
        "currency": position.place.currency,
    }


def _entry(item: Item) -> Entry:
    facts = {name: item[name] for name in _ENTRY_FIELDS}
    return _ENTRIES.validate_python({**facts, "booked_at": from_epoch(item[names.BOOKED_AT] / 1000)})
