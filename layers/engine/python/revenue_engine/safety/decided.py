"""Whether an offer is still what was decided on, or approved by a person (P1). Needs no numpy: execute loads it."""

from __future__ import annotations

from revenue_engine.records.offer import Offer
from revenue_engine.records.send import PlannedSend


def changed_reason(plan: PlannedSend, offer: Offer, *, currency: str) -> str | None:
    """Why the plan's decision does not stand for this offer as it is now, or None.

    Parameters
    ----------
    currency
        The org's: what the payout was decided on in.
    """
    creative = next((creative for creative in offer.creatives if creative.variant == plan.variant), None)
    if creative is None:
        return "no_approved_creative"
    if not plan.content_hash:
        return "content_unknown"
    if creative.content_hash != plan.content_hash:
        return "content_changed"
    if offer.currency != currency:
        return "currency_not_converted"  # two currencies are never compared (M1)
    less = (offer.payout_micros or 0) < plan.listed_payout_micros
    if less or offer.payout_percentage < plan.listed_payout_percentage:
        return "payout_fell"  # one that is no longer listed is nothing to count on (D5)
    return None
