"""Tracking links: our opaque id goes into the sub that comes back with the money (contracts 2; P4)."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

from revenue_engine.errors import BadInput

SUB_SLOT = re.compile(r"sub([1-9]|10)")
MAX_URL = 2_000


def check_tracking_url(url: str, *, field: str = "tracking_url") -> str:
    """An absolute https link a mail may carry. Raises BadInput naming `field`."""
    if not url:
        raise BadInput(field, "missing")
    if len(url) > MAX_URL:
        raise BadInput(field, "too_long")
    if not url.isascii() or any(c.isspace() or not c.isprintable() or c in '<>"{}|\\^`' for c in url):
        raise BadInput(field, "not_a_url")  # SES does not track a link that breaks RFC 3986
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadInput(field, "not_a_url") from None
    if parts.scheme != "https":
        raise BadInput(field, "not_https")
    if not parts.hostname or "@" in parts.netloc:
        raise BadInput(field, "not_absolute" if not parts.hostname else "not_a_url")
    return url


def tracking_link(tracking_url: str, sub_slot: str, tracking_id: str) -> str:
    """The offer's own link with `sub_slot` set to the tracking id.

    The rest of the query stays byte for byte, empty values too; an older value of the slot goes.
    """
    if not SUB_SLOT.fullmatch(sub_slot):
        raise BadInput("sub_slot", "unknown_sub_slot", sub_slot[:20])
    parts = urlsplit(tracking_url)
    kept = [pair for pair in parts.query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != sub_slot]
    query = "&".join([*kept, f"{sub_slot}={quote(tracking_id, safe='')}"])
    return urlunsplit(parts._replace(query=query))
