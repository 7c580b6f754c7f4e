"""What the velocity is held against: clicks, conversions and delivery of a day's window, and what is usual beside it.

The window is the last 24 hours, or what has passed since the last step. Delivery is told of by the hour of the mail, so a step leaves the
mails after it to the next look. Clicks and money come whenever they come, and the days they are of are good or bad as a whole: after a
step they are looked at again from the next org day on. They speak only where at least half of the clicks that should have come are of the
window's own mails: late clicks of older ones tell of a day that has been judged before, and how late clicks are is a round figure. Hence
they do not speak on a list's first day either, of which all that came early would be taken for more.

Counts of hours and of org days, as the counters keep them (docs/data-model.md); what was predicted is in millionths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.clock import day_in, midnight
from revenue_engine.pacing.nowcast import Sends, arrivals
from revenue_engine.pacing.velocity import Delivery, Flow
from revenue_engine.prediction.level import of_weekdays
from revenue_engine.prediction.rates import Delay
from revenue_engine.records.subscriber import PROVIDERS

WINDOW_HOURS = 24
PAST_DAYS = 21  # whole weeks before yesterday, for the level
SENDS_DAYS = 40  # whose mails may still have brought something in them
OWN_SHARE = 0.5  # of the clicks that should have come: of mails that left in the window

_PREDICTED = ("predicted_clicks_millionths", "predicted_conversions_millionths")
_CAME_HOURLY = (("clicked_mails",), ("mailed_conversions",))
_CAME_DAILY = (("clicked_mails",), ("conversions%engine", "conversions%fixed"))
_DEFERRALS = tuple(f"deferrals#{provider}" for provider in PROVIDERS)  # not every late mail: a full mailbox asks for no patience
_DELIVERY = ("sent", "heard", "complaints", "bounces", *_DEFERRALS)
HOURLY = (*_PREDICTED, "clicked_mails", "mailed_conversions", *_DELIVERY)
DAILY = (*_PREDICTED, "clicked_mails", "conversions%engine", "conversions%fixed")
_HOUR = timedelta(hours=1)
_DAY = 86_400.0

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Usual:
    """What whole days tell, those before yesterday. Clicks first, then conversions."""

    sends: Sends
    due: Floats  # (2,) what should have come in the last weeks, for their weekdays
    came: tuple[int, int]
    days: int  # of them, those on which mails left
    weekdays: Floats  # (2, 7) what a day makes of it, Monday first


def edge_of(now: datetime, zone: str) -> date:
    """Yesterday on the org's calendar: days before it are whole, and read as days; from it on, hours are."""
    return day_in(now, zone) - timedelta(days=1)


def usual(days: Mapping[date, Counts], *, edge: date, zone: str, delay: Delay) -> Usual:
    """Of the org days before `edge`. Weekdays are learned beside what the predictions know of them."""
    sends = _sends({_span(day, zone): of for day, of in days.items()})
    told = [edge - timedelta(days=n) for n in range(SENDS_DAYS, -1, -1)]
    by = arrivals(
        sends, np.array([_days(midnight(day, zone)) for day in told]), now_days=_days(midnight(edge, zone)), conversion=delay
    )
    due = np.diff(by, axis=1)
    came = np.array([[_total((days.get(day, {}),), *names) for day in told[:-1]] for names in _CAME_DAILY], dtype=np.float64)
    weekday = np.array([day.weekday() for day in told[:-1]])
    weekdays = np.array([of_weekdays(of, should, weekday) for of, should in zip(came, due, strict=True)])
    return Usual(
        sends,
        (weekdays[:, weekday] * due)[:, -PAST_DAYS:].sum(axis=1),
        (int(came[0, -PAST_DAYS:].sum()), int(came[1, -PAST_DAYS:].sum())),
        sum(days.get(day, {}).get(_PREDICTED[0], 0) > 0 for day in told[-PAST_DAYS - 1 : -1]),
        weekdays,
    )


def flows(
    usual: Usual, hours: Mapping[datetime, Counts], *, zone: str, delay: Delay, stepped_at: datetime, now: datetime
) -> tuple[Flow, Flow]:
    """Clicks and conversions of the window; nothing expected of them while they say nothing yet.

    Parameters
    ----------
    hours
        Those since the day that `usual` ends with began.
    """
    again = midnight(day_in(stepped_at, zone) + timedelta(days=1), zone)
    since = _whole_hour(max(now - timedelta(hours=WINDOW_HOURS), again))
    today = midnight(day_in(now, zone), zone)
    factors = np.stack([usual.weekdays[:, day.weekday()] for day in (edge_of(now, zone), day_in(now, zone))], axis=1)
    edges = np.array([_days(min(at, now)) for at in (since, max(since, today), now)])
    older, own = (
        (factors * np.diff(arrivals(sends, edges, now_days=_days(now), conversion=delay), axis=1)).sum(axis=1)
        for sends in (
            _joined(usual.sends, _sends({(at, at + _HOUR): of for at, of in hours.items() if at < since})),
            _sends({(at, at + _HOUR): of for at, of in hours.items() if at >= since}),
        )
    )
    due = older + own if OWN_SHARE * (older + own)[0] <= own[0] < (older + own)[0] else np.zeros(2)
    window = [of for at, of in hours.items() if at >= since]
    clicks, conversions = (
        Flow(float(due[kind]), _total(window, *names), float(usual.due[kind]), usual.came[kind], usual.days)
        for kind, names in enumerate(_CAME_HOURLY)
    )
    return clicks, conversions


def delivery(hours: Mapping[datetime, Counts], *, stepped_at: datetime, now: datetime) -> Delivery:
    """What became of the mails that left in the window."""
    since = _whole_hour(max(now - timedelta(hours=WINDOW_HOURS), stepped_at))
    window = [of for at, of in hours.items() if at >= since]
    return Delivery(
        sent=_total(window, "sent"),
        heard=_total(window, "heard"),
        complaints=_total(window, "complaints"),
        bounces=_total(window, "bounces"),
        deferred=_total(window, *_DEFERRALS),
    )


def is_calm(troubled_at: datetime, *, now: datetime, zone: str) -> bool:
    """Whether a whole org day lies between: by then clicks of mails that left after the trouble have spoken."""
    return (day_in(now, zone) - day_in(troubled_at, zone)).days > 1


def _whole_hour(at: datetime) -> datetime:
    """Hours are counted whole: the first that begins at `at` or after it."""
    floor = at.replace(minute=0, second=0, microsecond=0)
    return floor if floor == at else floor + _HOUR


def _sends(buckets: Mapping[tuple[datetime, datetime], Counts]) -> Sends:
    start, end = np.array([(_days(a), _days(b)) for a, b in buckets], dtype=np.float64).reshape(-1, 2).T
    clicks, conversions = (np.array([of.get(name, 0) / 1e6 for of in buckets.values()]) for name in _PREDICTED)
    return Sends(start, end, clicks, conversions)


def _joined(one: Sends, other: Sends) -> Sends:
    return Sends(
        np.concatenate([one.start_days, other.start_days]),
        np.concatenate([one.end_days, other.end_days]),
        np.concatenate([one.clicks, other.clicks]),
        np.concatenate([one.conversions, other.conversions]),
    )


def _span(day: date, zone: str) -> tuple[datetime, datetime]:
    return midnight(day, zone), midnight(day + timedelta(days=1), zone)


def _total(counted: Iterable[Counts], *names: str) -> int:
    return sum(of.get(name, 0) for of in counted for name in names)


def _days(at: datetime) -> float:
    return at.timestamp() / _DAY
