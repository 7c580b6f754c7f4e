"""The offers of a world in the form of Everflow's API: what a sender is told of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from revenue_engine.money import MICROS
from workbench.simulation.stage.cast import CATEGORY_NAMES
from workbench.simulation.stage.reader_clock import FIRST_DAY
from workbench.simulation.worlds.offers import HORIZON, Offers
from workbench.simulation.worlds.spec import TONES

CURRENCY = "USD"
_FIRST_NUMBER = 2_001
_UTC = 67  # Everflow's number of the zone in which caps are counted


def number_of(offer: int) -> str:
    """Everflow's id of a world's offer."""
    return str(_FIRST_NUMBER + offer)


def offer_of(number: str) -> int:
    """The reverse of `number_of`."""
    return int(number) - _FIRST_NUMBER


def members(offers: Offers) -> list[dict[str, Any]]:
    """Every offer as the detail of `GET /v1/affiliates/offers/{id}` has it, in their order, also those that are yet to arrive."""
    return [_member(offers, offer) for offer in range(len(offers.category))]


def _member(offers: Offers, offer: int) -> dict[str, Any]:
    number = int(number_of(offer))
    name, expires = CATEGORY_NAMES[offers.category[offer]], int(offers.expires[offer])
    weekly, budget = (int(cap) if np.isfinite(cap) else 0 for cap in (offers.weekly_cap[offer], offers.budget[offer]))
    return {
        "network_offer_id": number,
        "network_id": 999,
        "name": f"Offer {number} ({name})",
        "offer_status": "active",
        "currency_id": CURRENCY,
        "tracking_url": f"https://www.track.example/28KL6/{number}X/",
        "date_live_until": f"{FIRST_DAY + timedelta(days=expires)}" if expires < HORIZON else "",
        "is_force_terms_and_conditions": False,
        "is_using_suppression_list": False,
        "suppression_list_id": 0,
        "is_caps_enabled": bool(weekly or budget),
        "caps_timezone_id": _UTC,
        "weekly_conversion_cap": weekly,
        "global_conversion_cap": budget,
        "relationship": {
            "offer_affiliate_status": "approved",
            "category": {"name": name},
            "payouts": {"total": 1, "entries": [_payout(offers, offer)]},
            "channels": {"total": 1, "entries": [{"name": "Email", "status": "active"}]},
            "ruleset": {"countries": []},  # everybody may get every offer of a world
            "creatives": {"total": len(TONES), "entries": [_creative(number, n, tone) for n, tone in enumerate(TONES)]},
        },
    }


def _payout(offers: Offers, offer: int) -> dict[str, Any]:
    """A share of the sale says nothing of what a conversion will pay."""
    if offers.payout_micros[offer]:
        return {"payout_type": "cpa", "payout_amount": int(offers.payout_micros[offer]) / MICROS, "payout_percentage": 0}
    return {"payout_type": "cps", "payout_amount": 0, "payout_percentage": round(100 * float(offers.share[offer]))}


def _creative(number: int, n: int, tone: str) -> dict[str, Any]:
    """A mail with as many links as a scanner of the worlds follows; its name says the variant."""
    links = " ".join(
        f'<a ses:tags="slot:cta{link};offer:{number};" href="{{{{ offer_url }}}}">{text}</a>'
        for link, text in enumerate(("Look", "Read more", "To the offer"), start=1)
    )
    return {
        "network_offer_creative_id": 10 * number + n,
        "network_offer_id": number,
        "name": tone,
        "creative_type": "email",
        "creative_status": "active",
        "email_from": "Sample Brand",
        "email_subject": f"An offer for you ({tone})",
        "html_code": f"<!doctype html><html><body><p>Hello,</p><p>{links}</p></body></html>",
    }
