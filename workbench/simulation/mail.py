"""One accepted mail as its reader's mailbox sees it: links, headers, the opt-out address."""

from __future__ import annotations

import quopri
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from html import unescape
from urllib.parse import parse_qs, urlsplit

from workbench.local.ses_recorder import Mail

_LINK = re.compile(r"<a\s([^>]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'([\w:-]+)="([^"]*)"')
_UNSUBSCRIBE = re.compile(r"<(https://[^>]+)>")


# What a mailbox provider posts to a mail's opt-out address (RFC 8058).
ONE_CLICK = "List-Unsubscribe=One-Click"
ONE_CLICK_HEADERS = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Link:
    """One of a mail's links to its offer."""

    href: str
    tags: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Received:
    """A mail, understood."""

    message_id: str
    at: datetime  # SES took it
    address: str
    sender: str
    tags: Mapping[str, str]
    configuration_set: str
    links: tuple[Link, ...]  # to the offer, as the reader would click them; at least one
    tracking_id: str
    unsubscribe_url: str  # of the List-Unsubscribe header
    headers: tuple[tuple[str, str], ...]

    @property
    def link(self) -> str:
        """The first."""
        return self.links[0].href

    @property
    def send_id(self) -> str:
        return self.tags["send_id"]

    @property
    def offer(self) -> str:
        return self.tags["offer"]

    @property
    def variant(self) -> str:
        """From the `Feedback-ID` header, `campaign:offer-variant:org:engine`."""
        return dict(self.headers)["Feedback-ID"].split(":")[1].partition("-")[2]


def open_mail(mail: Mail) -> Received:
    """Raises ValueError for a mail that no reader could act upon: several recipients, no offer link or no one-click opt-out."""
    head = message_from_bytes(mail.mime.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n")
    headers = tuple((name, " ".join(str(value).split())) for name, value in head.items())
    opt_out = _UNSUBSCRIBE.search(dict(headers).get("List-Unsubscribe", ""))
    html = quopri.decodestring(mail.mime).decode("utf-8", errors="replace")
    links = [{name.lower(): unescape(value) for name, value in _ATTRIBUTE.findall(found)} for found in _LINK.findall(html)]
    # SES tracks every link but those marked `ses:no-track`
    offers = [a for a in links if a.get("href", "").startswith("https://") and "sub1" in parse_qs(urlsplit(a["href"]).query)]
    if len(mail.recipients) != 1 or not offers or opt_out is None or mail.configuration_set is None:
        raise ValueError(f"mail {mail.message_id}: needs one recipient, an offer link, an opt-out link and a configuration set")
    return Received(
        message_id=mail.message_id,
        at=mail.accepted_at,
        address=mail.recipients[0],
        sender=dict(headers)["From"],
        tags=mail.tags,
        configuration_set=mail.configuration_set,
        links=tuple(Link(a["href"], _link_tags(a.get("ses:tags", ""))) for a in offers),
        tracking_id=parse_qs(urlsplit(offers[0]["href"]).query)["sub1"][0],
        unsubscribe_url=opt_out[1],
        headers=headers,
    )


def _link_tags(text: str) -> dict[str, list[str]]:
    """`slot:cta1;offer:1001;` → what SES puts into a click event's `linkTags`."""
    tags: dict[str, list[str]] = {}
    for part in text.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            tags.setdefault(name.strip(), []).append(value.strip())
    return tags
