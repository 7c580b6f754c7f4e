"""The one way out: SES v2 `SendEmail` with raw MIME, one attempt, what its answers mean (contracts 3.4, 3.6), and the account's quota."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from revenue_engine.aws.clients import client
from revenue_engine.errors import Refused

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
_UNLIMITED = -1
_FRESH, _KNOWN_FOR = timedelta(minutes=1), timedelta(minutes=15)


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
class Account:
    """What the provider allows this account, as of `read_at`. Quotas count recipients, and all senders of the account."""

    sends_per_second: float
    sends_per_day: float  # in any 24 hours; infinite where there is no limit
    sent_last_day: float
    stopped: bool  # by SES, or by the account's own switch
    read_at: datetime


@dataclass(frozen=True)
class Mailer:
    """Sends through one configuration set, whose event destination tells us what became of it."""

    configuration_set: str

    def account(self, *, now: datetime) -> Account:
        """Read at most once a minute by a process: SES answers all callers of an account once a second.

        Where it does not answer, what was known `_KNOWN_FOR` ago still holds; then it raises Refused (D5).
        """
        known = self._accounts.get("newest")
        if known is not None and timedelta() <= now - known.read_at < _FRESH:
            return known
        try:
            answer = client("sesv2").get_account()
        except (ClientError, BotoCoreError) as error:
            if known is not None and timedelta() <= now - known.read_at < _KNOWN_FOR:
                return known
            raise Refused("provider_account_unreadable", str(error)[:200]) from None
        quota = answer.get("SendQuota", {})
        per_day = float(quota.get("Max24HourSend", 0.0))
        self._accounts["newest"] = Account(
            sends_per_second=float(quota.get("MaxSendRate", 0.0)),
            sends_per_day=float("inf") if per_day == _UNLIMITED else per_day,
            sent_last_day=float(quota.get("SentLast24Hours", 0.0)),
            stopped=not answer.get("SendingEnabled", False) or answer.get("EnforcementStatus") == "SHUTDOWN",
            read_at=now,
        )
        return self._accounts["newest"]

    @cached_property
    def _accounts(self) -> dict[str, Account]:
        return {}

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
