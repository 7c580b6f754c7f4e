"""Segments and the shown engagement figures, from the packed row alone. Shapes: n rows.

- clicker: a human click in the last 30 days
- opener:  else, a human open in the last 30 days (not every mailbox lets one be seen: shown, learned from, never money)
- new:     else, created in the last 30 days, or never mailed
- quiet:   else, a human open or click in the last 180 days
- silent:  everybody else
"""

from __future__ import annotations

import math

import numpy as np

from revenue_engine.arrays import Codes, Floats
from revenue_engine.records.batch import Batch
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.records.subscriber import HALF_LIFE_DAYS

DAY = 86_400
RECENT_DAYS = 30
QUIET_DAYS = 180
NEXT_MAILS = 4  # the engagement score looks this far ahead
PRIOR_MAILS = 10.0  # what the segment's click rate is worth against a person's own mails


def segment_of(batch: Batch, now: int) -> Codes:
    """Each row's segment, (n,) positions in SEGMENTS; `now` in epoch seconds."""
    click, opened, created, sent = (
        batch.column(name).astype(np.int64)
        for name in ("last_human_click_at", "last_human_open_at", "created_at", "last_send_at")
    )
    recent, quiet = now - RECENT_DAYS * DAY, now - QUIET_DAYS * DAY
    names = np.select(
        [click > recent, opened > recent, (created > recent) | (sent == 0), np.maximum(click, opened) > quiet],
        [SEGMENTS.index(name) for name in ("clicker", "opener", "new", "quiet")],
        SEGMENTS.index("silent"),
    )
    return names.astype(np.uint8)


def faded(batch: Batch, name: str, now: int) -> Floats:
    """A decayed counter as of `now`, (n,)."""
    days = np.maximum(now - batch.column("decayed_at").astype(np.int64), 0) / DAY
    return np.asarray(batch.column(name).astype(np.float64) * np.exp2(-days / HALF_LIFE_DAYS[name]))


def engagement_score(batch: Batch, now: int, click_level: Floats) -> Floats:
    """P(at least one human click in the next four mails), (n,): Beta-binomial on the decayed counters, prior mean `click_level`
    (n,)."""
    clicks = faded(batch, "human_clicks", now)
    missed = np.maximum(faded(batch, "deliveries", now) - clicks, 0.0) + PRIOR_MAILS * (1.0 - click_level)
    total = missed + clicks + PRIOR_MAILS * click_level
    none = np.ones(len(batch))
    for mail in range(NEXT_MAILS):
        none *= (missed + mail) / (total + mail)
    return 1.0 - none


def planned_sends(batch: Batch, now: int, *, most_per_week: int) -> Floats:
    """Mails a person would get in the next 30 days at his present cadence, (n,): at least this one, at most the weekly cap.

    A steady cadence of r mails a day makes a counter of half-life h days settle at r h / ln 2.
    """
    pace = faded(batch, "sends", now) * math.log(2.0) / HALF_LIFE_DAYS["sends"]
    return np.clip(pace * 30.0, 1.0, max(1.0, most_per_week * 30.0 / 7.0))


def risk(hazard: Floats, sends: Floats) -> Floats:
    """1 - exp(-Σ hazard) over planned sends, (n,): hazards are per send, not per day."""
    return -np.expm1(-hazard * sends)
