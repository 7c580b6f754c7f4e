"""The Subscribers table (docs/data-model.md): people, their packed rows, and the sparse due index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import ConditionFailed, Expression, Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.ids import stable_hash
from revenue_engine.records.subscriber import Row, pack, unpack

ACTIVE = "active"
GRANTED = "granted"
ERASED = "erased"
# what an erased person's item keeps: nothing of it tells one person from another
_OF_NOBODY = ("org", "subscriber", "arm", names.LOT, names.CREATED_AT, "provider", "consent_source", "consent_at")


def due_shard(org: str, subscriber: str) -> str:
    """The partition of the due index a subscriber lives in."""
    return f"{org}#{stable_hash(subscriber) % names.DUE_SHARDS:02d}"


def lot_key(org: str, lot: str) -> str:
    """The partition of the index of lots that a person stays in for ever."""
    return f"{org}#{lot}"


@dataclass(frozen=True)
class Subscribers:
    """All reads and writes of the table."""

    table: Table

    def get(self, org: str, subscriber: str) -> Item | None:
        """The person, strongly consistent."""
        return self.table.get(f"{org}#{subscriber}")

    def by_address(self, org: str, address_hash: str) -> Item | None:
        """The address item: `subscriber` and `status`."""
        return self.table.get(f"{org}#addr#{address_hash}")

    # --- import ------------------------------------------------------------------------------------------------------
    def creating(self, person: Item) -> list[dict[str, Any]]:
        """The two writes of a new person: the address item makes the address unique."""
        org, subscriber = person["org"], person["subscriber"]
        address = {
            "pk": f"{org}#addr#{person['address_hash']}",
            "org": org,
            "subscriber": subscriber,
            "status": person["status"],
        }
        return [
            self.table.putting(address, unless_exists=True),
            self.table.putting({**person, "pk": f"{org}#{subscriber}"}, unless_exists=True),
        ]

    def update_profile(self, org: str, subscriber: str, *, version: int, row: bytes, facts: dict[str, Any]) -> None:
        """A re-import: declared facts only, never status, consent or arm. Raises ConditionFailed when the person changed meanwhile."""
        self.table.update(
            f"{org}#{subscriber}",
            None,
            changes(
                set_={**facts, "row": row},
                add={"version": 1},
                condition="#version = :read AND #status = :active",
                names={"#version": "version", "#status": "status"},
                values={":read": version, ":active": ACTIVE},
            ),
        )

    # --- decide ------------------------------------------------------------------------------------------------------
    def due(self, org: str, *, now: int) -> Iterator[Item]:
        """The subscribers whose time has come: `subscriber`, `row`, `decided_at`, shard by shard, read as they are asked for."""
        for shard in range(names.DUE_SHARDS):
            yield from self.table.query(
                "#shard = :shard AND #due <= :now",
                {":shard": f"{org}#{shard:02d}", ":now": now},
                names={"#shard": names.DUE_SHARD, "#due": names.NEXT_DECISION_AT},
                index=names.DUE_INDEX,
            )

    def set_next_decision(self, org: str, subscriber: str, *, at: int, decided_at: int, waits: bool = False) -> bool:
        """Moves the due time; `waits`: a mail to them waits for approval until then. False for somebody no longer mailable, who is never
        due again."""
        try:
            self.table.update(
                f"{org}#{subscriber}",
                None,
                changes(
                    set_={names.NEXT_DECISION_AT: at, "decided_at": decided_at, names.WAITS_UNTIL: at if waits else None},
                    remove=() if waits else (names.WAITS_UNTIL,),
                    condition="#status = :active AND attribute_exists(#shard)",
                    names={"#status": "status", "#shard": names.DUE_SHARD},
                    values={":active": ACTIVE},
                ),
            )
        except ConditionFailed:
            return False
        return True

    # --- claim, engage -----------------------------------------------------------------------------------------------
    def writing_row(self, org: str, subscriber: str, *, row: Row, read_version: int, must_be_mailable: bool) -> dict[str, Any]:
        """The row after a pure apply, if nobody wrote in between. A claim also insists on status and consent (P1), and what it claims
        waits no more.

        Who has brought revenue stands in the sparse revenue index; who has it no more leaves it.
        """
        ranked = row.revenue_micros > 0
        gone = () if ranked else (names.REVENUE_ORG, names.REVENUE_MICROS)
        condition, check_names, values = "#version = :read", {"#version": "version"}, {":read": read_version}
        if must_be_mailable:
            condition += " AND #status = :active AND #consent = :granted"
            check_names |= {"#status": "status", "#consent": "consent_status"}
            values |= {":active": ACTIVE, ":granted": GRANTED}  # type: ignore[dict-item]
            gone = (*gone, names.WAITS_UNTIL)
        return self.table.updating(
            f"{org}#{subscriber}",
            None,
            changes(
                set_={"row": pack(row), **({names.REVENUE_ORG: org, names.REVENUE_MICROS: row.revenue_micros} if ranked else {})},
                add={"version": 1},
                remove=gone,
                condition=condition,
                names=check_names,
                values=values,
            ),
        )

    def top_by_revenue(self, org: str, limit: int) -> list[tuple[str, int]]:
        """`(subscriber, micros of the org's currency)` of those who brought the most, best first."""
        found = self.table.query(
            "#org = :org",
            {":org": org},
            names={"#org": names.REVENUE_ORG},
            index=names.REVENUE_INDEX,
            limit=limit,
            descending=True,
        )
        return [(item["subscriber"], int(item[names.REVENUE_MICROS])) for item in found]

    def of_lot(self, org: str, lot: str) -> Iterator[Item]:
        """Everybody whom a lot gave an arm, whatever became of them, oldest first: `subscriber`, `arm`, `status`, `provider`,
        `created_at` and, where known, `consent_at`."""
        return self.table.query("#lot = :lot", {":lot": lot_key(org, lot)}, names={"#lot": names.LOT}, index=names.LOT_INDEX)

    def pull_forward(self, org: str, subscriber: str, *, at: int, now: int, if_beyond: int = 0) -> None:
        """An engagement event makes a person due earlier, never later, and not while a mail to them waits: there would be a second.
        Only whoever would have waited for more than `if_beyond` seconds after `at`."""
        expression = changes(
            set_={names.NEXT_DECISION_AT: at},
            condition="attribute_exists(#shard) AND #next > :beyond AND (attribute_not_exists(#waits) OR #waits <= :now)",
            names={"#shard": names.DUE_SHARD, "#next": names.NEXT_DECISION_AT, "#waits": names.WAITS_UNTIL},
            values={":beyond": at + if_beyond, ":now": now},
        )
        try:
            self.table.update(f"{org}#{subscriber}", None, expression)
        except ConditionFailed:
            return

    def opt_out(self, org: str, subscriber: str, *, status: str, at: int, source: str) -> Item | None:
        """P1, P3: takes effect at once, without reading, and beats every writer that believed the old state.

        None: nobody by that key, or somebody who has been erased, whose opt-out is for ever.
        """
        try:
            person = self.table.update(
                f"{org}#{subscriber}",
                None,
                Expression(
                    update="SET #status = :status, #consent = :withdrawn, #at = :at, #source = :source"
                    " ADD #version :one REMOVE #shard, #next",
                    condition="attribute_exists(pk) AND #status <> :erased",
                    names={
                        "#status": "status",
                        "#consent": "consent_status",
                        "#at": "opted_out_at",
                        "#source": "opt_out_source",
                        "#version": "version",
                        "#shard": names.DUE_SHARD,
                        "#next": names.NEXT_DECISION_AT,
                    },
                    values={
                        ":status": status,
                        ":withdrawn": "withdrawn",
                        ":at": at,
                        ":source": source,
                        ":one": 1,
                        ":erased": ERASED,
                    },
                ),
            )
            known = changes(set_={"status": status}, condition="attribute_exists(pk)")  # erased meanwhile, it must not come back
            with suppress(ConditionFailed):
                self.table.update(f"{org}#addr#{person['address_hash']}", None, known)
        except ConditionFailed:
            return None
        return person

    # --- erasure ------------------------------------------------------------------------------------------------------
    def erasing(self, person: Item, *, at: int) -> list[dict[str, Any]]:
        """Who it was is gone, with the way from the address to the key; that there was somebody in an arm is not (D4).

        If nobody wrote the person since he was read.
        """
        left: Item = {name: person[name] for name in _OF_NOBODY if person.get(name) is not None}
        left |= {"pk": person["pk"], "status": ERASED, "consent_status": "withdrawn", "erased_at": at}
        unchanged = Expression(condition="#version = :read", names={"#version": "version"}, values={":read": person["version"]})
        return [
            self.table.putting(left, condition=unchanged),
            self.table.deleting(f"{person['org']}#addr#{person['address_hash']}"),
        ]


def row_of(person: Item) -> Row:
    """The packed row of a person. Raises Refused on another layout."""
    return unpack(person["row"])
