"""When a subscriber is decided next: always at least an hour away, never "next cycle", and so long before his hours are over that what the
cycle decides which finds him due still leaves inside them. Shapes: n rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from revenue_engine.arrays import Codes, Floats, Ints
from revenue_engine.clock import from_epoch
from revenue_engine.pacing.curve import Taste
from revenue_engine.pacing.hours import Zones, local_seconds, next_opening, open_locally
from revenue_engine.pacing.minutes import CYCLE_SECONDS, PLANNED_SECONDS
from revenue_engine.records.controls import Controls
from revenue_engine.records.reasons import NUMBER_OF

HOUR = 3_600
DAY = 24 * HOUR
WEEK = 7 * DAY
SHORTEST = HOUR
REACH_HOURS = 24
_CHUNK = 20_000  # people at once
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
    offers_end: Ints,
    taste: Taste,
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
    offers_end
        (n,) epoch seconds: from when on there is no offer left of those that the row may get now. Where it can, it is decided before.
    taste
        What hours are to these people: they are decided in the best one within reach.
    jitter
        (n,): keyed uniforms; they spread a morning's opening over two hours and long waits over their range.
    """
    at = now + SETTLED_FROM + (jitter * (SETTLED_TO - SETTLED_FROM)).astype(np.int64)
    # the claim may come a whole cycle after the decision; asking earlier would only meet the gap again
    sent = now + gap_seconds + CYCLE_SECONDS + (jitter * HOUR).astype(np.int64)
    at = np.where(np.isin(reason, _SENT), sent, at)
    at = np.where(reason == NUMBER_OF["outside_hours"], now, at)
    at = np.where(reason == NUMBER_OF["too_soon_since_last_email"], last_send_at + gap_seconds, at)
    at = np.where(reason == NUMBER_OF["subscriber_frequency_limit"], _week_frees(recent_sends, now, controls), at)
    at = np.where(np.isin(reason, _TOMORROW), _tomorrow(now, controls.zone), at)
    at = np.where(np.isin(reason, _SOON), now + SHORTEST + (jitter * 2 * HOUR).astype(np.int64), at)
    at = np.maximum(at, now + SHORTEST)

    opening = next_opening(zones, at, controls, for_seconds=PLANNED_SECONDS)
    window = (controls.sending_hours_end - controls.sending_hours_start) * HOUR
    widest, left = min(2 * HOUR, window // 2), offers_end - PLANNED_SECONDS - opening
    # offers that are over before anybody can be met hurry nobody: at the end of a month all would be due in one second
    spread = np.where(left < 0, widest, np.minimum(left, widest))
    opening = np.where(opening > at, opening + (jitter * spread).astype(np.int64), opening)
    # whoever found no place now was in his hour
    movable = np.flatnonzero(~np.isin(reason, _SOON))
    last = np.where(np.isin(reason, _SENT), now, last_send_at)[movable]
    best = best_moment(
        opening[movable],
        zones[movable],
        taste.take(movable),
        last_send_at=last,
        gap_seconds=gap_seconds[movable],
        until=offers_end[movable],
        controls=controls,
    )
    moved = best != opening[movable]
    # a clock may change just then
    opening[movable[moved]] = next_opening(zones[movable[moved]], best[moved], controls, for_seconds=PLANNED_SECONDS)
    return np.where(np.isin(reason, _SELDOM), now + 30 * DAY + (jitter * DAY).astype(np.int64), opening)


def best_moment(
    at: Ints, zones: Zones, taste: Taste, *, last_send_at: Ints, gap_seconds: Ints, until: Ints, controls: Controls
) -> Ints:
    """Instants, (n,), moved to the moment of the next day that is best for each reader, by whole hours, inside his hours and days and
    before `until`: where the hour's factor times the `frequency` of mails is greatest (renewal reward: gain a mail over time a mail)."""
    moved, whom = at.copy(), taste.matters
    for begin in range(0, len(whom), _CHUNK):
        rows = whom[begin : begin + _CHUNK]
        moments = at[rows, None] + HOUR * np.arange(REACH_HOURS)
        local = local_seconds(zones[rows], moments)
        often = frequency(moments, last_send_at=last_send_at[rows], gap_seconds=gap_seconds[rows], controls=controls)
        worth = taste.take(rows).at(local // HOUR) * often
        worth[~open_locally(local, controls, for_seconds=PLANNED_SECONDS)] = 0.0
        worth[moments + PLANNED_SECONDS > until[rows, None]] = 0.0
        moved[rows] = np.take_along_axis(moments, worth.argmax(axis=1)[:, None], axis=1)[:, 0]
    return moved


def frequency(moments: Ints, *, last_send_at: Ints, gap_seconds: Ints, controls: Controls) -> Floats:
    """Of mails to somebody who is always mailed as long after the last one as each of these moments (n, K) is, as a share of the most
    there can be: his gap and the week's cap bound it, so that waiting costs no mail while they do. For who was never mailed
    (`last_send_at` 0) the first moment, (n, 0), is as soon as may be."""
    shortest = np.maximum(gap_seconds, WEEK // max(controls.max_emails_per_subscriber_per_week, 1))[:, None]
    last = np.where(last_send_at[:, None] == 0, moments[:, :1] - shortest, last_send_at[:, None])
    return np.asarray(shortest / np.maximum(shortest, moments - last))


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
