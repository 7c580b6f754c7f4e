"""Every hour: does an offer convert far too much today, or no longer at all?"""

from __future__ import annotations

import logging
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from revenue_engine.aws import names, observe
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, utc_hour
from revenue_engine.records.anomaly import Flag
from revenue_engine.records.causes import Stop
from revenue_engine.records.controls import Controls
from revenue_engine.safety.offer_days import LOOK_BACK_DAYS, SETTLES_IN_HOURS, Finding, alerts, findings, morning, pages_down
from revenue_engine.safety.stops import stop_of_broken

log = logging.getLogger(__name__)

_CLICKS, _CONVERSIONS, _HELD = "clicked_mails@", "conversions@", "held_conversions@"


def judge_offer_days(w: Wiring, org: str, controls: Controls, *, now: datetime) -> list[tuple[str, Flag]]:
    """At most once an hour, whenever it is called: the offers and flags that are new today."""
    claimed = f"offer_days#{utc_hour(now)}"
    if not w.control.capped_increment(org, claimed, cap=1, expires_at=epoch_seconds(now + timedelta(days=2))):
        return []
    today = day_in(now, controls.zone)
    tests = _tests(w, org, controls, today, now)
    alerted = alerts(tests)
    down = pages_down(alerted, tests)
    known = {(day.offer, day.flag.signal) for day in w.offer_days.since(org, today)}
    raised = []
    for offer, flag in alerted:
        if offer in down and (offer, flag.signal) not in known:
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
        told = f"{stop.reason}: it is clicked and nobody converts: {stop.detail}"
        w.alerts.tell(f"Revenue engine: offer {stop.cause.name} is stopped", told)


def _tests(w: Wiring, org: str, controls: Controls, today: date, now: datetime) -> list[Finding]:
    first = today - timedelta(days=LOOK_BACK_DAYS)
    days = [first + timedelta(days=n) for n in range(LOOK_BACK_DAYS + 1)]
    found = w.counters.day_counters(org, first, today)
    counted = [found.get(day, {}) for day in days]
    flagged = {(day.day, day.offer) for day in w.offer_days.since(org, first) if not day.dismissed}
    offers = {name.removeprefix(_CLICKS) for amounts in counted for name in amounts if name.startswith(_CLICKS)}
    settled = _settled_clicks(w, org, controls, today, now)
    elapsed = (now - _midnight(today, controls)) / timedelta(days=1)
    tests: list[Finding] = []
    for offer in sorted(offers):
        clicks = [amounts.get(_CLICKS + offer, 0) for amounts in counted]
        # what is held on its own account is explained: it makes no burst
        conversions = [max(amounts.get(_CONVERSIONS + offer, 0) - amounts.get(_HELD + offer, 0), 0) for amounts in counted]
        before = morning(clicks[:-1], conversions[:-1], [(day, offer) not in flagged for day in days[:-1]])
        if before is not None:
            tests += findings(
                offer,
                before,
                clicks=clicks[-1],
                settled_clicks=settled.get(_CLICKS + offer, 0),
                conversions=conversions[-1],
                elapsed=min(elapsed, 1.0),
            )
    return tests


def _settled_clicks(w: Wiring, org: str, controls: Controls, today: date, now: datetime) -> dict[str, int]:
    """Today's clicks that are old enough to have brought something, by counter."""
    until, since = now - timedelta(hours=SETTLES_IN_HOURS + 1), _midnight(today, controls)
    return {} if until < since else w.counters.hour_counters(org, since=since, until=until)


def _midnight(day: date, controls: Controls) -> datetime:
    return datetime.combine(day, time.min, ZoneInfo(controls.zone))
