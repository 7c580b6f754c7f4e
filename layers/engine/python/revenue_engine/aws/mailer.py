"""The one way out: SES v2 `SendEmail` with raw MIME, one attempt, and what its answers mean (contracts 3.4, 3.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from revenue_engine.aws.clients import client

_THROTTLES = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling"})
_STOP_ALL = frozenset(
    {
        "AccessDeniedException",
        "AccountSuspendedException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",
        "SendingPausedException",
    }
)


class Result(StrEnum):
    """What the provider did."""

    ACCEPTED = "accepted"
    THROTTLED = "throttled"  # surely not accepted: may be tried again
    REJECTED = "rejected"  # surely not accepted: never try again
    STOP = "stop"  # surely not accepted, and nothing else will be: stop the engine
    UNKNOWN = "unknown"  # may have been accepted: never try again (P2)


@dataclass(frozen=True)
class Answer:
    """A result with the provider's message id or the error's code."""

    result: Result
    message_id: str = ""
    code: str = ""


@dataclass(frozen=True)
class Mailer:
    """Sends through one configuration set, whose event destination tells us what became of it."""

    configuration_set: str

    def send(self, *, from_address: str, to_address: str, mime: bytes, tags: Mapping[str, str]) -> Answer:
        """Hands one mail to one recipient over, once."""
        try:
            answer = client("sesv2").send_email(
                FromEmailAddress=from_address,
                Destination={"ToAddresses": [to_address]},
                Content={"Raw": {"Data": mime}},
                EmailTags=[{"Name": name, "Value": value} for name, value in tags.items()],
                ConfigurationSetName=self.configuration_set,
            )
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in _THROTTLES or status == 429:
                return Answer(Result.THROTTLED, code=code)
            if code in _STOP_ALL:
                return Answer(Result.STOP, code=code)
            return Answer(Result.UNKNOWN if status >= 500 else Result.REJECTED, code=code)
        except (ConnectTimeoutError, EndpointConnectionError) as error:
            return Answer(Result.THROTTLED, code=type(error).__name__)  # no connection was ever made
        except BotoCoreError as error:
            return Answer(Result.UNKNOWN, code=type(error).__name__)
        return Answer(Result.ACCEPTED, message_id=answer["MessageId"])
