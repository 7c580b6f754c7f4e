"""The sequential tests: against hand recursions, exact tails and Wald's bound."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from revenue_engine.safety.sequential import barrier, chance_above, cusum, poisson_at_least

LIMIT = 0.001
GAIN, TOLL = math.log(4), 0.0015  # from half the limit to twice the limit


@pytest.mark.parametrize("mean", [1e-6, 0.01, 0.5, 3.0, 50.0, 5_000.0])
def test_the_tail_is_the_poisson_tail(mean: float) -> None:
    for events in sorted({0, 1, 2, 3, round(mean), round(mean * 1.1) + 1, round(mean * 2) + 5}):
        exact = stats.poisson.sf(events - 1, mean) if events else 1.0
        assert poisson_at_least(events, mean) == pytest.approx(exact, rel=1e-9, abs=1e-15)
    assert poisson_at_least(1, 0.0) == 0.0


def test_the_sum_by_hand_never_falls_below_zero_and_its_highest_stand_is_kept() -> None:
    series = [(1_000, 0), (500, 2), (100, 1), (4_000, 0)]
    after_two = 2 * GAIN - 500 * TOLL
    after_three = after_two + GAIN - 100 * TOLL
    assert cusum(series, LIMIT) == pytest.approx(max(after_two, after_three))
    assert cusum([(1_000_000, 0), *series], LIMIT) == pytest.approx(cusum(series, LIMIT))
    assert cusum([], LIMIT) == 0.0


@given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 5)), max_size=30), st.integers(0, 29))
def test_one_more_event_never_lowers_it_nor_does_one_more_mail_raise_it(series: list[tuple[int, int]], at: int) -> None:
    if not series:
        return
    at %= len(series)
    mails, events = series[at]
    before = cusum(series, LIMIT)
    assert cusum([*series[:at], (mails, events + 1), *series[at + 1 :]], LIMIT) >= before
    assert cusum([*series[:at], (mails + 1, events), *series[at + 1 :]], LIMIT) <= before


def test_the_barrier_grows_with_volume_but_not_below_five_events_a_day() -> None:
    assert barrier(10_000, LIMIT) == barrier(10, LIMIT) == pytest.approx(math.log(460 * 5))
    assert barrier(1_000_000, LIMIT) == pytest.approx(math.log(460 * 500))
    assert barrier(10_000, LIMIT, families=4) == pytest.approx(barrier(10_000, LIMIT) + math.log(4))


def test_a_single_ratio_test_at_the_target_is_fooled_no_oftener_than_wald_allows() -> None:
    """Wald 1945: P(the likelihood ratio ever reaches e^b | target) <= e^-b."""
    rng = np.random.default_rng(5)
    events = rng.poisson(0.0005 * 200, (4_000, 400))
    ratio = np.cumsum(events * GAIN - 200 * TOLL, axis=1)
    assert (ratio.max(axis=1) >= math.log(20)).mean() <= 0.05


@pytest.mark.parametrize(("events", "mails"), [(0, 0), (0, 700), (3, 1_000), (12, 9_000)])
def test_the_chance_of_a_rate_above_the_limit_is_the_gamma_posteriors(events: int, mails: int) -> None:
    exact = stats.gamma.sf(LIMIT, 1 + events, scale=1 / (1 / LIMIT + mails))
    assert chance_above(events, mails, LIMIT) == pytest.approx(exact, rel=1e-9)
