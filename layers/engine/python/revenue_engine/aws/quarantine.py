"""Receipts that could not be understood or contradict the books (M3): a partition of the Ledger table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from revenue_engine.aws.dynamo import ConditionFailed, Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.clock import iso_millis


@dataclass(frozen=True)
class Quarantine:
    """All reads and writes of it."""

    table: Table

    def put(self, org: str, *, receipt_id: str, received_at: datetime, facts: Item) -> None:
        """Writes or rewrites the one entry of a receipt."""
        self.table.put({**facts, "pk": _of(org), "sk": f"{iso_millis(received_at)}#{receipt_id}", "receipt_id": receipt_id})

    def release(self, org: str, *, receipt_id: str, received_at: datetime) -> None:
        """A receipt that was quarantined has been understood after all."""
        expression = changes(set_={"state": "replayed"}, condition="attribute_exists(pk)")
        try:
            self.table.update(_of(org), f"{iso_millis(received_at)}#{receipt_id}", expression)
        except ConditionFailed:
            return

    def all(self, org: str) -> Iterator[Item]:
        """Every entry of the org, oldest first."""
        return self.table.query("#pk = :pk", {":pk": _of(org)}, names={"#pk": "pk"}, consistent=True)


def _of(org: str) -> str:
    return f"{org}#quarantine"
