"""The velocity: looked at once a cycle, and kept with its reasons."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, from_epoch, midnight
from revenue_engine.pacing import velocity
from revenue_engine.pacing.nowcast import Sends, expected
from revenue_engine.pacing.velocity import Delivery, Flow
from revenue_engine.prediction.rates import Delay
from revenue_engine.records.controls import Controls
from revenue_engine.services.pace import known_velocity

log = logging.getLogger(__name__)

_PREDICTED = ("predicted_clicks_millionths", "predicted_conversions_millionths")
_DELIVERY = ("sent", "heard", "complaints", "bounces", "soft_bounces", "delivery_delays")
_HOURLY = (*_PREDICTED, "clicked_mails", "mailed_conversions", *_DELIVERY)
_DAILY = (*_PREDICTED, "clicked_mails", "conversions%engine", "conversions%fixed")
_DAY = 86_400.0


def look(w: Wiring, org: str, cycle_id: str, controls: Controls, delay: Delay, now: datetime) -> int:
    """Mails a minute of this cycle. A retry gets what the first attempt found (D6)."""
    known = known_velocity(w, org, controls) or {"sends_per_minute": controls.sends_per_minute, "stepped_at": 0}
    if known.get("cycle_id") == cycle_id:
        return int(known["sends_per_minute"])
    current, troubled_at = int(known["sends_per_minute"]), known.get("troubled_at")
    clicks, conversions, delivery = _seen(w, org, controls, delay, stepped_at=known["stepped_at"], now=now)
    verdict = velocity.judge(
        conversions,
        clicks,
        trouble=velocity.trouble(delivery, controls),
        current=current,
        begins_at=controls.sends_per_minute,
        most=controls.most_sends_per_minute,
        calm_hours=float("inf") if troubled_at is None else (epoch_seconds(now) - troubled_at) / 3_600,
    )
    facts: Item = {
        "sends_per_minute": verdict.sends_per_minute,
        "begins_at": controls.sends_per_minute,
        "cycle_id": cycle_id,
        "state": verdict.state,
        "ratio": verdict.ratio,
        "expected": verdict.expected,
        "came": verdict.came,
        "tail": verdict.tail,
        "trouble": verdict.trouble,
        "stepped_at": epoch_seconds(now) if verdict.acts else known["stepped_at"],
        "troubled_at": epoch_seconds(now) if verdict.trouble else troubled_at,
    }
    w.control.keep_velocity(org, facts, before=current, now=now)
    if verdict.sends_per_minute != current:
        log.warning("velocity %d to %d a minute: %s", current, verdict.sends_per_minute, facts)
    return verdict.sends_per_minute


def _seen(
    w: Wiring, org: str, controls: Controls, delay: Delay, *, stepped_at: int, now: datetime
) -> tuple[Flow, Flow, Delivery]:
    """Clicks, conversions and delivery since the last step, at most a day back; and the weeks before yesterday."""
    today, zone = day_in(now, controls.zone), controls.zone
    edge = today - timedelta(days=1)  # days before it are whole, and read as days
    hours = w.counters.each_hour(org, since=midnight(edge, zone), until=now, only=_HOURLY)
    days = w.counters.day_counters(org, edge - timedelta(days=velocity.SENDS_DAYS), edge - timedelta(days=1), only=_DAILY)
    sends = _sends(
        {(_days(midnight(day, zone)), _days(midnight(day + timedelta(days=1), zone))): of for day, of in days.items()}
        | {(_days(_hour(hour)), _days(_hour(hour) + timedelta(hours=1))): of for hour, of in hours.items()}
    )
    # hours are counted whole: the window begins with the first that is wholly after the last step
    since = max(now - timedelta(hours=velocity.WINDOW_HOURS), from_epoch(stepped_at))
    since = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    past = edge - timedelta(days=velocity.PAST_DAYS)
    due = expected(sends, since_days=min(_days(since), _days(now)), now_days=_days(now), conversion=delay)
    past_due = expected(sends, since_days=_days(midnight(past, zone)), now_days=_days(midnight(edge, zone)), conversion=delay)
    window = [of for hour, of in hours.items() if _hour(hour) >= since]
    before = [of for day, of in days.items() if day >= past]
    clicks, conversions = (
        Flow(due[kind], _total(window, now_), past_due[kind], _total(before, *past_))
        for kind, (now_, past_) in enumerate(
            (("clicked_mails", ("clicked_mails",)), ("mailed_conversions", ("conversions%engine", "conversions%fixed")))
        )
    )
    delivery = Delivery(
        sent=_total(window, "sent"),
        heard=_total(window, "heard"),
        complaints=_total(window, "complaints"),
        bounces=_total(window, "bounces"),
        deferred=_total(window, "soft_bounces", "delivery_delays"),
    )
    return clicks, conversions, delivery


def _sends(buckets: Mapping[tuple[float, float], Mapping[str, int]]) -> Sends:
    start, end = np.array(list(buckets), dtype=np.float64).reshape(-1, 2).T
    clicks, conversions = (np.array([of.get(name, 0) / 1e6 for of in buckets.values()]) for name in _PREDICTED)
    return Sends(start, end, clicks, conversions)


def _total(counted: list[dict[str, int]], *names: str) -> int:
    return sum(of.get(name, 0) for of in counted for name in names)


def _hour(hour: str) -> datetime:
    return datetime.fromisoformat(f"{hour}:00+00:00")


def _days(at: datetime) -> float:
    return at.timestamp() / _DAY
