"""Identities that may leave the house: opaque, authenticated, and checked without a look-up (P4).

All of them are HMAC-SHA-256 (RFC 2104) truncated to 128 bits, in lower-case base32 without padding: 26 characters of `[a-z2-7]`,
inside the alphabet `[A-Za-z0-9_-]` that SES message tags and Everflow subs allow.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable

from revenue_engine.errors import BadInput

ID_LENGTH = 26
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")
KEY_VERSION = "1"
TRACKING_LENGTH = len(KEY_VERSION) + 2 * ID_LENGTH  # 53 of the 64 characters a sub may safely have
_AMBIGUOUS = "ßς"
UNSUBSCRIBE_LENGTH = len(KEY_VERSION) + 3 * ID_LENGTH


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw[:16]).decode().rstrip("=").lower()


def _tag(key: bytes, *parts: str) -> str:
    return _base32(hmac.new(key, "\x1f".join(parts).encode(), hashlib.sha256).digest())


def new_subscriber_key(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A subscriber's only identity outside Subscribers: random, so that erasing the mapping erases the person."""
    return _base32(random_bytes(16))


def receipt_id(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Names one raw postback as it came."""
    return _base32(random_bytes(16))


def send_id(key: bytes, *, org: str, subscriber: str, decision_id: str) -> str:
    """Deterministic, so that a retried decision collides with itself (P2)."""
    return _tag(key, "send", org, subscriber, decision_id)


def tracking_id(key: bytes, *, org: str, send_id: str) -> str:
    """What the offer link carries in `sub1`: key version, send id, truncated HMAC. 53 characters of `[a-z0-9]`."""
    return KEY_VERSION + send_id + _tag(key, "track", org, send_id)


def looks_like_tracking_id(text: str) -> bool:
    """Our form, whoever made it: a foreign `sub1` is not ours, a forged one pretends to be."""
    return len(text) == TRACKING_LENGTH and text[0].isdigit() and _ALPHABET.issuperset(text[1:])


def verify_tracking_id(key: bytes, text: str, *, org: str) -> str | None:
    """The send id of an authentic tracking id, else None. Constant-time comparison."""
    if not looks_like_tracking_id(text) or not text.startswith(KEY_VERSION):
        return None
    send = text[1 : 1 + ID_LENGTH]
    return send if hmac.compare_digest(text, tracking_id(key, org=org, send_id=send)) else None


def unsubscribe_token(key: bytes, *, org: str, subscriber: str, send_id: str) -> str:
    """Identifies recipient and mail without a look-up, so that an opt-out link outlives the outbox row (RFC 8058, section 3.1)."""
    return KEY_VERSION + subscriber + send_id + _tag(key, "unsubscribe", org, subscriber, send_id)


def verify_unsubscribe_token(key: bytes, text: str, *, org: str) -> tuple[str, str] | None:
    """`(subscriber, send_id)` of an authentic token, else None. Constant-time comparison."""
    if len(text) != UNSUBSCRIBE_LENGTH or not text.isascii() or not text.startswith(KEY_VERSION):
        return None
    subscriber, send = text[1 : 1 + ID_LENGTH], text[1 + ID_LENGTH : 1 + 2 * ID_LENGTH]
    expected = unsubscribe_token(key, org=org, subscriber=subscriber, send_id=send)
    return (subscriber, send) if hmac.compare_digest(text, expected) else None


def normalise_address(address: str, *, field: str = "email") -> str:
    """Trimmed, lower case, an international domain in its ASCII form: one mailbox has one address, so that one opt-out is enough (P3).

    SES refuses a non-ASCII local part, so we do too (contracts 3.4). Refused as well are domains that the two standards of 2003 and 2008
    translate differently (RFC 5894, section 7.2): the mail could reach somebody else. Raises BadInput naming `field` when it cannot be a
    mailbox.
    """
    text = unicodedata.normalize("NFC", address.strip()).lower()
    local, at, domain = text.rpartition("@")
    bad = (
        not at
        or not local
        or len(text) > 254
        or len(local) > 64
        or not local.isascii()
        or any(c.isspace() or not c.isprintable() or c in '<>(),;:"[]\\@' for c in local)
        or any(not (c.isalnum() or c in ".-") or c in _AMBIGUOUS for c in domain)
        or "." not in domain
        or any(not part or part.startswith("-") or part.endswith("-") for part in domain.split("."))
        or local.startswith(".")
        or local.endswith(".")
        or ".." in local
    )
    travels_as = "" if bad else _ascii_domain(domain)
    if not travels_as:
        raise BadInput(field, "not_an_address")
    return f"{local}@{travels_as}"


def _ascii_domain(domain: str) -> str:
    """Empty for what has no such form."""
    try:
        found = domain.encode("idna").decode().lower()
    except UnicodeError:  # a part is empty, or too long
        return ""
    return found if all(c.isalnum() or c in ".-" for c in found) else ""


def _spellings(domain: str) -> tuple[str, ...]:
    """Of an ASCII domain: itself, and as people write it."""
    try:
        return tuple(dict.fromkeys((domain, domain.encode().decode("idna"))))
    except UnicodeError:  # nobody writes it any other way
        return (domain,)


def address_hash(key: bytes, address: str) -> str:
    """HMAC of a normalised address under the org's address key: the only form in which an address is a key."""
    return hmac.new(key, address.encode(), hashlib.sha256).hexdigest()


def advertiser_hashes(address: str) -> tuple[str, ...]:
    """The forms advertisers' opt-out files come in: MD5 and SHA-512 of the normalised address, prefixed with their kind; of an
    international domain in either of its spellings."""
    local, _, domain = address.rpartition("@")
    return tuple(
        digest
        for spelling in _spellings(domain)
        for raw in [f"{local}@{spelling}".encode()]
        for digest in (
            "md5:" + hashlib.md5(raw, usedforsecurity=False).hexdigest(),
            "sha512:" + hashlib.sha512(raw).hexdigest(),
        )
    )


def stable_hash(*parts: str) -> int:
    """64 bits of SHA-256: shards, arms and draws. Not secret, stable for ever."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big")
