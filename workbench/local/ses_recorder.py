"""SES as far as it is one machine's business: accepts mails into an outbox, and publishes what the world says became of them.

No emulator keeps tags, headers or configuration sets, or tells a topic about a bounce. botocore has validated a request before it
comes here. Events go only where the template's event destination sends them, and only the types it matches.
"""

from __future__ import annotations

import base64
import enum
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

from workbench.local.backend import Wire, body_of, own_client, response
from workbench.local.clock import SimulatedClock
from workbench.local.deployment import Deployment, EventDestination

_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_MOST_HEADERS, _LONGEST_LINE, _MOST_RECIPIENTS = 15, 998, 50
# what SES composes itself of a simple mail, so that `Headers` cannot hold it
_COMPOSED = frozenset({"from", "to", "cc", "subject", "reply-to", "date", "message-id", "mime-version", "content-type"})
_MOST_PER_PUBLISH = 10
_MOST_BYTES_PER_PUBLISH = 200_000  # of 262,144


class Fault(enum.Enum):
    """What can go wrong at the provider: (status, code, message)."""

    THROTTLED = (429, "TooManyRequestsException", "Maximum sending rate exceeded.")
    PAUSED = (400, "SendingPausedException", "Email sending is paused for the account.")
    REJECTED = (400, "MessageRejected", "Email address is not verified.")
    LOST_REQUEST = (0, "", "never arrived; the caller sees a time-out")
    LOST_ANSWER = (0, "ok", "accepted, but the answer never arrives; the caller sees the same time-out")


@dataclass
class Account:
    """What `GetAccount` answers. As fast as a machine can by default: what waits for the provider's rate is real time."""

    sends_per_second: float = 10_000.0
    sends_per_day: float = -1.0  # SES's word for no limit
    sent_last_day: float = 0.0
    enabled: bool = True
    enforcement: str = "HEALTHY"


@dataclass(frozen=True)
class Mail:
    """One accepted mail: the request in full, and its MIME form."""

    message_id: str
    accepted_at: datetime
    configuration_set: str | None
    sender: str
    recipients: tuple[str, ...]
    tags: Mapping[str, str]
    mime: bytes
    request: Mapping[str, Any]


class SesRecorder:
    """Answers `SendEmail`, keeps the mails, publishes their events.

    `fault` is asked before every mail (a test's way to break the provider); `subscribers` are told every accepted mail.
    """

    def __init__(self, deployment: Deployment, wire: Wire, clock: SimulatedClock, outbox: Path | None) -> None:
        self.mails: list[Mail] = []
        self.subscribers: list[Callable[[Mail], None]] = []
        self.account = Account()
        self.fault: Callable[[Mapping[str, Any]], Fault | None] = lambda request: None
        self._sns: Any = own_client("sns")
        self._clock = clock
        self._outbox = outbox
        self._sets = frozenset(deployment.configuration_sets)
        self._destinations: dict[str, list[EventDestination]] = {}
        for destination in deployment.event_destinations:
            if destination.enabled:
                self._destinations.setdefault(destination.configuration_set, []).append(destination)
        if outbox is not None:
            outbox.mkdir(parents=True, exist_ok=True)
        wire.respond("sesv2.SendEmail", self._send_email)
        wire.respond("sesv2.GetAccount", self._get_account)

    def publish_events(self, events: Sequence[Mapping[str, Any]]) -> int:
        """Publish SES events (`eventType`, `mail`, …) to the topics of their configuration set; the number of deliveries."""
        by_topic: dict[str, list[str]] = {}
        for event in events:
            kind = str(event["eventType"]).replace(" ", "").upper()
            for name in event["mail"]["tags"].get("ses:configuration-set", []):
                for destination in self._destinations.get(name, []):
                    if kind in destination.event_types:
                        by_topic.setdefault(destination.topic_arn, []).append(json.dumps(event))
        for topic, messages in by_topic.items():
            for batch in _batches(messages):
                entries = [{"Id": str(n), "Message": message} for n, message in enumerate(batch)]
                answer = self._sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
                if answer.get("Failed"):
                    raise RuntimeError(f"{topic} refused events: {answer['Failed']}")
        return sum(len(messages) for messages in by_topic.values())

    def _send_email(self, request: AWSPreparedRequest) -> AWSResponse:
        asked: dict[str, Any] = json.loads(body_of(request))
        name = asked.get("ConfigurationSetName")
        if name is not None and name not in self._sets:
            return _error(request, 404, "NotFoundException", f"Configuration set <{name}> does not exist.")
        broken = broken_limit(asked)
        if broken is not None:
            return _error(request, 400, "BadRequestException", broken)
        fault = self.fault(asked)
        if fault in (Fault.LOST_REQUEST, Fault.LOST_ANSWER):
            if fault is Fault.LOST_ANSWER:
                self._accept(asked)
            raise ReadTimeoutError(endpoint_url=request.url)
        if fault is not None:
            return _error(request, *fault.value)
        mail = self._accept(asked)
        return response(request, 200, {"content-type": "application/json"}, json.dumps({"MessageId": mail.message_id}).encode())

    def _get_account(self, request: AWSPreparedRequest) -> AWSResponse:
        account = self.account
        answer = {
            "SendQuota": {
                "Max24HourSend": account.sends_per_day,
                "MaxSendRate": account.sends_per_second,
                "SentLast24Hours": account.sent_last_day,
            },
            "SendingEnabled": account.enabled,
            "EnforcementStatus": account.enforcement,
            "ProductionAccessEnabled": True,
        }
        return response(request, 200, {"content-type": "application/json"}, json.dumps(answer).encode())

    def _accept(self, asked: Mapping[str, Any]) -> Mail:
        now = self._clock.now()
        destination = asked.get("Destination", {})
        raw = asked["Content"].get("Raw")
        mail = Mail(
            f"010001{int(now.timestamp() * 1000):010x}-{len(self.mails) + 1:012x}-000000",
            now,
            asked.get("ConfigurationSetName"),
            asked.get("FromEmailAddress", ""),
            tuple(address for kind in ("To", "Cc", "Bcc") for address in destination.get(f"{kind}Addresses", [])),
            {tag["Name"]: tag["Value"] for tag in asked.get("EmailTags", [])},
            base64.b64decode(raw["Data"]) if raw is not None else _mime(asked),
            asked,
        )
        if self._outbox is not None:
            path = self._outbox / f"{now.strftime('%Y%m%dT%H%M%SZ')}-{mail.message_id}.eml"
            path.write_bytes(mail.mime)
        self.mails.append(mail)
        for subscriber in self.subscribers:
            subscriber(mail)
        return mail


def broken_limit(asked: Mapping[str, Any]) -> str | None:
    """Which of SES's limits a request breaks (contracts 3.3, 3.4), or None. A raw mail's own headers are held to those of `Headers`."""
    raw = asked["Content"].get("Raw")
    if raw is not None:
        mime = base64.b64decode(raw["Data"])
        if any(len(line) > _LONGEST_LINE for line in mime.split(b"\r\n")):
            return "a line is longer than RFC 5322 allows"
        head = message_from_bytes(mime.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n")
        headers = [(name, str(value)) for name, value in head.items() if name.lower() not in _COMPOSED]
    else:
        headers = [(header["Name"], header["Value"]) for header in asked["Content"].get("Simple", {}).get("Headers", [])]
    if len(headers) > _MOST_HEADERS:
        return f"{len(headers)} headers"
    for name, value in headers:
        if not 1 <= len(name) <= 126 or not 1 <= len(value) <= 995 or not value.isascii() or not value.isprintable():
            return f"header {name}"
    for tag in asked.get("EmailTags", []):
        if not _TAG.fullmatch(tag["Name"]) or not _TAG.fullmatch(tag["Value"]):
            return f"tag {tag['Name']}"
    recipients = sum(len(asked.get("Destination", {}).get(f"{kind}Addresses", [])) for kind in ("To", "Cc", "Bcc"))
    return None if recipients <= _MOST_RECIPIENTS else f"{recipients} recipients"


def _mime(asked: Mapping[str, Any]) -> bytes:
    """The MIME form of a simple message, as SES composes it."""
    simple = asked["Content"]["Simple"]
    message = EmailMessage()
    message["From"] = asked.get("FromEmailAddress", "")
    message["To"] = ", ".join(asked.get("Destination", {}).get("ToAddresses", []))
    message["Subject"] = simple["Subject"]["Data"]
    for header in simple.get("Headers", []):
        message[header["Name"]] = header["Value"]
    text, html = (simple["Body"].get(kind, {}).get("Data") for kind in ("Text", "Html"))
    if text is not None:
        message.set_content(text)
    if html is not None and text is not None:
        message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    return message.as_bytes()


def _error(request: AWSPreparedRequest, status: int, code: str, message: str) -> AWSResponse:
    headers = {"content-type": "application/json", "x-amzn-ErrorType": code}
    return response(request, status, headers, json.dumps({"message": message}).encode())


def _batches(messages: list[str]) -> list[list[str]]:
    batches: list[list[str]] = [[]]
    size = 0
    for message in messages:
        if len(batches[-1]) == _MOST_PER_PUBLISH or (batches[-1] and size + len(message) > _MOST_BYTES_PER_PUBLISH):
            batches.append([])
            size = 0
        batches[-1].append(message)
        size += len(message)
    return batches
