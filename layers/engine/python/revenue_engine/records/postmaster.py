"""A day as Gmail's Postmaster Tools tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class PostmasterDay:
    """Of one sending domain."""

    domain: str
    day: date
    spam_ratio: float  # share of the mails in the inboxes of active readers that they reported as spam
    loops: Mapping[str, float] = field(default_factory=dict)  # the same by Feedback-ID identifier, where Gmail saw enough of it
