"""What a cycle that died leaves to others: its record stands, its pages are run to their end, and it keeps nobody waiting for ever."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from revenue_engine import grant
from revenue_engine.aws.control import Control
from revenue_engine.aws.queues import Message, Queue
from revenue_engine.aws.subscribers import Subscribers
from revenue_engine.clock import epoch_seconds
from revenue_engine.context import Cycle
from revenue_engine.cycle import decide_batch
from revenue_engine.later import Taken
from revenue_engine.services import cycle_inputs, run_cycle, send_messages
from tests.e2e.house import ORG, START, house
from tests.services.dead_cycles import FIRST, dead, raising, unfinished


# --- another engine decides between two attempts -------------------------------------------------------------------------
def test_a_deploy_between_two_attempts_mails_nobody_beside_those_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def the_other_way_round(*args: Any) -> Any:
        decisions = decide_batch(*args)
        worth = np.where(decisions.row_index_micros > 0, 10**9 - decisions.row_index_micros, decisions.row_index_micros)
        return replace(decisions, row_index_micros=worth, rank=~decisions.rank)

    with house(30, by_hand=True, max_daily_emails=10) as made:
        dead(made, monkeypatch, run_cycle, "_move_due_times")
        monkeypatch.setattr(run_cycle, "decide_batch", the_other_way_round)
        made.run(1)
        assert made.cycle(minutes=14)["outcome"] == "decided_otherwise"
        on_record = {r["send_id"] for r in made.receipts(FIRST) if r["mailed"]}
        assert {mail.send_id for mail in made.mails} == on_record
        assert len(made.mails) == made.reserved() == 10
        assert made.cycle()["outcome"] == "completed"  # the dead one is given up
        assert "is given up: decided_otherwise" in "\n".join(made.plane.executor.log)
        assert (len(made.mails), made.reserved(), unfinished(made)) == (10, 10, None)


# --- time ------------------------------------------------------------------------------------------------------------------
def test_a_cycle_begins_no_page_that_it_may_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 4)
    with house(10, by_hand=True) as made:
        made.judge()

        def remaining() -> int:
            return 600_000 - 250_000 * len(made.w.decisions.keys(f"decisions/{ORG}/"))

        report = run_cycle.run_cycle(made.w, org=ORG, now=made.plane.clock.now, remaining_millis=remaining)
        assert (report.outcome, report.out_of_time, report.pages, report.decided) == ("completed", True, 2, 8)
        kept = (made.w.control.cycle(ORG, FIRST) or {})["report"]
        assert kept["out_of_time"] is True
        made.watch(15)
        rest = made.cycle()
        assert (rest["outcome"], rest["out_of_time"], rest["decided"]) == ("completed", False, 2)
        assert len({r["subscriber"] for r in made.receipts()}) == len(made.receipts()) == len(made.mails) == 10


def test_late_pages_leave_in_the_minutes_that_are_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages take minutes, and a retry comes later still: no mail leaves after its cycle's minutes because of it."""
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 5)
    with house(15, by_hand=True) as made:
        dead(made, monkeypatch, Subscribers, "set_next_decision")  # its first page is queued, and asked for again
        made.watch(5)
        began, queued = made.now, list[Message]()
        monkeypatch.setattr(Queue, "send", lambda queue, messages: queued.extend(messages))

        def two_minutes_a_page() -> datetime:
            return began + timedelta(minutes=2 * len(made.w.decisions.keys(f"decisions/{ORG}/")))

        run_cycle.run_cycle(made.w, org=ORG, now=two_minutes_a_page, remaining_millis=lambda: 600_000)
        on_record = {r["send_id"]: r["scheduled_at"] - epoch_seconds(START) for r in made.receipts(FIRST)}
        leaves = {plan.send_id: message.delay_seconds for message in queued for plan in send_messages.decode(message.body)}
        assert leaves.keys() == on_record.keys()
        late = {on_record[name] - delay for name, delay in leaves.items() if delay}
        assert late and late <= {7 * 60, 9 * 60}  # five minutes and the dead attempt's page, and one page more
        assert all(on_record[name] <= 9 * 60 for name, delay in leaves.items() if not delay)


def test_a_cycle_that_is_killed_again_and_again_comes_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt has time for six people, and a page has four: what has run is not run again."""
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 4)
    monkeypatch.setattr(run_cycle, "WRITERS", 1)
    real, left = Subscribers.set_next_decision, {"n": 0}

    def slow(*args: Any, **named: Any) -> bool:
        left["n"] -= 1
        if left["n"] < 0:
            raise KeyboardInterrupt
        return real(*args, **named)

    with house(14, by_hand=True) as made:
        with monkeypatch.context() as patch:
            patch.setattr(Subscribers, "set_next_decision", slow)
            patch.setattr(Control, "release_cycle", lambda *args, **named: None)  # killed: nobody is left to do it
            ended = []
            for _ in range(5):
                made.judge()
                left["n"] = 6
                try:
                    ended.append(made.plane.invoke("decide", {"org": ORG})["outcome"])
                except KeyboardInterrupt:
                    ended.append("killed")
                made.watch(15)
        assert ended == ["killed", "killed", "completed", "completed", "completed"]
        assert len({r["subscriber"] for r in made.receipts()}) == len(made.receipts()) == 14
        assert len(made.mails) == made.reserved() == 14


def test_a_dead_cycle_takes_no_more_of_the_next_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(5, by_hand=True) as made:
        dead(made, monkeypatch, Queue, "send")
        made.watch(15)
        with pytest.raises(TimeoutError):
            run_cycle.run_cycle(made.w, org=ORG, now=made.plane.clock.now, remaining_millis=lambda: 100_000)
        assert (unfinished(made), made.mails) == (FIRST, [])
        assert made.cycle()["outcome"] == "completed"  # nobody's lease is in its way
        assert len(made.mails) == 5


def test_a_cycle_that_begins_when_a_dead_one_is_finished_is_leased_until_its_invocation_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with house(5, by_hand=True) as made:
        dead(made, monkeypatch, run_cycle, "_move_due_times")
        made.watch(15)
        made.people(5, first=50)
        made.judge()
        end, real = made.now + timedelta(seconds=600), run_cycle._run_page
        leases: dict[str, int] = {}

        def slow(w: Any, cycle: Cycle, *args: Any) -> Taken:
            cycle_id = cycle.context.cycle_id
            leases[cycle_id] = (w.control.cycle(ORG, cycle_id) or {})["lease_until"]
            made.plane.clock.move_to(made.now + timedelta(seconds=400))
            return real(w, cycle, *args)

        def remaining() -> int:
            return int((end - made.now) / timedelta(milliseconds=1))

        monkeypatch.setattr(run_cycle, "_run_page", slow)
        run_cycle.run_cycle(made.w, org=ORG, now=made.plane.clock.now, remaining_millis=remaining)
        assert leases == dict.fromkeys((FIRST, "20260302T1415"), epoch_seconds(end) + 1)


def test_a_cycle_ends_when_it_ends_and_not_when_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    real = run_cycle._run_page
    with house(3, by_hand=True) as made:
        made.judge()
        began = epoch_seconds(made.now)

        def slow(*args: Any) -> Taken:
            made.plane.clock.move_to(made.now + timedelta(seconds=360))
            return real(*args)

        monkeypatch.setattr(run_cycle, "_run_page", slow)
        report = made.plane.invoke("decide", {"org": ORG})
        assert (report["started_at"], report["ended_at"], report["duration_seconds"]) == (began, began + 360, 360)
        kept = made.w.control.cycle(ORG, FIRST) or {}
        assert (kept["done_at"], kept["report"]["duration_seconds"]) == (began + 360, 360)
        assert (made.w.control.last_cycle(ORG) or {})["done_at"] == began + 360


def test_whom_a_dead_cycle_has_decided_is_not_due_in_the_next_though_the_index_still_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is eventually consistent: what has just been moved may be seen where it was. A retry counts the same."""
    with house(5, by_hand=True) as made:
        dead(made, monkeypatch, run_cycle, "planned_sends")
        made.watch(15)
        made.people(3, first=50)
        made.judge()
        still_due = list(made.w.subscribers.due(ORG, now=epoch_seconds(made.now)))
        assert len(still_due) == 8
        monkeypatch.setattr(Subscribers, "due", lambda *args, **named: iter(still_due))
        with monkeypatch.context() as patch:  # the dead one is finished, and the next dies before its first page
            patch.setattr(run_cycle, "pages", raising(RuntimeError("injected")))
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        report = made.cycle(minutes=16)
        assert (report["outcome"], report["cycle_id"], report["decided"]) == ("completed", "20260302T1415", 3)
        assert len(made.receipts()) == len({r["subscriber"] for r in made.receipts()}) == 8
        assert (len(made.mails), made.drops()) == (8, set())


# --- velocity ----------------------------------------------------------------------------------------------------------------
def test_a_cycle_finished_late_and_the_next_leave_at_one_velocity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grant, "span_minutes", lambda *args: 1)  # ten mails a cycle
    real, queued = Queue.send, itertools.count()

    def dies_at_the_second(self: Queue, messages: Any) -> None:
        if next(queued) == 1:
            raise RuntimeError("injected")
        real(self, messages)

    with house(6, by_hand=True, sends_per_minute=10) as made:
        dead(made, monkeypatch, Queue, "send")
        made.watch(15)
        made.people(8, first=50)
        made.judge()
        with monkeypatch.context() as patch:  # the dead one is finished in one attempt, and counts in the next too
            patch.setattr(Queue, "send", dies_at_the_second)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        report = made.cycle(minutes=14)
        assert (report["outcome"], report["planned"], report["reasons"]["velocity_limit"]) == ("completed", 4, 4)
        assert report["providers"]["gmail"] == 4
        assert len(made.mails) == made.reserved() == 10


def test_a_cycle_that_ran_into_the_next_quarter_of_an_hour_leaves_at_one_velocity_with_its_cycle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grant, "span_minutes", lambda *args: 1)  # ten mails a cycle
    real = run_cycle._run_page

    def slow(*args: Any) -> Taken:
        made.plane.clock.move_to(made.now + timedelta(minutes=6))
        return real(*args)

    with house(6, by_hand=True, sends_per_minute=10) as made:
        made.watch(14)
        with monkeypatch.context() as patch:
            patch.setattr(run_cycle, "_run_page", slow)
            assert made.plane.invoke("decide", {"org": ORG})["cycle_id"] == FIRST
        made.people(8, first=50)
        report = made.cycle()
        assert (report["cycle_id"], report["planned"], report["reasons"]["velocity_limit"]) == ("20260302T1415", 4, 4)
