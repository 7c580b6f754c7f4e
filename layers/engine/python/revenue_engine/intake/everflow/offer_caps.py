"""Caps of an offer, as Everflow sets and counts them (contracts 1.10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from revenue_engine.intake.everflow.exact import WholeNumber, payout, plain
from revenue_engine.intake.everflow.report import TIMEZONES
from revenue_engine.records.offer import Cap, Offer

_WINDOWS = {"daily": "day", "weekly": "week", "monthly": "month", "global": "ever"}
_UNITS = {"conversion": "conversions", "payout": "payout_micros", "click": "clicks"}
CapLeft = Mapping[tuple[str, str], int]  # (window, unit) → what is left


class RawCaps(BaseModel):
    """The members of an offer that cap it; 0 = no cap."""

    is_caps_enabled: bool = True
    caps_timezone_id: WholeNumber = 0
    daily_conversion_cap: WholeNumber = Field(default=0, ge=0)
    weekly_conversion_cap: WholeNumber = Field(default=0, ge=0)
    monthly_conversion_cap: WholeNumber = Field(default=0, ge=0)
    global_conversion_cap: WholeNumber = Field(default=0, ge=0)
    daily_payout_cap: Decimal = Field(default=Decimal(0), ge=0)
    weekly_payout_cap: Decimal = Field(default=Decimal(0), ge=0)
    monthly_payout_cap: Decimal = Field(default=Decimal(0), ge=0)
    global_payout_cap: Decimal = Field(default=Decimal(0), ge=0)
    daily_click_cap: WholeNumber = Field(default=0, ge=0)
    weekly_click_cap: WholeNumber = Field(default=0, ge=0)
    monthly_click_cap: WholeNumber = Field(default=0, ge=0)
    global_click_cap: WholeNumber = Field(default=0, ge=0)


def caps_of(raw: RawCaps) -> tuple[Cap, ...]:
    """The caps in force. Raises BadInput on an amount that is none."""
    if not raw.is_caps_enabled:
        return ()
    caps = [
        Cap(window, unit, _whole(unit, getattr(raw, f"{theirs}_{kind}_cap"), f"{theirs}_{kind}_cap"))
        for theirs, window in _WINDOWS.items()
        for kind, unit in _UNITS.items()
    ]
    return tuple(cap for cap in caps if cap.limit)


def caps_zone(raw: RawCaps) -> str | None:
    """The IANA zone in which the caps' days begin, where Everflow's number of it is documented."""
    return TIMEZONES.get(raw.caps_timezone_id)


def left_of(remaining: Any) -> CapLeft:
    """`relationship.remaining_caps`: what is left by Everflow's own count. What it does not say, or not in numbers, is left out."""
    found: dict[tuple[str, str], int] = {}
    for theirs, window in _WINDOWS.items() if isinstance(remaining, dict) else ():
        for kind, unit in _UNITS.items():
            value = remaining.get(f"remaining_{theirs}_{kind}_cap")
            if isinstance(value, int | Decimal) and not isinstance(value, bool):
                found[window, unit] = 0 if value <= 0 else _whole(unit, value, "remaining_caps")
    return found


def with_left(offer: Offer, left: CapLeft, *, read_at: datetime) -> Offer:
    """The offer with what is left of its caps; as it was where nothing is said of any."""
    if not any((cap.window, cap.unit) in left for cap in offer.caps):
        return offer
    caps = tuple(replace(cap, left=left.get((cap.window, cap.unit))) for cap in offer.caps)
    return replace(offer, caps=caps, caps_read_at=read_at)


def _whole(unit: str, value: int | Decimal, field: str) -> int:
    return payout(plain(Decimal(value)), field=field) if unit == "payout_micros" else int(value)
