"""Plans that end before their claim: a row with the reason, its count, and their budget back, together (D6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import utc_hour
from revenue_engine.errors import Contention
from revenue_engine.records.causes import Cause
from revenue_engine.records.send import CONTENT_INCOMPLETE, PlannedSend, counted_of_cycle

TOGETHER = 50  # rows of one transaction: many drops meet on one budget
ATTEMPTS = 8
_REFUSED = "ConditionalCheckFailed"


@dataclass
class Drops:
    """Of one message, written some at a time. What a crash leaves unwritten is dropped again when the message comes again."""

    w: Wiring
    org: str
    now: Callable[[], datetime]
    day: str  # of the org, under which the rows are listed and counted
    waiting: list[tuple[PlannedSend, str]] = field(default_factory=list)

    def add(self, plan: PlannedSend, reason: str) -> None:
        """One plan more."""
        self.waiting.append((plan, reason))
        if len(self.waiting) >= TOGETHER:
            self.write()

    def write(self) -> None:
        """All that wait. A plan that has a row already keeps it, and gives nothing back a second time."""
        left, self.waiting = self.waiting, []
        reserved = True
        for _ in range(ATTEMPTS):
            if not left:
                return
            rows = [self.w.sends.dropping(plan, reason=reason, now=self.now(), day=self.day) for plan, reason in left]
            counting = self._counting(left)
            budgets = Counter(plan.budget_day for plan, _ in left if reserved and plan.budget_day)
            try:
                commit([*rows, *counting, *(self.w.control.giving_back(self.org, day, n) for day, n in budgets.items())])
            except TransactionCancelled as cancelled:
                here, beyond = cancelled.codes[: len(rows)], cancelled.codes[len(rows) + len(counting) :]
                if _REFUSED in here:
                    left = [one for one, code in zip(left, here, strict=True) if code != _REFUSED]
                elif _REFUSED in beyond:
                    reserved = False  # the day has less than that to take back
                continue
            return
        raise Contention(f"{len(left)} dropped sends of {self.org} kept meeting others")

    def _counting(self, dropped: Sequence[tuple[PlannedSend, str]]) -> list[dict[str, Any]]:
        first, _ = dropped[0]  # a message's are of one cycle
        reasons = Counter(reason for _, reason in dropped)
        incomplete = Counter(f"{plan.offer}/{plan.variant}" for plan, reason in dropped if reason == CONTENT_INCOMPLETE)
        amounts = counted_of_cycle(first.cycle_id, "dropped", len(dropped))
        amounts |= {Cause("variant", name).counter(CONTENT_INCOMPLETE): n for name, n in incomplete.items()}
        return [
            *self.w.counters.hour(self.org, utc_hour(self.now()), amounts, shard_by=first.send_id),
            *self.w.counters.dropped(self.org, date.fromisoformat(self.day), reasons, shard_by=first.send_id),
        ]


def with_budget_back(w: Wiring, plan: PlannedSend, action: dict[str, Any], counting: Sequence[dict[str, Any]]) -> bool:
    """A write that ends a claimed plan, with its budget and what it counts. False when the row is past it already."""
    back = [w.control.giving_back(plan.org, plan.budget_day, 1)] if plan.budget_day else []
    for returned in (back, []):
        try:
            commit([action, *counting, *returned])
        except TransactionCancelled as cancelled:
            if cancelled.codes[0] == _REFUSED:
                return False
            if returned and cancelled.codes[-1] == _REFUSED:
                continue  # nothing was reserved on that day
            raise
        return True
    raise AssertionError("unreachable")
