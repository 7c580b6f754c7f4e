"""A simulated day, its tallies, and the proof that everything adds up."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.records.controls import Controls
from workbench.local.plane import Plane
from workbench.simulation.books import compare, counters_of
from workbench.simulation.outbox import faults, read_outbox
from workbench.simulation.recount import Recount, disagreements, recount, scan
from workbench.simulation.truth import Truth

START = datetime(2026, 3, 2, 5, tzinfo=UTC)  # a Monday, midnight in New York: the day's budget is new, its readers wake up later
CYCLE = timedelta(minutes=15)
CYCLES_A_DAY = 96
LAST_MINUTES = timedelta(minutes=14, seconds=59)  # what the last cycle queued still leaves; the next one does not begin


def end_of(start: datetime, cycles: int) -> datetime:
    """When the world stops."""
    return start + cycles * CYCLE + LAST_MINUTES


def run(plane: Plane, *, cycles: int, each: Callable[[int], None]) -> None:
    """All cycles, and then the last minutes; `each(n)` after every cycle."""
    start = plane.clock.now()
    for n in range(1, cycles + 1):
        plane.run_until(start + n * CYCLE)
        each(n)
    plane.run_until(end_of(start, cycles))
    each(cycles)


@dataclass
class Outcome:
    """What the demo shows, and what was wrong: nothing, if all is well."""

    decided: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    sends: Counter[str] = field(default_factory=Counter)  # outbox rows by state, dropped ones by reason
    counters: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    books: Recount = field(default_factory=Recount)
    trips: list[str] = field(default_factory=list)  # when and why the breaker opened
    wrong: list[str] = field(default_factory=list)


def export_receipts(w: Wiring, org: str, folder: Path) -> tuple[int, Counter[str]]:
    """Every receipt as NDJSON, a file per page; how many there are, and their reasons."""
    decided, reasons = 0, Counter[str]()
    folder.mkdir(parents=True, exist_ok=True)
    for key in w.decisions.keys(f"decisions/{org}/"):
        lines = gzip.decompress(w.decisions.get(key) or b"")
        *_, cycle_id, page = key.split("/")
        (folder / f"{cycle_id}-{page.removesuffix('.gz')}").write_bytes(lines)
        for line in lines.splitlines():
            decided += 1
            reasons[json.loads(line)["reason"]] += 1
    return decided, reasons


def examine(
    plane: Plane,
    w: Wiring,
    truth: Truth,
    *,
    org: str,
    out: Path,
    controls: Controls,
    never: Collection[str],
    forbidden: Collection[tuple[str, str]],
) -> Outcome:
    """Tallies and checks at the end of the run. `never`: opted out before; `forbidden`: (address, offer) of advertisers' lists."""
    dynamodb = plane.client("dynamodb")

    def items(variable: str) -> list[dict[str, Any]]:
        return list(scan(dynamodb, w.value(variable)))

    found = Outcome()
    ledger, sends, control = items(names.LEDGER_TABLE), items(names.SENDS_TABLE), items(names.CONTROL_TABLE)
    found.decided, found.reasons = export_receipts(w, org, out / "decisions")
    found.sends = Counter(s["state"] if s["state"] != "DROPPED" else f"dropped: {s['reason']}" for s in sends)
    found.counters = counters_of(control, org)
    found.books = recount(ledger, org)
    found.quarantined = Counter(
        item["reason"] for item in ledger if item["pk"] == f"{org}#quarantine" and item["state"] == "open"
    )

    found.trips = [f"{run.started_at:%H:%M} {run.input['reason']}" for run in plane.machines.executions]

    found.wrong += disagreements(
        found.books,
        control=control,
        sends=sends,
        offers=items(names.OFFERS_TABLE),
        subscribers=items(names.SUBSCRIBERS_TABLE),
        org=org,
    )
    found.wrong += compare(truth, found.books, found.counters, sends)
    found.wrong += faults(
        read_outbox(out / "outbox", org=org, tracking_key=w.parameters.tracking_key(org)),
        truth,
        gap=timedelta(hours=controls.min_hours_between_emails),
        per_week=controls.max_emails_per_subscriber_per_week,
        most_per_day=controls.max_daily_emails,
        zone=controls.zone,
        never=never,
        forbidden=forbidden,
    )
    if found.quarantined != truth.rubbish:
        found.wrong.append(f"quarantined {dict(found.quarantined)}, the world sent {dict(truth.rubbish)}")
    found.wrong += truth.refused
    found.wrong += _left_over(plane)
    return found


def _left_over(plane: Plane) -> list[str]:
    """Queues still holding something, dead letters first of all, and functions that failed."""
    wrong = []
    sqs = plane.client("sqs")
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
    for queue in plane.deployment.queues:
        left = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=list(counts))["Attributes"]
        number = sum(int(left[name]) for name in counts)
        if number:
            wrong.append(f"{number} messages are left in {queue.name}")
    for failure in plane.executor.failures:
        error = failure.error or {}
        wrong.append(f"{failure.function} failed: {error.get('errorType')}: {error.get('errorMessage')}")
    return wrong
