"""What Everflow says of a conversion: the query of its postback, and whether the report has a row of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from revenue_engine.money import MICROS
from workbench.simulation.truth import Deal, Truth

# A conversion whose row is gone is believed to be taken back when two readings so far apart lacked it (decisions/0017).
_BETWEEN_READINGS = timedelta(hours=12)
_EDGE = timedelta(days=1)  # of a window: nothing is concluded there


def postback_of(deal: Deal) -> dict[str, str]:
    """The macros of our postback URL, replaced."""
    return {
        "kind": deal.kind,
        "transaction_id": deal.transaction_id,
        "payout": amount(deal.payout_micros),
        "offer_id": deal.offer,
        "sub1": deal.sub1,
        "sub2": "",
        "event_id": deal.event_id,
        "event_name": deal.event_name,
        "sale_amount": amount(deal.sale_micros) if deal.sale_micros else "",
    }


def listed(truth: Truth, start: datetime, end: datetime, now: datetime) -> list[Deal]:
    """The report of a window as read at a moment, oldest first: what it shows counts as settled, what it lacks as missed."""
    rows = []
    for deal in truth.deals:
        micros = deal.listed_micros(now) if start <= deal.converted_at <= end else None
        if micros is not None:
            deal.reported, deal.approved_micros = True, micros
            rows.append(deal)
        elif deal.reported and start + _EDGE <= deal.converted_at <= end - _EDGE:
            _miss(deal, now)
    return sorted(rows, key=lambda deal: (deal.converted_at, deal.conversion_id))


def known(truth: Truth, conversion_id: str, now: datetime) -> Deal | None:
    """One conversion by its id, if the report would show it at a moment."""
    shown = (deal for deal in truth.deals if deal.listed_micros(now) is not None)
    return next((deal for deal in shown if deal.conversion_id == conversion_id), None)


def amount(micros: int) -> str:
    """`32.5`, `25.996`: as many decimals as it takes."""
    return f"{(Decimal(micros) / MICROS).normalize():f}"


def _miss(deal: Deal, now: datetime) -> None:
    deal.missed_at = deal.missed_at or now
    if now - deal.missed_at >= _BETWEEN_READINGS:
        deal.taken_back, deal.approved_micros = True, 0
