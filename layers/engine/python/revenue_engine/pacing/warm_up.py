"""How much one mailbox provider gets: no more than a sender of our history is expected to send. Needs no numpy.

Gmail and Outlook call a sender of close to 5,000 mails a day a bulk sender, and ask for slow growth (contracts 4.1; Google, "Email sender
guidelines": increase the volume slowly). By how much a day they do not say, nor how fast within it: the constants here are working values.
(Amazon SES warms its own dedicated addresses up over 45 days the same way: "Dedicated IP warming" in the developer guide.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DAYS = 7  # that a provider remembers
GROWTH = 2.0  # of the best of those days
DEFERRED_SHARE, LEAST_DEFERRED = 0.05, 20  # of yesterday's and today's mails: the provider wants less
CYCLES_OF_DAY = 16  # a day's mails leave in four hours at the fastest: in no leap within the day either


@dataclass(frozen=True, slots=True)
class Room:
    """Mails that one provider still takes."""

    today: int  # less what has left
    cycle: int  # in any quarter of an hour


def room(allowance: int, spoken_for: int) -> Room:
    """What is left of a day's allowance."""
    return Room(max(0, allowance - spoken_for), -(-allowance // CYCLES_OF_DAY))


def daily_allowance(delivered: Sequence[int], deferred: Sequence[int], *, start: int) -> int:
    """Mails that may go to one provider today.

    Parameters
    ----------
    delivered, deferred
        Mails it took, and mails it put off for reasons of ours, by day, oldest first; the last is today, of which `delivered` tells
        nothing yet.
    start
        What a provider that does not know us gets.
    """
    before = delivered[:-1][-DAYS:]
    recent = sum(deferred[-2:])
    if recent >= LEAST_DEFERRED and recent > DEFERRED_SHARE * (sum(delivered[-2:]) + recent):
        yesterday = before[-1] if before else start
        return max(1, yesterday // 2)
    return max(start, math.ceil(GROWTH * max(before, default=0)))
