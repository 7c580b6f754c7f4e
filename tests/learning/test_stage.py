"""A stage finds what moves an event, is calibrated on rows its trees have not seen, and is the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.evaluation.calibration import auc, calibration
from revenue_engine.learning.stage import fit_stage
from revenue_engine.prediction.platt import Platt, logistic


def _rows(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, 4))
    features[rng.random(n) < 0.1, 2] = np.nan
    offset = np.full(n, -3.4)
    score = offset + 0.9 * (features[:, 0] > 0) - 0.6 * (features[:, 1] > 1) + 0.5 * np.isnan(features[:, 2])
    return features, rng.random(n) < logistic(score), offset


def test_it_learns_and_means_what_it_says_on_rows_to_come() -> None:
    features, happened, offset = _rows(40_000)
    stage = fit_stage(features, happened, offset)
    new, truth, start = _rows(40_000, seed=2)
    predicted = stage.predict(new, start)
    found = calibration(truth, predicted)
    assert auc(truth, predicted) > 0.63
    assert 0.85 < found.slope < 1.15 and found.error_over_noise < 2 and found.skill > 0.015


def test_the_same_rows_give_the_same_trees() -> None:
    rows = _rows(6_000)
    one, other = fit_stage(*rows), fit_stage(*rows)
    assert one.booster is not None and other.booster is not None
    assert one.booster.model_to_string() == other.booster.model_to_string() and one.platt == other.platt


def test_too_few_events_leave_the_offset_as_it_is() -> None:
    features, _, offset = _rows(500)
    happened = np.zeros(500, dtype=bool)
    happened[::100] = True
    stage = fit_stage(features, happened, offset)
    assert stage.booster is None
    assert stage.predict(features, offset) == pytest.approx(logistic(offset), rel=0.1)
    assert fit_stage(features, np.zeros(500, dtype=bool), offset).platt == Platt()


def test_a_newest_part_of_another_level_moves_the_line_not_the_trees() -> None:
    """The trees have not seen the newest rows: doubling the events there changes the line alone."""
    features, happened, offset = _rows(60_000)
    busier = happened.copy()
    newest = np.arange(len(happened)) >= int(0.85 * len(happened))
    busier |= newest & (np.random.default_rng(3).random(len(happened)) < happened.mean())
    plain, moved = fit_stage(features, happened, offset), fit_stage(features, busier, offset)
    assert plain.booster is not None and moved.booster is not None
    assert plain.booster.model_to_string() == moved.booster.model_to_string()
    assert moved.predict(features, offset).mean() > 1.1 * plain.predict(features, offset).mean()


def test_a_feature_that_may_only_raise_the_odds_never_lowers_them() -> None:
    features, happened, offset = _rows(20_000)
    stage = fit_stage(features, happened, offset, monotone=(1, 0, 0, 0))
    probe = np.tile(features[:50], (30, 1))
    probe[:, 0] = np.repeat(np.linspace(-3, 3, 30), 50)
    rising = stage.score(probe, np.zeros(len(probe))).reshape(30, 50)
    assert (np.diff(rising, axis=0) >= -1e-12).all()
