"""Dead cycles that are left to the next attempt, and those that nobody finishes: what is given up, when, and what others get of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from revenue_engine.aws.control import Control
from revenue_engine.aws.queues import Message, Queue
from revenue_engine.context import Cycle
from revenue_engine.errors import Refused
from revenue_engine.services import approvals, cycle_inputs, run_cycle
from tests.e2e.house import ORG, House, house
from tests.services.dead_cycles import FIRST, dead, raising, unfinished

DAY = 24 * 60


def test_a_cycle_that_only_refused_has_no_end_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(3, by_hand=True) as made:
        with monkeypatch.context() as patch:
            patch.setattr(cycle_inputs, "champion", raising(Refused("bundle_missing")))
            assert {made.cycle()["outcome"] for _ in range(3)} == {"bundle_missing"}
            assert "done_at" not in (made.w.control.last_cycle(ORG) or {})
        assert made.cycle()["outcome"] == "completed"
        ended = [item["sk"] for item in made.w.control.cycles(ORG, made.now.date()) if "done_at" in item or "report" in item]
        assert ended == ["cycle#20260302T1445"]
        assert (made.w.control.last_cycle(ORG) or {})["cycle_id"] == "20260302T1445"


def test_an_error_that_passes_leaves_a_dead_cycle_to_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(30, by_hand=True, max_daily_emails=20) as made:
        dead(made, monkeypatch, run_cycle, "_record")
        made.watch(15)
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(run_cycle, "_record", raising(RuntimeError("503 Slow Down")))
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        assert unfinished(made) == FIRST
        assert made.cycle()["outcome"] == "completed"
        assert (made.w.control.cycle(ORG, FIRST) or {})["report"]["outcome"] == "finished_late"
        assert len(made.mails) == made.reserved() == 20


def test_whatever_is_wrong_with_a_dead_cycle_the_next_day_is_free_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(3, by_hand=True) as made:
        dead(made, monkeypatch, run_cycle, "planned_sends")
        made.run(DAY)
        monkeypatch.setattr(run_cycle, "known_context", raising(RuntimeError("nobody can read it")))
        assert made.cycle()["outcome"] == "completed"
        assert "is given up: another_day" in "\n".join(made.plane.executor.log)
        assert (made.w.control.cycle(ORG, FIRST) or {}).keys().isdisjoint({"done_at", "report"})
        assert unfinished(made) is None


def test_a_dead_cycle_that_gets_no_further_stops_mail_for_an_hour_and_not_for_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(3, by_hand=True) as made:
        dead(made, monkeypatch, run_cycle, "planned_sends")
        real = cycle_inputs.known_context

        def broken(w: Any, org: str, cycle_id: str) -> Any:
            if cycle_id == FIRST:
                raise RuntimeError("nobody can read it")
            return real(w, org, cycle_id)

        monkeypatch.setattr(run_cycle, "known_context", broken)
        for _ in range(4):  # at 15:00 it is an hour, and not more
            made.watch(15)
            made.judge()
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        assert made.mails == []
        made.watch(1)
        assert made.cycle()["outcome"] == "completed"
        assert "is given up: dead_cycle_hopeless" in "\n".join(made.plane.executor.log)
        assert (len(made.mails), made.reserved()) == (3, 6)  # what the dead one had reserved is lost for the day


def _killed_at_the_first_cycle(made: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of memory: nobody is left to give a lease back, and who finds it does nothing until it has run out."""
    real = run_cycle._record

    def killed(w: Any, cycle: Cycle, *args: Any) -> None:
        if cycle.context.cycle_id == FIRST:
            raise KeyboardInterrupt
        real(w, cycle, *args)

    monkeypatch.setattr(run_cycle, "_record", killed)
    monkeypatch.setattr(Control, "release_cycle", lambda *args, **named: None)
    made.judge()
    with pytest.raises(KeyboardInterrupt):
        made.plane.invoke("decide", {"org": ORG})


def test_a_cycle_that_kills_whoever_finishes_it_stops_mail_for_an_hour_and_not_for_three(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(3, by_hand=True) as made:
        _killed_at_the_first_cycle(made, monkeypatch)
        for _ in range(4):
            made.watch(15)
            with pytest.raises(KeyboardInterrupt):
                made.cycle()
        assert made.cycle(minutes=15)["outcome"] == "dead_cycle_leased"
        assert made.cycle(minutes=15)["outcome"] == "completed"
        assert (f"{made.now:%H:%M}", len(made.mails), unfinished(made)) == ("15:30", 3, None)


def test_a_dead_cycle_is_tried_though_no_cycle_ran_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(3, by_hand=True) as made:
        dead(made, monkeypatch, run_cycle, "planned_sends")
        made.watch(180)
        assert made.cycle()["outcome"] == "completed"
        assert (made.w.control.cycle(ORG, FIRST) or {})["report"]["outcome"] == "finished_late"
        assert len(made.mails) == made.reserved() == 3


def test_a_dead_cycle_has_an_hour_from_the_last_page_that_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 1)
    real, may_run = Control.note_pages, [1]

    def dies_after(*args: Any, ran: int, **named: Any) -> None:
        real(*args, ran=ran, **named)
        if ran >= may_run[0]:
            raise RuntimeError("injected")

    with house(5, by_hand=True) as made:
        with monkeypatch.context() as patch:  # its pages are written, and none has run
            patch.setattr(Control, "note_pages", lambda *args, **named: None)
            dead(made, patch, run_cycle, "_finish")
        monkeypatch.setattr(Control, "note_pages", dies_after)
        for may_run[0] in range(1, 5):  # one page an attempt, every 45 minutes
            made.watch(45)
            made.judge()
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        made.watch(45)
        may_run[0] = 99
        assert made.cycle()["outcome"] == "completed"
        assert (made.w.control.cycle(ORG, FIRST) or {})["report"]["outcome"] == "finished_late"


def test_a_plan_that_approved_itself_and_is_in_no_queue_waits_for_a_person_when_its_cycle_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Queue.send

    def refuses(queue: Queue, messages: Sequence[Message]) -> None:
        if any(FIRST in message.body for message in messages):
            raise RuntimeError("this message is refused")
        real(queue, messages)

    with house(3, autonomy="approval", by_hand=True, auto_approve_under_micros=10**12, max_daily_emails=3) as made:
        made.routine()
        with monkeypatch.context() as patch:
            patch.setattr(Queue, "send", refuses)
            _hopeless(made)
        assert "is given up: dead_cycle_hopeless" in "\n".join(made.plane.executor.log)
        (plan,) = approvals.listed(made.w, ORG, now=made.now)
        assert (plan["status"], plan["not_routine"], "decided_by" in plan) == ("waiting", ["cycle_given_up"], False)
        assert (made.mails, made.reserved()) == ([], 3)  # it is set aside for who approves it
        assert approvals.approve(made.w, ORG, f"{FIRST}-0000", by="ann", now=made.now) == 3
        made.watch(15)
        assert len(made.mails) == made.reserved() == 3


@pytest.mark.parametrize("comes_up", ["before", "after"])
def test_who_approves_a_given_up_plan_that_was_queued_mails_nobody_twice(monkeypatch: pytest.MonkeyPatch, comes_up: str) -> None:
    held: list[tuple[Queue, Sequence[Message]]] = []
    real = Queue.send

    def send(queue: Queue, messages: Sequence[Message]) -> None:
        if comes_up == "after" and any(FIRST in message.body for message in messages):
            held.append((queue, messages))
        else:
            real(queue, messages)

    with house(3, autonomy="approval", by_hand=True, auto_approve_under_micros=10**12) as made:
        made.routine()
        with monkeypatch.context() as patch:
            patch.setattr(Queue, "send", send)
            patch.setattr(Control, "note_queued", raising(RuntimeError("injected")))
            _hopeless(made)
        (plan,) = approvals.listed(made.w, ORG, now=made.now)
        assert (plan["status"], "queued_at" in plan) == ("waiting", False)
        for queue, messages in held[:1]:  # while it waits
            queue.send(messages)
            made.watch(5)
        known = (3, set()) if comes_up == "before" else (0, {"not_approved"})
        assert (len(made.mails), made.drops()) == known
        assert approvals.approve(made.w, ORG, f"{FIRST}-0000", by="ann", now=made.now) == 3
        made.watch(15)
        assert (len(made.mails), made.drops()) == known


def test_what_is_queued_of_a_cycle_that_is_given_up_stays_approved(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(3, autonomy="approval", by_hand=True, auto_approve_under_micros=10**12) as made:
        made.routine()
        with monkeypatch.context() as patch:
            patch.setattr(run_cycle, "_finish", raising(RuntimeError("injected")))
            _hopeless(made)
        (plan,) = approvals.listed(made.w, ORG, now=made.now)
        assert (plan["status"], "queued_at" in plan, len(made.mails)) == ("approved", True, 3)


def test_what_a_cycle_that_is_given_up_has_reserved_without_receipts_is_the_day_s_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 3)
    real = run_cycle._record

    def dies_at_the_second(w: Any, cycle: Cycle, number: int, *args: Any) -> None:
        if (cycle.context.cycle_id, number) == (FIRST, 1):
            raise RuntimeError("injected")
        real(w, cycle, number, *args)

    with house(5, by_hand=True, max_daily_emails=5) as made:
        monkeypatch.setattr(run_cycle, "_record", dies_at_the_second)
        made.judge()
        assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        assert (made.reserved(), len(made.receipts(FIRST))) == (5, 3)
        _hopeless(made)
        assert "is given up: dead_cycle_hopeless" in "\n".join(made.plane.executor.log)
        assert len(made.mails) == made.reserved() == 5


def _hopeless(made: House) -> None:
    """Nobody finishes the first cycle for an hour."""
    for _ in range(6):
        made.judge()
        made.plane.executor.invoke("decide", {"org": ORG})
        made.watch(15)
    assert unfinished(made) != FIRST
