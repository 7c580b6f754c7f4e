"""What mailbox providers report: once, in any order, and machines are never people (P2, P3)."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.aws.items import decode
from revenue_engine.aws.sends import Sends
from revenue_engine.clock import epoch_seconds, iso_millis
from revenue_engine.errors import BadInput
from revenue_engine.intake.ses import parse_event
from revenue_engine.records.causes import counted_by_cause, sent_by_cause
from revenue_engine.records.send import PlannedSend, counted_of_cycle
from revenue_engine.services.engage import apply_event, engage_message
from tests.builders import COUNTED_SENT, DAY, NOW, Org
from tests.ses_events import FIXTURES, ses_event

T = epoch_seconds(NOW)


@dataclass(frozen=True)
class Effect:
    """What one event leaves behind beside the send itself."""

    touch: str
    counters: dict[str, int] = field(default_factory=dict)
    outcome: dict[str, int] = field(default_factory=dict)  # seconds after NOW for times, counts for counts
    row: dict[str, float] = field(default_factory=dict)
    evidence: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    status: str = "active"


def seconds(clock: str) -> int:
    h, m, s = clock.split(":")
    return int(h) * 3_600 + int(m) * 60 + int(s) - 36_000


HUMAN = {"human": True, "human_probability": 0.95, "signs": []}
PROXY = {"human": True, "human_probability": 0.7, "signs": ["image_proxy"]}
OPENED = {"human_opens": 1.0}
EFFECTS: dict[str, Effect] = {
    "send": Effect("send"),
    "delivery": Effect(
        "delivery", {"delivered": 1, "delivered#other": 1}, {"delivered_at": 4}, {"deliveries": 1}, {"deliveries": 1}
    ),
    "open": Effect(
        "human_open",
        {"human_opens": 1, "opened_mails": 1},
        {"human_opens": 1, "first_human_open_at": seconds("12:31:19")},
        OPENED,
        {"opens": 1},
        HUMAN,
    ),
    "open-gmail-proxy": Effect(
        "human_open",
        {"human_opens": 1, "opened_mails": 1},
        {"human_opens": 1, "first_human_open_at": seconds("11:02:07")},
        OPENED,
        {"opens": 1},
        PROXY,
    ),
    "open-apple-mpp": Effect(
        "machine_open",
        {"machine_opens": 1},
        {"machine_opens": 1, "first_machine_open_at": seconds("10:09:44")},
        {"machine_opens": 1},
        {},
        {"human": False},
    ),
    "click": Effect(
        "human_click",
        {"human_clicks": 1, "clicked_mails": 1, "clicked_mails@1042": 1},
        {"human_clicks": 1, "first_human_click_at": seconds("12:31:55")},
        {"human_clicks": 1.0},
        {"clicks": 1},
        HUMAN,
    ),
    "click-scanner": Effect(
        "machine_click",
        {"machine_clicks": 1},
        {"machine_clicks": 1, "first_machine_click_at": seconds("10:00:06")},
        {},
        {},
        {"human": False},
    ),
    "bounce-permanent": Effect(
        "bounce",
        {"bounces": 1, "bounces#other": 1},
        {"bounced_at": 5},
        facts={"bounce_type": "Permanent", "bounce_subtype": "General"},
        status="bounced",
    ),
    "bounce-suppressed": Effect(
        "bounce", {"suppressed_bounces": 1, "suppressed_bounces#other": 1}, {"bounced_at": 5}, status="bounced"
    ),
    "bounce-transient": Effect(
        "bounce", {"soft_bounces": 1, "soft_bounces#other": 1}, {"bounced_at": 5}, facts={"bounce_subtype": "MailboxFull"}
    ),
    "complaint": Effect(
        "complaint",
        {"complaints": 1, "complaints#other": 1},
        {"complained_at": seconds("15:41:02")},
        evidence={"complaints": 1},
        facts={"feedback_type": "abuse"},
        status="complained",
    ),
    "complaint-not-spam": Effect("complaint", {"other_complaints#not-spam": 1}, facts={"feedback_type": "not-spam"}),
    "reject": Effect("reject", {"rejects": 1}, {"reject_at": 2}),
    "rendering-failure": Effect("rendering_failure", {"rendering_failures": 1}, {"rendering_failure_at": 2}),
    "delivery-delay": Effect("delivery_delay", {"delivery_delays": 1}, {"delivery_delay_at": seconds("10:10:40")}),
    "subscription": Effect("subscription", {"subscription_changes": 1}, status="unsubscribed"),
}


def tell(org: Org, plan: PlannedSend, name: str, **changes: Any) -> str:
    return engage_message(org.w, ses_event(f"ses-event-{name}.json", plan, **changes), now=NOW)


@pytest.mark.parametrize("name", FIXTURES)
def test_each_event_leaves_its_own_traces_and_leaves_them_once(org: Org, name: str) -> None:
    plan, effect = org.mailed(email="pat@recipient.example"), EFFECTS[name]
    before = org.row(plan.subscriber)
    assert tell(org, plan, name) == effect.touch
    assert tell(org, plan, name) == ("send" if name == "send" else "repeated")
    row = org.send(plan)
    assert row["state"] == "SENT"
    counted = COUNTED_SENT | effect.counters
    followed = {"capped_clicks@1042": 1} if name.startswith("click") else {}  # by whomever: it counts towards the offer's cap
    assert org.counters() == counted | followed
    assert org.w.counters.capped(org.name, "1042") == followed
    by_cause = sent_by_cause(asdict(plan)) | counted_of_cycle(plan.cycle_id, "sent")
    for what in effect.counters.keys() & {"bounces", "complaints"}:
        by_cause |= counted_by_cause(what, asdict(plan))
    assert org.w.counters.hour_counters(org.name, since=NOW, until=NOW + timedelta(days=1)) == counted | by_cause
    outcomes = {k: (row[k] - T if k.endswith("_at") else row[k]) for k in effect.outcome}
    assert outcomes == effect.outcome
    others = {n for n in row if n.endswith(("opens", "clicks", "_at"))} - {"claimed_at", "sent_at", "expires_at", *effect.outcome}
    assert others == set()
    timeline = org.timeline(plan.subscriber)
    assert len(timeline) == (0 if name == "send" else 1)
    for item in timeline:
        assert item["kind"] == (name.replace("-", "_") if name in ("rendering-failure", "delivery-delay") else name.split("-")[0])
        assert (item["send_id"], item["offer"], item["variant"]) == (plan.send_id, "1042", "standard")
        assert {k: item[k] for k in effect.facts} == effect.facts
    assert org.evidence() == ({DAY: effect.evidence} if effect.evidence else {})
    after = org.row(plan.subscriber)
    grown = {
        name: getattr(after, name) - getattr(before, name)
        for name in ("deliveries", "human_opens", "machine_opens", "human_clicks")
        if getattr(after, name) != getattr(before, name)
    }
    assert grown == effect.row
    person = org.person(plan.subscriber)
    active = effect.status == "active"
    assert (person["status"], person["consent_status"]) == (effect.status, "granted" if active else "withdrawn")
    assert ("due_shard" in person) is active
    assert org.w.suppression.is_suppressed(org.name, org.address_hash("pat@recipient.example")) is not active
    assert not any("recipient.example" in repr(item) for item in timeline)


def test_a_complaint_stands_before_anything_else_of_its_event_is_written(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = org.plan(org.add_person())
    commit([org.w.sends.dropping(plan, reason="claimed_too_long", now=NOW, day=DAY)])

    def busy(*arguments: object, **named: object) -> None:
        raise TransactionCancelled(["None", "TransactionConflict"])

    monkeypatch.setattr(Sends, "move", busy)
    with pytest.raises(TransactionCancelled):
        tell(org, plan, "complaint")
    assert org.person(plan.subscriber)["status"] == "complained"


def test_a_late_mail_is_one_late_mail_of_its_own_hour_however_often_that_is_told(org: Org) -> None:
    plan = org.mailed()
    for hours in (1, 2, 5):
        tell(org, plan, "delivery-delay", timestamp=iso_millis(NOW + timedelta(hours=hours)))
    assert (len(org.timeline(plan.subscriber)), org.counters()["delivery_delays"]) == (3, 1)
    own = org.w.counters.hour_counters(org.name, since=NOW, until=NOW)
    assert (own["sent"], own["delivery_delays"]) == (1, 1)


def test_two_notices_of_a_delay_that_meet_count_one_late_mail(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, get = org.mailed(), Sends.get
    unaware = {**org.send(plan)}
    told = iter([unaware, unaware])  # both have read the mail before either wrote
    monkeypatch.setattr(Sends, "get", lambda sends, send_id: next(told, None) or get(sends, send_id))
    for hours in (1, 2):
        tell(org, plan, "delivery-delay", timestamp=iso_millis(NOW + timedelta(hours=hours)))
    assert org.counters()["delivery_delays"] == 1


JOURNEYS = [
    ("send", "delivery", "open-apple-mpp", "open", "click"),
    ("send", "delivery", "click-scanner", "open-gmail-proxy", "complaint"),
    ("send", "delivery-delay", "bounce-transient"),
    ("send", "bounce-permanent"),
    ("send", "reject"),
    ("delivery", "click", "complaint-not-spam", "subscription"),
]


def state_of(org: Org, plan: PlannedSend) -> dict[str, Any]:
    """Everything an order of events could change, under names that do not depend on the org."""
    send = {k: v for k, v in org.send(plan).items() if k not in ("pk", "org", "org_day", "send_id", "expires_at", "subscriber")}
    person, row = org.person(plan.subscriber), org.row(plan.subscriber)
    counts = ("deliveries", "human_opens", "machine_opens", "human_clicks")
    times = ("last_human_open_at", "last_human_click_at", "last_send_at")
    return {
        "send": {k: v for k, v in send.items() if k != "message_id"},
        "timeline": [{k: v for k, v in item.items() if k not in ("pk", "send_id")} for item in org.timeline(plan.subscriber)],
        "person": {k: person.get(k) for k in ("status", "consent_status", "opt_out_source", "opted_out_at")},
        "due": "due_shard" in person,
        "row": {n: pytest.approx(getattr(row, n), rel=1e-5) for n in counts} | {n: getattr(row, n) for n in times},
        "counters": org.counters(),
        "evidence": org.evidence(),
    }


@pytest.mark.parametrize("journey", JOURNEYS, ids="-".join)
def test_events_give_the_same_state_in_any_order_and_however_often(org: Org, journey: tuple[str, ...]) -> None:
    first, second = org.mailed(), org.mailed()
    states = []
    for plan, order in ((first, journey), (second, (*reversed(journey), *journey))):
        before = Counter(org.counters())
        evidence = {day: Counter(counts) for day, counts in org.evidence().items()}
        for name in order:
            tell(org, plan, name)
        state = state_of(org, plan)
        state["counters"] = Counter(state["counters"]) - before
        state["evidence"] = {day: Counter(c) - evidence.get(day, Counter()) for day, c in state["evidence"].items()}
        states.append(state)
    assert states[0] == states[1]


def test_a_claimed_mail_is_settled_by_any_proof_that_it_went_out(org: Org) -> None:
    for name, state in (("delivery", "SENT"), ("open", "SENT"), ("bounce-permanent", "SENT"), ("reject", "FAILED")):
        plan = org.plan(org.add_person())
        org.w.sends.table.put(claimed(org, plan))
        tell(org, plan, name)
        row = org.send(plan)
        assert (row["state"], row["message_id"][:9]) == (state, "0100019c0")
        assert names.ORG_STATE not in row
    assert org.counters()["sent"] == 3


def claimed(org: Org, plan: PlannedSend) -> dict[str, Any]:
    return decode(org.w.sends.claiming(plan, now=NOW, day=DAY)["Put"]["Item"])


def test_events_delivered_to_several_workers_at_once_count_once(org: Org) -> None:
    plan = org.mailed()
    with ThreadPoolExecutor(6) as pool:
        said = Counter(pool.map(lambda n: tell(org, plan, ("delivery", "open", "click")[n % 3]), range(12)))
    assert said == {"delivery": 1, "human_open": 1, "human_click": 1, "repeated": 9}
    counted = org.counters()
    assert (counted["delivered"], counted["human_opens"], counted["clicked_mails"]) == (1, 1, 1)
    row = org.row(plan.subscriber)
    assert [round(n, 2) for n in (row.deliveries, row.human_opens, row.human_clicks)] == [1.0, 1.0, 1.0]


def test_a_second_click_counts_as_a_click_and_not_as_another_clicked_mail(org: Org) -> None:
    plan = org.mailed()
    tell(org, plan, "click")
    tell(org, plan, "click", timestamp="2026-03-04T12:40:00.000Z")
    assert org.send(plan)["human_clicks"] == 2
    assert org.counters()["human_clicks"] == 2
    assert org.counters()["clicked_mails"] == 1
    assert org.evidence() == {DAY: {"clicks": 1}}


def test_two_first_clicks_read_at_once_are_one_clicked_mail_even_when_the_person_is_gone(org: Org) -> None:
    plan = org.mailed()
    erase(org, plan)
    stale = org.send(plan)
    for minute in (40, 41):
        event = parse_event(ses_event("ses-event-click.json", plan, timestamp=f"2026-03-04T12:{minute}:00.000Z"))
        assert apply_event(org.w, event, stale, now=NOW) == "human_click"
    assert (org.counters()["human_clicks"], org.counters()["clicked_mails"]) == (2, 1)
    assert org.evidence() == {DAY: {"clicks": 1}}


def erase(org: Org, plan: PlannedSend) -> None:
    org.system.client("dynamodb").delete_item(
        TableName=org.w.value(names.SUBSCRIBERS_TABLE), Key={"pk": {"S": f"{org.name}#{plan.subscriber}"}}
    )


def test_an_event_of_another_sender_of_the_account_is_left_alone(org: Org) -> None:
    record = json.loads(ses_event("ses-event-click.json", org.plan("x" * 26)))
    del record["mail"]["tags"]["send_id"]
    assert engage_message(org.w, json.dumps(record), now=NOW) == "foreign"


def test_an_event_of_a_send_nobody_knows_goes_back_to_the_queue(org: Org) -> None:
    with pytest.raises(LookupError, match="no outbox row"):
        tell(org, org.plan("x" * 26), "click")


@pytest.mark.parametrize("body", ["not json", "[]", "{}", '{"eventType": "Levitation"}'])
def test_what_is_no_event_is_an_error_that_names_the_field(org: Org, body: str) -> None:
    with pytest.raises(BadInput):
        engage_message(org.w, body, now=NOW)


def test_a_notice_about_the_subscription_itself_is_no_error(org: Org) -> None:
    notice = "Successfully validated SNS topic for Amazon SES event publishing."
    assert engage_message(org.w, notice, now=NOW) == "validation_notice"


def test_the_outcome_of_an_erased_persons_mail_still_counts(org: Org) -> None:
    plan = org.mailed()
    erase(org, plan)
    assert tell(org, plan, "delivery") == "delivery"
    assert tell(org, plan, "complaint") == "complaint"
    assert org.counters()["complaints"] == 1


def test_booked_money_reaches_the_row_once(org: Org) -> None:
    person = org.add_person()
    message = {
        "kind": "conversion_applied",
        "org": org.name,
        "subscriber": person,
        "at": T,
        "revenue_micros": 7_000_000,
        "conversions": 1,
        "dedupe": "x1",
    }
    said = [engage_message(org.w, json.dumps(message), now=NOW) for _ in range(2)]
    assert said == ["conversion_applied", "repeated"]
    said.append(
        engage_message(org.w, json.dumps(message | {"revenue_micros": -2_000_000, "conversions": 0, "dedupe": "x2"}), now=NOW)
    )
    row = org.row(person)
    assert (row.revenue_micros, row.conversions, row.last_conversion_at) == (5_000_000, 1.0, T)
    assert engage_message(org.w, json.dumps(message | {"subscriber": "nobody"}), now=NOW) == "erased"
