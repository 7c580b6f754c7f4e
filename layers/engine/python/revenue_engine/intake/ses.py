"""Amazon SES events, in every wrapping they come in: the record itself, inside an SNS notification, inside an EventBridge event.

Shapes: contracts 3.1 and 3.2. Unknown members and unknown subtypes are harmless: the vendor's lists grow.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from revenue_engine.clock import iso_millis
from revenue_engine.errors import BadInput
from revenue_engine.intake.validation import bad_input
from revenue_engine.records.send import SendState

# Message tags every mail of ours carries; equal to aws.names, which the core may not import.
TAG_SEND = "send_id"
TAG_ORG = "org"
TAG_OFFER = "offer"

# eventType → (kind, member that holds the type's own object)
_TYPES = {
    "Send": ("send", "send"),
    "Delivery": ("delivery", "delivery"),
    "Open": ("open", "open"),
    "Click": ("click", "click"),
    "Bounce": ("bounce", "bounce"),
    "Complaint": ("complaint", "complaint"),
    "Reject": ("reject", "reject"),
    "Rendering Failure": ("rendering_failure", "failure"),
    "DeliveryDelay": ("delivery_delay", "deliveryDelay"),
    "Subscription": ("subscription", "subscription"),
}
_TIMELESS = ("send", "reject", "rendering_failure")  # these carry no time of their own: mail.timestamp stands in
_ON_ACCOUNT_LIST = "OnAccountSuppressionList"
DEFERRALS = ("SpamDetected", "IPFailure", "SendingDeferral")  # delay types of a provider that wants less of our mail
_NOT_OF_US = ("MailboxFull", "MessageTooLarge", "AttachmentRejected")  # soft bounces of one mailbox or one mail
_MAX_WRAPPINGS = 3
_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class SesEvent:
    """One event of one mail. Addresses, links and IP stay out of `repr` and so out of logs (P4)."""

    kind: str  # send | delivery | open | click | bounce | complaint | reject | rendering_failure | delivery_delay | subscription
    message_id: str
    send_id: str | None
    org: str | None
    offer: str | None
    at: datetime  # the event's own time, aware UTC
    mail_at: datetime  # when SES took the mail
    bounce_type: str = ""
    bounce_subtype: str = ""
    feedback_type: str = ""
    complaint_subtype: str = ""
    feedback_id: str = ""
    user_agent: str = ""
    ip: str = field(default="", repr=False)
    link: str = field(default="", repr=False)
    link_tags: tuple[tuple[str, str], ...] = ()
    unsubscribes_all: bool = False
    reason: str = ""

    @property
    def dedupe_id(self) -> str:
        """Names the fact, not the delivery of it: the record has no id of its own, transports repeat it (contracts 3.2)."""
        parts = (self.message_id, self.kind, iso_millis(self.at), self.link, self.feedback_id)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]

    @property
    def counts_as_bounce(self) -> bool:
        """A hard bounce that mailbox providers and SES hold against us; one SES suppressed itself is none."""
        return self.kind == "bounce" and self.bounce_type == "Permanent" and self.bounce_subtype != _ON_ACCOUNT_LIST

    @property
    def bounces_as(self) -> str:
        """What kind of bounce is counted: bounces | suppressed_bounces | soft_bounces."""
        if self.bounce_type == "Permanent" and self.bounce_subtype == _ON_ACCOUNT_LIST:
            return "suppressed_bounces"
        return "bounces" if self.counts_as_bounce else "soft_bounces"

    @property
    def counts_as_deferral(self) -> bool:
        """A delay because a provider wants less of our mail (it says so, or SES holds back for it), and not a full mailbox or trouble
        of its own; or a mail that it returned for good without naming mailbox or mail: a block by its policy is told so. But so is a
        reader's automatic reply, to a mail that was delivered: whoever counts asks for that too. Types: SES developer guide, "Contents
        of event data", delivery delay and bounce objects; on replies AWS re:Post, "What is considered a soft bounce on Amazon SES"."""
        if self.kind == "bounce":
            return self.bounce_type == "Transient" and self.bounce_subtype not in _NOT_OF_US
        return self.kind == "delivery_delay" and self.reason in DEFERRALS

    @property
    def counts_as_complaint(self) -> bool:
        """A complaint; `not-spam` is the opposite of one."""
        return self.kind == "complaint" and self.feedback_type != "not-spam" and self.complaint_subtype != _ON_ACCOUNT_LIST

    @property
    def suppression_status(self) -> str | None:
        """The status the person gets, at once and for good (P3): bounced, complained, unsubscribed; None: nothing changes."""
        if self.kind == "bounce" and self.bounce_type == "Permanent":
            return "bounced"
        if self.kind == "complaint" and self.feedback_type != "not-spam":
            return "complained"
        return "unsubscribed" if self.kind == "subscription" and self.unsubscribes_all else None

    @property
    def settles_as(self) -> SendState | None:
        """What the event proves about a mail whose fate we did not know (P2). A rejected one was taken, but never went out."""
        if self.kind in ("reject", "rendering_failure"):
            return SendState.FAILED
        return None if self.kind == "subscription" else SendState.SENT


class _Record(BaseModel):
    """Members are camelCase in the record, snake_case here."""

    model_config = ConfigDict(alias_generator=to_camel)


class _Mail(_Record):
    timestamp: AwareDatetime
    message_id: str
    tags: dict[str, Any] | None = None  # others' as well


class _Preferences(_Record):
    unsubscribe_all: bool = False


class _Detail(_Record):
    """The union of the types' own objects: every member is optional, except that a type with a time must have it.

    Whom it is about stands in our tag alone: providers redact addresses (contracts 3.1), and a complaint must not fail for that (P3).
    """

    timestamp: AwareDatetime | None = None
    bounce_type: str | None = None
    bounce_sub_type: str | None = None
    feedback_id: str | None = None
    complaint_sub_type: str | None = None
    complaint_feedback_type: str | None = None
    user_agent: str | None = None
    ip_address: str | None = None
    link: str | None = None
    link_tags: dict[str, list[str]] | None = None
    reason: str | None = None
    error_message: str | None = None
    delay_type: str | None = None
    new_topic_preferences: _Preferences | None = None


def parse_event(body: str) -> SesEvent:
    """The event in a message body.

    Raises
    ------
    BadInput
        Naming the field. `body: validation_notice` is the text SES publishes when a topic is attached, `Type:
        not_a_notification` an SNS handshake: neither is an event, and neither is a fault.
    """
    record = _unwrap(body)
    event_type = record.get("eventType", record.get("notificationType"))
    if event_type is None:
        raise BadInput("eventType", "missing")
    if not isinstance(event_type, str) or event_type not in _TYPES:
        raise BadInput("eventType", "unknown_event_type", str(event_type)[:40])
    kind, member = _TYPES[event_type]
    mail = _validated(_Mail, record.get("mail"), "mail")
    detail = _validated(_Detail, record.get(member, {} if kind in _TIMELESS else None), member)
    if detail.timestamp is None and kind not in _TIMELESS:
        raise BadInput(f"{member}.timestamp", "missing")
    if not mail.message_id:
        raise BadInput("mail.messageId", "missing")
    if kind == "bounce" and not detail.bounce_type:
        raise BadInput("bounce.bounceType", "missing")
    if kind == "click" and not detail.link:
        raise BadInput("click.link", "missing")
    return SesEvent(
        kind=kind,
        message_id=mail.message_id,
        send_id=_tag(mail, TAG_SEND),
        org=_tag(mail, TAG_ORG),
        offer=_tag(mail, TAG_OFFER),
        at=(detail.timestamp or mail.timestamp).astimezone(UTC),
        mail_at=mail.timestamp.astimezone(UTC),
        bounce_type=detail.bounce_type or "",
        bounce_subtype=detail.bounce_sub_type or "",
        feedback_type=detail.complaint_feedback_type or "",
        complaint_subtype=detail.complaint_sub_type or "",
        feedback_id=detail.feedback_id or "",
        user_agent=detail.user_agent or "",
        ip=detail.ip_address or "",
        link=detail.link or "",
        link_tags=tuple((name, value) for name, values in sorted((detail.link_tags or {}).items()) for value in values),
        unsubscribes_all=detail.new_topic_preferences is not None and detail.new_topic_preferences.unsubscribe_all,
        reason=detail.reason or detail.error_message or detail.delay_type or "",
    )


def _tag(mail: _Mail, name: str) -> str | None:
    values = (mail.tags or {}).get(name)
    if values is None:
        return None
    if not (isinstance(values, list) and values and isinstance(values[0], str)):
        raise BadInput(f"mail.tags.{name}", "wrong_type")  # ours, and not to be taken for another sender's
    return values[0]


def _unwrap(body: str) -> dict[str, Any]:
    for _ in range(_MAX_WRAPPINGS):
        if body.lstrip().startswith("Successfully validated SNS topic"):
            raise BadInput("body", "validation_notice")
        try:
            record = json.loads(body)
        except (ValueError, RecursionError):
            raise BadInput("body", "not_json") from None
        if not isinstance(record, dict):
            raise BadInput("body", "not_an_object")
        if isinstance(record.get("detail"), dict) and "detail-type" in record:
            return dict(record["detail"])
        if "TopicArn" not in record or "eventType" in record:
            return record
        if record.get("Type", "Notification") != "Notification":
            raise BadInput("Type", "not_a_notification", str(record["Type"])[:40])
        if not isinstance(record.get("Message"), str):
            raise BadInput("Message", "missing")
        body = record["Message"]
    raise BadInput("body", "wrapped_too_often")


def _validated(model: type[_M], value: Any, within: str) -> _M:
    if value is None:
        raise BadInput(within, "missing")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise bad_input(error, within=within) from None
