"""The width of the interval against the published boundary, and how often a random walk ever leaves it."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest

from revenue_engine.evaluation.anytime import Bounds, width


def published(t: float, rho2: float, alpha: float) -> float:
    """Margin of the mean of t observations of variance 1, after Waudby-Smith et al., equation 2 of theorem 2.2."""
    return sqrt(2 * (t * rho2 + 1) / (t**2 * rho2) * log(sqrt(t * rho2 + 1) / alpha))


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("t", [1, 30, 1_000, 100_000])
def test_it_is_the_published_margin_in_standard_errors(t: int, alpha: float) -> None:
    yardstick, tightest_at = 3.0, 0.1
    clock_at_best = {0.05: 8.211968, 0.01: 11.756371}[alpha]  # solves k = log((1 + k) / α²)
    error = 1 / sqrt(t)
    rho2 = clock_at_best * (tightest_at * yardstick) ** 2
    ours = error * width(error / yardstick, tightest_at=tightest_at, confidence=1 - alpha)
    assert ours == pytest.approx(published(t, rho2, alpha), rel=1e-5)


def test_it_is_tightest_where_it_was_told_to_be() -> None:
    there = width(0.07, tightest_at=0.07)
    assert there < min(width(0.07, tightest_at=0.05), width(0.07, tightest_at=0.1))
    assert there == pytest.approx(3.035, abs=1e-3)


def test_a_random_walk_rarely_ever_leaves_it_and_leaves_a_plain_interval_often() -> None:
    random = np.random.default_rng(5)
    times = np.geomspace(1, 1e5, 400)
    widths = np.array([width(1 / sqrt(t), tightest_at=0.05) for t in times])
    steps = random.normal(size=(4_000, len(times))) * np.sqrt(np.diff(times, prepend=0.0))
    standardised = np.abs(steps.cumsum(axis=1)) / np.sqrt(times)
    ever = float((standardised > widths).any(axis=1).mean())
    assert 0.015 < ever <= 0.05 + 0.007
    assert (standardised > 1.96).any(axis=1).mean() > 0.4


def test_bounds_are_what_they_are_called() -> None:
    assert Bounds(value=1.0, lower=0.0, upper=2.0) == Bounds(1.0, 0.0, 2.0)
