"""Amazon SES event records, member by member as SES publishes them (the contract fixtures `ses-event-*.json`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from revenue_engine.clock import iso_millis
from workbench.simulation.draws import hexadecimal
from workbench.simulation.mail import Link, Received

Event = dict[str, Any]
_MTA = "a8-50.smtp-out.amazonses.com"


def _record(kind: str, member: str, detail: dict[str, Any], mail: Received) -> Event:
    return {"eventType": kind, member: detail, "mail": _mail(mail)}


def _mail(mail: Received) -> dict[str, Any]:
    named = dict(mail.headers)
    domain = mail.sender.rpartition("@")[2].rstrip(">")
    return {
        "timestamp": iso_millis(mail.at),
        "source": mail.sender,
        "sourceArn": f"arn:aws:ses:eu-west-1:123456789012:identity/{domain}",
        "sendingAccountId": "123456789012",
        "messageId": mail.message_id,
        "destination": [mail.address],
        "headersTruncated": False,
        "headers": [{"name": name, "value": value} for name, value in mail.headers],
        "commonHeaders": {
            "from": [mail.sender],
            "to": [mail.address],
            "messageId": mail.message_id,
            "subject": named.get("Subject", ""),
        },
        "tags": {
            "ses:operation": ["SendEmail"],
            "ses:configuration-set": [mail.configuration_set],
            "ses:source-ip": ["192.0.2.44"],
            "ses:from-domain": [domain],
            "ses:caller-identity": ["execute"],
            **{name: [value] for name, value in mail.tags.items()},
        },
    }


def feedback_id(seed: int, *key: object) -> str:
    """Of a bounce or a complaint, as SES forms them."""
    return f"0100019c0a1b3aaa-{hexadecimal(32, seed, *key)}-000000"


def send(mail: Received) -> Event:
    return _record("Send", "send", {}, mail)


def delivery(mail: Received, at: datetime) -> Event:
    detail = {
        "timestamp": iso_millis(at),
        "processingTimeMillis": round((at - mail.at).total_seconds() * 1000),
        "recipients": [mail.address],
        "smtpResponse": "250 2.0.0 OK",
        "reportingMTA": _MTA,
    }
    return _record("Delivery", "delivery", detail, mail)


def delivery_delay(mail: Received, at: datetime) -> Event:
    said = "smtp; 421 4.4.1 Unable to connect to remote host"
    refused = {"emailAddress": mail.address, "status": "4.4.1", "diagnosticCode": said}
    detail = {
        "timestamp": iso_millis(at),
        "delayType": "TransientCommunicationFailure",
        "expirationTime": iso_millis(mail.at + timedelta(hours=14)),
        "delayedRecipients": [refused],
    }
    return _record("DeliveryDelay", "deliveryDelay", detail, mail)


def bounce(mail: Received, at: datetime, *, permanent: bool, feedback_id: str) -> Event:
    kind, subtype = ("Permanent", "General") if permanent else ("Transient", "MailboxFull")
    status, code = ("5.1.1", "smtp; 550 5.1.1 user unknown") if permanent else ("4.2.2", "smtp; 452 4.2.2 mailbox full")
    detail = {
        "bounceType": kind,
        "bounceSubType": subtype,
        "bouncedRecipients": [{"emailAddress": mail.address, "action": "failed", "status": status, "diagnosticCode": code}],
        "timestamp": iso_millis(at),
        "feedbackId": feedback_id,
        "reportingMTA": f"dns; {_MTA}",
    }
    return _record("Bounce", "bounce", detail, mail)


def complaint(mail: Received, at: datetime, *, feedback_id: str) -> Event:
    detail = {
        "complainedRecipients": [{"emailAddress": mail.address}],
        "timestamp": iso_millis(at),
        "feedbackId": feedback_id,
        "complaintSubType": None,
        "userAgent": "ExampleFBL/1.0",
        "complaintFeedbackType": "abuse",
        "arrivalDate": iso_millis(at),
    }
    return _record("Complaint", "complaint", detail, mail)


def opened(mail: Received, at: datetime, *, agent: str, ip: str) -> Event:
    return _record("Open", "open", {"ipAddress": ip, "timestamp": iso_millis(at), "userAgent": agent}, mail)


def clicked(mail: Received, at: datetime, *, agent: str, ip: str, link: Link | None = None) -> Event:
    """`link`: another one of the mail's than its first."""
    chosen = link or mail.links[0]
    detail = {
        "ipAddress": ip,
        "link": chosen.href,
        "linkTags": dict(chosen.tags),
        "timestamp": iso_millis(at),
        "userAgent": agent,
    }
    return _record("Click", "click", detail, mail)
