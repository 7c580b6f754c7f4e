"""What a cell of somebody else's table says: a share, a count, a time that has been."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from revenue_engine.errors import BadInput

EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)  # the packed row's times are uint32, 0 = never
CLOCKS_DIFFER = timedelta(days=1)  # and zones: a date without one is UTC's


def share_of(text: str, *, field: str) -> float | None:
    """A number from 0 to 1. None when it is empty. Raises BadInput naming `field`."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise BadInput(field, "not_a_number", text[:20]) from None
    if not math.isfinite(value) or not 0 <= value <= 1:
        raise BadInput(field, "out_of_range", "0 to 1")
    return value


def count_of(text: str, *, field: str, most: int) -> int | None:
    """A whole number from 0 to `most`. None when it is empty. Raises BadInput naming `field`."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise BadInput(field, "out_of_range", f"0 to {most}")
    return int(text)


def time_of(text: str, *, field: str, now: datetime) -> datetime | None:
    """A date or time that has been, aware UTC; without a zone it is UTC. None when it is empty. Raises BadInput naming `field`."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except ValueError:
        raise BadInput(field, "not_a_time", text[:30]) from None
    except OverflowError:
        raise BadInput(field, "out_of_range", text[:30]) from None
    if at < EARLIEST:
        raise BadInput(field, "out_of_range", text[:30])
    if at > now + CLOCKS_DIFFER:
        raise BadInput(field, "in_the_future", text[:30])
    return at
