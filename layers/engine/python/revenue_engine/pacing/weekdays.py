"""The days on which an org mails at all: what comes after a Friday may be a Monday."""

from __future__ import annotations

from collections.abc import Set
from datetime import date, timedelta
from itertools import count, islice


def days_ahead(today: date, weekdays: Set[int]) -> int:
    """How many days after `today` the next day comes on which the org mails (Monday = 0); 1 to 7."""
    return next(n for n in count(1) if (today + timedelta(days=n)).weekday() in weekdays)


def days_back(today: date, weekdays: Set[int], most: int) -> tuple[int, ...]:
    """How many days before `today` the last `most` such days were, the latest first."""
    return tuple(islice((n for n in count(1) if (today - timedelta(days=n)).weekday() in weekdays), most))
