"""An offer of the catalogue and its approved creatives. An arm is one (offer, variant)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

# The specification's content variations; a variant exists for an offer only as an approved asset (spec flaw 21).
VARIANTS = ("standard", "aggressive", "soft", "discount", "urgency")


@dataclass(frozen=True, slots=True)
class Creative:
    """An e-mail asset approved by the advertiser: his from name, his subject, his body. `html` is a template of merge fields."""

    variant: str
    from_name: str
    subject: str
    html: str


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
    daily_conversion_cap: int  # 0 = none
    countries: frozenset[str]  # empty = all
    creatives: tuple[Creative, ...]
    content_hash: str

    @property
    def number(self) -> int:
        """The id as an integer, as packed rows keep it."""
        return int(self.offer)


def ineligible_reason(offer: Offer, *, now: datetime) -> str | None:
    """Why nobody may be mailed this offer now, or None. What depends on the reader is decided per row."""
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
