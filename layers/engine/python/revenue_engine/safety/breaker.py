"""When to stop sending: tests on counts, never on point rates. Needs no numpy: the judge loads it every minute.

A rate of 0.05 %, on target, shows above 0.1 % in a fifth of all 500-mail windows; so a rate counts only with at least 3 events in
at least 3,000 mails, or when chance would give so many events in less than one of a thousand windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from revenue_engine.records.controls import Controls

MIN_EVENTS = 3
MIN_MAILS = 3_000
TAIL = 0.001
MIN_CLICKS = 100  # below, a conversion rate says nothing worth a person's time
_NEGLIGIBLE = 1e-18


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """What happened in a trailing window; money is micros of the org's currency."""

    mails: int  # taken by the provider
    complaints: int = 0
    bounces: int = 0
    unsubscribes: int = 0
    human_clicks: int = 0
    conversions: int = 0
    revenue_micros: int = 0


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """What the judge saw of the machinery."""

    consecutive_failures: int = 0  # sends refused by the provider, in a row


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed, with its figures."""

    name: str
    trips: bool
    observed: float
    limit: float
    tail: float | None  # chance of so many at the limit


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one window."""

    trip: bool
    warn: bool
    severity: str  # ok | warning | critical
    reason: str | None  # the first finding that trips, else the first that warns
    human_needed: bool  # only a person may close the breaker again
    findings: tuple[Finding, ...]


def poisson_at_least(events: int, mean: float) -> float:
    """P(X >= events) of a Poisson variable, summed in the smaller tail from its largest term outwards."""
    if events <= 0:
        return 1.0
    if mean <= 0.0:
        return 0.0
    upper = events > mean
    k = events if upper else events - 1
    term = math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
    total = 0.0
    while k >= 0 and term > _NEGLIGIBLE * total:
        total += term
        k += 1 if upper else -1
        term *= mean / k if upper else (k + 1) / mean
    return min(total, 1.0) if upper else max(1.0 - total, 0.0)


def judge(counts: WindowCounts, controls: Controls, health: HealthFacts) -> Judgement:
    """Whether to stop, to warn, or neither; each rate warns at half its limit."""
    findings: list[Finding] = []
    for name, events, limit in (
        ("complaint_rate", counts.complaints, controls.max_complaint_rate),
        ("bounce_rate", counts.bounces, controls.max_bounce_rate),
        ("unsubscribe_rate", counts.unsubscribes, controls.max_unsubscribe_rate),
    ):
        for at, trips in ((limit, True), (limit / 2, False)):
            if _exceeds(events, counts.mails, at):
                tail = poisson_at_least(events, at * counts.mails)
                findings.append(Finding(name, trips, events / max(counts.mails, 1), at, tail))
                break
    threshold = controls.circuit_breaker_threshold
    if health.consecutive_failures >= math.ceil(threshold / 2):
        failures = health.consecutive_failures
        findings.append(Finding("consecutive_failures", failures >= threshold, failures, threshold, None))
    findings += _money_findings(counts, controls)

    tripping = [f for f in findings if f.trips]
    named = tripping or findings
    return Judgement(
        trip=bool(tripping),
        warn=bool(findings),
        severity="critical" if tripping else "warning" if findings else "ok",
        reason=named[0].name if named else None,
        human_needed=controls.human_closes_complaint_trips and any(f.name == "complaint_rate" for f in tripping),
        findings=tuple(findings),
    )


def _exceeds(events: int, mails: int, limit: float) -> bool:
    """Surely above the limit: by rate in a large window, or by the Poisson tail in any."""
    large = mails >= MIN_MAILS and events >= MIN_EVENTS and events > limit * mails
    return large or poisson_at_least(events, limit * mails) < TAIL


def _money_findings(counts: WindowCounts, controls: Controls) -> list[Finding]:
    """Too good to be true trips (a broken or forged postback feed teaches nonsense); too poor only warns."""
    found: list[Finding] = []
    if counts.mails and counts.revenue_micros > controls.max_revenue_per_email_micros * counts.mails:
        found.append(
            Finding("revenue_per_email", True, counts.revenue_micros / counts.mails, controls.max_revenue_per_email_micros, None)
        )
    expected = controls.min_conversion_rate * counts.human_clicks
    if counts.human_clicks >= MIN_CLICKS and counts.conversions < expected:
        tail = 1.0 - poisson_at_least(counts.conversions + 1, expected)
        if tail < TAIL:
            rate = counts.conversions / counts.human_clicks
            found.append(Finding("conversion_rate", False, rate, controls.min_conversion_rate, tail))
    return found
