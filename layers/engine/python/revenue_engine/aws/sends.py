"""The Sends table: the outbox (P2) and every mail's outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import Expression, Table, TransactionCancelled, changes, commit
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.send import NEXT_STATES, PlannedSend, SendState

KEEP_DAYS = 400  # an opt-out link works at least 30 days (CAN-SPAM); outcomes are learned from for a year
_ON_WATCH = (SendState.CLAIMED, SendState.UNKNOWN)


@dataclass(frozen=True)
class Sends:
    """All reads and writes of the table."""

    table: Table

    def get(self, send_id: str) -> Item | None:
        """One outbox row, strongly consistent."""
        return self.table.get(send_id)

    def claiming(self, plan: PlannedSend, *, now: datetime, day: str) -> dict[str, Any]:
        """PLANNED, or nothing yet, → CLAIMED: whoever comes second finds it taken (P2)."""
        at = epoch_seconds(now)
        item = {
            **asdict(plan),
            "pk": plan.send_id,
            "state": SendState.CLAIMED.value,
            names.CLAIMED_AT: at,
            names.ORG_DAY: f"{plan.org}#{day}",
            names.ORG_STATE: f"{plan.org}#{SendState.CLAIMED.value}",
            names.EXPIRES_AT: at + KEEP_DAYS * 86_400,
        }
        may = Expression(
            condition="attribute_not_exists(pk) OR #state = :planned",
            names={"#state": "state"},
            values={":planned": SendState.PLANNED.value},
        )
        return self.table.putting(item, condition=may)

    def moving(
        self, send_id: str, *, org: str, to: SendState, facts: Mapping[str, Any], seen: SendState | None = None
    ) -> dict[str, Any]:
        """A transaction's move to another state, from any state that may precede it, or of those only from the one that was `seen`."""
        before = [s for s, following in NEXT_STATES.items() if to in following and seen in (None, s)]
        watched = to in _ON_WATCH
        return self.table.updating(
            send_id,
            None,
            changes(
                set_={"state": to.value, **facts, **({names.ORG_STATE: f"{org}#{to.value}"} if watched else {})},
                remove=() if watched else (names.ORG_STATE,),
                condition="#state IN (" + ", ".join(f":b{i}" for i in range(len(before))) + ")",
                names={"#state": "state"},
                values={f":b{i}": s.value for i, s in enumerate(before)},
            ),
        )

    def move(
        self,
        send_id: str,
        *,
        org: str,
        to: SendState,
        facts: Mapping[str, Any],
        counting: Sequence[dict[str, Any]] = (),
        seen: SendState | None = None,
    ) -> bool:
        """The move with the counters that go with it. False when the row is past it already, or no longer as it was `seen`."""
        try:
            commit([self.moving(send_id, org=org, to=to, facts=facts, seen=seen), *counting])
        except TransactionCancelled as cancelled:
            if cancelled.codes[0] == "ConditionalCheckFailed":
                return False
            raise
        return True

    def dropping(self, plan: PlannedSend, *, reason: str, now: datetime, day: str) -> dict[str, Any]:
        """A plan that ends before its claim leaves a row that says why; an existing row refuses it."""
        item = {
            **asdict(plan),
            "pk": plan.send_id,
            "state": SendState.DROPPED.value,
            "reason": reason,
            names.CLAIMED_AT: epoch_seconds(now),
            names.ORG_DAY: f"{plan.org}#{day}",
            names.EXPIRES_AT: epoch_seconds(now) + KEEP_DAYS * 86_400,
        }
        return self.table.putting(item, unless_exists=True)

    def outcome(
        self,
        send_id: str,
        *,
        first: Mapping[str, Any] | None = None,
        add: Mapping[str, int] | None = None,
        guard: Expression | None = None,
    ) -> dict[str, Any]:
        """Adds to a mail's outcome: `first` sets what is not set yet, `add` counts; `guard` is one more condition."""
        update, placed, values = [], {}, {}
        for i, (name, value) in enumerate((first or {}).items()):
            placed[f"#f{i}"], values[f":f{i}"] = name, value
            update.append(f"#f{i} = if_not_exists(#f{i}, :f{i})")
        adding = []
        for i, (name, amount) in enumerate((add or {}).items()):
            placed[f"#a{i}"], values[f":a{i}"] = name, amount
            adding.append(f"#a{i} :a{i}")
        text = " ".join(
            p for p in ("SET " + ", ".join(update) if update else "", "ADD " + ", ".join(adding) if adding else "") if p
        )
        condition = "attribute_exists(pk)" + (f" AND {guard.condition}" if guard else "")
        return self.table.updating(
            send_id,
            None,
            Expression(
                text, condition, placed | dict(guard.names if guard else {}), values | dict(guard.values if guard else {})
            ),
        )

    def engaging(
        self, send_id: str, *, read: int, facts: Mapping[str, Any], gone: Sequence[str], deferred: bool, first_click_moved: bool
    ) -> dict[str, Any]:
        """What the mail's readers come to, if nobody booked any since `read` bookings, nor whether it was `deferred`; `gone`: what does
        not hold (any more).

        `first_click_revision` tells which of two readings of `first_human_click_at` is the later one.
        """
        as_read = "#engagements = :read" if read else "attribute_exists(pk) AND attribute_not_exists(#engagements)"
        expression = changes(
            set_={**facts, names.ENGAGEMENTS: read + 1},
            add={"first_click_revision": 1} if first_click_moved else None,
            remove=gone,
            condition=f"{as_read} AND attribute_{'exists' if deferred else 'not_exists'}(#deferred)",
            names={"#engagements": names.ENGAGEMENTS, "#deferred": "deferred_at"},
            values={":read": read} if read else {},
        )
        return self.table.updating(send_id, None, expression)

    def in_state(self, org: str, state: SendState, *, claimed_before: int, limit: int) -> list[str]:
        """Send ids that have been in a watched state for long: the 1-minute judge's sweep."""
        found = self.table.query(
            "#state = :state AND #at < :before",
            {":state": f"{org}#{state.value}", ":before": claimed_before},
            names={"#state": names.ORG_STATE, "#at": names.CLAIMED_AT},
            index=names.SENDS_BY_STATE_INDEX,
            limit=limit,
        )
        return [item["pk"] for item in found]

    def on_day(self, org: str, day: str) -> Iterator[Item]:
        """All rows of one org day."""
        return self.table.query(
            "#day = :day", {":day": f"{org}#{day}"}, names={"#day": names.ORG_DAY}, index=names.SENDS_BY_DAY_INDEX
        )
