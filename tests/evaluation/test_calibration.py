"""Known answers of ranking and calibration, and what a right, a flat and a shouting model look like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revenue_engine.evaluation.calibration import auc, calibration, log_loss
from revenue_engine.prediction.platt import logistic, logit


def _world(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True chances around 2 %, and what happened."""
    rng = np.random.default_rng(seed)
    chance = logistic(-4.2 + 0.9 * rng.standard_normal(n))
    return chance, rng.random(n) < chance


def test_auc_of_a_case_counted_by_hand() -> None:
    """Pairs: 0.8 beats 0.1 and 0.4, ties none; 0.4 ties 0.4 (half) and beats 0.1: (2 + 1.5) / 4."""
    assert auc(np.array([True, False, True, False]), np.array([0.8, 0.1, 0.4, 0.4])) == pytest.approx(3.5 / 4)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30).filter(lambda r: len({y for y, _ in r}) == 2)
)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int]]) -> None:
    yes, no = ([p for y, p in rows if y == which] for which in (True, False))
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in yes for b in no]
    happened, predicted = (np.array([row[i] for row in rows]) for i in range(2))
    assert auc(happened, predicted.astype(float)) == pytest.approx(np.mean(pairs))


def test_what_happened_to_nobody_has_no_auc() -> None:
    for happened in (np.zeros(5, dtype=bool), np.ones(5, dtype=bool)):
        with pytest.raises(ValueError, match="nobody or to everybody"):
            auc(happened, np.arange(5.0))
        with pytest.raises(ValueError, match="nobody or to everybody"):
            calibration(happened, np.full(5, 0.5))


def test_a_right_model_errs_as_much_as_its_noise() -> None:
    found = [calibration(happened, chance) for chance, happened in (_world(30_000, seed) for seed in range(20))]
    assert np.mean([c.error_over_noise for c in found]) == pytest.approx(1.0, abs=0.12)
    assert np.mean([c.slope for c in found]) == pytest.approx(1.0, abs=0.02)
    assert np.mean([c.intercept for c in found]) == pytest.approx(0.0, abs=0.06)
    assert min(c.skill for c in found) > 0.02


def test_a_flat_model_has_no_skill_and_a_shouting_one_no_slope_of_one() -> None:
    chance, happened = _world(60_000, 3)
    flat = calibration(happened, np.full(len(chance), happened.mean()))
    assert flat.skill == pytest.approx(0.0, abs=1e-9)
    shouting = calibration(happened, logistic(-4.2 + 3 * (logit(chance) + 4.2)))
    assert shouting.slope == pytest.approx(1 / 3, abs=0.03)
    assert shouting.error_over_noise > 3


def test_log_loss_is_that_of_a_coin() -> None:
    assert log_loss(np.array([True, False]), np.array([0.5, 0.5])) == pytest.approx(np.log(2))
    assert np.isfinite(log_loss(np.array([True]), np.array([0.0])))
