"""Plans that approve themselves, and plans that do not: why, and what the person who judges them sees."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from revenue_engine.aws import names, observe
from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.queues import Queue
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.causes import Cause, Stop
from revenue_engine.records.offer import Creative
from revenue_engine.services import approvals, cycle_inputs, run_cycle
from revenue_engine.services.engage import engage_message
from tests.e2e.house import ORG, House, an_offer_to_mail, house, offers

RICH = 10**12
SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=operator"}


def plans(made: House) -> list[Item]:
    return approvals.listed(made.w, ORG, now=made.now)


def stopped(made: House) -> None:
    cause = Cause("offer", "999")
    made.w.safety.stop(ORG, Stop(cause, "bounce_rate_exceeded", epoch_seconds(made.now), None, "figures"))


def another_offer(made: House) -> None:
    made.offers(*offers(), an_offer_to_mail(1003, payout_micros=900_000_000))


def another_variant(made: House) -> None:
    made.offers(
        *(replace(an_offer_to_mail(n, variants=("standard", "soft", "urgency")), content_hash="new") for n in (1001, 1002))
    )


def complained_about(made: House) -> None:
    """Two of 2,400 mails, and beside them the 0.6 of 2,000 that were expected."""
    yesterday, arm = made.now - timedelta(days=1), {"offer": "1001", "variant": "standard", "segment": "new"}
    amounts = {"deliveries": 2_000, "complaints": 2}
    commit([made.w.offers.adding_evidence(ORG, day=f"{yesterday:%Y-%m-%d}", amounts=amounts, **arm)])


@pytest.mark.parametrize("unmakeable", [(), ("777/soft",)])  # a variant of which no mails can be made says nothing of these
def test_a_routine_plan_under_the_bound_approves_itself(unmakeable: tuple[str, ...]) -> None:
    with house(2, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH) as made:
        made.routine()
        for name in unmakeable:
            made.w.safety.stop(ORG, Stop(Cause("variant", name), "content_incomplete", epoch_seconds(made.now), None))
        made.cycle()
        assert len(made.mails) == made.reserved() == 2
        assert [(plan["decided_by"], "not_routine" in plan) for plan in plans(made)] == [("auto_approve_under", False)]


CASES: dict[str, tuple[Any, str]] = {
    "an offer without history": (another_offer, "new_offer"),
    "a variant without history": (another_variant, "new_variant"),
    "something is stopped": (stopped, "something_stopped"),
    "more complaints than the budget": (complained_about, "complaints_above_budget"),
    "more mails than any cycle of late": (lambda made: made.people(3, first=50), "unusual_volume"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_plan_that_is_not_routine_waits_for_a_person_and_says_why(case: str) -> None:
    happened, reason = CASES[case]
    with house(30, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH) as made:
        made.routine(mails=30)
        happened(made)
        assert made.cycle()["outcome"] == "completed"
        (plan,) = plans(made)
        assert (made.mails, made.reserved(), plan["status"]) == ([], 0, "waiting")
        assert plan["not_routine"] == [reason]
        approved = approvals.approve(made.w, ORG, plan["approval_id"], by="ann", now=made.now)
        assert approved == plan["sends"]


def test_on_the_first_day_everything_is_new() -> None:
    with house(2, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH) as made:
        made.cycle()
        (plan,) = plans(made)
        assert plan["not_routine"] == ["new_offer", "unusual_volume"]


def test_what_nobody_approved_makes_no_volume_usual() -> None:
    with house(4, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH) as made:
        made.routine(mails=3)
        made.cycle()
        made.people(4, first=50)
        made.cycle()
        assert [plan["not_routine"] for plan in plans(made)] == [["unusual_volume"]] * 2
        first = plans(made)[0]
        assert approvals.approve(made.w, ORG, first["approval_id"], by="ann", now=made.now) == 4
        made.run(15)
        made.people(4, first=90)
        made.cycle()
        assert [plan["status"] for plan in plans(made)] == ["approved", "waiting", "approved"]


def test_the_bound_is_of_a_cycle_s_pages_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 10)
    with house(20, autonomy="shadow", by_hand=True) as made:
        made.routine()
        made.cycle()
        worth = sum(r["expected_revenue_micros"] for r in made.receipts())
    for bound, status in ((worth + 1, "approved"), (worth, "waiting")):
        with house(20, autonomy="approval", by_hand=True, auto_approve_under_micros=bound) as made:
            made.routine()
            assert made.cycle()["pages"] == 2
            assert [plan["status"] for plan in plans(made)] == [status] * 2
            assert len(made.mails) == (20 if status == "approved" else 0)


def test_a_plan_that_is_approved_already_is_queued_whatever_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt died between the two. What was only planned waits for a person."""
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 5)
    with house(14, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH) as made:
        made.routine()
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(Queue, "send", _dies)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        stopped(made)
        assert made.cycle()["outcome"] == "completed"
        assert [(plan["status"], "queued_at" in plan) for plan in plans(made)] == [("approved", True), *[("waiting", False)] * 2]
        assert len(made.mails) == made.reserved() == 5
        assert [plan.get("not_routine") for plan in plans(made)] == [None, *[["something_stopped"]] * 2]


@pytest.mark.parametrize("when", ["in the same quarter of an hour", "later"])
def test_a_bound_that_was_taken_back_approves_nothing(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with house(5, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH) as made:
        made.routine()
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(run_cycle, "_move_due_times", _dies)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        made.controls(auto_approve_under_micros=0)
        made.watch(15 if when == "later" else 2)
        assert made.cycle()["outcome"] == "completed"
        assert [(plan["status"], plan["not_routine"]) for plan in plans(made)] == [("waiting", ["not_under_bound"])]
        assert (made.mails, made.reserved()) == ([], 0)


def test_a_bound_that_was_raised_meanwhile_is_not_the_cycle_s(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(5, autonomy="approval", by_hand=True, auto_approve_under_micros=0) as made:
        made.routine()
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(run_cycle, "_move_due_times", _dies)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        made.controls(auto_approve_under_micros=RICH)
        made.cycle()
        assert [plan["not_routine"] for plan in plans(made)] == [["not_under_bound"]]


def test_a_plan_that_has_expired_by_the_time_its_cycle_is_finished_approves_itself_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with house(5, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH, approval_valid_hours=1) as made:
        made.routine()
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(run_cycle, "_move_due_times", _dies)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        made.watch(90)
        made.cycle(minutes=0)
        assert ([plan["status"] for plan in plans(made)], made.reserved()) == (["waiting"], 0)


def test_a_cycle_finished_late_takes_room_of_the_minutes_in_which_its_plan_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(5, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH) as made:
        made.routine()
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(run_cycle, "_move_due_times", _dies)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        made.watch(30)
        late = epoch_seconds(made.now)
        made.cycle()
        (plan,) = plans(made)
        assert (plan["decided_at"], plan["queued_at"]) == (late, late)
        assert made.w.control.budget_reserved(ORG, f"velocity-{late // 900}") == 5


def _dies(*args: object, **named: object) -> None:
    raise RuntimeError("injected")


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Their names, as they are counted."""
    heard: list[str] = []
    count = observe.count

    def counted(name: str, org: str, value: float = 1) -> None:
        count(name, org, value)
        heard.append(name)

    monkeypatch.setattr(observe, "count", counted)
    return heard


def test_a_cycle_plans_no_more_than_is_left_of_the_day_over_all_its_pages(
    monkeypatch: pytest.MonkeyPatch, metrics: list[str]
) -> None:
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 10)
    with house(40, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH, max_daily_emails=8) as made:
        made.routine()
        report = made.cycle()
        assert (report["outcome"], report["decided"], report["pages"], report["planned"]) == ("completed", 40, 4, 8)
        assert report["reasons"]["daily_limit_reached"] == 32
        assert len(made.mails) == made.reserved() == 8
        assert min(person["next_decision_at"] for person in made.everybody()) > epoch_seconds(made.now)
        assert names.METRIC_CYCLE_REFUSED not in metrics


def test_where_there_is_no_room_any_more_a_plan_waits_and_the_cycle_is_whole(
    monkeypatch: pytest.MonkeyPatch, metrics: list[str]
) -> None:
    """Between the plan and its approval somebody else has taken what was left."""
    monkeypatch.setattr(cycle_inputs, "PAGE_ROWS", 10)
    with house(30, autonomy="approval", by_hand=True, auto_approve_under_micros=RICH, max_daily_emails=30) as made:
        made.routine()
        put = made.w.control.put_approval

        def taken(self: object, org: str, approval_id: str, facts: Item) -> None:
            put(org, approval_id, facts)
            day = f"{made.now:%Y-%m-%d}"
            made.w.control.reserve(
                ORG, day, cycle_id="another", page=0, wanted=30, cap=30, expires_at=epoch_seconds(made.now) + 86_400
            )

        monkeypatch.setattr(type(made.w.control), "put_approval", taken)
        report = made.cycle()
        assert (report["outcome"], report["decided"], report["pages"]) == ("completed", 30, 3)
        assert [(plan["status"], plan["not_routine"]) for plan in plans(made)] == [("waiting", ["no_room_now"])] * 3
        assert made.mails == []
        assert {person["next_decision_at"] for person in made.everybody()} == {plan["valid_until"] for plan in plans(made)}
        assert names.METRIC_CYCLE_REFUSED not in metrics


def test_a_person_sees_what_a_plan_would_mail_and_to_whom() -> None:
    with house(30, autonomy="approval", by_hand=True) as made:
        made.cycle()
        (plan,) = json.loads(made.plane.http("GET", f"/console/{ORG}/approvals", SIGNED).body)["approvals"]
        receipts = [r for r in made.receipts() if r["awaits_approval"]]
        assert sum(group["sends"] for group in plan["groups"]) == plan["sends"] == len(receipts)
        for group in plan["groups"]:
            of_it = [
                r
                for r in receipts
                if (r["offer"], r["content"], r["subject_line"], r["segment"])
                == (group["offer"], group["variant"], group["subject"], group["segment"])
            ]
            assert (group["sends"], group["offer_name"]) == (len(of_it), of_it[0]["offer_name"])
            assert group["predicted_revenue_micros"] == sum(r["expected_revenue_micros"] for r in of_it)
        sends = [group["sends"] for group in plan["groups"]]
        assert sends == sorted(sends, reverse=True)
        assert approvals.reject(made.w, ORG, plan["approval_id"], by="ann", now=made.now)
        assert "groups" not in plans(made)[0]


@pytest.mark.parametrize("change", ["content_changed", "payout_fell"])
def test_what_has_changed_since_it_was_approved_is_not_mailed(change: str) -> None:
    with house(4, autonomy="approval", by_hand=True) as made:
        made.cycle()
        (plan,) = plans(made)
        if change == "content_changed":
            body = '<html><body><a href="{{offer_url}}">Look</a></body></html>'
            swapped = [
                replace(o, creatives=tuple(Creative(c.variant, c.from_name, "ACT NOW", body) for c in o.creatives))
                for o in offers()
            ]
        else:
            swapped = [replace(o, payout_micros=10_000) for o in offers()]
        made.offers(*(replace(offer, content_hash="other") for offer in swapped))
        assert approvals.approve(made.w, ORG, plan["approval_id"], by="ann", now=made.now) == 4
        made.run(2)
        assert (made.mails, made.drops(), made.reserved()) == ([], {change}, 0)


def test_what_has_changed_between_decide_and_execute_is_not_mailed_in_any_mode() -> None:
    with house(4, by_hand=True) as made:
        made.cycle(minutes=0)
        made.offers(*(replace(offer, payout_micros=10_000, content_hash="other") for offer in offers()))
        made.watch(15)
        assert (made.mails, made.drops(), made.reserved()) == ([], {"payout_fell"}, 0)
        assert made.states() == ["DROPPED"] * 4


def test_an_unchanged_catalogue_that_is_imported_again_changes_nothing() -> None:
    with house(4, autonomy="approval", by_hand=True) as made:
        made.cycle()
        (plan,) = plans(made)
        made.offers(*(replace(offer, content_hash="again") for offer in offers()))
        approvals.approve(made.w, ORG, plan["approval_id"], by="ann", now=made.now)
        made.run(2)
        contents = {(o.offer, c.variant): c.content_hash for o in offers() for c in o.creatives}
        sends = [made.send(mail) for mail in made.mails]
        assert [send["content_hash"] for send in sends] == [contents[send["offer"], send["variant"]] for send in sends]
        assert len(sends) == 4


def test_who_waits_in_a_plan_is_not_planned_again_for_what_he_does_meanwhile() -> None:
    """A purchase is an answer, as an open of an older mail is: it makes others due within the hour."""
    with house(4, autonomy="approval", by_hand=True, approval_valid_hours=24) as made:
        planned = made.cycle(minutes=0)["planned"]
        due = {person["subscriber"]: person["next_decision_at"] for person in made.everybody()}
        for n, subscriber in enumerate(due):
            bought = {"kind": "conversion_applied", "org": ORG, "subscriber": subscriber, "at": epoch_seconds(made.now)}
            engage_message(made.w, json.dumps({**bought, "revenue_micros": 1, "conversions": 1, "dedupe": f"x{n}"}), now=made.now)
        assert planned == sum(plan["sends"] for plan in plans(made)) > 0
        assert {person["subscriber"]: person["next_decision_at"] for person in made.everybody()} == due
        assert [made.cycle()["planned"] for _ in range(6)] == [0] * 6
