"""What the provider's answers mean: only what was surely not taken may be tried again (P2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from revenue_engine.aws import clients, mailer
from revenue_engine.aws.mailer import Answer, Mailer, Result
from revenue_engine.errors import Refused
from tests.builders import NOW
from tests.shared_data import shared_path


def refusal(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "SendEmail")


HERE = {"endpoint_url": "https://email.example"}
ANSWERS: list[tuple[Exception, Result]] = [
    (refusal("TooManyRequestsException", 429), Result.THROTTLED),
    (refusal("ThrottlingException", 400), Result.THROTTLED),
    (refusal("SomethingNew", 429), Result.THROTTLED),
    (refusal("SendingPausedException", 400), Result.STOP),
    (refusal("AccountSuspendedException", 400), Result.STOP),
    (refusal("MailFromDomainNotVerifiedException", 400), Result.STOP),
    (refusal("NotFoundException", 404), Result.STOP),
    (refusal("MessageRejected", 400), Result.REJECTED),
    (refusal("BadRequestException", 400), Result.REJECTED),
    (refusal("InternalFailure", 500), Result.UNKNOWN),
    (refusal("ServiceUnavailable", 503), Result.UNKNOWN),
    (ConnectTimeoutError(**HERE), Result.THROTTLED),
    (EndpointConnectionError(**HERE), Result.THROTTLED),
    (ReadTimeoutError(**HERE), Result.UNKNOWN),
    (ConnectionClosedError(**HERE), Result.UNKNOWN),
]


class Provider:
    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def send_email(self, **request: Any) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        return {"MessageId": "m1"}


def send(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> Answer:
    monkeypatch.setattr(mailer, "client", lambda service: Provider(error))
    return Mailer("set").send(from_address="a@b.example", to_address="c@d.example", mime=b"", tags={})


@pytest.mark.parametrize(("error", "result"), ANSWERS, ids=lambda value: str(value)[:60])
def test_each_error_is_read_for_what_it_proves(monkeypatch: pytest.MonkeyPatch, error: Exception, result: Result) -> None:
    assert send(monkeypatch, error).result is result


def test_an_accepted_mail_has_the_providers_id(monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(monkeypatch, None) == Answer(Result.ACCEPTED, message_id="m1")


# --- the real shapes: botocore holds request and answer against the service's own model --------------------------------
@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    made = boto3.client("sesv2", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(made) as stubber:
        monkeypatch.setattr(mailer, "client", lambda service: made)
        yield stubber
        stubber.assert_no_pending_responses()


def test_the_request_is_the_one_of_the_contract(stubbed: Stubber) -> None:
    answer = json.loads(shared_path("contracts/ses-send-email-response.json").read_text())
    answer = answer.get("body", answer)
    asked = {
        "FromEmailAddress": "a@b.example",
        "Destination": {"ToAddresses": ["c@d.example"]},
        "Content": {"Raw": {"Data": b"From: x\r\n\r\n"}},
        "EmailTags": [{"Name": "send_id", "Value": "s1"}, {"Name": "org", "Value": "main"}],
        "ConfigurationSetName": "set",
    }
    stubbed.add_response("send_email", {"MessageId": answer["MessageId"]}, asked)
    said = Mailer("set").send(
        from_address="a@b.example", to_address="c@d.example", mime=b"From: x\r\n\r\n", tags={"send_id": "s1", "org": "main"}
    )
    assert said == Answer(Result.ACCEPTED, message_id=answer["MessageId"])


def test_a_throttle_is_read_from_the_wire(stubbed: Stubber) -> None:
    stubbed.add_client_error("send_email", "TooManyRequestsException", "Maximum sending rate exceeded.", 429)
    said = Mailer("set").send(from_address="a@b.example", to_address="c@d.example", mime=b"", tags={})
    assert said == Answer(Result.THROTTLED, code="TooManyRequestsException")


def quota(rate: float = 14.0, per_day: float = 50_000.0, sent: float = 10.0, **changes: Any) -> dict[str, Any]:
    sizes = {"MaxSendRate": rate, "Max24HourSend": per_day, "SentLast24Hours": sent}
    return {"SendQuota": sizes, "SendingEnabled": True, "EnforcementStatus": "HEALTHY"} | changes


def test_the_account_is_asked_once_a_minute_and_remembered_while_it_does_not_answer(stubbed: Stubber) -> None:
    port = Mailer("set")
    stubbed.add_response("get_account", quota())
    stubbed.add_response("get_account", quota(rate=28.0, per_day=-1.0))
    stubbed.add_client_error("get_account", "TooManyRequestsException", "", 429)
    stubbed.add_client_error("get_account", "TooManyRequestsException", "", 429)
    first = port.account(now=NOW)
    assert (first.sends_per_second, first.sends_per_day, first.sent_last_day, first.stopped) == (14.0, 50_000.0, 10.0, False)
    assert port.account(now=NOW + timedelta(seconds=59)) is first
    second = port.account(now=NOW + timedelta(seconds=60))
    assert (second.sends_per_second, second.sends_per_day) == (28.0, float("inf"))
    assert port.account(now=NOW + timedelta(minutes=10)) is second
    with pytest.raises(Refused, match="provider_account_unreadable"):
        port.account(now=NOW + timedelta(minutes=17))


@pytest.mark.parametrize(
    ("answer", "stopped"),
    [
        (quota(), False),
        (quota(EnforcementStatus="PROBATION"), False),
        (quota(EnforcementStatus="SHUTDOWN"), True),
        (quota(SendingEnabled=False), True),
        ({"SendQuota": {}}, True),
    ],
)
def test_an_account_that_may_not_send_says_so(stubbed: Stubber, answer: dict[str, Any], stopped: bool) -> None:
    stubbed.add_response("get_account", answer)
    assert Mailer("set").account(now=NOW).stopped is stopped


def test_the_mail_client_never_tries_twice_by_itself() -> None:
    assert clients.client("sesv2").meta.config.retries["total_max_attempts"] == 1
    assert clients.client("dynamodb").meta.config.retries["total_max_attempts"] > 1
