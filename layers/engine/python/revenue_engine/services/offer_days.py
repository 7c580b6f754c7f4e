"""Every hour: does an offer convert far too much today, or no longer at all?"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from revenue_engine.aws import names, observe
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, from_epoch, midnight, utc_hour
from revenue_engine.records.anomaly import Flag, Severity
from revenue_engine.records.causes import Stop
from revenue_engine.records.controls import Controls
from revenue_engine.safety.offer_days import (
    BREAK,
    BREAKS_FROM,
    LOOK_BACK_DAYS,
    WHOLE_DAYS,
    Finding,
    alerts,
    broken,
    burst,
    morning,
)
from revenue_engine.safety.silence import Bucket
from revenue_engine.safety.stops import stop_of_broken
from revenue_engine.services.judged import WINDOW

log = logging.getLogger(__name__)

_CLICKS, _CONVERSIONS, _HELD, _OURS = "clicked_mails@", "conversions@", "held_conversions@", "mailed_conversions"


def judge_offer_days(w: Wiring, org: str, controls: Controls, *, now: datetime) -> list[tuple[str, Flag]]:
    """At most once an hour, whenever it is called: the offers and flags that are new today."""
    claimed = f"offer_days#{utc_hour(now)}"
    if not w.control.capped_increment(org, claimed, cap=1, expires_at=epoch_seconds(now + timedelta(days=2))):
        return []
    today = day_in(now, controls.zone)
    known = {(day.offer, day.flag.signal): day.flag.severity for day in w.offer_days.since(org, today)}
    raised = []
    for offer, flag in alerts(_tests(w, org, controls, today, now)):
        if _is_down(flag) and known.get((offer, BREAK)) is not Severity.HOLD:
            # before the flag: what dies in between leaves the offer stopped, not one that is known and mailed on (D5)
            _stop(w, org, stop_of_broken(offer, flag, now=epoch_seconds(now)))
        if w.offer_days.flag(org, today, offer, flag, now=now):
            log.error("offer %s on %s: %s %s", offer, today, flag.signal, dict(flag.detail))
            observe.count(names.METRIC_ANOMALIES, org)
            raised.append((offer, flag))
    return raised


def _stop(w: Wiring, org: str, stop: Stop) -> None:
    """The page is taken to be down until the stop ends or a person lifts it."""
    if w.safety.stop(org, stop):
        log.error("stopped: %s %s", stop.cause.key, stop.detail)
        observe.count(names.METRIC_CAUSES_STOPPED, org)
        told = f"{stop.reason}: it is clicked and nobody converts as usual: {stop.detail}"
        w.alerts.tell(f"Revenue engine: offer {stop.cause.name} is stopped", told)


def _tests(w: Wiring, org: str, controls: Controls, today: date, now: datetime) -> list[Finding]:
    first = today - timedelta(days=LOOK_BACK_DAYS)
    days = [first + timedelta(days=n) for n in range(LOOK_BACK_DAYS + 1)]
    found = w.counters.day_counters(org, first, today)
    counted = [found.get(day, {}) for day in days]
    noted = list(w.offer_days.since(org, first))
    flagged = {(day.day, day.offer) for day in noted if not day.dismissed}
    stopped = {day.offer: day.since for day in noted if _is_down(day.flag)}  # the last of each, for they come by day
    hours = _hours(w, org, midnight(days[WHOLE_DAYS], controls.zone), now)
    begins = [*(midnight(day, controls.zone) for day in days[:WHOLE_DAYS]), *(hour.begins for hour in hours)]
    # hours that an engine counted which did not tell offers' conversions apart: nothing was sold there, as it looks
    counted_from = max((WHOLE_DAYS + n for n, hour in enumerate(hours, start=1) if hour.lacks_offers), default=0)
    elapsed = (now - midnight(today, controls.zone)) / timedelta(hours=1)
    tests: list[Finding] = []
    for offer in sorted({name.removeprefix(_CLICKS) for amounts in counted for name in amounts if name.startswith(_CLICKS)}):
        clicks = [amounts.get(_CLICKS + offer, 0) for amounts in counted]
        # what is held on its own account is explained: it makes no burst
        conversions = [max(amounts.get(_CONVERSIONS + offer, 0) - amounts.get(_HELD + offer, 0), 0) for amounts in counted]
        before = morning(clicks[:-1], conversions[:-1], [(day, offer) not in flagged for day in days[:-1]])
        if before is None:
            continue
        tests.append(burst(offer, before, clicks=clicks[-1], conversions=conversions[-1], hours=elapsed))
        buckets = [Bucket(24.0, *day) for day in zip(clicks[:WHOLE_DAYS], conversions[:WHOLE_DAYS], strict=True)]
        buckets += [Bucket(hour.width, hour.of(_CLICKS, offer), hour.of(_CONVERSIONS, offer)) for hour in hours]
        # a page that was stopped is tried anew: what it was clicked before is no reason to stop it again
        fresh = bisect_left(begins, stopped[offer]) if offer in stopped else 0
        others = max((n for n, hour in enumerate(hours, start=1) if hour.sells_beside(offer)), default=-WHOLE_DAYS)
        tests.append(
            broken(offer, before.before, buckets, begins=max(BREAKS_FROM, fresh, counted_from), others_sold=WHOLE_DAYS + others)
        )
    return tests


@dataclass(frozen=True, slots=True)
class _Hour:
    """A UTC hour's counters, as far as it is over."""

    begins: datetime
    width: float  # of an hour
    amounts: Mapping[str, int]

    def of(self, name: str, offer: str) -> int:
        return max(self.amounts.get(name + offer, 0), 0)

    @property
    def lacks_offers(self) -> bool:
        return self.amounts.get(_OURS, 0) > 0 and not any(name.startswith(_CONVERSIONS) for name in self.amounts)

    def sells_beside(self, offer: str) -> bool:
        return any(n > 0 and name.startswith(_CONVERSIONS) and name != _CONVERSIONS + offer for name, n in self.amounts.items())


def _hours(w: Wiring, org: str, since: datetime, now: datetime) -> list[_Hour]:
    """Oldest first, all that have begun; read with what the judge itself reads every minute."""
    counted = w.counters.settled_hours(org, since=now - WINDOW, until=now)
    begins = from_epoch(
        -(-epoch_seconds(since) // 3_600) * 3_600
    )  # where zones are half an hour off, that half hour is in neither part
    number = -((begins - now) // timedelta(hours=1))
    starts = [begins + timedelta(hours=n) for n in range(number)]
    return [_Hour(at, min((now - at) / timedelta(hours=1), 1.0), counted.get(utc_hour(at), {})) for at in starts]


def _is_down(flag: Flag) -> bool:
    return flag.signal == BREAK and flag.severity is Severity.HOLD
