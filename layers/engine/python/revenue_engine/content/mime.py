"""One mail as raw MIME, with the headers bulk senders owe their readers (RFC 8058, contracts 3.7 and 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from revenue_engine.content.render import Content
from revenue_engine.errors import BadInput

MAX_HEADER_VALUE = 995  # SES's own limit for a header


def build_mail(
    content: Content,
    *,
    from_name: str,
    from_address: str,
    to_address: str,
    reply_to: str,
    unsubscribe_url: str,
    feedback_id: tuple[str, str, str],
) -> bytes:
    """RFC 5322 bytes for exactly one recipient. SES overwrites Message-ID and Date.

    `feedback_id` is (campaign, offer-variant, org): Gmail's Postmaster Tools group complaints by it.
    Raises BadInput `not_a_header` of what cannot stand in a header: "sender" where the org's own address cannot, whatever the mail, else
    "recipient", "creative.from_name" or "creative.subject". A body that cannot be written is `not_text` of "creative.html".
    """
    message = EmailMessage(policy=SMTP)
    with _naming("sender"):
        sender = Address(addr_spec=from_address)
        if reply_to:
            message["Reply-To"] = reply_to
    with _naming("creative.from_name"):
        _add(message, "From", Address(display_name=from_name, username=sender.username, domain=sender.domain))
    with _naming("recipient"):
        _add(message, "To", to_address)
    with _naming("creative.subject"):
        _add(message, "Subject", content.subject)
    with _naming("creative.html", "not_text"):  # half a character, as JavaScript writes an emoji
        message.set_content(content.text, cte="quoted-printable")
        message.add_alternative(content.html, subtype="html", cte="quoted-printable")
        mime = message.as_bytes()
    by_hand = {
        "List-Unsubscribe": f"<{unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Feedback-ID": ":".join((*feedback_id, "revenue-engine")),
    }
    return b"".join(_one_line(name, value) for name, value in by_hand.items()) + mime


def _add(message: EmailMessage, name: str, value: str | Address) -> None:
    """Some values, such as an encoded word of another charset than it says, fail only when they are written."""
    message[name] = value
    SMTP.fold_binary(name, message[name])


@contextmanager
def _naming(field: str, reason: str = "not_a_header") -> Iterator[None]:
    try:
        yield
    except Exception as error:  # broken encoded words bring the standard library to errors of every kind
        raise BadInput(field, reason, str(error)[:200]) from None


def _one_line(name: str, value: str) -> bytes:
    """Python's folding would turn a long word into RFC 2047 encoded words, which no mailbox provider reads."""
    if not value.isascii() or not value.isprintable() or " " in value or len(value) > MAX_HEADER_VALUE:
        raise BadInput(name, "not_a_header")
    return f"{name}: {value}\r\n".encode()
