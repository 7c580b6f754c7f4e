"""How long the engine goes on mailing an offer whose landing page has broken: clicks go on, and nothing is sold any more.

On a list so large and keen that an offer has hundreds of clicks a day; the offer that breaks is the engine's favourite, and nothing but
its conversions tells of it. The engine decides every other hour here, and news reaches it within the hour (other studies tell it in the
evening: there a day more or less decides nothing).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from typing import Any

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.records.anomaly import Severity
from revenue_engine.safety.offer_days import BREAKS_FROM, LOOK_BACK_DAYS, WHOLE_DAYS, Finding, alerts, broken, morning
from revenue_engine.safety.silence import Bucket
from revenue_engine.safety.stops import BROKEN_LIFTS_AFTER
from workbench.simulation.study.engine.engine import Engine
from workbench.simulation.study.policy import Setting
from workbench.simulation.worlds import DayEvents, Kind, Mailing, Observables, World, named
from workbench.simulation.worlds.events import Facts, joined
from workbench.simulation.worlds.offers import Offers

BUSY = replace(
    named("default"), name="busy", open_rate=0.5, click_rate=0.6, arriving=0.0, capped=0.0, breaks_per_day=0.0, fraud=0.0
)
BREAKS_AT_HOUR = 9  # of its day
LEFT_BELOW = 0.1  # of its former share of mails
CAP_SHARE = 0.35  # of the list, a day
_CHOSEN_DAYS_BEFORE = 3  # mails of days gone by are clicked after the break, too: it must be known when they are sent
_FORMER_DAYS = 7
_WINDOW_HOURS = 24  # a share is of so many hours of mails


@dataclass(frozen=True, slots=True)
class Scene:
    """How large, and for how long before and after the morning of the break."""

    people: int
    days_before: int
    days_after: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """What came of one."""

    seed: int
    offer: int
    former_share: float  # of the engine's mails in the week before
    clicks_per_day: float  # of the offer, in that week
    hours: float  # from the break until its share is, for a day, below LEFT_BELOW of the former; infinite: not within days_after
    mails: int  # of it until then
    last_share: float  # of the former share: what is left of it on the last day
    flagged_hours: float  # until the engine's own hourly test of an offer's day calls it broken; infinite: never

    def document(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)


class _News:
    """What is still to happen, by the hour."""

    def __init__(self) -> None:
        self._waiting: list[Facts] = []

    def add(self, rows: Facts) -> None:
        self._waiting.append(rows)

    def until(self, seconds: float) -> DayEvents | None:
        """By time; None where nothing was ever sent."""
        if not self._waiting:
            return None
        rows = joined(self._waiting)
        now = rows.at < seconds
        self._waiting = [rows.where(~now)]
        today = rows.where(now)
        return today.where(np.lexsort((today.part, today.kind, today.row, today.at))).told()


@dataclass(frozen=True)
class _Down(Offers):
    """Offers one of whose pages is down for good."""

    gone: int
    gone_at: float  # seconds of the world's clock

    def broken(self, offer: Ints, at: Floats) -> Bools:
        return np.asarray(super().broken(offer, at) | ((np.asarray(offer) == self.gone) & (at >= self.gone_at)))


class _Hourly(Engine):
    """Decides every other hour; what the judge has stopped is paused in its catalogue."""

    hours = tuple(range(7, 22, 2))
    around = timedelta(hours=1)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.stopped: dict[int, int] = {}  # offer → hour of the study from which on it may be mailed again

    def standing(self, seen: Observables, hour: int) -> Observables:
        """The world as its catalogue says it at this hour of the study."""
        running = seen.offer_running.copy()
        running[[offer for offer, until in self.stopped.items() if hour < until]] = False
        return replace(seen, offer_running=running)


class _Look:
    """The engine's test of offers' days (`safety.offer_days`), once an hour as its judge does, on what it was told."""

    def __init__(self, days: int, offers: int) -> None:
        self._clicks = np.zeros((days, 24, offers), dtype=np.int64)  # in the hour
        self._conversions = np.zeros((days, 24, offers), dtype=np.int64)  # by the hour in which they were told

    def hear(self, told: DayEvents, clicks: Ints, day: int, hour: int) -> None:
        """The news of an hour; `clicks`: (O,) of the day by its end."""
        sold = told.of(Kind.CONVERSION)
        self._conversions[day, hour] += np.bincount(sold.offer[sold.part == 0], minlength=self._conversions.shape[2])
        self._clicks[day, hour] = clicks - self._clicks[day, :hour].sum(axis=0)

    def flagged(self, day: int, hour: int, stopped: Mapping[int, int]) -> set[int]:
        """Offers whose page is down at the end of this hour; `stopped`: at the end of which hour of the study one was last stopped."""
        first = max(day - LOOK_BACK_DAYS, 0)
        whole = max(day - (LOOK_BACK_DAYS - WHOLE_DAYS), first)
        clicks, conversions = self._clicks[first:day].sum(axis=1), self._conversions[first:day].sum(axis=1)
        hourly = slice(24 * whole, 24 * day + hour + 1)
        by_hour = [of.reshape(-1, of.shape[2])[hourly] for of in (self._clicks, self._conversions)]
        tests: list[Finding] = []
        for offer in np.flatnonzero(clicks.sum(axis=0)).tolist():
            before = morning(clicks[:, offer].tolist(), conversions[:, offer].tolist(), [True] * (day - first))
            if before is None:
                continue
            days = zip(clicks[: whole - first, offer].tolist(), conversions[: whole - first, offer].tolist(), strict=True)
            hours = zip(*(of[:, offer].tolist() for of in by_hour), strict=True)
            buckets = [*(Bucket(24.0, *of) for of in days), *(Bucket(1.0, *of) for of in hours)]
            begins = max(day - (LOOK_BACK_DAYS - BREAKS_FROM), first) - first
            fresh = whole - first + max(stopped[offer] - 24 * whole, 0) if offer in stopped else 0
            others = np.flatnonzero(np.delete(by_hour[1], offer, axis=1).sum(axis=1))
            known = whole - first + int(others[-1]) + 1 if len(others) else 0
            tests.append(broken(str(offer), before.before, buckets, begins=max(begins, fresh), others_sold=known))
        return {int(offer) for offer, flag in alerts(tests) if flag.severity is Severity.HOLD}


def leave(seed: int, scene: Scene, *, each: Callable[[], None] = lambda: None) -> Leaving:
    """One break; the same every time. `each` is called after every simulated day. Raises ValueError for too few days before it."""
    if scene.days_before < _CHOSEN_DAYS_BEFORE + _FORMER_DAYS:
        raise ValueError("days_before: the favourite of a week is chosen some days before the break")
    days = scene.days_before + scene.days_after
    world = World(BUSY, seed, scene.people)
    cap = round(CAP_SHARE * scene.people)
    engine = _Hourly(Setting(scene.people, BUSY.offers, days, cap, seed))
    news, look = _News(), _Look(days, BUSY.offers)
    mails = np.zeros((days, 24, BUSY.offers), dtype=np.int64)
    offer, flagged = -1, math.inf
    break_hour = 24 * scene.days_before + BREAKS_AT_HOUR
    for day in range(days):
        if day == scene.days_before - _CHOSEN_DAYS_BEFORE:
            offer = int(mails[day - _FORMER_DAYS : day].sum(axis=(0, 1)).argmax())
            there = world.commons.offers
            world.commons.offers = _Down(
                **{f.name: getattr(there, f.name) for f in fields(Offers)}, gone=offer, gone_at=3_600.0 * break_hour
            )
        seen, left = world.observables(day), cap
        engine.begin(seen, day)
        for hour in range(24):
            if hour in engine.hours:
                now = engine.standing(seen, 24 * day + hour)
                part: Mailing = engine.cycle(now, day, hour, left, engine.posteriors(now, day, hour))
                left -= len(part.who)
                mails[day, hour] = np.bincount(part.offer, minlength=BUSY.offers)
                if len(part.who):
                    news.add(world.mail(day, part))
            told = news.until(3_600.0 * (24 * day + hour + 1))
            if told is not None:
                engine.told(told, day)
                look.hear(told, engine.memory.clicks(day), day, hour)
            since = 24 * day + hour + 1 - break_hour
            lasts = int(BROKEN_LIFTS_AFTER.total_seconds()) // 3_600
            for found in look.flagged(day, hour, {of: until - lasts for of, until in engine.stopped.items()}):
                if engine.stopped.get(found, 0) <= 24 * day + hour:
                    engine.stopped[found] = 24 * day + hour + 1 + lasts
                if found == offer and since > 0 and math.isinf(flagged):
                    flagged = float(since)
        world.evening(day)
        each()
    by_hour = mails.reshape(-1, BUSY.offers)
    former = slice(break_hour - 24 * _FORMER_DAYS, break_hour)
    share = float(by_hour[former, offer].sum() / by_hour[former].sum())
    hours = _left_after(by_hour[break_hour:, offer], by_hour[break_hour:].sum(axis=1), LEFT_BELOW * share)
    until = len(by_hour) if math.isinf(hours) else break_hour + int(hours)
    week = range(scene.days_before - _FORMER_DAYS, scene.days_before)
    return Leaving(
        seed=seed,
        offer=offer,
        former_share=share,
        clicks_per_day=float(np.mean([engine.memory.clicks(day)[offer] for day in week])),
        hours=hours,
        mails=int(by_hour[break_hour:until, offer].sum()),
        last_share=float(by_hour[-_WINDOW_HOURS:, offer].sum() / max(by_hour[-_WINDOW_HOURS:].sum(), 1)) / share,
        flagged_hours=flagged,
    )


def _left_after(own: Ints, all_mails: Ints, below: float) -> float:
    """Hours until the first mails from which on, for a day, the offer's share is below this; both (H,) by hour."""
    for hour in np.flatnonzero(all_mails).tolist():
        if hour + _WINDOW_HOURS > len(own):
            break
        window = slice(hour, hour + _WINDOW_HOURS)
        if own[window].sum() < below * all_mails[window].sum():
            return float(hour)
    return math.inf
