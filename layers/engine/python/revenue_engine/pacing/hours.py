"""Sending hours in the reader's own zone, right across daylight-saving changes. Shapes: n rows.

A zone's permitted windows are worked out once, as instants; rows look themselves up in them. An hour that a clock change skips
opens at the instant of the change; one that comes twice opens at its first coming (PEP 495, fold = 0).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Ints
from revenue_engine.records.controls import Controls
from revenue_engine.records.zones import ZONES

_DAY = 86_400
Zones = npt.NDArray[np.uint16]


@lru_cache(maxsize=2_048)
def _windows(
    zone: str, first: date, days: int, weekdays: frozenset[int], start: int, end: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Openings and closings, epoch seconds, of the permitted local days from `first` on; windows that touch are one."""
    tz = ZoneInfo(zone)
    opens: list[int] = []
    closes: list[int] = []
    for n in range(days):
        day = first + timedelta(days=n)
        if day.weekday() not in weekdays:
            continue
        opening = int(datetime.combine(day, time(start), tz).timestamp())
        last = datetime.combine(day + timedelta(days=end // 24), time(end % 24), tz)
        closing = int(last.timestamp())
        if closes and closes[-1] >= opening:
            closes[-1] = closing
        elif closing > opening:
            opens.append(opening)
            closes.append(closing)
    return tuple(opens), tuple(closes)


def _window_of(zones: Zones, at: Ints, controls: Controls) -> tuple[Ints, Ints]:
    """The window each instant lies in, or the next one: its opening and closing, (n,)."""
    opening, closing = np.empty(len(at), np.int64), np.empty(len(at), np.int64)
    if not len(at):
        return opening, closing
    # whole weeks from a Monday, so that cycles of one week share the cache
    lowest = datetime.fromtimestamp(int(at.min()), UTC).date()
    first = lowest - timedelta(days=lowest.weekday() + 7)
    days = 7 * ((int(at.max()) // _DAY - (first.toordinal() - 719_163)) // 7 + 4)
    for number in np.unique(zones):
        rows = np.flatnonzero(zones == number)
        opens, closes = (
            np.array(edges, dtype=np.int64)
            for edges in _windows(
                ZONES[number], first, days, controls.enabled_weekdays, controls.sending_hours_start, controls.sending_hours_end
            )
        )
        which = np.searchsorted(closes, at[rows], side="right")
        opening[rows], closing[rows] = opens[which], closes[which]
    return opening, closing


def in_hours(zones: Zones, now: int, controls: Controls, *, for_seconds: int) -> Bools:
    """Whether mailing is permitted from now on for that long, (n,)."""
    return open_for(zones, np.full(len(zones), now, dtype=np.int64), controls, for_seconds=for_seconds)


def open_for(zones: Zones, at: Ints, controls: Controls, *, for_seconds: int) -> Bools:
    """Whether mailing is permitted from each instant on for that long, (n,)."""
    opening, closing = _window_of(zones, at, controls)
    return (opening <= at) & (closing - at >= for_seconds)


def next_opening(zones: Zones, at: Ints, controls: Controls) -> Ints:
    """The first permitted instant at or after `at`, epoch seconds, (n,)."""
    opening, _ = _window_of(zones, at, controls)
    return np.maximum(opening, at)
