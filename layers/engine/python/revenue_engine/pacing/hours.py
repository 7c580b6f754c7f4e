"""Sending hours in the reader's own zone, right across daylight-saving changes. Shapes: n rows.

A zone's permitted windows are worked out once, as instants; rows look themselves up in them. An hour that a clock change skips
opens at the instant of the change; one that comes twice opens, as it closes, at its first coming (PEP 495, fold = 0), unless the clock
falls back to a time before its opening: then it opens at its second (Chatham at three, when 3:45 is 2:45 again).
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
_WEEK = 7 * _DAY
_MONDAY = 3 * _DAY  # 1970 began on a Thursday
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
        opening = _instant(datetime.combine(day, time(start), tz), tz, opens=True)
        closing = _instant(datetime.combine(day + timedelta(days=end // 24), time(end % 24), tz), tz, opens=False)
        if closes and closes[-1] >= opening:
            closes[-1] = closing
        elif closing > opening:
            opens.append(opening)
            closes.append(closing)
    return tuple(opens), tuple(closes)


def _instant(local: datetime, tz: ZoneInfo, *, opens: bool) -> int:
    """When a clock shows that time first; of one that it skips, when it does; of an opening behind which it falls back, the second."""
    first, second = (int(local.replace(fold=fold).timestamp()) for fold in (0, 1))
    if first == second:
        return first
    change = _change(tz, min(first, second), max(first, second))
    if first > second:
        return change
    back_at = datetime.fromtimestamp(change, tz)
    return second if opens and back_at.replace(tzinfo=None) < local.replace(tzinfo=None) else first


def _change(tz: ZoneInfo, low: int, high: int) -> int:
    """The instant of the one change of a zone's clock in (low, high]."""
    offset = _offset(tz, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(tz, middle) == offset else (low, middle)
    return high


def _window_of(zones: Zones, at: Ints, controls: Controls) -> tuple[Ints, Ints]:
    """The window each instant lies in, or the next one: its opening and closing, (n,)."""
    opening, closing = np.empty(len(at), np.int64), np.empty(len(at), np.int64)
    if not len(at):
        return opening, closing
    first, days = _weeks(at)
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


def next_opening(zones: Zones, at: Ints, controls: Controls, *, for_seconds: int) -> Ints:
    """The first instant at or after `at` from which mailing is permitted for that long, epoch seconds, (n,); of a window that a change
    of clocks has made shorter, its beginning."""
    opening, _ = _window_of(zones, at + for_seconds - 1, controls)
    return np.maximum(opening, at)


def local_seconds(zones: Zones, at: Ints) -> Ints:
    """Seconds of the reader's own week since Monday 0:00, as his clock shows them at each instant, (n, K) of (n, K); `zones` is (n,)."""
    local = np.empty(at.shape, dtype=np.int64)
    if not at.size:
        return local
    first, days = _weeks(at)
    for number in np.unique(zones):
        rows = np.flatnonzero(zones == number)
        since, offset = (np.array(part, dtype=np.int64) for part in _clocks(ZONES[number], first, days))
        mine = at[rows]
        local[rows] = mine + (offset[0] if len(offset) == 1 else offset[np.searchsorted(since, mine, side="right") - 1])
    return np.asarray((local + _MONDAY) % _WEEK)


def open_locally(local: Ints, controls: Controls, *, for_seconds: int) -> Bools:
    """Whether a clock that shows these seconds of the week is inside hours and days for that long, an hour at most, of any shape;
    where it is changed just then, `open_for` knows better."""
    hour = np.arange(24)
    of_day = (hour >= controls.sending_hours_start) & (hour < controls.sending_hours_end)
    of_week = (np.isin(np.arange(7), sorted(controls.enabled_weekdays))[:, None] & of_day).ravel()
    return np.asarray(of_week[local // 3_600] & of_week[(local + for_seconds - 1) // 3_600 % 168])


@lru_cache(maxsize=2_048)
def _clocks(zone: str, first: date, days: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """From which instant on a zone's clock is how far ahead of UTC, in these days: changes are found to the second."""
    tz = ZoneInfo(zone)
    begin = int(datetime.combine(first, time(), UTC).timestamp())
    since, offsets = [begin], [_offset(tz, begin)]
    for day in range(1, days + 1):
        low, high = begin + (day - 1) * _DAY, begin + day * _DAY
        if _offset(tz, high) != offsets[-1]:
            since.append(_change(tz, low, high))
            offsets.append(_offset(tz, high))
    return tuple(since), tuple(offsets)


def _offset(tz: ZoneInfo, at: int) -> int:
    return int((datetime.fromtimestamp(at, tz).utcoffset() or timedelta()).total_seconds())


def _weeks(at: Ints) -> tuple[date, int]:
    """Whole weeks around these instants, from a Monday, so that cycles of one week share what is worked out for them."""
    lowest = datetime.fromtimestamp(int(at.min()), UTC).date()
    first = lowest - timedelta(days=lowest.weekday() + 7)
    return first, 7 * ((int(at.max()) // _DAY - (first.toordinal() - 719_163)) // 7 + 4)
