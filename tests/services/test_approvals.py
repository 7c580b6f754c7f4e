"""Plans that a person approves leave within what the minutes, the day and the mailbox providers take, whenever the attempt succeeds."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.queues import Message
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import Refused
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import approvals, drops, send_messages
from tests.builders import NOW, Org

QUARTER = timedelta(minutes=15)


def waiting(org: Org, approval_id: str, *providers: str) -> list[PlannedSend]:
    """A plan that waits, a mail to each of these providers, the best first."""
    plans = [
        org.plan(org.add_person(), approval_id=approval_id, provider=provider, predicted_revenue_micros=50_000 - n)
        for n, provider in enumerate(providers)
    ]
    write_plan(org, approval_id, plans)
    return plans


def write_plan(org: Org, approval_id: str, plans: list[PlannedSend]) -> None:
    org.w.decisions.put(f"plans/{org.name}/{approval_id}.json.gz", gzip.compress(send_messages.encode(plans).encode()))
    facts = {"status": "waiting", "valid_until": epoch_seconds(NOW) + 7_200, "sends": len(plans), "predicted_revenue_micros": 1}
    org.w.control.put_approval(org.name, approval_id, {"approval_id": approval_id, **facts})


def approve(org: Org, approval_id: str, *, quarters: int = 0) -> int:
    now = NOW + quarters * QUARTER
    org.w.control.heartbeat(org.name, at=epoch_seconds(now))
    return approvals.approve(org.w, org.name, approval_id, by="ann", now=now)


@pytest.fixture
def queue(org: Org, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """What was queued, whatever its delay."""
    sent: list[Message] = []
    monkeypatch.setattr(type(org.w.sends_queue), "send", lambda _, messages: sent.extend(messages))
    return sent


def dies(org: Org, approval_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that has reserved and queues nothing."""

    def crash(*arguments: object) -> None:
        raise ConnectionError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.sends_queue), "send", crash)
        with pytest.raises(ConnectionError):
            approve(org, approval_id)


def mails(queue: list[Message]) -> list[tuple[int, PlannedSend]]:
    """With their seconds of delay."""
    return [(message.delay_seconds, plan) for message in queue for plan in send_messages.decode(message.body)]


def take_minutes(org: Org, wanted: int, *, cap: int, quarters: int = 0) -> None:
    """Another plan has them."""
    name = f"velocity-{epoch_seconds(NOW + quarters * QUARTER) // 900}"
    org.w.control.reserve(org.name, name, cycle_id=name, page=0, wanted=wanted, cap=cap, expires_at=epoch_seconds(NOW) + 86_400)


def dropped(org: Org, plans: list[PlannedSend]) -> list[str]:
    return [row["reason"] for plan in plans if (row := org.w.sends.get(plan.send_id)) is not None]


def test_approvals_of_a_quarter_of_an_hour_share_what_a_provider_takes_in_it(org: Org, queue: list[Message]) -> None:
    """Of 160 a day a provider takes ten in a quarter of an hour, however many plans hold them."""
    org.set_controls(warm_up_start_per_day=160)
    waiting(org, "a1", *["gmail"] * 7)
    plans = waiting(org, "a2", *["gmail", "yahoo", "gmail", "gmail", "gmail"])
    waiting(org, "a3", *["gmail"] * 4)
    assert (approve(org, "a1"), approve(org, "a2")) == (7, 4)
    assert Counter(plan.provider for _, plan in mails(queue)) == {"gmail": 10, "yahoo": 1}
    assert dropped(org, plans) == dropped(org, plans[-1:]) == ["provider_rate"]
    with pytest.raises(Refused, match=approvals.NO_ROOM):
        approve(org, "a3")
    assert org.w.control.approval(org.name, "a3")["status"] == "waiting"  # type: ignore[index]
    assert approve(org, "a3", quarters=1) == 4


def test_what_a_provider_has_had_today_is_not_approved_again(org: Org, queue: list[Message]) -> None:
    org.set_controls(warm_up_start_per_day=160)
    org.w.control.take(org.name, "warm_up#2026-03-04#gmail", wanted=158, cap=160, expires_at=epoch_seconds(NOW) + 86_400)
    plans = waiting(org, "a1", *["gmail"] * 3)
    assert (approve(org, "a1"), len(mails(queue)), dropped(org, plans[2:])) == (2, 2, ["provider_warm_up"])


@pytest.mark.parametrize("left", [10, 0])
def test_an_approval_that_goes_on_in_another_quarter_of_an_hour_keeps_to_its_minutes(
    org: Org, queue: list[Message], monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Thirty were reserved of the day before the first attempt died; of these minutes another plan has left ten, or none."""
    org.set_controls(sends_per_minute=10)
    plans = waiting(org, "a1", *["gmail"] * 30)
    dies(org, "a1", monkeypatch)
    take_minutes(org, 150 - left, cap=150, quarters=1)
    if left:
        assert approve(org, "a1", quarters=1) == left
        assert Counter(delay for delay, _ in mails(queue)) == {840: left}
        assert dropped(org, plans) == ["velocity_limit"] * 20
    else:
        with pytest.raises(Refused, match=approvals.NO_ROOM):
            approve(org, "a1", quarters=1)
        assert (mails(queue), dropped(org, plans)) == ([], [])
        plan = org.w.control.approval(org.name, "a1") or {}
        assert (plan["status"], plan.keys() & {"decided_by", "queued_at"}) == ("waiting", set())
        assert approve(org, "a1", quarters=2) == 30, "what found no minute waits for others"


def test_minutes_that_were_reserved_at_a_higher_velocity_hold_no_more_than_there_are_now(
    org: Org, queue: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delay above what the queue takes would fail for ever."""
    org.set_controls(sends_per_minute=20)
    take_minutes(org, 140, cap=300)
    waiting(org, "a1", *["gmail"] * 30)
    dies(org, "a1", monkeypatch)
    org.set_controls(sends_per_minute=10)
    assert approve(org, "a1") == 10
    assert [delay for delay, _ in mails(queue)] == [840] * 10


def test_what_has_no_room_is_dropped_fifty_at_a_time_when_the_plan_is_queued(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one a large plan's would take longer than whoever approves it waits. None of it had reserved any budget."""
    org.set_controls(max_daily_emails=10)
    plans, written = waiting(org, "a1", *["other"] * 130), list[int]()

    def counted(actions: Sequence[dict[str, Any]]) -> None:
        written.append(len(actions))
        commit(actions)

    monkeypatch.setattr(drops, "commit", counted)
    assert approve(org, "a1") == 10
    assert (len(written), max(written), org.reserved()) == (3, 52, 10)  # fifty rows, their hour and day
    assert dropped(org, plans) == ["daily_limit_reached"] * 120


def test_an_approval_that_dies_while_it_drops_is_queued_and_not_repeated(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    org.set_controls(max_daily_emails=10)
    plans = waiting(org, "a1", *["other"] * 130)

    def crash(actions: Sequence[dict[str, Any]]) -> None:
        raise ConnectionError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(drops, "commit", crash)
        with pytest.raises(ConnectionError):
            approve(org, "a1")
    assert "queued_at" in (org.w.control.approval(org.name, "a1") or {})
    with pytest.raises(Refused, match="does_not_wait"):
        approve(org, "a1")
    assert (org.reserved(), dropped(org, plans)) == (10, [])


def test_an_approval_that_found_no_room_when_it_went_on_finds_it_a_quarter_of_an_hour_later(
    org: Org, queue: list[Message]
) -> None:
    """What the full minutes left it of the day, nothing, is not remembered for the day."""
    org.set_controls(warm_up_start_per_day=160)
    waiting(org, "a0", *["gmail"] * 10)
    waiting(org, "a1", *["gmail"] * 5)
    org.w.control.decide_approval(org.name, "a1", status="approved", by="ann", now=epoch_seconds(NOW))  # and the attempt dies
    assert approve(org, "a0") == 10
    with pytest.raises(Refused, match=approvals.NO_ROOM):
        approve(org, "a1")
    assert (approve(org, "a1", quarters=1), org.reserved()) == (5, 15)


def test_an_approval_that_found_a_full_day_finds_what_it_is_given_later(org: Org, queue: list[Message]) -> None:
    org.set_controls(max_daily_emails=10)
    waiting(org, "a0", *["gmail"] * 10)
    waiting(org, "a1", *["gmail"] * 5)
    org.w.control.decide_approval(org.name, "a1", status="approved", by="ann", now=epoch_seconds(NOW))
    assert approve(org, "a0") == 10
    with pytest.raises(Refused, match=approvals.NO_ROOM):
        approve(org, "a1")
    org.set_controls(max_daily_emails=1_000)
    assert (approve(org, "a1"), org.reserved()) == (5, 15)


@pytest.mark.parametrize(("then", "now", "queued"), [(2, 150, 30), (150, 10, 10)])
def test_a_plan_in_another_quarter_of_an_hour_costs_the_day_what_is_queued(
    org: Org, queue: list[Message], monkeypatch: pytest.MonkeyPatch, then: int, now: int, queued: int
) -> None:
    """As many mails as the minutes of the later attempt hold, however few or many the first had; the rest goes back to the day."""
    org.set_controls(sends_per_minute=10, max_daily_emails=10_000)
    plans = waiting(org, "a1", *["gmail"] * 30)
    take_minutes(org, 150 - then, cap=150)
    take_minutes(org, 150 - now, cap=150, quarters=1)
    dies(org, "a1", monkeypatch)
    assert (approve(org, "a1", quarters=1), len(mails(queue))) == (queued, queued)
    assert dropped(org, plans) == ["velocity_limit"] * (30 - queued)
    assert org.reserved() == queued


def test_what_is_dropped_is_named_for_the_limit_that_binds(org: Org, queue: list[Message]) -> None:
    org.set_controls(sends_per_minute=10, max_daily_emails=160)
    plans, more = waiting(org, "a1", *["gmail"] * 170), waiting(org, "a2", *["gmail"] * 30)
    assert (approve(org, "a1"), dropped(org, plans), org.reserved()) == (150, ["velocity_limit"] * 20, 150)
    assert (approve(org, "a2", quarters=1), dropped(org, more), org.reserved()) == (10, ["daily_limit_reached"] * 20, 160)


def test_a_plan_that_waits_again_is_not_kept_waiting_by_what_it_reserved_itself(
    org: Org, queue: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole day is its own."""
    org.set_controls(sends_per_minute=10, max_daily_emails=30)
    waiting(org, "a1", *["gmail"] * 30)
    dies(org, "a1", monkeypatch)
    take_minutes(org, 150, cap=150, quarters=1)
    with pytest.raises(Refused, match=approvals.NO_ROOM):
        approve(org, "a1", quarters=1)
    assert (approve(org, "a1", quarters=2), org.reserved()) == (30, 30)


def test_a_plan_is_cut_in_the_order_of_its_file_and_leaves_in_another(org: Org, queue: list[Message]) -> None:
    """The worth of what was drawn is no part of either."""
    org.set_controls(max_daily_emails=20, sends_per_minute=10)
    plans = [
        org.plan(org.add_person(), approval_id="a1", policy=policy, predicted_revenue_micros=micros)
        for policy, micros in [("fixed", 10_000)] * 10 + [("engine", 20_000), ("engine", 90_000)] * 10
    ]
    write_plan(org, "a1", plans)
    assert approve(org, "a1") == 20
    sent = [plan for _, plan in sorted(mails(queue), key=lambda mail: mail[0])]
    assert {plan.send_id for plan in sent} == {plan.send_id for plan in plans[:20]}
    assert Counter((plan.policy, plan.predicted_revenue_micros) for plan in sent) == {
        ("fixed", 10_000): 10, ("engine", 20_000): 5, ("engine", 90_000): 5,
    }  # fmt: skip
    assert {plan.policy for plan in sent[:10]} == {plan.policy for plan in sent[10:]} == {"fixed", "engine"}


def test_a_plan_that_another_attempt_lets_wait_while_it_is_queued_waits_whole(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no room is not dropped, and what lies in the queue leaves when the plan is approved again, or not at all."""
    org.set_controls(max_daily_emails=10)
    plans = waiting(org, "a1", *["other"] * 12)
    sent: list[Message] = []

    def meets_another(_: object, messages: list[Message]) -> None:
        sent.extend(messages)
        org.w.control.wait_again(org.name, "a1")

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.sends_queue), "send", meets_another)
        with pytest.raises(Refused, match=approvals.NO_ROOM):
            approve(org, "a1")
    assert (len(mails(sent)), dropped(org, plans)) == (10, [])
    plan = org.w.control.approval(org.name, "a1") or {}
    assert (plan["status"], plan.keys() & {"decided_by", "queued_at"}) == ("waiting", set())
    assert approve(org, "a1") == 10


def test_a_plan_on_record_as_waiting_and_queued_is_refused_by_name(org: Org) -> None:
    """As engines before left it where two attempts met."""
    waiting(org, "a1", "other")
    record = org.w.control.approval(org.name, "a1") or {}
    org.w.control.table.put({**record, "queued_at": epoch_seconds(NOW)})
    with pytest.raises(Refused, match=approvals.DOES_NOT_WAIT):
        approve(org, "a1")


DAY, MINUTES, PROVIDERS = "the day's budget is used up", "these minutes are taken", "the plan's mailbox providers have had"


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize(
    ("controls", "others", "named"),
    [
        ({"max_daily_emails": 10}, 10, {DAY}),
        ({"sends_per_minute": 10}, 150, {MINUTES}),
        ({"warm_up_start_per_day": 160}, 10, {PROVIDERS}),
    ],
)
def test_a_plan_without_room_is_told_what_is_full(
    org: Org, queue: list[Message], controls: dict[str, int], others: int, named: set[str], goes_on: bool
) -> None:
    """Whether it is asked for at once, or again after an attempt that died when it had been approved."""
    org.set_controls(**controls)
    waiting(org, "a0", *["gmail"] * others)
    waiting(org, "a1", "gmail")
    if goes_on:
        org.w.control.decide_approval(org.name, "a1", status="approved", by="ann", now=epoch_seconds(NOW))
    assert approve(org, "a0") == others
    with pytest.raises(Refused, match=approvals.NO_ROOM) as refused:
        approve(org, "a1")
    assert {words for words in (DAY, MINUTES, PROVIDERS) if words in refused.value.detail} == named
    assert org.w.control.approval(org.name, "a1")["status"] == "waiting"  # type: ignore[index]
