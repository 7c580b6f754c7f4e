"""An offer as Everflow gives it, to be changed."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

from revenue_engine.intake.everflow import OfferDetail, OfferImport, parse_offer_detail, parse_offers

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LINKED = '<a href="{{ offer_url }}">Go</a>'
EMAIL = {"creative_type": "email", "name": "Standard", "email_from": "Deals", "email_subject": "Hi", "html_code": LINKED}
OFFER: dict[str, Any] = {
    "network_offer_id": 7,
    "name": "Seven",
    "offer_status": "active",
    "currency_id": "USD",
    "tracking_url": "https://t.example/a/b/",
    "relationship": {
        "offer_affiliate_status": "approved",
        "category": {"name": "Health"},
        "payouts": {"entries": [{"payout_type": "cpa", "payout_amount": 25.996, "payout_percentage": 0}]},
        "channels": {"total": 1, "entries": [{"name": "E-Mail newsletters"}]},
        "creatives": {"entries": [EMAIL]},
    },
}


def changed(**changes: Any) -> dict[str, Any]:
    """OFFER with members changed; `r_x` is a member of `relationship`; ... removes."""
    offer = copy.deepcopy(OFFER)
    for name, value in changes.items():
        place = offer["relationship"] if name.startswith("r_") else offer
        if value is ...:
            del place[name.removeprefix("r_")]
        else:
            place[name.removeprefix("r_")] = value
    return offer


def imported(*offers: Any) -> OfferImport:
    return parse_offers(json.dumps({"offers": offers}))


def one(**changes: Any) -> Any:
    got = imported(changed(**changes))
    assert got.problems == ()
    return got.offers[0]


def detail(known: Any = None, **changes: Any) -> OfferDetail:
    return parse_offer_detail(json.dumps(changed(**changes)), offer="7", known=known, read_at=NOW)


def mail(number: int, **changes: Any) -> dict[str, Any]:
    return {**EMAIL, "network_offer_creative_id": number, "name": f"mail {number}", **changes}


def mails(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"entries": entries}
