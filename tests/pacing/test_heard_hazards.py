"""Complaints a mail that can be complained about: what came, over the mails of which it would be heard, and what is expected beforehand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.learning.rates import fit_rates
from revenue_engine.offers.posterior import FORGETTING_PER_DAY
from revenue_engine.pacing.complaints import BUDGET, heard_hazards
from revenue_engine.prediction.prior import HAZARD_MAILS, PRIOR_RATES
from revenue_engine.prediction.rates import by_segment
from revenue_engine.records.evidence import SEGMENTS, Evidence

NOW = datetime(2026, 6, 1, tzinfo=UTC)  # midnight: a day that lies d days back has a mean age of d - 0.5
PRIOR = by_segment(PRIOR_RATES.complaint_hazard)


def mailed(days_ago: int, deliveries: int, complaints: int, segment: str = "quiet") -> Evidence:
    day: date = NOW.date() - timedelta(days=days_ago)
    return Evidence(day, "1001", "soft", segment, deliveries=deliveries, complaints=complaints)


def test_without_evidence_they_are_the_day_one_figures_whoever_is_heard() -> None:
    for share in (0.0, 0.1, 1.0):
        assert heard_hazards([], NOW, share).tolist() == pytest.approx(PRIOR.tolist())


def test_complaints_stand_over_mails_that_are_heard_of_and_both_fade() -> None:
    found = heard_hazards([mailed(1, 30_000, 9), mailed(21, 10_000, 2), mailed(0, 10**9, 10**6)], NOW, 0.25)
    young, old = FORGETTING_PER_DAY**0.5, FORGETTING_PER_DAY**20.5
    came, heard = 9 * young + 2 * old, 0.25 * (30_000 * young + 10_000 * old)
    here = SEGMENTS.index("quiet")
    assert found[here] == pytest.approx((came + HAZARD_MAILS * PRIOR[here]) / (heard + HAZARD_MAILS))
    assert np.delete(found, here).tolist() == pytest.approx(np.delete(PRIOR, here).tolist())


ROWS = st.lists(
    st.builds(mailed, st.integers(1, 120), st.integers(0, 50_000), st.integers(0, 60), st.sampled_from(SEGMENTS)), max_size=30
)


@given(rows=ROWS)
def test_where_everybody_is_heard_they_are_the_engine_s_own(rows: list[Evidence]) -> None:
    fitted = by_segment(fit_rates(rows, {}, NOW).complaint_hazard)
    assert heard_hazards(rows, NOW, 1.0).tolist() == pytest.approx(fitted.tolist())


@given(rows=ROWS, fewer=st.floats(0, 1), more=st.floats(0, 1))
def test_who_hears_of_less_is_never_the_laxer(rows: list[Evidence], fewer: float, more: float) -> None:
    fewer, more = sorted((fewer, more))
    assert (heard_hazards(rows, NOW, fewer) >= heard_hazards(rows, NOW, more)).all()


@given(rows=st.lists(st.builds(mailed, st.integers(1, 120), st.integers(0, 50_000), st.just(0), st.sampled_from(SEGMENTS))))
def test_where_nobody_complained_nobody_is_above_the_budget(rows: list[Evidence]) -> None:
    for share in (0.0, 0.05, 0.5, 1.0):
        assert (heard_hazards(rows, NOW, share) < BUDGET).all()
