"""The Control table: breaker, books and budgets, with what cycles and approvals record. Its counters: `aws.counters`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from revenue_engine.aws.approval_records import ApprovalRecords
from revenue_engine.aws.cycle_records import CycleRecords
from revenue_engine.aws.dynamo import ConditionFailed, Expression, TransactionCancelled, changes, commit
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_seconds, iso_millis


@dataclass(frozen=True)
class Control(ApprovalRecords, CycleRecords):
    """All reads and writes of the table."""

    # --- breaker -----------------------------------------------------------------------------------------------------
    def breaker(self, org: str) -> Item | None:
        """`state`, `reason`, `since`, `judged_at`, `failures_in_a_row`: a strong read. None or an old `judged_at` means no sends (D5)."""
        return self.table.get(org, "breaker")

    def heartbeat(self, org: str, *, at: int) -> Item:
        """The judge looked: sets `judged_at`, and `closed` where there is no state yet. The breaker as it is now."""
        return self.table.update(
            org,
            "breaker",
            Expression(
                update="SET #judged = :at, #state = if_not_exists(#state, :closed)",
                names={"#judged": "judged_at", "#state": "state"},
                values={":at": at, ":closed": "closed"},
            ),
        )

    def trip(self, org: str, *, reason: str, now: datetime, human: bool = False) -> bool:
        """closed | half_open → open, by the judge itself: sends stop even when the machine that cools down never starts.

        False: open already. `human`: only a person may close it again.
        """
        expression = changes(
            set_={
                "state": "open",
                "reason": reason,
                "since": iso_millis(now),
                "tripped_at": epoch_seconds(now),
                "human_needed": human,
            },
            remove=["execution"],
            condition="#now_state IN (:closed, :half)",
            names={"#now_state": "state"},
            values={":closed": "closed", ":half": "half_open"},
        )
        return self._update_breaker(org, expression)

    def need_human(self, org: str, *, reason: str) -> bool:
        """Of an open breaker: now only a person may close it, whatever it opened for. False: it is not open, or knows already."""
        expression = changes(
            set_={"human_needed": True, "reason": reason},
            condition="#now_state = :open AND NOT #human = :yes",
            names={"#now_state": "state", "#human": "human_needed"},
            values={":open": "open", ":yes": True},
        )
        return self._update_breaker(org, expression)

    def open_again(self, org: str, *, seen: Item, now: datetime) -> bool:
        """The machine is dead: open, whatever half was open, and without an execution, so that the judge starts another. False: somebody
        else has moved it meanwhile."""
        expression = changes(
            set_={"state": "open", "since": iso_millis(now), "tripped_at": epoch_seconds(now)},
            remove=["execution"],
            condition="#now_state = :seen_state AND #seen_since = :seen_since",
            names={"#now_state": "state", "#seen_since": "since"},
            values={":seen_state": seen["state"], ":seen_since": seen["since"]},
        )
        return self._update_breaker(org, expression)

    def begin_trial(self, org: str, *, at: int, counted: Mapping[str, int]) -> Item:
        """The first look at a trickle: what is judged begins here. `counted`: what the running hour had before; failures are forgiven."""
        facts = {"judge_from": at, "judged_before": dict(counted), "failures_in_a_row": 0}
        return self.table.update(org, "breaker", changes(set_=facts))

    def close_by_hand(self, org: str, *, by: str, now: datetime, counted: Mapping[str, int] | None = None) -> bool:
        """A person closes the breaker; a machine still cooling down finds itself superseded. `counted`: as above.

        False: it is not open, nor half open, and what was counted stays counted."""
        facts = {
            "state": "closed",
            "reason": f"closed by {by}",
            "since": iso_millis(now),
            "closed_by_hand_at": epoch_seconds(now),
            "judge_from": epoch_seconds(now),
            "judged_before": dict(counted or {}),
            "failures_in_a_row": 0,
            "human_needed": False,
        }
        expression = changes(
            set_=facts,
            remove=["execution"],
            condition="#now_state IN (:open, :half)",
            names={"#now_state": "state"},
            values={":open": "open", ":half": "half_open"},
        )
        return self._update_breaker(org, expression)

    def _update_breaker(self, org: str, expression: Expression) -> bool:
        try:
            self.table.update(org, "breaker", expression)
        except ConditionFailed:
            return False
        return True

    def note_failures(self, org: str, *, in_a_row: int, all_failed: bool) -> None:
        """Consecutive provider failures up to now; only a success in between starts anew, a message without attempts does not."""
        if not all_failed:
            self.table.update(org, "breaker", changes(set_={"failures_in_a_row": in_a_row}))
        elif in_a_row:
            self.table.update(org, "breaker", changes(add={"failures_in_a_row": in_a_row}))

    # --- the books ---------------------------------------------------------------------------------------------------
    def books_currency(self, org: str) -> str | None:
        """What sums of money are in, since the first booking and for good: two currencies are never added up (M1)."""
        if org not in self._books:
            item = self.table.get(org, "books")
            if item is None:
                return None
            self._books[org] = str(item["currency"])
        return self._books[org]

    def opening_books(self, org: str, currency: str) -> dict[str, Any]:
        """The first booking's action; of two that open them in different currencies the second looks again."""
        same = Expression(
            condition="attribute_not_exists(pk) OR #currency = :currency",
            names={"#currency": "currency"},
            values={":currency": currency},
        )
        return self.table.putting({"pk": org, "sk": "books", "currency": currency}, condition=same)

    def begin_reading(self, org: str, *, now: datetime) -> bool:
        """A reading of Everflow's report begins. Whether the last one came to its end."""
        before = self.table.get(org, "reading")
        self.table.put({"pk": org, "sk": "reading", "began_at": epoch_seconds(now)})
        return before is None or "ended_at" in before

    def end_reading(self, org: str, *, now: datetime) -> None:
        """It came to its end: every row was booked and everybody told."""
        self.table.update(org, "reading", changes(set_={"ended_at": epoch_seconds(now)}))

    @cached_property
    def _books(self) -> dict[str, str]:
        return {}

    def keep_look(self, org: str, document: str, *, at: datetime) -> None:
        """The newest look at the randomised arms, as JSON."""
        self.table.put({"pk": org, "sk": "lift", "looked_at": epoch_seconds(at), "document": document})

    def last_look(self, org: str) -> str | None:
        """What was kept of it, if there was one."""
        item = self.table.get(org, "lift")
        return str(item["document"]) if item else None

    # --- the daily budget --------------------------------------------------------------------------------------------
    def budget_reserved(self, org: str, day: str) -> int:
        """How much of the day's cap is spoken for."""
        return self.reserved(org, f"budget#{day}")

    def granted(self, org: str, *, cycle_id: str, page: int) -> int | None:
        """What a page has reserved; None: nothing is on record."""
        item = self.table.get(org, _page_key(cycle_id, page))
        return None if item is None else int(item["reserved"])

    def reserve(
        self, org: str, day: str, *, cycle_id: str, page: int, wanted: int, cap: int, expires_at: int, remember_none: bool = True
    ) -> int:
        """Reserves up to `wanted` sends of the day's cap, once per page: a retried page gets what it got before (D6), and where that
        was nothing, nothing again if it is to be remembered."""
        while True:
            before = self.granted(org, cycle_id=cycle_id, page=page)
            if before is not None:
                return before
            granted = max(0, min(wanted, cap - self.budget_reserved(org, day)))
            if not granted and not remember_none:
                return 0
            item = {"pk": org, "sk": _page_key(cycle_id, page), "reserved": granted, "wanted": wanted, "expires_at": expires_at}
            item["of"] = day
            reservation = self.table.putting(item, unless_exists=True)
            raising = self.table.updating(
                org,
                f"budget#{day}",
                Expression(
                    update="ADD #reserved :n SET #expires = :expires",
                    condition="attribute_not_exists(#reserved) OR #reserved <= :ceiling",
                    names={"#reserved": "reserved", "#expires": "expires_at"},
                    values={":n": granted, ":ceiling": cap - granted, ":expires": expires_at},
                ),
            )
            try:
                commit([reservation, raising] if granted else [reservation])
            except TransactionCancelled:
                continue  # another page was faster: read again, ask for less
            return granted

    def give_back_page(self, org: str, *, cycle_id: str, page: int) -> None:
        """What a page has reserved returns to where it was taken from, once; the page has nothing from then on."""
        item = self.table.get(org, _page_key(cycle_id, page)) or {}
        reserved = int(item.get("reserved", 0))
        if not reserved or "of" not in item:  # of versions before: nobody knows any more from which day it was taken
            return
        emptied = changes(
            set_={"reserved": 0}, condition="#now = :reserved", names={"#now": "reserved"}, values={":reserved": reserved}
        )
        with suppress(TransactionCancelled):  # somebody has just done it, or the day has less than that to take back
            commit([self.table.updating(org, _page_key(cycle_id, page), emptied), self.giving_back(org, item["of"], reserved)])

    def giving_back(self, org: str, day: str, n: int) -> dict[str, Any]:
        """Sends that did not leave return their budget to the day it was taken from, never to another's (D6)."""
        return self._lowering(org, f"budget#{day}", n)

    def reserved(self, org: str, name: str) -> int:
        """What was taken of a counter."""
        return int((self.table.get(org, name) or {}).get("reserved", 0))

    def take(self, org: str, name: str, *, wanted: int, cap: int, expires_at: int) -> int:
        """Up to `wanted` of what a counter's cap leaves."""
        while True:
            taken = self.reserved(org, name)
            granted = max(0, min(wanted, cap - taken))
            if not granted:
                return 0
            raising = Expression(
                update="ADD #reserved :n SET #expires = :expires",
                condition="attribute_not_exists(#reserved) OR #reserved <= :ceiling",
                names={"#reserved": "reserved", "#expires": "expires_at"},
                values={":n": granted, ":ceiling": cap - granted, ":expires": expires_at},
            )
            try:
                self.table.update(org, name, raising)
            except ConditionFailed:
                continue  # another worker was faster
            return granted

    def put_back(self, org: str, name: str, n: int) -> None:
        """What was taken and not used."""
        commit([self._lowering(org, name, n)])

    def _lowering(self, org: str, name: str, n: int) -> dict[str, Any]:
        lower = Expression(
            update="ADD #reserved :minus",
            condition="#reserved >= :n",
            names={"#reserved": "reserved"},
            values={":minus": -n, ":n": n},
        )
        return self.table.updating(org, name, lower)

    # --- caps -------------------------------------------------------------------------------------------------------------
    def capped_increment(self, org: str, name: str, *, cap: int, expires_at: int) -> bool:
        """Counts up to a cap; False beyond it."""
        expression = Expression(
            update="ADD #n :one SET #expires = :expires",
            condition="attribute_not_exists(#n) OR #n < :cap",
            names={"#n": "n", "#expires": "expires_at"},
            values={":one": 1, ":cap": cap, ":expires": expires_at},
        )
        try:
            self.table.update(org, name, expression)
        except ConditionFailed:
            return False
        return True


def _page_key(cycle_id: str, page: int) -> str:
    return f"page#{cycle_id}#{page:04d}"
