"""How much one mailbox provider gets: no more than a sender of our history is expected to send. Needs no numpy.

Gmail and Outlook call a sender of close to 5,000 mails a day a bulk sender, and ask for slow growth (contracts 4.1; Google, "Email sender
guidelines": increase the volume slowly). By how much a day they do not say, nor how fast within it: the constants here are working values.
(Amazon SES warms its own dedicated addresses up over 45 days the same way: "Dedicated IP warming" in the developer guide.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BEST_DAYS = 7  # of which the best counts
DAYS = 30  # that we remember what a provider put off: as long as it may remember us for it
GROWTH = 2.0  # of the best of those days
DEFERRED_SHARE, LEAST_DEFERRED = 0.05, 20  # of a day's mails and those of the day before: the provider wants less
CYCLES_OF_DAY = 16  # a day's mails leave in four hours at the fastest: in no leap within the day either


@dataclass(frozen=True, slots=True)
class Room:
    """Mails that one provider still takes."""

    today: int  # less what has left
    cycle: int  # in any quarter of an hour

    @property
    def what_binds(self) -> str:
        """The reason of whom there is no room for: the day, or the quarter of an hour."""
        return "provider_warm_up" if self.today <= self.cycle else "provider_rate"


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
    took, put_off = list(delivered[-DAYS - 1 :]), list(deferred[-DAYS - 1 :])
    before = took[:-1]
    refused = [day for day in range(len(took)) if _wants_less(took, put_off, day)]
    if not refused:
        return max(start, math.ceil(GROWTH * max(before[-BEST_DAYS:], default=0)))
    # what it took on a day of deferrals was too much: half of it, half again for each such day since on which it took nothing, from there
    # by what it takes; `start` is for who knows no harm of us. What makes no such day (`LEAST_DEFERRED`) is left: it goes on being asked
    mailed = [day for day, mails in enumerate(before[: refused[-1] + 1]) if mails]
    last = mailed[-1] if mailed else 0
    halved = max(1, (before[last] if mailed else start) >> sum(day >= last for day in refused))
    return max(halved, math.ceil(GROWTH * max(before[refused[-1] + 1 :], default=0)))


def _wants_less(took: Sequence[int], put_off: Sequence[int], day: int) -> bool:
    """Of the mails of a day and the one before, too many were put off, and some on that day itself."""
    recent = slice(max(day - 1, 0), day + 1)
    late = sum(put_off[recent])
    return put_off[day] > 0 and late >= LEAST_DEFERRED and late > DEFERRED_SHARE * (sum(took[recent]) + late)
