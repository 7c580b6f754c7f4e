"""Receipts that could not be understood or contradict the books (M3): a partition of the Ledger table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

    def newest_first(self, org: str, *, before: str = "", most: int | None = None, only: Sequence[str] = ()) -> Iterator[Item]:
        """The org's entries, at most so many, and of each the attributes in `only`; `before`: those after this one's sort key."""
        return self.table.query(
            "#pk = :pk AND #sk < :before",
            {":pk": _of(org), ":before": before or "~"},
            names={"#pk": "pk", "#sk": "sk"},
            limit=most,
            consistent=True,
            only=only,
            descending=True,
        )


def _of(org: str) -> str:
    return f"{org}#quarantine"
