"""What an operator sees first: the switch, the breaker, the last cycle, today's counters."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in
from revenue_engine.errors import Refused


def status(w: Wiring, org: str, *, now: datetime) -> dict[str, Any]:
    """Today is a day of the org's zone. What is unreadable is shown as such, never guessed."""
    try:
        autonomy: str = w.parameters.autonomy(org).value
    except Refused as refused:
        autonomy = refused.reason
    controls = w.parameters.controls(org)
    today = day_in(now, controls.zone)
    midnight = datetime.combine(today, datetime.min.time(), ZoneInfo(controls.zone))
    breaker = w.control.breaker(org) or {}
    counted = w.control.counters(org, since=midnight, until=now + timedelta(minutes=1))
    return {
        "org": org,
        "autonomy": autonomy,
        "breaker": {name: breaker.get(name) for name in ("state", "reason", "since", "judged_at")},
        "last_cycle": w.control.last_cycle(org),
        "day": today.isoformat(),
        "budget": {"reserved": w.control.budget_reserved(org, today.isoformat()), "cap": controls.max_daily_emails},
        "goal": {
            "daily_revenue_goal_micros": controls.daily_revenue_goal_micros,
            "revenue_micros": sum(counted.get(f"{kind}_micros#{controls.currency}", 0) for kind in ("provisional", "approved")),
        },
        "today": {name: value for name, value in sorted(counted.items()) if "@" not in name},
        "champion": w.bundles.champion(org),
    }
