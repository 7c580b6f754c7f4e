"""Of decision cycles in the Control table: leases and reports, and the velocity they send at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from revenue_engine.aws.dynamo import ConditionFailed, Expression, Table, TransactionCancelled, changes, commit
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_seconds

_CYCLE_DAYS = 30
_STEP_DAYS = 400


@dataclass(frozen=True)
class CycleRecords:
    """Reads and writes of cycles."""

    table: Table

    # --- cycles ------------------------------------------------------------------------------------------------------
    def lease_cycle(self, org: str, cycle_id: str, *, now: datetime, seconds: int, late: bool = False) -> Item | None:
        """The cycle's item if this caller may run it now: nobody holds the lease, and it is not done (D6). `late`: by a later cycle,
        which counts in its `late_attempts` too.

        Lease and `unfinished` are one write. Where its answer is lost the lease is given back, for nobody would know of holding it.
        """
        at = epoch_seconds(now)
        until = at + seconds
        lease = Expression(
            update="SET #until = :until, #expires = :expires, #started = if_not_exists(#started, :now) ADD #attempts :one"
            + (", #late :one" if late else ""),
            condition="(attribute_not_exists(#until) OR #until < :now) AND attribute_not_exists(#done)",
            names={
                "#until": "lease_until",
                "#expires": "expires_at",
                "#started": "started_at",
                "#attempts": "attempts",
                "#done": "done_at",
                **({"#late": "late_attempts"} if late else {}),
            },
            values={":until": until, ":expires": at + _CYCLE_DAYS * 86_400, ":now": at, ":one": 1},
        )
        begun = Expression(
            update="SET #unfinished = :cycle, #first = if_not_exists(#first, :now)",
            names={"#unfinished": "unfinished", "#first": "first_at"},
            values={":cycle": cycle_id, ":now": at},
        )
        try:
            commit([self.table.updating(org, f"cycle#{cycle_id}", lease), self.table.updating(org, "last_cycle", begun)])
            return self.table.get(org, f"cycle#{cycle_id}")
        except TransactionCancelled as cancelled:
            if cancelled.codes[0] == "ConditionalCheckFailed":
                return None
            raise
        except BaseException:
            self.release_cycle(org, cycle_id, until=until)
            raise

    def skip_cycle(self, org: str, cycle_id: str, *, now: datetime, counting: Sequence[dict[str, Any]]) -> None:
        """The switch stood at `off` when the cycle should have begun: noted once, with the counters that go with it."""
        at = epoch_seconds(now)
        skipped = {"pk": org, "sk": f"cycle#{cycle_id}", "off_at": at, "expires_at": at + _CYCLE_DAYS * 86_400}
        first = Expression("SET #first = if_not_exists(#first, :now)", names={"#first": "first_at"}, values={":now": at})
        try:
            commit([self.table.putting(skipped, unless_exists=True), self.table.updating(org, "last_cycle", first), *counting])
        except TransactionCancelled as cancelled:
            if cancelled.codes[0] != "ConditionalCheckFailed":
                raise

    def cycle(self, org: str, cycle_id: str) -> Item | None:
        """One cycle: `done_at` when it has ended, `off_at` when the switch stood at `off`."""
        return self.table.get(org, f"cycle#{cycle_id}")

    def release_cycle(self, org: str, cycle_id: str, *, until: int) -> None:
        """The attempt failed: the next one need not wait for its lease, which ends at `until`, to run out. Another's is left alone."""
        try:
            mine = changes(
                remove=["lease_until"], condition="#until = :until", names={"#until": "lease_until"}, values={":until": until}
            )
            self.table.update(org, f"cycle#{cycle_id}", mine)
        except ConditionFailed:
            return

    def note_pages(self, org: str, cycle_id: str, *, ran: int, now: datetime) -> None:
        """The cycle's first `ran` pages are queued and their people moved: `pages_ran`, `progressed_at` of what a lease returns."""
        self.table.update(org, f"cycle#{cycle_id}", changes(set_={"pages_ran": ran, "progressed_at": epoch_seconds(now)}))

    def give_up_cycle(self, org: str) -> None:
        """The unfinished cycle stays so: it has no end on record, for it has none."""
        self.table.update(org, "last_cycle", changes(remove=["unfinished"]))

    def finish_cycle(
        self, org: str, cycle_id: str, *, now: datetime, report: Mapping[str, Any], counting: Sequence[dict[str, Any]] = ()
    ) -> None:
        """The cycle ran to its end, and was not off; the counters that go with it."""
        done = {"done_at": epoch_seconds(now)}
        commit(
            [
                self.table.updating(
                    org, f"cycle#{cycle_id}", changes(set_={**done, "report": dict(report)}, remove=["lease_until", "off_at"])
                ),
                self.table.updating(org, "last_cycle", changes(set_={**done, "cycle_id": cycle_id}, remove=["unfinished"])),
                *counting,
            ]
        )

    def cycles(self, org: str, day: date) -> list[Item]:
        """Of a UTC day, in their order."""
        return list(self.table.beginning_with(org, f"cycle#{day:%Y%m%d}"))

    def last_cycle(self, org: str) -> Item | None:
        """`cycle_id`, `done_at` of the newest finished cycle; `unfinished`: one begun and not ended; `first_at`: of the very first."""
        return self.table.get(org, "last_cycle")

    # --- velocity ----------------------------------------------------------------------------------------------------
    def velocity(self, org: str) -> Item | None:
        """The velocity in force and why; None before the first look."""
        return self.table.get(org, "velocity")

    def keep_velocity(self, org: str, facts: Item, *, before: int, now: datetime) -> None:
        """A cycle's look. One that moves the velocity is kept for itself too."""
        writes = [self.table.putting({**facts, "pk": org, "sk": "velocity"})]
        if facts["sends_per_minute"] != before:
            step = {"before": before, "expires_at": epoch_seconds(now) + _STEP_DAYS * 86_400}
            writes.append(self.table.putting({**facts, **step, "pk": org, "sk": f"velocity#{facts['cycle_id']}"}))
        commit(writes)

    def last_velocity_step(self, org: str) -> Item | None:
        """The newest step on record: `before`, `sends_per_minute`, `state` and its figures."""
        return next(self.table.beginning_with(org, "velocity#", newest=1), None)
