"""The rails, vectorised: each row's first failing one, in the specification's order. Shapes: n rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints
from revenue_engine.records.controls import Controls
from revenue_engine.records.reasons import NUMBER_OF

PASSED = 255  # no rail failed
WEEK = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rails look at, (n,) each."""

    no_mail: Bools
    let_through: Bools  # all while the breaker is closed, a trickle while it is half open
    segment_stopped: Bools
    provider_stopped: Bools
    engine: Bools  # the engine's arm: the fixed policy heeds no judgement of the engine's
    in_hours: Bools
    recent_sends: Ints  # (n, RECENT) epoch seconds
    last_send_at: Ints
    gap_seconds: Ints
    gone: Bools  # silent for years (pacing.reentry)
    churn_risk: Floats
    complaint_risk: Floats
    exits: Floats  # chance that a mail makes the reader leave; no rail looks at it, the index does
    engagement: Floats


def first_failing(facts: Facts, *, now: int, controls: Controls) -> Codes:
    """The number of each row's first failing rail, or PASSED, (n,)."""
    in_week = (facts.recent_sends > now - WEEK).sum(axis=1)
    checks: tuple[tuple[str, Bools], ...] = (
        ("holdout", facts.no_mail),  # D4
        ("segment_stopped", facts.segment_stopped),
        ("provider_stopped", facts.provider_stopped),
        ("outside_hours", ~facts.in_hours),
        ("breaker_half_open", ~facts.let_through),
        ("subscriber_frequency_limit", in_week >= controls.max_emails_per_subscriber_per_week),
        ("too_soon_since_last_email", facts.last_send_at > now - facts.gap_seconds),
        # their addresses turn into spam traps, which hurt everybody's inbox: for the fixed policy too
        ("silent_too_long", facts.gone),
        # what is no number is within no limit
        ("high_churn_risk", facts.engine & ~(facts.churn_risk <= controls.churn_risk_threshold)),
        # a complaint hurts everybody's inbox, so the fixed policy heeds this one too
        ("high_complaint_risk", ~(facts.complaint_risk <= controls.complaint_risk_threshold)),
        ("engagement_too_low", facts.engine & ~(facts.engagement >= controls.min_engagement_score)),
    )
    reason = np.full(len(facts.no_mail), PASSED, dtype=np.uint8)
    for name, failed in checks:
        reason = np.where((reason == PASSED) & failed, np.uint8(NUMBER_OF[name]), reason)
    return reason
