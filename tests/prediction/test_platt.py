"""The line in log odds: the maximum of its likelihood, held by its prior, and harmless where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from revenue_engine.prediction.platt import PRIOR_EVENTS, Platt, fit_platt, logistic, logistic_line, logit


def _scores(n: int, a: float, b: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = -3 + rng.standard_normal(n)
    return score, rng.random(n) < logistic(a + b * score)


def test_logit_and_logistic_are_each_others_reverse_and_never_infinite() -> None:
    p = np.array([1e-6, 0.02, 0.5, 0.999])
    assert logistic(logit(p)) == pytest.approx(p)
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    assert logistic(np.array([-800.0, 800.0])) == pytest.approx([0.0, 1.0])


def test_the_line_is_the_one_scipy_finds() -> None:
    score, happened = _scores(4_000, 0.4, 0.8)
    weight = np.random.default_rng(2).random(4_000) + 0.5

    def loss(at: np.ndarray) -> float:
        z = at[0] + at[1] * score
        return float((weight * (np.logaddexp(0, z) - happened * z)).sum())

    wanted = minimize(loss, [0.0, 1.0], method="BFGS", options={"gtol": 1e-9}).x
    assert logistic_line(score, happened.astype(float), weight) == pytest.approx(wanted, abs=1e-5)


def test_many_events_move_the_line_and_few_do_not() -> None:
    much, little = (fit_platt(*_scores(n, 0.5, 1.0)) for n in (400_000, 1_500))
    assert much.intercept == pytest.approx(0.5, abs=0.08)
    score, happened = _scores(1_500, 0.5, 1.0)
    assert happened.sum() < PRIOR_EVENTS / 2
    level = logistic(little.intercept + little.slope * score).mean() / logistic(score).mean()
    assert 1.0 < level < 1.25, "a few events in excess raise the level by less than a half of what they say"


def test_without_both_outcomes_scores_mean_what_they_say() -> None:
    score = np.array([-1.0, 0.0, 2.0])
    assert fit_platt(score, np.zeros(3, dtype=bool)) == Platt() == fit_platt(score, np.ones(3, dtype=bool))
    assert Platt()(score) == pytest.approx(logistic(score))
