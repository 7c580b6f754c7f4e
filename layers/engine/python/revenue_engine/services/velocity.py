"""The velocity: looked at once a cycle, and kept with its reasons."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds, from_epoch, midnight
from revenue_engine.pacing import velocity, window
from revenue_engine.pacing.velocity import Delivery, Flow
from revenue_engine.prediction.rates import Delay
from revenue_engine.records.controls import Controls
from revenue_engine.services.pace import known_velocity

log = logging.getLogger(__name__)


def look(w: Wiring, org: str, cycle_id: str, controls: Controls, delay: Delay, now: datetime) -> int:
    """Mails a minute of this cycle. A retry gets what the first attempt found (D6)."""
    known = known_velocity(w, org, controls) or {"sends_per_minute": controls.sends_per_minute, "stepped_at": 0}
    if known.get("cycle_id") == cycle_id:
        return int(known["sends_per_minute"])
    current, troubled_at = int(known["sends_per_minute"]), known.get("troubled_at")
    # kept by an earlier version, without `untroubled`: where delivery has braked, it was as much as the operator had put, or more
    before_trouble = current if troubled_at is None else max(current, controls.sends_per_minute)
    clicks, conversions, delivery = _seen(w, org, controls, delay, stepped_at=from_epoch(known["stepped_at"]), now=now)
    verdict = velocity.judge(
        conversions,
        clicks,
        trouble=velocity.trouble(delivery, controls),
        current=current,
        untroubled=int(known.get("untroubled", before_trouble)),
        most=controls.most_sends_per_minute,
        calm=troubled_at is not None and window.is_calm(from_epoch(troubled_at), now=now, zone=controls.zone),
    )
    facts: Item = {
        "sends_per_minute": verdict.sends_per_minute,
        "untroubled": verdict.untroubled,
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
    w: Wiring, org: str, controls: Controls, delay: Delay, *, stepped_at: datetime, now: datetime
) -> tuple[Flow, Flow, Delivery]:
    """Clicks, conversions and delivery of the window."""
    zone = controls.zone
    edge = window.edge_of(now, zone)
    counted = w.counters.each_hour(org, since=midnight(edge, zone), until=now, only=window.HOURLY)
    hours = {datetime.fromisoformat(f"{hour}:00+00:00"): of for hour, of in counted.items()}
    days = w.counters.day_counters(org, edge - timedelta(days=window.SENDS_DAYS), edge - timedelta(days=1), only=window.DAILY)
    usual = window.usual(days, edge=edge, zone=zone, delay=delay)
    clicks, conversions = window.flows(usual, hours, zone=zone, delay=delay, stepped_at=stepped_at, now=now)
    return clicks, conversions, window.delivery(hours, stepped_at=stepped_at, now=now)
