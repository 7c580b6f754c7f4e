"""What the provider's answers mean: only what was surely not taken may be tried again (P2)."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from revenue_engine.aws import clients, mailer
from revenue_engine.aws.mailer import Answer, Mailer, Result


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


def test_the_mail_client_never_tries_twice_by_itself() -> None:
    assert clients.client("sesv2").meta.config.retries["total_max_attempts"] == 1
    assert clients.client("dynamodb").meta.config.retries["total_max_attempts"] > 1
