"""The lines of a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
    sent_at: float
    delivered: bool
    hard_bounced: bool
    human_opens: int
    human_clicks: int
    first_human_click_at: float | None
    unsubscribed_at: float | None
    complained_at: float | None


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion as the books have it by now."""

    key: str
    send_id: str  # "" = of no mail that we know
    subscriber: str  # "" likewise
    offer: str
    converted_at: float
    state: Literal["provisional", "approved", "rejected", "reversed"]
    provisional_micros: int
    approved_micros: int
    currency: str
