"""What receipts and `explain` say of those whose mail waits for a person is what is stored of them, however often the cycle dies."""

from __future__ import annotations

from datetime import timedelta

import pytest

from revenue_engine.aws.approval_records import ApprovalRecords
from revenue_engine.clock import epoch_seconds, from_epoch, iso_millis
from revenue_engine.services import cycle_inputs, run_cycle
from revenue_engine.services.explain import explain_decisions
from revenue_engine.services.replay import replay_cycle
from tests.e2e.house import ORG, START, House, house

CYCLE = "20260302T1400"


def due(made: House) -> dict[str, int]:
    return {person["subscriber"]: int(person["next_decision_at"]) for person in made.everybody()}


def all_is_as_recorded(made: House) -> None:
    receipts = made.receipts()
    assert {r["subscriber"]: r["next_decision_at"] for r in receipts} == due(made)
    expires = epoch_seconds(START + timedelta(hours=12))
    waiting = [r for r in receipts if r["awaits_approval"]]
    assert len(waiting) == 15 and {r["next_decision_at"] for r in waiting} == {expires}
    assert expires not in {r["next_decision_at"] for r in receipts if not r["awaits_approval"]}
    (found,) = explain_decisions(made.w, ORG, waiting[0]["subscriber"], last=1)
    answer = next(step.detail for step in found.steps if step.what == "answer")
    assert answer.endswith(f"waits for a person's approval; next decision {iso_millis(from_epoch(expires))}")
    replayed = replay_cycle(made.w, ORG, CYCLE)
    assert (replayed.pages, replayed.rows, replayed.same) == (2, 30, True)


def test_the_receipt_of_a_mail_that_waits_says_when_its_reader_is_due_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 16)
    with house(30, autonomy="approval", by_hand=True, max_daily_emails=15) as made:
        made.cycle()
        all_is_as_recorded(made)


@pytest.mark.parametrize(
    ("owner", "step"), [(run_cycle, "_record"), (ApprovalRecords, "put_approval"), (run_cycle, "_move_due_times")]
)
def test_a_retry_records_and_stores_the_same(monkeypatch: pytest.MonkeyPatch, owner: object, step: str) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 16)
    with house(30, autonomy="approval", by_hand=True, max_daily_emails=15) as made:
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, dies)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        made.watch(2)
        assert made.cycle()["outcome"] == "completed"
        all_is_as_recorded(made)


def dies(*args: object, **named: object) -> None:
    raise RuntimeError("injected")
