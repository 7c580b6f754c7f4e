"""The specification's ExecutionResult of the last cycles: what each decided and planned, and what its mails have come to by now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import cycle_began
from revenue_engine.records.send import OF_CYCLE, counted_of_cycle

LAST = 8  # two hours of them
_OF_REPORT = ("started_at", "ended_at", "duration_seconds", "decided", "planned", "predicted_revenue_micros")


def cycle_results(w: Wiring, org: str, cycles: Sequence[Item], *, now: datetime) -> list[dict[str, Any]]:
    """The last of the cycles given in their order (`Control.cycles`), each with its mails by outcome; None where it has no end on record.

    A mail is in one of the outcomes at most. What is planned and in none waits, in the queue or for a person, or was never approved.
    """
    last = {item["sk"].removeprefix("cycle#"): item for item in cycles[-LAST:]}
    if not last:
        return []
    names = {
        (cycle_id, outcome): name for cycle_id in last for outcome in OF_CYCLE for name in counted_of_cycle(cycle_id, outcome)
    }
    counted = w.counters.hour_counters(org, since=cycle_began(min(last)), until=now, only=list(names.values()))
    return [
        {
            "cycle_id": cycle_id,
            "outcome": item.get("report", {}).get("outcome", "off" if "off_at" in item else "not_ended"),
            **{name: item.get("report", {}).get(name) for name in _OF_REPORT},
            **{outcome: counted.get(names[cycle_id, outcome], 0) for outcome in OF_CYCLE},
        }
        for cycle_id, item in last.items()
    ]
