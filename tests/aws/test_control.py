"""Breaker, budget, leases, approvals (D5, D6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from revenue_engine.aws import cycle_records
from revenue_engine.aws.control import Control
from revenue_engine.aws.dynamo import TransactionCancelled, changes, commit
from revenue_engine.clock import epoch_seconds
from tests.builders import DAY, NOW, Org
from workbench.local.ministack_backend import MiniStackBackend

T = epoch_seconds(NOW)


@pytest.fixture(scope="module")
def emulator() -> type[MiniStackBackend]:
    """Atomic across threads, which moto is not."""
    return MiniStackBackend


@pytest.fixture
def control(org: Org) -> Control:
    return org.w.control


def reserve(org: Org, page: int, *, wanted: int, cap: int, cycle: str = "c") -> int:
    return org.w.control.reserve(org.name, DAY, cycle_id=cycle, page=page, wanted=wanted, cap=cap, expires_at=T + 86_400)


# --- budget -----------------------------------------------------------------------------------------------------------
def test_pages_share_the_days_cap_and_the_last_gets_what_is_left(org: Org) -> None:
    assert [reserve(org, page, wanted=40, cap=100) for page in range(4)] == [40, 40, 20, 0]
    assert org.reserved() == 100


def test_a_retried_page_keeps_its_reservation_whatever_it_asks_now(org: Org) -> None:
    assert reserve(org, 0, wanted=10, cap=100) == 10
    assert reserve(org, 0, wanted=90, cap=100) == 10
    assert org.reserved() == 10


def test_a_lowered_cap_grants_nothing_and_takes_nothing_back(org: Org) -> None:
    reserve(org, 0, wanted=50, cap=100)
    assert reserve(org, 1, wanted=10, cap=20) == 0
    assert org.reserved() == 50


def test_the_cap_is_never_exceeded_whoever_asks_at_once(org: Org) -> None:
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda page: reserve(org, page, wanted=7, cap=100), range(24)))
    assert sum(granted) == org.reserved() == 100
    assert all(0 <= grant <= 7 for grant in granted)


def test_attempts_of_one_page_at_once_reserve_once(org: Org) -> None:
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda _: reserve(org, 0, wanted=7, cap=100), range(16)))
    assert granted == [7] * 16
    assert org.reserved() == 7


def test_budget_goes_back_to_its_own_day_and_never_below_nothing(org: Org, control: Control) -> None:
    reserve(org, 0, wanted=3, cap=10)
    commit([control.giving_back(org.name, DAY, 2)])
    assert org.reserved() == 1
    for day, n in ((DAY, 2), ("2026-03-05", 1)):
        with pytest.raises(TransactionCancelled):
            commit([control.giving_back(org.name, day, n)])
    assert (org.reserved(), org.reserved("2026-03-05")) == (1, 0)
    assert reserve(org, 1, wanted=99, cap=10) == 9


def test_what_a_page_has_reserved_goes_back_once_to_its_own_day(org: Org, control: Control) -> None:
    reserve(org, 0, wanted=3, cap=10)
    reserve(org, 1, wanted=4, cap=10)
    for page in (0, 0, 7):
        control.give_back_page(org.name, cycle_id="c", page=page)
    assert org.reserved() == 4
    assert [reserve(org, page, wanted=9, cap=10) for page in range(3)] == [0, 4, 6]


def test_of_what_day_an_older_page_has_reserved_nobody_knows(org: Org, control: Control) -> None:
    reserve(org, 0, wanted=3, cap=10)
    control.table.update(org.name, "page#c#0000", changes(remove=["of"]))
    control.give_back_page(org.name, cycle_id="c", page=0)
    assert (org.reserved(), reserve(org, 0, wanted=9, cap=10)) == (3, 3)


def test_what_a_cap_leaves_is_taken_by_several_at_once_and_never_more(org: Org, control: Control) -> None:
    with ThreadPoolExecutor(6) as pool:
        granted = list(pool.map(lambda _: control.take(org.name, "room", wanted=7, cap=40, expires_at=T), range(12)))
    assert sum(granted) == 40 and all(0 <= n <= 7 for n in granted)
    control.put_back(org.name, "room", 5)
    assert control.take(org.name, "room", wanted=7, cap=40, expires_at=T) == 5


# --- cycles -----------------------------------------------------------------------------------------------------------
def lease(org: Org, after_seconds: int) -> int | None:
    item = org.w.control.lease_cycle(org.name, "c", now=NOW + timedelta(seconds=after_seconds), seconds=60)
    return None if item is None else int(item["attempts"])


def test_a_cycle_is_leased_once_and_again_when_the_lease_has_run_out(org: Org) -> None:
    assert [lease(org, 0), lease(org, 59), lease(org, 60), lease(org, 61), lease(org, 62)] == [1, None, None, 2, None]


def test_a_cycle_that_is_done_is_never_leased_again(org: Org, control: Control) -> None:
    assert lease(org, 0) == 1
    control.finish_cycle(org.name, "c", now=NOW, report={"planned": 3, "reasons": {"sent": 3}})
    assert lease(org, 10_000) is None
    last = control.last_cycle(org.name)
    assert last is not None
    assert (last["cycle_id"], last["done_at"]) == ("c", T)


def test_a_lease_is_given_back_by_whoever_holds_it_alone(org: Org, control: Control) -> None:
    assert lease(org, 0) == 1
    control.release_cycle(org.name, "c", until=T + 59)
    assert lease(org, 1) is None
    control.release_cycle(org.name, "c", until=T + 60)
    assert lease(org, 1) == 2


def test_a_cycle_that_cannot_be_noted_as_begun_is_not_leased(org: Org, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(cycle_records, "commit", lambda actions: commit([*actions, control.giving_back(org.name, DAY, 1)]))
        with pytest.raises(TransactionCancelled):
            lease(org, 0)
    assert (control.cycle(org.name, "c"), control.last_cycle(org.name)) == (None, None)
    assert lease(org, 0) == 1


def test_of_many_who_want_a_cycle_one_gets_it(org: Org) -> None:
    with ThreadPoolExecutor(8) as pool:
        leased = [item for item in pool.map(lambda _: lease(org, 0), range(16)) if item is not None]
    assert leased == [1]


def test_a_capped_count_says_no_beyond_its_cap(org: Org, control: Control) -> None:
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: control.capped_increment(org.name, "wrong", cap=5, expires_at=T), range(12)))
    assert said.count(True) == 5


# --- breaker ----------------------------------------------------------------------------------------------------------
def test_the_breaker_trips_once_from_closed_and_stays_open_under_the_heartbeat(org: Org, control: Control) -> None:
    assert control.trip(org.name, reason="bounce_rate", now=NOW)
    assert not control.trip(org.name, reason="other", now=NOW)
    control.heartbeat(org.name, at=T + 60)
    state = control.breaker(org.name)
    assert state is not None
    assert (state["state"], state["reason"], state["judged_at"], state["tripped_at"]) == ("open", "bounce_rate", T + 60, T)


def test_a_person_closes_the_breaker_and_supersedes_the_machine(org: Org, control: Control) -> None:
    control.trip(org.name, reason="bounce_rate", now=NOW)
    control.close_by_hand(org.name, by="alex", now=NOW)
    state = control.breaker(org.name)
    assert state is not None
    assert (state["state"], state["reason"]) == ("closed", "closed by alex")
    assert "execution" not in state


def test_failures_add_up_over_messages_until_one_succeeds(org: Org, control: Control) -> None:
    control.note_failures(org.name, in_a_row=2, all_failed=True)
    control.note_failures(org.name, in_a_row=0, all_failed=True)  # nothing attempted: says nothing
    control.note_failures(org.name, in_a_row=3, all_failed=True)
    assert (control.breaker(org.name) or {})["failures_in_a_row"] == 5
    control.note_failures(org.name, in_a_row=1, all_failed=False)
    assert (control.breaker(org.name) or {})["failures_in_a_row"] == 1


# --- approvals --------------------------------------------------------------------------------------------------------
def waiting(org: Org, approval: str, *, valid_until: int = T + 3_600) -> None:
    org.w.control.put_approval(org.name, approval, {"approval_id": approval, "status": "waiting", "valid_until": valid_until})


def test_a_plan_is_decided_once_and_in_time(org: Org, control: Control) -> None:
    for approval in ("a", "b", "late"):
        waiting(org, approval, valid_until=T if approval == "late" else T + 1)
    assert control.decide_approval(org.name, "a", status="approved", by="alex", now=T)
    assert not control.decide_approval(org.name, "a", status="rejected", by="kim", now=T)
    assert not control.decide_approval(org.name, "late", status="approved", by="alex", now=T)
    assert not control.decide_approval(org.name, "none", status="approved", by="alex", now=T)
    assert {item["approval_id"]: item["status"] for item in control.approvals(org.name)} == {
        "a": "approved", "b": "waiting", "late": "waiting",
    }  # fmt: skip


def test_a_plan_is_queued_or_waits_again_and_never_both(org: Org, control: Control) -> None:
    for approval, queued_first in (("a", True), ("b", False)):
        waiting(org, approval)
        assert not control.note_queued(org.name, approval, at=T), "nobody has approved it"
        control.decide_approval(org.name, approval, status="approved", by="alex", now=T)
        if queued_first:
            assert control.note_queued(org.name, approval, at=T)
        control.wait_again(org.name, approval)
        assert control.note_queued(org.name, approval, at=T) is queued_first
        plan = control.approval(org.name, approval) or {}
        assert (plan["status"], "queued_at" in plan) == (("approved", True) if queued_first else ("waiting", False))


def test_a_plan_written_again_keeps_its_decision(org: Org, control: Control) -> None:
    waiting(org, "a")
    control.decide_approval(org.name, "a", status="approved", by="alex", now=T)
    waiting(org, "a")
    kept = control.approval(org.name, "a")
    assert kept is not None
    assert (kept["status"], kept["decided_by"]) == ("approved", "alex")
