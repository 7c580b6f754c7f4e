"""Warm-up: grows by a share a day, and starts small."""

from __future__ import annotations

import numpy as np

from revenue_engine.pacing.warmup import provider_days, provider_hours


def test_a_new_provider_starts_small_and_a_known_one_goes_on() -> None:
    delivered = np.array([[0] * 10, [9_000, 0, 0, 1_000, 1_200, 1_100, 900, 1_000, 800, 1_150]])
    assert provider_days(delivered, days=3, most=2_500).tolist() == [[200, 300, 450], [1_800, 2_500, 2_500]]
    assert provider_days(np.zeros((1, 0), np.int64), days=1, most=50).tolist() == [[50]]


def test_an_hour_takes_a_quarter_of_a_day_at_most_and_no_more_than_the_velocity() -> None:
    assert provider_hours(np.array([[200, 10, 0]]), per_minute=100).tolist() == [[50, 3, 0]]
    assert provider_hours(np.array([[100_000]]), per_minute=100).tolist() == [[6_000]]
