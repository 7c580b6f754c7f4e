"""The packed rows of a whole list and the events that change them, on arrays; a test holds them to `records.subscriber`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Codes, Floats, Ints
from revenue_engine.ids import stable_hash
from revenue_engine.records.batch import ROW_DTYPE, Batch
from revenue_engine.records.subscriber import (
    HALF_LIFE_DAYS,
    PART_HOURS,
    PROVIDERS,
    RECENT,
    SCHEMA,
    UNKNOWN,
    country_number,
    source_number,
    topic_mask,
)
from workbench.simulation.stage.cast import DAYS_OF_MONTH
from workbench.simulation.worlds import Observables
from workbench.simulation.worlds import spec as world_spec
from workbench.simulation.worlds.people import HOUR_BINS

_DAY = 86_400
_COUNTRY_CODES = {"US": "US", "UK": "GB", "FR": "FR", "ES": "ES"}
_LAST = {"human_opens": "last_human_open_at", "human_clicks": "last_human_click_at", "conversions": "last_conversion_at"}
Rows = npt.NDArray[np.void]


def category_name(category: int) -> str:
    """Of an offer of a world, and the topic a reader declares."""
    return f"category-{category}"


def rows_of(seen: Observables, start: int) -> Rows:
    """(n,) rows of ROW_DTYPE for people imported at `start`, epoch seconds, never mailed by us."""
    n = len(seen.ids)
    rows = np.zeros(n, dtype=ROW_DTYPE)
    rows["schema"], rows["decayed_at"] = SCHEMA, start
    rows["draw_key"] = [stable_hash("draw", "world", str(number)) for number in seen.ids.tolist()]
    rows["created_at"] = np.maximum(start - seen.tenure_days * _DAY, 1).astype(np.int64)
    masks = np.array([topic_mask([category_name(k)]) for k in range(seen.topics.shape[1])], dtype=np.uint32)
    rows["topics"] = np.bitwise_or.reduce(np.where(seen.topics, masks, np.uint32(0)), axis=1)
    rows["price_sensitivity"] = seen.price_sensitivity
    rows["purchases"] = np.minimum(seen.purchases, UNKNOWN - 1)
    rows["last_purchase_at"] = np.maximum(start - seen.months_since_order * (DAYS_OF_MONTH * _DAY), 1).astype(np.int64)
    sources = [source_number(name) for name in world_spec.SOURCES]
    rows["source"] = np.array(sources, dtype=np.uint8)[seen.source]
    rows["peak_hour"] = peak_hours(seen.past_opens)
    rows["country"] = np.array([country_number(_COUNTRY_CODES[name]) for name in world_spec.COUNTRIES])[seen.country]
    rows["provider"] = np.array([PROVIDERS.index(name) for name in world_spec.PROVIDERS])[seen.provider]
    return rows


def peak_hours(past_opens: Codes) -> Ints:
    """(n,) what a list declares of somebody's hours: the mean direction of his openings (n, HOUR_BINS) on the clock, -1 for none.

    The fullest bin says less: openings scatter by hours around the one he likes (Mardia and Jupp, Directional Statistics, 2.2).
    """
    bins = np.exp(2j * np.pi * (np.arange(HOUR_BINS) + 0.5) / HOUR_BINS)
    towards = past_opens @ bins
    # the hour that the direction lies in; where openings cancel out nothing is known either
    hour = np.floor(np.round(np.angle(towards) / (2 * np.pi) * 24, 6)).astype(np.int64) % 24
    return np.where(np.abs(towards) > 1e-9, hour, -1)


def page(rows: Rows, who: Ints, decided_at: Ints) -> Batch:
    """These people as decide reads them; their keys are their numbers."""
    return Batch(np.char.mod("%07d", who).astype("U26"), rows[who], decided_at[who])


def claimed(rows: Rows, who: Ints, at: Ints, offer_number: Ints) -> None:
    """`apply_claim` for people mailed at most once here."""
    _add(rows, "sends", who, at)
    full = who[(rows["hour_mails"][who] == 255).any(axis=1)]
    for name in ("hour_mails", "hour_clicks"):
        rows[name][full] //= 2
    rows["hour_mails"][who, _part_of_day(at)] += 1
    rows["first_send_at"][who] = np.where(rows["first_send_at"][who] == 0, at, rows["first_send_at"][who])
    rows["last_send_at"][who] = np.maximum(rows["last_send_at"][who], at)
    for name, newest in (("recent_sends", at), ("recent_offers", offer_number)):
        column = rows[name]
        column[who, 1:] = column[who, : RECENT - 1]
        column[who, 0] = newest


def touched(rows: Rows, name: str, who: Ints, at: Ints) -> None:
    """`apply_touch` of a counter, in any order and as often as somebody is named."""
    _add(rows, name, who, at)
    if name in _LAST:
        np.maximum.at(rows[_LAST[name]], who, at.astype(np.uint32))


def clicked(rows: Rows, who: Ints, topic: Ints, sent_at: Ints) -> None:
    """`remember_click` for the first clicks of mails, in the order of time, as often as somebody is named."""
    for first in _once_each(who):
        cell = who[first], _part_of_day(sent_at[first])
        rows["hour_clicks"][cell] = np.minimum(rows["hour_clicks"][cell].astype(np.int64) + 1, 255)
    known = topic > 0
    who, topic = who[known], topic[known]
    for first in _once_each(who):
        recent = rows["recent_clicks"]
        recent[who[first], 1:] = recent[who[first], :-1]
        recent[who[first], 0] = topic[first]


def _part_of_day(at: Ints) -> Ints:
    """Of people whose zone is UTC: a study's hours are the readers' own."""
    return at % _DAY // (3_600 * PART_HOURS)


def _once_each(who: Ints) -> Iterator[Ints]:
    """Positions in rounds: nobody twice in one, everybody in his own order."""
    left = np.arange(len(who))
    while len(left):
        first = left[np.unique(who[left], return_index=True)[1]]
        yield first
        left = np.setdiff1d(left, first)


def converted(rows: Rows, who: Ints, at: Ints, micros: Ints, conversions: Ints) -> None:
    """`apply_conversion`: -1 conversions for one taken back, 0 for a changed amount."""
    moved = conversions != 0
    _add(rows, "conversions", who[moved], at[moved], conversions[moved].astype(np.float64))
    gained = conversions > 0
    np.maximum.at(rows["last_conversion_at"], who[gained], at[gained].astype(np.uint32))
    np.add.at(rows["revenue_micros"], who, micros)


def _add(rows: Rows, name: str, who: Ints, at: Ints, amount: Floats | float = 1.0) -> None:
    """Decayed counters do not mind the order: each event counts what it is still worth at the newest one."""
    if not len(who):
        return
    newest: npt.NDArray[Any] = rows["decayed_at"].astype(np.int64)
    np.maximum.at(newest, who, at)
    days = (newest - rows["decayed_at"]) / _DAY
    changed = np.flatnonzero(days)
    for counter, half_life in HALF_LIFE_DAYS.items():
        rows[counter][changed] *= np.exp2(-days[changed] / half_life)
    rows["decayed_at"] = newest
    worth = amount * np.exp2(-(newest[who] - at) / _DAY / HALF_LIFE_DAYS[name])
    rows[name] += np.bincount(who, worth, len(rows)).astype(np.float32)
