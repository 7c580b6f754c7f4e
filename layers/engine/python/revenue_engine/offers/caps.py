"""Caps of offers: what comes above one is not paid, so the offer rests until its window ends. A doubt ends it early, never late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from revenue_engine.clock import day_in
from revenue_engine.records.offer import Cap, Offer

_NAMES = {"day": "daily", "week": "weekly", "month": "monthly", "ever": "global"}
_LONGEST = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}


def window_start(cap: Cap, zone: str | None, now: datetime) -> datetime | None:
    """The earliest instant at which the cap's running window can have begun; None = at the offer's birth.

    Everflow does not say on which day its weeks begin, nor which zones its undocumented numbers are: there the longest window counts.
    """
    if cap.window == "ever":
        return None
    if zone is None or cap.window == "week":
        return now - _LONGEST[cap.window]
    midnight = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight.replace(day=1) if cap.window == "month" else midnight


def first_day(offers: Iterable[Offer], *, now: datetime, zone: str) -> date | None:
    """The first org day (in `zone`) whose counters `reached` needs; None when no offer has a cap with a window."""
    starts = (window_start(cap, offer.caps_zone, now) for offer in offers for cap in offer.caps)
    return min((day_in(start, zone) for start in starts if start is not None), default=None)


def reached(
    offers: Iterable[Offer], counted: Mapping[date, Mapping[str, int]], *, now: datetime, zone: str, currency: str
) -> dict[str, str]:
    """Offers that pay for nothing more now, with the name of the cap.

    Parameters
    ----------
    counted
        The org's day counters from `first_day` on.
    zone, currency
        The org's. Payouts were counted in its currency, so an offer's own payout caps are held against them only when it is the same
        one (M1); the network's own count holds for all.
    """
    found: dict[str, str] = {}
    for offer in offers:
        for cap in offer.caps:
            if _spent_for_the_network(cap, offer, now) or _spent_for_us(cap, offer, counted, now, zone, currency):
                payouts = "payout_" if cap.unit == "payout_micros" else ""
                found.setdefault(offer.offer, f"{_NAMES[cap.window]}_{payouts}cap_reached")
    return found


def _spent_for_the_network(cap: Cap, offer: Offer, now: datetime) -> bool:
    """Nothing was left when the network was asked last, and the window it spoke of still runs."""
    if cap.left is None or cap.left > 0 or offer.caps_read_at is None:
        return False
    start = window_start(cap, offer.caps_zone, now)
    return start is None or offer.caps_read_at >= start


def _spent_for_us(
    cap: Cap, offer: Offer, counted: Mapping[date, Mapping[str, int]], now: datetime, zone: str, currency: str
) -> bool:
    """Whether our own conversions fill the cap: those of every org day that the window touches."""
    start = window_start(cap, offer.caps_zone, now)
    if start is None:  # counters do not reach back to an offer's birth: the network's count alone knows
        return False
    if cap.unit == "conversions":
        name = f"capped_conversions@{offer.offer}"
    elif offer.currency == currency:
        name = f"capped_micros@{offer.offer}"
    else:
        return False
    first = day_in(start, zone)
    return sum(amounts.get(name, 0) for day, amounts in counted.items() if day >= first) >= cap.limit
