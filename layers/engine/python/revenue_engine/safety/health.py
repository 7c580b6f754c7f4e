"""The machinery's health, as the judge sees it every minute: the specification's MonitorHealth. Needs no numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from revenue_engine.records.controls import Controls
from revenue_engine.safety.findings import Finding, Level, Remedy

MODEL_DAYS = 14  # trained weekly: twice missed
CYCLE_MINUTES = 45  # three cycles
QUEUE_MINUTES = 30  # a send may lawfully wait for 15
STUCK_CLAIMS = 100  # settled by age in one look: the functions that claim are dying


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """What the judge saw of the machinery. None: it could not be, or need not be, seen."""

    consecutive_failures: int = 0  # sends refused by the provider, in a row
    model_age_days: float | None = None  # since the champion was promoted
    cycle_age_minutes: float | None = None  # since a cycle ended, while they should
    queue_wait_minutes: float | None = None  # for how long a queue has not been empty at any look
    missing_receipts: int = 0  # pages of the last cycle without their receipts (D1)
    stuck_claims: int = 0  # that this look had to settle


def health_findings(facts: HealthFacts, controls: Controls) -> list[Finding]:
    """What is wrong with the machinery; each warns at half its limit. What stops mail by itself is only told of."""
    graded: tuple[tuple[str, float | None, float, Remedy, Level], ...] = (
        (
            "consecutive_failures",
            facts.consecutive_failures,
            controls.circuit_breaker_threshold,
            Remedy.STOP_ALL,
            Level.CRITICAL,
        ),
        ("stuck_claims", facts.stuck_claims, STUCK_CLAIMS, Remedy.STOP_ALL, Level.CRITICAL),
        ("cycles_missed", facts.cycle_age_minutes, CYCLE_MINUTES, Remedy.TELL, Level.CRITICAL),
        ("queue_too_old", facts.queue_wait_minutes, QUEUE_MINUTES, Remedy.TELL, Level.CRITICAL),
    )
    found: list[Finding] = []
    for name, observed, limit, remedy, level in graded:
        if observed is None:
            continue
        if observed >= limit:
            found.append(Finding(name, remedy, level, observed, limit))
        elif observed >= (math.ceil(limit / 2) if remedy is Remedy.STOP_ALL else limit * 2 / 3):
            found.append(Finding(name, Remedy.TELL, Level.WARNING, observed, limit))
    if facts.model_age_days is not None and facts.model_age_days >= MODEL_DAYS:
        # an old model decides worse, not unsafely
        found.append(Finding("model_too_old", Remedy.TELL, Level.WARNING, facts.model_age_days, MODEL_DAYS))
    if facts.missing_receipts:  # D1: a mail whose decision is not on record must not be
        found.append(Finding("decision_log_gap", Remedy.STOP_ALL, Level.CRITICAL, facts.missing_receipts, 0))
    return found
