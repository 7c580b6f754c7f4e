"""When sending stops: against exact tails and against pure chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from revenue_engine.records.controls import Controls
from revenue_engine.safety.breaker import HealthFacts, WindowCounts, judge, poisson_at_least

CONTROLS = Controls()
WELL = HealthFacts()


def verdict(mails: int, **counts: int) -> str:
    found = judge(WindowCounts(mails, **counts), CONTROLS, WELL)
    return "trip" if found.trip else "warn" if found.warn else "ok"


@pytest.mark.parametrize("mean", [1e-6, 0.01, 0.5, 3.0, 50.0, 5_000.0])
def test_the_tail_is_the_poisson_tail(mean: float) -> None:
    for events in sorted({0, 1, 2, 3, round(mean), round(mean * 1.1) + 1, round(mean * 2) + 5}):
        exact = stats.poisson.sf(events - 1, mean) if events else 1.0
        assert poisson_at_least(events, mean) == pytest.approx(exact, rel=1e-9, abs=1e-15)
    assert poisson_at_least(1, 0.0) == 0.0


@pytest.mark.parametrize(
    ("mails", "complaints", "expected"),
    [
        (0, 0, "ok"),
        (1, 1, "trip"),  # P(≥ 1 | 0.001) is just below one in a thousand
        (100, 1, "ok"),
        (1_000, 2, "ok"),  # a point rate of 0.2 % that chance gives every fourth day
        (2_999, 4, "ok"),
        (3_000, 4, "trip"),
        (3_000, 3, "warn"),
        (3_000, 1, "ok"),
        (10_000, 6, "warn"),
        (10_000, 5, "ok"),
        (200, 4, "trip"),
    ],
)
def test_complaints_trip_by_test_not_by_point_rate(mails: int, complaints: int, expected: str) -> None:
    assert verdict(mails, complaints=complaints) == expected


def test_on_target_chance_alone_seldom_trips_and_a_true_rise_does() -> None:
    rng = np.random.default_rng(3)
    on_target = rng.poisson(0.0003 * 3_000, 2_000)
    risen = rng.poisson(0.003 * 3_000, 500)
    assert np.mean([verdict(3_000, complaints=int(x)) == "trip" for x in on_target]) < 0.03
    assert np.mean([verdict(3_000, complaints=int(x)) == "trip" for x in risen]) > 0.95


def test_bounces_and_unsubscribes_have_limits_of_their_own() -> None:
    assert verdict(5_000, bounces=101) == "trip"
    assert verdict(5_000, bounces=60) == "warn"
    assert verdict(5_000, unsubscribes=26) == "trip"
    assert verdict(5_000, unsubscribes=10) == "ok"


def test_a_complaint_trip_waits_for_a_person_when_so_set() -> None:
    counts = WindowCounts(5_000, complaints=50, bounces=500)
    found = judge(counts, CONTROLS, WELL)
    assert (found.trip, found.reason, found.severity, found.human_needed) == (True, "complaint_rate", "critical", True)
    assert not judge(counts, Controls(human_closes_complaint_trips=False), WELL).human_needed
    assert not judge(WindowCounts(5_000, bounces=500), CONTROLS, WELL).human_needed


def test_failures_in_a_row_warn_then_trip() -> None:
    counts = WindowCounts(10)
    assert [judge(counts, CONTROLS, HealthFacts(n)).severity for n in (0, 2, 3, 5)] == ["ok", "ok", "warning", "critical"]


def test_revenue_too_good_to_be_true_stops_the_learning_loop() -> None:
    assert judge(WindowCounts(10, revenue_micros=1_000_000_001), CONTROLS, WELL).reason == "revenue_per_email"
    assert verdict(10, revenue_micros=1_000_000_000) == "ok"


def test_a_poor_conversion_rate_only_warns_and_only_surely() -> None:
    controls = Controls(min_conversion_rate=0.02)
    assert judge(WindowCounts(10_000, human_clicks=1_000, conversions=4), controls, WELL).severity == "warning"
    assert judge(WindowCounts(10_000, human_clicks=1_000, conversions=15), controls, WELL).severity == "ok"
    assert judge(WindowCounts(10_000, human_clicks=99, conversions=0), controls, WELL).severity == "ok"


def test_findings_carry_their_figures() -> None:
    (finding,) = judge(WindowCounts(4_000, complaints=8), CONTROLS, WELL).findings
    assert (finding.name, finding.observed, finding.limit, finding.trips) == ("complaint_rate", 0.002, 0.001, True)
    assert finding.tail == pytest.approx(stats.poisson.sf(7, 4.0))
