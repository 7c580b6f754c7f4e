"""Delays with some still to come, against known ones."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulation.twin import curves

HOURS = np.array([6.0, 24.0, 48.0, 96.0])


def censored(mean: float, longest: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts spread evenly over the time so far, one in ten of them with an event after an exponential delay; what has happened."""
    random = np.random.default_rng(seed)
    ages = random.uniform(0, longest, 200_000)
    delays = random.exponential(mean, len(ages))
    seen = (random.random(len(ages)) < 0.1) & (delays < ages)
    return ages, delays[seen]


def test_recent_starts_are_no_failures() -> None:
    ages, delays = censored(24.0, 120.0, 1)
    curve = curves.fit(ages, delays, curves.CONVERSION_AGES)
    truth = -np.expm1(-HOURS / 24) / -np.expm1(-96 / 24)  # of what comes within the bins lived through
    assert curve.by(HOURS) == pytest.approx(truth, abs=0.015)
    naive = np.array([(delays < hours).mean() for hours in HOURS])
    assert (naive[:3] - truth[:3]).max() > 0.05


def test_a_curve_begins_at_nothing_and_ends_at_all() -> None:
    curve = curves.fit(*censored(5.0, 2_000.0, 2), curves.CLICK_AGES)
    assert curve.by(np.array([-1.0, 0.0, 1e9])).tolist() == [0.0, 0.0, 1.0]
    assert (np.diff(curve.shares) >= 0).all()
    with pytest.raises(ValueError, match="no delay"):
        curves.fit(np.array([10.0]), np.zeros(0), curves.CLICK_AGES)


def test_what_lands_in_the_week_is_what_a_simulation_says() -> None:
    random, n = np.random.default_rng(3), 400_000
    clicks = curves.fit(np.full(10, 1e4), random.exponential(8.0, 200_000), curves.CLICK_AGES)
    sales = curves.fit(np.full(10, 1e4), random.exponential(40.0, 200_000), curves.CONVERSION_AGES)
    hours = np.zeros(24)
    hours[9] = 1.0
    past, coming = curves.landing(clicks, sales, hours, 3, 7)
    for day, share in ((-2, past[1]), (-1, past[0]), (0, coming[0]), (6, coming[6])):
        clicked = 24 * day + 9 + random.exponential(8.0, n)
        bought = clicked + random.exponential(40.0, n)
        assert share == pytest.approx(((clicked > 0) & (bought < 168)).mean(), abs=0.02)


def test_days_are_put_where_they_belong() -> None:
    table = curves.by_days_ago(np.array([0, 1, 1]), np.array([0, 2, 5]), np.array([1.0, 2.0, 4.0]), (2, 3))
    assert table.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]
