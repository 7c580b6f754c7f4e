"""When a subscriber is decided next: always at least an hour away, always inside his hours, never "next cycle". Shapes: n
rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from revenue_engine.arrays import Codes, Floats, Ints
from revenue_engine.clock import from_epoch
from revenue_engine.pacing.hours import Zones, next_opening
from revenue_engine.pacing.minutes import CYCLE_MINUTES
from revenue_engine.records.controls import Controls
from revenue_engine.records.reasons import NUMBER_OF
from revenue_engine.records.zones import ZONES

HOUR = 3_600
DAY = 24 * HOUR
WEEK = 7 * DAY
SHORTEST = HOUR
PEAK_REACH_HOURS = 2  # either side of a reader's peak hour: wide enough for a mail a day
SETTLED_FROM, SETTLED_TO = 6 * HOUR, 24 * HOUR  # a judgement on slow facts is looked at again after this long
_SENT = [NUMBER_OF[name] for name in ("revenue_opportunity", "exploration", "fixed_policy", "ghost")]
_SELDOM = [NUMBER_OF[name] for name in ("holdout", "silent_too_long")]  # nothing but an answer of theirs would change it
_SOON = [NUMBER_OF[name] for name in ("velocity_limit", "provider_rate", "breaker_half_open")]
_TOMORROW = [NUMBER_OF[name] for name in ("daily_limit_reached", "provider_warm_up")]


def next_decision_at(
    reason: Codes,
    *,
    zones: Zones,
    now: int,
    last_send_at: Ints,
    recent_sends: Ints,
    gap_seconds: Ints,
    peak_hour: Ints,
    jitter: Floats,
    controls: Controls,
) -> Ints:
    """Epoch seconds per row, (n,).

    Parameters
    ----------
    recent_sends
        (n, RECENT) epoch seconds.
    gap_seconds
        (n,): how long after a send the row's policy mails again.
    peak_hour
        (n,): 0..23 in the reader's zone, -1 when not declared. Who has one is decided around it.
    jitter
        (n,): keyed uniforms; they spread a morning's opening over two hours and long waits over their range.
    """
    at = now + SETTLED_FROM + (jitter * (SETTLED_TO - SETTLED_FROM)).astype(np.int64)
    # the claim may come a whole cycle after the decision; asking earlier would only meet the gap again
    sent = now + gap_seconds + CYCLE_MINUTES * 60 + (jitter * HOUR).astype(np.int64)
    at = np.where(np.isin(reason, _SENT), sent, at)
    at = np.where(reason == NUMBER_OF["outside_hours"], now, at)
    at = np.where(reason == NUMBER_OF["too_soon_since_last_email"], last_send_at + gap_seconds, at)
    at = np.where(reason == NUMBER_OF["subscriber_frequency_limit"], _week_frees(recent_sends, now, controls), at)
    at = towards_peak(np.maximum(at, now + SHORTEST), zones, peak_hour, now=now)
    at = np.where(np.isin(reason, _TOMORROW), _tomorrow(now, controls.zone), at)
    at = np.where(np.isin(reason, _SOON), now + SHORTEST + (jitter * 2 * HOUR).astype(np.int64), at)
    at = np.maximum(at, now + SHORTEST)

    opening = next_opening(zones, at, controls)
    window = (controls.sending_hours_end - controls.sending_hours_start) * HOUR
    opening = np.where(opening > at, opening + (jitter * min(2 * HOUR, window // 2)).astype(np.int64), opening)
    return np.where(np.isin(reason, _SELDOM), now + 30 * DAY + (jitter * DAY).astype(np.int64), opening)


def towards_peak(at: Ints, zones: Zones, peak_hour: Ints, *, now: int) -> Ints:
    """Instants moved to the next time that lies around each reader's peak hour, (n,); those of readers without one stay.

    Clocks are read at `now`: a change of the clock in between moves the hour once.
    """
    if not len(at):
        return at
    numbers, of_row = np.unique(zones, return_inverse=True)
    clock = from_epoch(now)
    offset = np.array(
        [(clock.astimezone(ZoneInfo(ZONES[z])).utcoffset() or timedelta()).total_seconds() for z in numbers.tolist()]
    )
    local = at + offset[of_row.reshape(-1)].astype(np.int64)
    since = (local - (peak_hour - PEAK_REACH_HOURS) * HOUR) % DAY
    wait = np.where((peak_hour < 0) | (since < 2 * PEAK_REACH_HOURS * HOUR), 0, DAY - since)
    return np.asarray(at + wait, dtype=np.int64)


def _week_frees(recent_sends: Ints, now: int, controls: Controls) -> Ints:
    """When enough sends leave the rolling week for one more, (n,)."""
    cap = controls.max_emails_per_subscriber_per_week
    if cap == 0:
        return np.full(len(recent_sends), now + WEEK, dtype=np.int64)
    newest_first = -np.sort(-recent_sends, axis=1)
    return newest_first[:, cap - 1] + WEEK


def _tomorrow(now: int, zone: str) -> int:
    """The start of the org's next day, when its budget is new."""
    tz = ZoneInfo(zone)
    day = from_epoch(now).astimezone(tz).date() + timedelta(days=1)
    return int(datetime(day.year, day.month, day.day, tzinfo=tz).timestamp())
