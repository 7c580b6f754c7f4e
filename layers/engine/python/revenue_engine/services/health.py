"""The machinery's health as facts: the model's age, cycles, queues, the decision log (the specification's MonitorHealth)."""

from __future__ import annotations

from datetime import datetime, timedelta

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import cycle_began, epoch_seconds, from_epoch, parse_iso
from revenue_engine.errors import Refused
from revenue_engine.records.controls import Autonomy
from revenue_engine.safety.health import MODEL_DAYS, HealthFacts

RECEIPTS_LOOKED_AT_FOR = timedelta(minutes=10)  # after a cycle's end


def health_facts(w: Wiring, org: str, breaker: Item, *, stuck: int, now: datetime) -> HealthFacts:
    """As of `now`; `stuck`: claims that this look had to settle by age."""
    cycle = w.control.last_cycle(org) or {}
    return HealthFacts(
        consecutive_failures=breaker.get("failures_in_a_row", 0),
        model_age_days=_model_age_days(w, org, now),
        cycle_age_minutes=_cycle_age_minutes(w, org, breaker, cycle, now),
        queue_wait_minutes=_queue_wait_minutes(w, org, now),
        missing_receipts=_missing_receipts(w, org, cycle, now),
        stuck_claims=stuck,
    )


def _model_age_days(w: Wiring, org: str, now: datetime) -> float | None:
    """Since the champion was promoted, or since training last found that there is too little to learn anything else from."""
    champion = w.bundles.champion(org)
    if champion is None:
        return None
    age = (now - parse_iso(champion["promoted_at"])) / timedelta(days=1)
    report = w.bundles.last_report(org) if age >= MODEL_DAYS else None  # asked every minute: what is young needs no second look
    if report is not None and all("too_few_clicks" in one["reasons"] for one in report["candidates"]):
        return min(age, (now - parse_iso(report["at"])) / timedelta(days=1))
    return age


def _cycle_age_minutes(w: Wiring, org: str, breaker: Item, cycle: Item, now: datetime) -> float | None:
    """None while none should end: before the first, at `off`, and while the breaker refuses them."""
    last = cycle.get("done_at", cycle.get("first_at"))
    if last is None or breaker.get("state", "closed") != "closed":
        return None
    try:
        if w.parameters.autonomy(org) is Autonomy.OFF:
            return None
    except Refused:  # nobody is mailed, and decide has its own alarm
        return None
    since = max(from_epoch(last), _since(breaker))
    return (now - since) / timedelta(minutes=1)


def _since(breaker: Item) -> datetime:
    """When the breaker closed, if it ever opened: no cycle could end before."""
    return parse_iso(breaker["since"]) if "since" in breaker else from_epoch(0)


def _queue_wait_minutes(w: Wiring, org: str, now: datetime) -> float:
    queues = {"sends": w.sends_queue, "engagement": w.engagement_queue, "postbacks": w.postbacks_queue}
    waiting = {name: queue.has_messages() for name, queue in queues.items()}
    since = w.safety.waiting_since(org, waiting, at=epoch_seconds(now))
    return max(((epoch_seconds(now) - at) / 60 for at in since.values()), default=0.0)


def _missing_receipts(w: Wiring, org: str, cycle: Item, now: datetime) -> int:
    """Pages of the cycle just ended whose receipts are not there (D1)."""
    if "done_at" not in cycle or now - from_epoch(cycle["done_at"]) > RECEIPTS_LOOKED_AT_FOR:
        return 0
    report = (w.control.cycle(org, cycle["cycle_id"]) or {}).get("report", {})
    day = f"{cycle_began(cycle['cycle_id']):%Y-%m-%d}"
    there = len(w.decisions.keys(f"decisions/{org}/{day}/{cycle['cycle_id']}/")) if report.get("pages") else 0
    return max(int(report.get("pages", 0)) - there, 0)
