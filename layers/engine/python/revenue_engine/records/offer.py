"""An offer of the catalogue and its approved creatives. An arm is one (offer, variant)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from revenue_engine.clock import parse_iso

# The specification's content variations; a variant exists for an offer only as an approved asset (spec flaw 21).
VARIANTS = ("standard", "aggressive", "soft", "discount", "urgency")  # tones; an asset of Everflow's is `soft-12`, by its number


def tone_of(variant: str) -> str:
    """Of an arm: assets of one tone are told apart by what stands behind it."""
    return variant.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Creative:
    """An e-mail asset approved by the advertiser: his from name, his subject, his body. `html` is a template of merge fields."""

    variant: str
    from_name: str
    subject: str
    html: str
    asset: str = ""  # Everflow's network_offer_creative_id; "" = the operator's own file brought it, no sync takes it away
    html_hash: str = ""  # SHA-256 of a body that was left out, as in a stored cycle; "" = the body is here

    @property
    def content_hash(self) -> str:
        """Tells what a reader would see from anything else: 16 hex digits of a SHA-256 over from name, subject and body. "" where nobody
        knows the body: cycles were once stored without a trace of it."""
        if not (self.html or self.html_hash):
            return ""
        seen = (self.from_name, self.subject, self.html_hash or _sha256(self.html))
        return _sha256(json.dumps(seen))[:16]

    def without_body(self, fields: str) -> Creative:
        """The same, with its merge fields and the hash of the body in its place."""
        return replace(self, html=fields, html_hash=self.html_hash or _sha256(self.html))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Cap:
    """The most an offer pays for in a window; what comes above it is not paid (Everflow's error 4)."""

    window: str  # day | week | month | ever
    unit: str  # conversions | payout_micros | clicks
    limit: int
    left: int | None = None  # by the network's own count, at the offer's `caps_read_at`; None = it does not say
    ours: int = 0  # that our own counters had by then of the org day of that reading


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer as the engine needs it; `content_hash` tells a changed offer from the same one."""

    offer: str  # Everflow's network_offer_id, decimal digits, below 2**32
    name: str
    status: str  # active | paused | ...
    category: str
    currency: str
    payout_micros: int | None  # per conversion; None = hidden, or a percentage of an unknown sale
    payout_percentage: float
    tracking_url: str
    sub_slot: str  # which sub carries the tracking id
    may_run: bool  # we are approved, or it is public, and terms need no acceptance
    allows_email: bool
    suppression_list: str | None  # the advertiser's opt-out list
    live_until: datetime | None
    countries: frozenset[str]  # empty = all
    creatives: tuple[Creative, ...]
    content_hash: str
    excluded_countries: frozenset[str] = frozenset()
    caps: tuple[Cap, ...] = ()
    caps_zone: str | None = None  # IANA zone of their days; None = one whose Everflow number is not documented
    caps_read_at: datetime | None = None
    stop_reason: str | None = None  # why a sync of the catalogue has taken it out; it stays known for its books

    @property
    def number(self) -> int:
        """The id as an integer, as packed rows keep it."""
        return int(self.offer)


def ineligible_reason(offer: Offer, *, now: datetime) -> str | None:
    """Why nobody may be mailed this offer now, or None. What depends on the reader is decided per row."""
    if offer.stop_reason is not None:
        return offer.stop_reason
    if offer.status != "active":
        return "offer_not_active"
    if not offer.may_run:
        return "offer_not_approved"
    if not offer.allows_email:
        return "channel_excludes_email"
    if offer.live_until is not None and now >= offer.live_until:
        return "offer_expired"
    if not offer.creatives:
        return "no_approved_creative"
    return None


def may_go_to(offer: Offer, country: str) -> bool:
    """Whether a reader of this country (ISO 3166 alpha-2; "" = not declared) may get the offer.

    Of somebody whose country nobody has declared, no rule about countries can be kept: such an offer is not for him.
    """
    if not country:
        return not offer.countries and not offer.excluded_countries
    return country not in offer.excluded_countries and (not offer.countries or country in offer.countries)


_SETS, _TIMES = ("countries", "excluded_countries"), ("live_until", "caps_read_at")


def offer_document(offer: Offer) -> dict[str, Any]:
    """The offer as plain values, for tables and files."""
    document = asdict(offer)
    document |= {name: sorted(document[name]) for name in _SETS}
    return document | {name: document[name].isoformat() if document[name] else None for name in _TIMES}


def offer_of(document: Mapping[str, Any]) -> Offer:
    """The reverse of `offer_document`; members that are None may be missing. Raises KeyError, TypeError, ValueError."""
    return Offer(
        **{
            **document,
            **{name: frozenset(document[name]) for name in _SETS},
            **{name: parse_iso(document[name]) if document.get(name) else None for name in _TIMES},
            "payout_micros": document.get("payout_micros"),
            "payout_percentage": float(document["payout_percentage"]),
            "suppression_list": document.get("suppression_list"),
            "creatives": tuple(Creative(**creative) for creative in document["creatives"]),
            "caps": tuple(Cap(**cap) for cap in document["caps"]),
        }
    )
