"""The lines of a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

# from 2000 to 2100: milliseconds, or a clock that never was set, are no such moment
Moment = Annotated[float, Field(ge=946_684_800, le=4_102_444_800, allow_inf_nan=False)]
Micros = Annotated[int, Field(ge=0, le=10**15)]
Count = Annotated[int, Field(ge=0, le=10**9)]


@dataclass(frozen=True, slots=True)
class MailOutcome:
    """A mail that left, and what is known of it by now. Opens and clicks are those of people."""

    decision_id: str
    send_id: str
    subscriber: str
    policy: str  # records.subscriber.ARMS
    offer: str
    variant: str
    segment: str
    provider: str
    sent_at: Moment
    delivered: bool
    hard_bounced: bool
    human_opens: Count
    human_clicks: Count
    first_human_click_at: Moment | None
    unsubscribed_at: Moment | None
    complained_at: Moment | None


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion as the books have it by now."""

    key: str
    send_id: str  # "" = of no mail that we know
    subscriber: str  # "" likewise
    offer: str
    converted_at: Moment
    state: Literal["provisional", "approved", "rejected", "reversed"]
    provisional_micros: Micros
    approved_micros: Micros
    currency: str
    held: bool = False  # as suspicious: nothing is learned from it
