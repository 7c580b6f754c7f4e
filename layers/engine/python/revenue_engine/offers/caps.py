"""Caps of offers: what comes above one is not paid, so the offer rests until its window ends. A doubt ends it early, never late.

The network says now and then what is left; what we have counted of our own since is taken off. Beside that our own count alone fills a
cap, whoever else fills it. Clicks are all that followed the offer's link, machines too: the network cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from revenue_engine.clock import day_in
from revenue_engine.records.offer import Cap, Offer

_NAMES = {"day": "daily", "week": "weekly", "month": "monthly", "ever": "global"}
_LONGEST = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}
_UNITS = {"conversions": "", "payout_micros": "payout_", "clicks": "click_"}
_COUNTERS = {"conversions": "capped_conversions", "payout_micros": "capped_micros", "clicks": "capped_clicks"}


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
    """The first org day (in `zone`) whose counters `reached` needs; None when it needs none."""
    starts = (window_start(cap, offer.caps_zone, now) or offer.caps_read_at for offer in offers for cap in offer.caps)
    return min((day_in(start, zone) for start in starts if start is not None), default=None)


def without_window(offers: Iterable[Offer]) -> list[str]:
    """Offers of which `reached` needs what was ever counted."""
    return [offer.offer for offer in offers if any(cap.window == "ever" for cap in offer.caps)]


def as_counted(offer: Offer, today: Mapping[str, int]) -> Offer:
    """The offer with what the running org day had of our own before the network was asked: `left` is less than that by now, and no more."""
    return replace(offer, caps=tuple(replace(cap, ours=today.get(_counter(cap, offer), 0)) for cap in offer.caps))


def reached(
    offers: Iterable[Offer],
    counted: Mapping[date, Mapping[str, int]],
    ever: Mapping[str, int],
    *,
    now: datetime,
    zone: str,
    currency: str,
) -> dict[str, str]:
    """Offers that pay for nothing more now, with the name of the cap.

    Parameters
    ----------
    counted, ever
        The org's day counters from `first_day` on, and what was ever counted of the offers `without_window`.
    zone, currency
        The org's. Payouts were counted in its currency, so an offer's own payout caps are held against them only when it is the same
        one (M1); the network's own count holds for all.
    """
    found: dict[str, str] = {}
    for offer in offers:
        for cap in offer.caps:
            if _is_spent(cap, offer, counted, ever, now=now, zone=zone, currency=currency):
                found.setdefault(offer.offer, f"{_NAMES[cap.window]}_{_UNITS[cap.unit]}cap_reached")
    return found


def _is_spent(
    cap: Cap,
    offer: Offer,
    counted: Mapping[date, Mapping[str, int]],
    ever: Mapping[str, int],
    *,
    now: datetime,
    zone: str,
    currency: str,
) -> bool:
    """Whether our own fills the cap, that of every org day its window touches, or has used up what the network said was left of it."""
    name, countable = _counter(cap, offer), cap.unit != "payout_micros" or offer.currency == currency

    def ours(since: datetime) -> int:
        first = day_in(since, zone)
        return sum(amounts.get(name, 0) for day, amounts in counted.items() if day >= first) if countable else 0

    start, read_at = window_start(cap, offer.caps_zone, now), offer.caps_read_at
    if countable and (ever.get(name, 0) if start is None else ours(start)) >= cap.limit:
        return True
    if cap.left is None or read_at is None or (start is not None and read_at < start):
        return False  # the network has not said, or said it of a window that is over
    return cap.left <= max(ours(read_at) - cap.ours, 0)


def _counter(cap: Cap, offer: Offer) -> str:
    return f"{_COUNTERS[cap.unit]}@{offer.offer}"
