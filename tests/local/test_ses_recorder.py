"""Mails are kept whole, the provider can be broken on purpose, and events travel only as the template wires them."""

from __future__ import annotations

import email
import email.policy
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError

from tests.local.conftest import Document, Functions, Starter, item
from workbench.local.plane import Plane
from workbench.local.ses_recorder import Fault, Mail

MIME = b"From: news@mail.example\r\nTo: pat@recipient.example\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nHi\r\n"


def client() -> Any:
    return boto3.client("sesv2", config=Config(retries={"total_max_attempts": 1}))


def request(**more: Any) -> dict[str, Any]:
    return {
        "FromEmailAddress": "news@mail.example",
        "Destination": {"ToAddresses": ["pat@recipient.example"]},
        "Content": {"Raw": {"Data": MIME}},
        "ConfigurationSetName": "engine",
        "EmailTags": [{"Name": "send_id", "Value": "s1"}],
        **more,
    }


def event(kind: str, configuration_set: str = "engine") -> dict[str, Any]:
    return {"eventType": kind, "mail": {"messageId": "m", "tags": {"ses:configuration-set": [configuration_set]}}}


def test_a_raw_mail_is_recorded_whole_and_written_to_the_outbox(plane: Plane, tmp_path: Path) -> None:
    told: list[Mail] = []
    plane.ses.subscribers.append(told.append)
    message_id = client().send_email(**request())["MessageId"]
    (mail,) = plane.ses.mails
    assert told == [mail]
    assert mail.message_id == message_id
    assert (mail.mime, mail.tags, mail.recipients) == (MIME, {"send_id": "s1"}, ("pat@recipient.example",))
    assert mail.accepted_at == plane.clock.now()
    (file,) = (tmp_path / "outbox").iterdir()
    assert file.name == f"20260304T090000Z-{message_id}.eml"
    assert file.read_bytes() == MIME


def test_a_simple_mail_gets_its_mime_form(plane: Plane) -> None:
    simple = {
        "Subject": {"Data": "Grüße"},
        "Body": {"Text": {"Data": "plain"}, "Html": {"Data": "<p>rich</p>"}},
        "Headers": [{"Name": "List-Unsubscribe", "Value": "<https://u.example>"}],
    }
    client().send_email(**request(Content={"Simple": simple}))
    message = email.message_from_bytes(plane.ses.mails[0].mime, policy=email.policy.default)
    assert (message["Subject"], message["List-Unsubscribe"]) == ("Grüße", "<https://u.example>")
    assert [part.get_content().strip() for part in message.iter_parts()] == ["plain", "<p>rich</p>"]


def test_the_sdk_still_validates_a_request(plane: Plane) -> None:
    with pytest.raises(ParamValidationError, match="Contents"):
        client().send_email(**request(Contents={}))


def test_an_unknown_configuration_set_is_refused(plane: Plane) -> None:
    with pytest.raises(ClientError) as caught:
        client().send_email(**request(ConfigurationSetName="other"))
    assert caught.value.response["Error"]["Code"] == "NotFoundException"
    assert plane.ses.mails == []


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.THROTTLED, 429, "TooManyRequestsException"),
        (Fault.PAUSED, 400, "SendingPausedException"),
        (Fault.REJECTED, 400, "MessageRejected"),
    ],
)
def test_an_injected_refusal_accepts_nothing(plane: Plane, fault: Fault, status: int, code: str) -> None:
    plane.ses.fault = lambda asked: fault
    with pytest.raises(ClientError) as caught:
        client().send_email(**request())
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert plane.ses.mails == []


def raw(head: bytes, body: bytes = b"Hi") -> dict[str, Any]:
    return {"Content": {"Raw": {"Data": MIME.split(b"\r\n\r\n")[0] + b"\r\n" + head + b"\r\n\r\n" + body}}}


def simple(*headers: tuple[str, str]) -> dict[str, Any]:
    listed = [{"Name": name, "Value": value} for name, value in headers]
    return {"Content": {"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}, "Headers": listed}}}


@pytest.mark.parametrize(
    "asked",
    [
        simple(*((f"X-{n}", "v") for n in range(16))),
        simple(("X-Long", "v" * 996)),
        raw(b"\r\n".join(b"X-%d: v" % n for n in range(15))),  # with List-Unsubscribe-Post it makes 16
        raw(b"X-Long: " + b"v" * 991),
        raw(b"X-Accent: \xc3\xa9"),
        raw(b"X: v", b"a" * 999),
        {"EmailTags": [{"Name": "send_id", "Value": "a b"}]},
        {"EmailTags": [{"Name": "offer.id", "Value": "1"}]},
        {"EmailTags": [{"Name": "send_id", "Value": "a" * 257}]},
        {"Destination": {"ToAddresses": [f"p{n}@recipient.example" for n in range(51)]}},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_what_ses_does_not_take_is_refused(plane: Plane, asked: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        client().send_email(**request(**asked))
    assert caught.value.response["Error"]["Code"] == "BadRequestException"
    assert plane.ses.mails == []


def test_an_account_tells_its_quota_and_whether_it_may_send(plane: Plane) -> None:
    plane.ses.account.sends_per_second, plane.ses.account.enabled = 14.0, False
    answer = client().get_account()
    assert (answer["SendQuota"]["MaxSendRate"], answer["SendQuota"]["Max24HourSend"]) == (14.0, -1.0)
    assert (answer["SendingEnabled"], answer["EnforcementStatus"]) == (False, "HEALTHY")


@pytest.mark.parametrize(("fault", "accepted"), [(Fault.LOST_ANSWER, 1), (Fault.LOST_REQUEST, 0)])
def test_a_time_out_does_not_tell_whether_the_mail_is_on_its_way(plane: Plane, fault: Fault, accepted: int) -> None:
    plane.ses.fault = lambda asked: fault
    with pytest.raises(ReadTimeoutError):
        client().send_email(**request())
    assert len(plane.ses.mails) == accepted


def test_an_event_travels_through_topic_and_queue_to_the_function_as_ses_wrote_it(plane: Plane, functions: Functions) -> None:
    functions.write("worker", "def handle(event, context):\n    things('event', bodies=[r['body'] for r in event['Records']])\n")
    assert plane.ses.publish_events([event("Bounce")]) == 1
    plane.settle()
    assert [json.loads(body) for body in item(plane, "event")["bodies"]] == [event("Bounce")]  # type: ignore[index]


def test_only_matching_types_of_a_known_set_are_published(plane: Plane) -> None:
    kinds = ("Bounce", "DeliveryDelay", "Delivery", "Rendering Failure")
    assert [plane.ses.publish_events([event(kind)]) for kind in kinds] == [1, 1, 0, 0]
    assert plane.ses.publish_events([event("Bounce", "other")]) == 0


def test_many_events_are_published_in_one_go(plane: Plane, functions: Functions) -> None:
    functions.write(
        "worker",
        "total = 0\ndef handle(event, context):\n    global total\n    total += len(event['Records'])\n    things('n', n=total)\n",
    )
    assert plane.ses.publish_events([event("Bounce")] * 25) == 25
    plane.settle()
    assert item(plane, "n") == {"n": 25}


def test_a_forgotten_subscription_breaks_the_way_of_events(start: Starter, template: Document, functions: Functions) -> None:
    functions.write("worker", "def handle(event, context):\n    things('event', n=1)\n")
    del template["Resources"]["Subscription"]
    with start(template) as plane:
        plane.ses.publish_events([event("Bounce")])
        plane.settle()
        assert item(plane, "event") is None


def test_a_disabled_destination_publishes_nothing(start: Starter, template: Document) -> None:
    template["Resources"]["Destination"]["Properties"]["EventDestination"]["Enabled"] = False
    with start(template) as plane:
        assert plane.ses.publish_events([event("Bounce")]) == 0
