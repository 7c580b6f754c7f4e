"""Of plans that wait for a person, in the Control table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from revenue_engine.aws.dynamo import ConditionFailed, Expression, Table, changes
from revenue_engine.aws.items import Item


@dataclass(frozen=True)
class ApprovalRecords:
    """Reads and writes of approvals."""

    table: Table

    def put_approval(self, org: str, approval_id: str, facts: Item) -> None:
        """A plan waits; writing it again changes nothing."""
        try:
            self.table.put(
                {**facts, "pk": org, "sk": f"approval#{approval_id}"}, Expression(condition="attribute_not_exists(pk)")
            )
        except ConditionFailed:
            return

    def approval(self, org: str, approval_id: str) -> Item | None:
        """One plan's facts: `status` waiting | approved | rejected, `valid_until`."""
        return self.table.get(org, f"approval#{approval_id}")

    def approvals(self, org: str, day: date | None = None) -> list[Item]:
        """All plans still on record, or those of the cycles of a UTC day."""
        return list(self.table.beginning_with(org, f"approval#{day:%Y%m%d}" if day else "approval#"))

    def decide_approval(self, org: str, approval_id: str, *, status: str, by: str, now: int) -> bool:
        """Approves or rejects a plan that still waits. False when it does not, or is too old."""
        expression = changes(
            set_={"status": status, "decided_by": by, "decided_at": now},
            condition="#status = :waiting AND #valid > :now",
            names={"#status": "status", "#valid": "valid_until"},
            values={":waiting": "waiting", ":now": now},
        )
        try:
            self.table.update(org, f"approval#{approval_id}", expression)
        except ConditionFailed:
            return False
        return True

    def wait_again(self, org: str, approval_id: str, reasons: Sequence[str] | None = None) -> None:
        """A plan that was approved and found no place waits for a person as before, or with new `reasons` why it has not approved itself;
        nothing when it is queued."""
        expression = changes(
            set_={"status": "waiting", "not_routine": None if reasons is None else list(reasons)},
            remove=("decided_by", "decided_at"),
            condition="#status = :approved AND attribute_not_exists(#queued)",
            names={"#status": "status", "#queued": "queued_at"},
            values={":approved": "approved"},
        )
        with suppress(ConditionFailed):
            self.table.update(org, f"approval#{approval_id}", expression)

    def note_reasons(self, org: str, approval_id: str, reasons: Sequence[str]) -> None:
        """Why a plan that waits has not approved itself; nothing when it no longer waits."""
        expression = changes(
            set_={"not_routine": list(reasons)},
            condition="#status = :waiting",
            names={"#status": "status"},
            values={":waiting": "waiting"},
        )
        try:
            self.table.update(org, f"approval#{approval_id}", expression)
        except ConditionFailed:
            return

    def note_queued(self, org: str, approval_id: str, *, at: int) -> bool:
        """An approved plan lies in the queue. False when another attempt has let it wait again."""
        expression = changes(
            set_={"queued_at": at},
            condition="#status = :approved",
            names={"#status": "status"},
            values={":approved": "approved"},
        )
        try:
            self.table.update(org, f"approval#{approval_id}", expression)
        except ConditionFailed:
            return False
        return True
