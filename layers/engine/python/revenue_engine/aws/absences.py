"""Conversions that a whole report did not list: kept beside the ledger until they are listed again, or taken back."""

from __future__ import annotations

from dataclasses import dataclass

from revenue_engine.attribution.reconciliation import Absence
from revenue_engine.aws.dynamo import Table
from revenue_engine.clock import epoch_millis, from_epoch


@dataclass(frozen=True)
class Absences:
    """All reads and writes of them, in a partition of the Ledger table."""

    table: Table

    def all(self, org: str) -> dict[str, Absence]:
        """By conversion id; `times` is 0 for what was listed again."""
        return {
            item["sk"]: Absence(item["key"], item["times"], from_epoch(item["last_at"] / 1000))
            for item in self.table.query("#pk = :pk", {":pk": _of(org)}, names={"#pk": "pk"}, consistent=True)
        }

    def put(self, org: str, conversion_id: str, absence: Absence) -> None:
        """Writes or rewrites one."""
        item = {"key": absence.key, "times": absence.times, "last_at": epoch_millis(absence.last_at)}
        self.table.put({**item, "pk": _of(org), "sk": conversion_id})


def _of(org: str) -> str:
    return f"{org}#missed"
