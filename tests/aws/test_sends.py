"""The outbox's states (P2)."""

from __future__ import annotations

import itertools

import pytest

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.send import NEXT_STATES, SendState
from tests.builders import DAY, NOW, Org

T = epoch_seconds(NOW)
WATCHED = (SendState.CLAIMED, SendState.UNKNOWN)


def put_in(org: Org, state: SendState, subscriber: str = "s") -> str:
    """A row in a state, as `claiming` and `move` would have left it."""
    plan = org.plan(subscriber)
    commit([org.w.sends.claiming(plan, now=NOW, day=DAY)])
    row = org.send(plan) | {"state": state.value}
    row.pop(names.ORG_STATE)
    if state in WATCHED:
        row[names.ORG_STATE] = f"{org.name}#{state.value}"
    org.w.sends.table.put(row)
    return plan.send_id


@pytest.mark.parametrize(("before", "to"), list(itertools.product(SendState, SendState)))
def test_a_row_moves_exactly_where_the_state_machine_allows(org: Org, before: SendState, to: SendState) -> None:
    if to is SendState.PLANNED:
        return  # nothing leads back to a plan
    send_id = put_in(org, before)
    allowed = to in NEXT_STATES[before]
    assert org.w.sends.move(send_id, org=org.name, to=to, facts={"reason": "r"}) is allowed
    row = org.w.sends.get(send_id)
    assert row is not None
    now_in = to if allowed else before
    assert row["state"] == now_in.value
    assert row.get(names.ORG_STATE) == (f"{org.name}#{now_in.value}" if now_in in WATCHED else None)
    assert ("reason" in row) is allowed


@pytest.mark.parametrize("state", SendState)
def test_only_a_plan_or_nothing_can_be_claimed(org: Org, state: SendState) -> None:
    put_in(org, state)
    again = [org.w.sends.claiming(org.plan("s"), now=NOW, day=DAY)]
    if state is SendState.PLANNED:
        commit(again)
        assert org.send(org.plan("s"))["state"] == "CLAIMED"
    else:
        with pytest.raises(TransactionCancelled):
            commit(again)
        assert org.send(org.plan("s"))["state"] == state.value


def test_the_counter_goes_with_the_first_move_only(org: Org) -> None:
    send_id = put_in(org, SendState.CLAIMED)
    counting = org.w.counters.counting(org.name, NOW, {"sent": 1}, zone="UTC", shard_by=send_id)
    moves = [org.w.sends.move(send_id, org=org.name, to=SendState.SENT, facts={}, counting=counting) for _ in range(3)]
    assert moves == [True, False, False]
    assert org.counters() == {"sent": 1}


def test_a_row_that_is_not_there_does_not_move(org: Org) -> None:
    assert not org.w.sends.move("nobody", org=org.name, to=SendState.SENT, facts={})
    assert org.w.sends.get("nobody") is None


def test_a_plan_dropped_before_its_claim_leaves_its_reason_and_an_existing_row_alone(org: Org) -> None:
    plan = org.plan("s")
    commit([org.w.sends.dropping(plan, reason="opted_out", now=NOW, day=DAY)])
    with pytest.raises(TransactionCancelled, match="ConditionalCheckFailed"):
        commit([org.w.sends.dropping(plan, reason="other", now=NOW, day=DAY)])
    row = org.send(plan)
    assert (row["state"], row["reason"]) == ("DROPPED", "opted_out")
    assert names.ORG_STATE not in row


def test_the_sweep_sees_old_rows_of_one_state_and_one_org(org: Org) -> None:
    claimed, _ = put_in(org, SendState.CLAIMED, "a"), put_in(org, SendState.SENT, "b")
    unknown = put_in(org, SendState.UNKNOWN, "c")

    def seen(state: SendState, before: int, name: str = org.name) -> list[str]:
        return org.w.sends.in_state(name, state, claimed_before=before, limit=10)

    assert seen(SendState.CLAIMED, T + 1) == [claimed]
    assert seen(SendState.CLAIMED, T) == []
    assert seen(SendState.UNKNOWN, T + 1) == [unknown]
    assert seen(SendState.CLAIMED, T + 1, "other") == []


def test_an_outcome_keeps_what_came_first_and_adds_the_rest_and_needs_a_row(org: Org) -> None:
    send_id = put_in(org, SendState.SENT)
    for at in (5, 3):
        commit([org.w.sends.outcome(send_id, first={"first_human_open_at": at}, add={"human_opens": 1, "revenue_micros#USD": 7})])
    row = org.w.sends.get(send_id)
    assert row is not None
    assert (row["first_human_open_at"], row["human_opens"], row["revenue_micros#USD"]) == (5, 2, 14)
    with pytest.raises(TransactionCancelled):
        commit([org.w.sends.outcome("nobody", add={"human_opens": 1})])


def test_a_days_rows_are_found_by_the_org_day_of_their_claim(org: Org) -> None:
    ids = {put_in(org, SendState.SENT, s) for s in "abc"}
    assert {row["pk"] for row in org.w.sends.on_day(org.name, DAY)} == ids
    assert list(org.w.sends.on_day(org.name, "2026-03-05")) == []
