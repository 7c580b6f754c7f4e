"""SES events: every fixture, every wrapping, what each means for the person and the outbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from revenue_engine.errors import BadInput
from revenue_engine.intake.ses import SesEvent, parse_event
from revenue_engine.records.send import SendState
from tests.shared_data import shared_path

MESSAGE = "0100019c0a1b2c3d-5e6f7a8b-9c0d-4e1f-a2b3-c4d5e6f70819-000000"
MAIL_AT = datetime(2026, 3, 4, 10, 0, 2, 12_000, tzinfo=UTC)

# file → kind, second of the day of the event, status the person gets, counts as bounce, counts as complaint
EVENTS: dict[str, tuple[str, str, str | None, bool, bool]] = {
    "ses-event-send.json": ("send", "10:00:02.012", None, False, False),
    "ses-event-delivery.json": ("delivery", "10:00:04.133", None, False, False),
    "ses-event-open.json": ("open", "12:31:19.652", None, False, False),
    "ses-event-open-apple-mpp.json": ("open", "10:09:44.010", None, False, False),
    "ses-event-open-gmail-proxy.json": ("open", "11:02:07.300", None, False, False),
    "ses-event-click.json": ("click", "12:31:55.570", None, False, False),
    "ses-event-click-scanner.json": ("click", "10:00:06.100", None, False, False),
    "ses-event-bounce-permanent.json": ("bounce", "10:00:05.669", "bounced", True, False),
    "ses-event-bounce-suppressed.json": ("bounce", "10:00:05.669", "bounced", False, False),
    "ses-event-bounce-transient.json": ("bounce", "10:00:05.669", None, False, False),
    "ses-event-complaint.json": ("complaint", "15:41:02.669", "complained", False, True),
    "ses-event-complaint-not-spam.json": ("complaint", "15:41:02.669", None, False, False),
    "ses-event-reject.json": ("reject", "10:00:02.012", None, False, False),
    "ses-event-rendering-failure.json": ("rendering_failure", "10:00:02.012", None, False, False),
    "ses-event-delivery-delay.json": ("delivery_delay", "10:10:40.095", None, False, False),
    "ses-event-subscription.json": ("subscription", "13:00:17.910", "unsubscribed", False, False),
}
WRAPPED: dict[str, Callable[[Any], str]] = {
    "ses-eventbridge-click.json": lambda d: json.dumps(d),
    "ses-sns-to-lambda.json": lambda d: json.dumps(d["Records"][0]["Sns"]),
    "ses-sns-to-sqs-to-lambda.json": lambda d: d["Records"][0]["body"],
    "ses-sns-to-sqs-raw-delivery.json": lambda d: d["Records"][0]["body"],
}
NOT_EVENTS = (
    "ses-errors.json",
    "ses-send-email-request.json",
    "ses-send-email-response.json",
    "ses-send-bulk-email-response.json",
)


def text(name: str) -> str:
    return shared_path(f"contracts/{name}").read_text()


def event(name: str) -> SesEvent:
    return parse_event(text(name))


def record(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "eventType": "Open",
        "mail": {
            "timestamp": "2026-03-04T10:00:02.012Z",
            "messageId": "m1",
            "destination": ["pat@x.example"],
            "tags": {"send_id": ["s1"], "org": ["main"]},
        },
        "open": {"timestamp": "2026-03-04T10:09:44.010Z", "userAgent": "x", "ipAddress": "203.0.113.90"},
    }
    return {k: v for k, v in {**base, **changes}.items() if v is not ...}


def refusal(body: str) -> tuple[str, str]:
    with pytest.raises(BadInput) as caught:
        parse_event(body)
    return caught.value.field, caught.value.reason


def test_every_ses_fixture_has_its_test() -> None:
    names = {path.name for path in shared_path("contracts").glob("ses-*.json")}
    assert names == {*EVENTS, *WRAPPED, *NOT_EVENTS, "ses-eventbridge-all.json"}


@pytest.mark.parametrize("name", EVENTS)
def test_a_fixture_is_read_with_its_own_time_and_meaning(name: str) -> None:
    got = event(name)
    kind, second, status, bounce, complaint = EVENTS[name]
    assert (got.kind, got.at) == (kind, datetime.fromisoformat(f"2026-03-04T{second}+00:00"))
    assert (got.suppression_status, got.counts_as_bounce, got.counts_as_complaint) == (status, bounce, complaint)
    assert (got.message_id, got.send_id, got.offer, got.org, got.mail_at) == (MESSAGE, "snd_01HXAMPLE", "1042", None, MAIL_AT)


@pytest.mark.parametrize("name", WRAPPED)
def test_a_click_is_the_same_in_every_wrapping(name: str) -> None:
    assert parse_event(WRAPPED[name](json.loads(text(name)))) == event("ses-event-click.json")


def test_every_envelope_of_eventbridge_is_read() -> None:
    envelopes = json.loads(text("ses-eventbridge-all.json"))["events"]
    kinds = [parse_event(json.dumps(envelope)).kind for envelope in envelopes]
    assert sorted(kinds) == sorted({kind for kind, *_ in EVENTS.values()})


@pytest.mark.parametrize("name", NOT_EVENTS)
def test_what_is_no_event_is_not_taken_for_one(name: str) -> None:
    assert refusal(text(name)) == ("eventType", "missing")


def test_what_a_click_carries() -> None:
    got = event("ses-event-click.json")
    assert got.link == "https://www.track.example/28KL6/2CTPL/?sub1=k7Qm2cV9xT4hL0pZ&sub2=c0412"
    assert got.link_tags == (("offer", "1042"), ("slot", "cta1"))
    assert (got.ip, got.user_agent[:11]) == ("198.51.100.7", "Mozilla/5.0")


def test_what_bounces_complaints_and_failures_carry() -> None:
    bounce, complaint = event("ses-event-bounce-suppressed.json"), event("ses-event-complaint-not-spam.json")
    assert (bounce.bounce_type, bounce.bounce_subtype) == ("Permanent", "OnAccountSuppressionList")
    assert (complaint.feedback_type, complaint.user_agent) == ("not-spam", "ExampleFBL/1.0")
    assert event("ses-event-reject.json").reason == "Bad content"
    assert event("ses-event-rendering-failure.json").reason.startswith("Attribute 'firstName'")
    assert event("ses-event-delivery-delay.json").reason == "TransientCommunicationFailure"


@pytest.mark.parametrize("redacted", [None, [], [None], [{}], [{"emailAddress": None}], "redacted"])
@pytest.mark.parametrize(
    ("name", "member", "recipients"),
    [
        ("ses-event-complaint.json", "complaint", "complainedRecipients"),
        ("ses-event-bounce-permanent.json", "bounce", "bouncedRecipients"),
    ],
)
def test_a_complaint_or_bounce_takes_effect_whatever_is_left_of_its_addresses(
    name: str, member: str, recipients: str, redacted: object
) -> None:
    record = json.loads(text(name))
    record[member][recipients] = redacted
    record["mail"] |= {"destination": redacted, "headers": redacted}
    record["mail"]["tags"]["another-sender's"] = redacted
    assert parse_event(json.dumps(record)) == event(name)


def test_a_tag_of_ours_that_cannot_be_read_is_not_taken_for_another_senders() -> None:
    record = json.loads(text("ses-event-complaint.json"))
    record["mail"]["tags"]["send_id"] = [7]
    assert refusal(json.dumps(record)) == ("mail.tags.send_id", "wrong_type")


def test_a_complaint_that_ses_made_up_from_its_own_list_suppresses_but_is_not_counted() -> None:
    got = replace(event("ses-event-complaint.json"), complaint_subtype="OnAccountSuppressionList")
    assert (got.suppression_status is not None, got.counts_as_complaint) == (True, False)


def test_what_an_event_proves_about_an_unknown_send() -> None:
    proofs = {name: event(name).settles_as for name in EVENTS}
    failed = {"ses-event-reject.json", "ses-event-rendering-failure.json"}
    assert {name for name, state in proofs.items() if state is SendState.FAILED} == failed
    assert {name for name, state in proofs.items() if state is None} == {"ses-event-subscription.json"}
    assert all(state is SendState.SENT for name, state in proofs.items() if name not in failed | {"ses-event-subscription.json"})


def test_the_same_fact_has_one_dedupe_id_in_every_wrapping_and_no_two_facts_share_one() -> None:
    events = [
        event(name)
        for name in EVENTS
        if name
        not in ("ses-event-bounce-suppressed.json", "ses-event-bounce-transient.json", "ses-event-complaint-not-spam.json")
    ]
    assert len({e.dedupe_id for e in events}) == len(events)
    click = event("ses-event-click.json")
    assert (
        parse_event(WRAPPED["ses-sns-to-sqs-to-lambda.json"](json.loads(text("ses-sns-to-sqs-to-lambda.json")))).dedupe_id
        == click.dedupe_id
    )
    assert replace(click, link="https://other.example/").dedupe_id != click.dedupe_id
    assert replace(click, feedback_id="f").dedupe_id != click.dedupe_id


def test_unknown_subtypes_members_and_forms_of_a_flag_are_harmless() -> None:
    assert parse_event(json.dumps(record(new={"a": 1}, mail={**record()["mail"], "headersTruncated": "false"}))).kind == "open"
    bounce = {
        "bounceType": "Permanent",
        "bounceSubType": "Invented2031",
        "timestamp": "2026-03-04T10:00:05Z",
        "bouncedRecipients": [],
    }
    assert parse_event(json.dumps(record(eventType="Bounce", bounce=bounce))).counts_as_bounce
    assert parse_event(json.dumps(record(mail={**record()["mail"], "tags": {}}))).send_id is None


def test_identity_feedback_without_event_publishing_is_understood() -> None:
    assert parse_event(json.dumps(record(eventType=..., notificationType="Open"))).kind == "open"


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"eventType": ...}, "eventType", "missing"),
        ({"eventType": "Teleport"}, "eventType", "unknown_event_type"),
        ({"mail": ...}, "mail", "missing"),
        ({"mail": {"messageId": "m"}}, "mail.timestamp", "missing"),
        ({"mail": {"messageId": "", "timestamp": "2026-03-04T10:00:02Z"}}, "mail.messageId", "missing"),
        ({"mail": {"messageId": "m", "timestamp": "yesterday"}}, "mail.timestamp", "wrong_type"),
        ({"mail": {"messageId": "m", "timestamp": "2026-03-04T10:00:02"}}, "mail.timestamp", "wrong_type"),
        ({"open": ...}, "open", "missing"),
        ({"open": {}}, "open.timestamp", "missing"),
        ({"open": []}, "open", "wrong_type"),
        ({"eventType": "Click", "click": {"timestamp": "2026-03-04T10:00:02Z"}}, "click.link", "missing"),
        ({"eventType": "Bounce", "bounce": {"timestamp": "2026-03-04T10:00:02Z"}}, "bounce.bounceType", "missing"),
    ],
)
def test_a_bad_event_is_refused_by_field(changes: dict[str, Any], field: str, reason: str) -> None:
    assert refusal(json.dumps(record(**changes))) == (field, reason)


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ("", "body", "not_json"),
        ("[" * 100_000, "body", "not_json"),
        ("[]", "body", "not_an_object"),
        ("Successfully validated SNS topic for Amazon SES event publishing.", "body", "validation_notice"),
        ('{"TopicArn": "a", "Type": "SubscriptionConfirmation", "Message": "You have chosen"}', "Type", "not_a_notification"),
        ('{"TopicArn": "a", "Type": "Notification"}', "Message", "missing"),
    ],
)
def test_a_body_without_an_event_is_refused(body: str, field: str, reason: str) -> None:
    assert refusal(body) == (field, reason)


def test_an_event_can_be_printed_without_telling_who_it_is_about() -> None:
    assert "pat@recipient.example" not in repr(event("ses-event-click.json"))
    assert "198.51.100.7" not in repr(event("ses-event-click.json"))
