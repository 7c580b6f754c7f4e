"""A cycle that dies anywhere goes on where it stopped: the same decisions, one mail each, one reservation (D6, P2)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from revenue_engine.aws.control import Control
from revenue_engine.aws.dynamo import changes
from revenue_engine.aws.queues import Queue
from revenue_engine.aws.subscribers import Subscribers
from revenue_engine.later import Taken
from revenue_engine.services import cycle_inputs, run_cycle
from tests.e2e.house import ORG, House, house
from tests.services.chaos import Crash, interrupted

PEOPLE = 30
CAP = 20
PAGE = f"decisions/{ORG}/2026-03-02/20260302T1400/page-0000.ndjson.gz"


def _calls(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, survive: int, error: BaseException) -> None:
    """After `survive` calls of it, the function raises."""
    real, count = getattr(owner, name), itertools.count()

    def dying(*args: Any, **named: Any) -> Any:
        if next(count) >= survive:
            raise error
        return real(*args, **named)

    monkeypatch.setattr(owner, name, dying)


# where the first attempt dies: what is called next, and how often it still works
DEATHS = {
    "context written": (run_cycle, "pages", 0),
    "page written": (run_cycle, "decide_batch", 0),
    "budget reserved": (run_cycle, "_record", 0),
    "receipts written": (run_cycle, "planned_sends", 0),
    "half of the plans queued": (Queue, "_send_batch", 1),
    "plans queued": (run_cycle, "_move_due_times", 0),
    "half of the due times moved": (Subscribers, "set_next_decision", PEOPLE // 2),
    "all but the last word": (Control, "finish_cycle", 0),
}


@pytest.fixture(scope="module")
def undisturbed() -> tuple[bytes, set[str]]:
    """What a cycle that nobody disturbs decides, and whom it mails."""
    with house(PEOPLE, by_hand=True, max_daily_emails=CAP) as made:
        made.cycle()
        return made.object(PAGE), {mail.address for mail in made.mails}


def first_attempt(made: House, monkeypatch: pytest.MonkeyPatch, death: str, error: BaseException) -> None:
    made.judge()
    with monkeypatch.context() as patch:
        owner, name, survive = DEATHS[death]
        _calls(patch, owner, name, survive=survive, error=error)
        assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None


def all_is_well(made: House, undisturbed: tuple[bytes, set[str]]) -> None:
    decisions, addresses = undisturbed
    assert made.object(PAGE) == decisions
    assert {mail.address for mail in made.mails} == addresses
    assert len(made.mails) == len(addresses) == made.reserved() == CAP
    assert made.states() == ["SENT"] * CAP
    decided = {r["subscriber"]: r["next_decision_at"] for r in made.receipts()}
    assert {person["subscriber"]: person["next_decision_at"] for person in made.everybody()} == decided
    done = made.w.control.last_cycle(ORG)
    assert done is not None
    assert done["cycle_id"] == "20260302T1400"


@pytest.mark.parametrize("death", DEATHS)
def test_a_failed_cycle_is_finished_by_its_retry(
    death: str, undisturbed: tuple[bytes, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(PEOPLE, by_hand=True, max_daily_emails=CAP) as made:
        first_attempt(made, monkeypatch, death, RuntimeError("injected"))
        made.run(1)
        made.controls(max_daily_emails=CAP, ghost_share=0.2, epsilon_per_day=0.2)  # the stored inputs count, not today's
        assert made.cycle(minutes=14)["outcome"] == "completed"
        all_is_well(made, undisturbed)


@pytest.mark.parametrize("moment", range(1, 5))
def test_an_error_while_the_lease_is_taken_keeps_nobody_waiting(
    moment: int, undisturbed: tuple[bytes, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before or after one of its calls: what was written, and whose answer was lost, is not in the retry's way."""
    real = Control.lease_cycle

    def crash() -> None:
        raise Crash

    def leasing(*args: Any, **named: Any) -> Any:
        with interrupted(moment, crash):
            return real(*args, **named)

    with house(PEOPLE, by_hand=True, max_daily_emails=CAP) as made:
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(Control, "lease_cycle", leasing)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        assert made.cycle()["outcome"] == "completed"
        all_is_well(made, undisturbed)


@pytest.mark.parametrize("death", ["receipts written", "half of the due times moved"])
def test_a_killed_cycle_is_finished_when_its_lease_has_run_out(
    death: str, undisturbed: tuple[bytes, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(PEOPLE, by_hand=True, max_daily_emails=CAP) as made:
        monkeypatch.setattr(Control, "release_cycle", lambda *args, **named: None)  # nobody is left to do it
        first_attempt(made, monkeypatch, death, RuntimeError("injected"))
        assert made.cycle(minutes=2)["outcome"] == "leased_or_done"
        made.watch(8.1)
        assert made.cycle(minutes=14)["outcome"] == "completed"
        all_is_well(made, undisturbed)


def test_who_became_due_meanwhile_gets_a_page_of_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(5, by_hand=True) as made:
        first_attempt(made, monkeypatch, "plans queued", RuntimeError("injected"))
        made.people(2, first=50)
        report = made.cycle()
        assert (report["pages"], report["decided"]) == (2, 7)
        assert len(made.receipts()) == len({r["subscriber"] for r in made.receipts()}) == 7
        assert len(made.mails) == made.reserved() == 7


def test_a_cycle_over_several_pages_decides_everybody_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 4)
    with house(10, by_hand=True, max_daily_emails=7) as made:
        report = made.cycle()
        assert (report["pages"], report["decided"], report["planned"]) == (3, 10, 7)
        assert len({r["subscriber"] for r in made.receipts()}) == len(made.receipts()) == 10
        assert len(made.mails) == made.reserved() == 7


def test_a_second_run_beside_the_first_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Taken] = run_cycle._run_page
    beside: list[str] = []
    with house(5, by_hand=True) as made:

        def run_another(*args: Any) -> Taken:
            beside.append(
                run_cycle.run_cycle(made.w, org=ORG, now=made.plane.clock.now, remaining_millis=lambda: 600_000).outcome
            )
            return real(*args)

        monkeypatch.setattr(run_cycle, "_run_page", run_another)
        made.judge()
        first = run_cycle.run_cycle(made.w, org=ORG, now=made.plane.clock.now, remaining_millis=lambda: 600_000)
        made.watch(14)
        assert (first.outcome, beside) == ("completed", ["leased_or_done"])
        assert len(made.mails) == 5
        again = run_cycle.run_cycle(made.w, org=ORG, now=made.plane.clock.now, remaining_millis=lambda: 600_000)
        assert again.outcome == "leased_or_done"


def test_a_retry_of_a_cycle_whose_mails_have_left_mails_nobody_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(5, by_hand=True) as made:
        first_attempt(made, monkeypatch, "plans queued", RuntimeError("injected"))
        made.judge()
        made.run(4)
        assert made.mails != []
        made.cycle(minutes=10)
        assert len(made.mails) == 5
        assert made.reserved() == 5
        assert made.states() == ["SENT"] * 5


def test_an_approval_that_died_before_its_plan_was_queued_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(5, autonomy="approval", by_hand=True, auto_approve_under_micros=10**9) as made:
        made.routine()
        made.judge()
        with monkeypatch.context() as patch:
            _calls(patch, Queue, "_send_batch", survive=0, error=RuntimeError("injected"))
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        assert made.cycle()["outcome"] == "completed"
        assert len(made.mails) == made.reserved() == 5


def test_a_cycle_that_died_for_good_is_finished_by_the_next_within_the_same_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(30, by_hand=True, max_daily_emails=20) as made:
        for _ in range(3):
            first_attempt(made, monkeypatch, "half of the plans queued", RuntimeError("injected"))
        made.watch(15)
        report = made.cycle()
        made.watch(15)
        assert (report["planned"], made.reserved(), len(made.mails)) == (0, 20, 20)
        assert len({mail.address for mail in made.mails}) == 20


def test_a_dead_cycle_is_not_forgotten_when_who_finishes_it_dies_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(30, by_hand=True, max_daily_emails=20) as made:
        with monkeypatch.context() as patch:
            patch.setattr(
                Control, "release_cycle", lambda *args, **named: None
            )  # killed, not failed: nobody gives the lease back
            first_attempt(made, monkeypatch, "receipts written", RuntimeError("injected"))
            made.watch(15)
            with patch.context() as finishing:
                finishing.setattr(run_cycle, "planned_sends", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
                with pytest.raises(KeyboardInterrupt):
                    made.plane.executor.invoke("decide", {"org": ORG})
        assert made.cycle(minutes=1)["outcome"] == "dead_cycle_leased"
        assert made.mails == []
        made.watch(14)
        assert made.cycle()["outcome"] == "completed"
        made.watch(15)
        decided = {record["decision_id"] for record in made.receipts() if record["mailed"]}
        assert {made.send(mail)["decision_id"] for mail in made.mails} == decided
        assert len(made.mails) == made.reserved() == 20


def test_one_unreadable_row_costs_its_person_the_mail_and_no_cycle_its_end() -> None:
    with house(3, by_hand=True) as made:
        spoil(made, 1)
        report = made.cycle()
        assert (report["outcome"], report["planned"]) == ("completed", 2)
        made.run(15)
        assert made.cycle()["outcome"] == "row_schema_mismatch"  # nobody else is due: own reason, and an alarm


def test_unreadable_rows_take_nobodys_place_in_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 2)
    with house(5, by_hand=True) as made:
        spoil(made, 3)  # more than a page, and the first in the index: they stay due
        for _ in range(2):
            report = made.cycle()
            made.run(15)
        assert report["outcome"] == "row_schema_mismatch"
        assert len(made.mails) == 2


def spoil(made: House, people: int) -> None:
    """Rows of the index's first people, as another layout's."""
    for someone in [*made.w.subscribers.due(ORG, now=2**31)][:people]:
        made.w.subscribers.table.update(f"{ORG}#{someone['subscriber']}", None, changes(set_={"row": b"other"}))
