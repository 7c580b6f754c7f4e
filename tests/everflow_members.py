"""What the affiliate API tells: offers as its detail has them, conversions as its report has them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.builders import NOW
from workbench.simulation.truth import Deal

HTML = '<html><body><p>Hello {{ first_name | default("there") }}</p><a href="{{ offer_url }}">Go</a></body></html>'


def a_mail(number: int, name: str = "standard", **changes: Any) -> dict[str, Any]:
    """An approved e-mail creative."""
    creative = {
        "network_offer_creative_id": number,
        "name": name,
        "creative_type": "email",
        "creative_status": "active",
        "email_from": "Daily Deals",
        "email_subject": "An offer for {{ first_name | default('you') }}",
        "html_code": HTML,
    }
    return creative | changes


def a_member(number: int = 1042, *, suppression_file: str | None = None, **changes: Any) -> dict[str, Any]:
    """An offer we may run; `r_x` is a member of `relationship`."""
    related: dict[str, Any] = {
        "offer_affiliate_status": "approved",
        "category": {"name": "finance"},
        "payouts": {"total": 1, "entries": [{"payout_type": "cpa", "payout_amount": 32.5, "payout_percentage": 0}]},
        "channels": {"total": 1, "entries": [{"name": "Email", "status": "active"}]},
        "creatives": {"total": 1, "entries": [a_mail(number * 10)]},
    }
    if suppression_file is not None:
        related["email_optout"] = {"is_enabled": True, "suppression_file_link": suppression_file}
    related |= {name.removeprefix("r_"): value for name, value in changes.items() if name.startswith("r_")}
    member = {
        "network_offer_id": number,
        "name": f"Offer {number}",
        "offer_status": "active",
        "currency_id": "USD",
        "caps_timezone_id": 67,
        "is_caps_enabled": True,
        "is_using_suppression_list": False,
        "suppression_list_id": 0,
        "tracking_url": "https://www.track.example/28KL6/2CTPL/?sub2=c0412",
        "relationship": related,
    }
    return member | {name: value for name, value in changes.items() if not name.startswith("r_")}


def a_deal(number: int, **changes: Any) -> Deal:
    """A conversion of the report, two hours ago."""
    facts: dict[str, Any] = {
        "kind": "conversion",
        "transaction_id": f"t{number}",
        "conversion_id": f"c{number}",
        "event_id": "0",
        "event_name": "Base",
        "offer": "1042",
        "currency": "USD",
        "payout_micros": 32_500_000,
        "sub1": "",
        "clicked_at": NOW - timedelta(hours=3),
        "converted_at": NOW - timedelta(hours=2),
        "approved_micros": 32_500_000,
    }
    return Deal(**(facts | changes))
