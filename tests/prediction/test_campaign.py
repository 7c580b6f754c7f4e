"""The campaign predictor: any groups of sends, whole or in parts, at the level their offers have shown."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.prediction.campaign import campaigns
from revenue_engine.prediction.level import Level


def test_groups_add_up_and_cover_what_comes() -> None:
    random = np.random.default_rng(8)
    n, level = 200_000, Level(np.array([1.0, 0.5]), np.array([0.0, 0.0]))
    offer, day = random.integers(0, 2, n), random.integers(0, 20, n)
    p, payout = random.uniform(0.001, 0.01, n), random.choice([10e6, 30e6], n)
    square = 1.5 * payout**2
    labels = [(f"d{d:02}", str(o)) for d, o in zip(day.tolist(), offer.tolist(), strict=True)]
    found = campaigns(labels, offer, p, payout, square, level=level, day_error=0.0, random=random)
    assert found.labels == tuple(sorted(set(labels))) and found.sends.sum() == n
    np.testing.assert_allclose(found.told.mean_micros.sum(), (p * level.factor[offer] * payout).sum())
    inside = []
    for _ in range(40):
        came = (random.random(n) < p * level.factor[offer]) * payout * random.gamma(2.0, 0.5, n)
        actual = np.bincount(found.group, came, len(found.labels))
        inside.append((found.told.low_micros <= actual) & (actual <= found.told.high_micros))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)


def test_an_offer_that_is_not_known_well_has_a_wider_interval() -> None:
    n = 40_000
    level = Level(np.ones(2), np.array([0.02, 0.3]))
    offer = np.repeat([0, 1], n // 2)
    found = campaigns(
        [(str(o),) for o in offer.tolist()],
        offer,
        np.full(n, 0.005),
        np.full(n, 20e6),
        np.full(n, 1.5 * 400e12),
        level=level,
        day_error=0.0,
        random=np.random.default_rng(1),
    )
    sure, unsure = found.told.high_micros - found.told.low_micros
    assert unsure > 1.5 * sure and found.level_error.tolist() == pytest.approx([0.02, 0.3])
    none = campaigns(
        [],
        np.zeros(0, dtype=np.int64),
        *(np.zeros(0),) * 3,
        level=level,
        day_error=0.0,
        random=np.random.default_rng(1),
    )
    assert none.labels == () and len(none.told.mean_micros) == 0
