"""The gate lets through what is better and right, and nothing else; what it calls chance is chance."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.arrays import Floats
from revenue_engine.learning.dataset import Part
from revenue_engine.learning.gate import ERROR_OVER_NOISE, FEWEST_CLICKS, judge, mean_over_people, meant, wrong_with
from revenue_engine.learning.rows import Rows
from revenue_engine.prediction.funnel import Chances
from revenue_engine.prediction.platt import logistic, logit


def a_test(click: Floats, sale_of_click: Floats, seed: int = 0) -> Part:
    """Mails of these true chances, four to a person."""
    random = np.random.default_rng(seed)
    n = len(click)
    clicked = random.random(n) < click
    sold = clicked & (random.random(n) < sale_of_click)
    ones, nothing = np.ones(n), np.zeros((n, 0), dtype=np.float32)
    keys, numbers = np.arange(n, dtype=np.uint64), np.zeros(n, dtype=np.int64)
    return Part(
        Rows(nothing, nothing, click, sale_of_click, clicked, sold, ones, ones),
        keys,
        keys // 4,
        ones,
        numbers,
        numbers,
        numbers,
        ones,
        ones,
    )


def chances(click: Floats, sale_of_click: Floats) -> Chances:
    return Chances(click, click * sale_of_click)


def a_world(n: int, seed: int = 0) -> tuple[Part, Floats, Floats]:
    random = np.random.default_rng(1_000 + seed)
    click, sale = logistic(-3.6 + 0.9 * random.standard_normal(n)), np.full(n, 0.08)
    return a_test(click, sale, seed), click, sale


FLAT = 0.04


def flat(n: int) -> Floats:
    return np.full(n, FLAT)


def test_the_truth_beats_a_constant() -> None:
    test, click, sale = a_world(60_000)
    verdict = judge(test, chances(flat(60_000), sale), chances(click, sale))
    assert verdict.passed, verdict.reasons
    assert verdict.figures["log_loss_gain"] > 5 * verdict.figures["log_loss_gain_error"]
    assert 0.9 < verdict.figures["click_slope"] < 1.1


def test_a_right_and_better_model_passes_nearly_always_and_an_equal_one_one_time_in_twenty() -> None:
    better = equal = 0
    for seed in range(40):
        test, click, sale = a_world(20_000, seed)
        better += judge(test, chances(flat(20_000), sale), chances(click, sale)).passed
        jitter = logistic(logit(click) + 0.02 * np.random.default_rng(seed).standard_normal(len(click)))
        equal += judge(test, chances(click, sale), chances(jitter, sale)).passed
    assert better >= 36
    assert equal <= 4


def test_a_right_models_calibration_is_beyond_a_quarter_of_the_noise_one_time_in_twenty() -> None:
    beyond = 0
    for seed in range(100):
        test, click, _ = a_world(10_000, seed)
        found = meant(test.rows.clicked, click)
        assert found is not None
        beyond += found.error > ERROR_OVER_NOISE * found.noise_floor
    assert ERROR_OVER_NOISE == 1.25
    assert beyond <= 9  # chance of more, at one in twenty: 3 %


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda p: logistic(-3.6 + 1.6 * (logit(p) + 3.6)), "click_slope"),
        (lambda p: np.minimum(1.3 * p, 0.99), "click_level"),
        (lambda p: np.where(p > np.median(p), 1.3, 0.3) * p, "click_calibration"),
    ],
)
def test_what_sorts_better_but_does_not_mean_what_it_says_stays_aside(wrong: object, reason: str) -> None:
    test, click, sale = a_world(120_000)
    verdict = judge(test, chances(flat(120_000) / 3, sale), chances(wrong(click), sale))  # type: ignore[operator]
    assert verdict.figures["log_loss_gain"] > 0
    assert reason in verdict.reasons


def test_a_gain_in_clicks_does_not_pay_for_a_loss_in_sales() -> None:
    test, click, sale = a_world(120_000)
    luck = np.random.default_rng(5)
    worse = logistic(logit(sale) + 1.5 * luck.standard_normal(len(sale)))
    assert "sales_worse" in judge(test, chances(flat(120_000), sale), Chances(click, click * worse)).reasons


def test_too_few_clicks_judge_nothing() -> None:
    test, click, sale = a_world(2_000)
    assert int(test.rows.clicked.sum()) < FEWEST_CLICKS
    assert judge(test, chances(flat(2_000), sale), chances(click, sale)).reasons == ("too_few_events",)


def test_few_sales_are_judged_by_their_level_alone() -> None:
    test, click, _ = a_world(12_000)
    assert 0 < int(test.rows.sold.sum()) < 50
    shouting = chances(click, np.clip(logistic(-2.4 + 8 * np.random.default_rng(1).standard_normal(12_000)), 1e-6, 1 - 1e-6))
    found = meant(test.rows.sold, shouting.sale)
    assert found is not None and abs(found.slope - 1) > 0.3
    assert "slope" not in wrong_with(found, float(test.rows.sold.mean()), shape=False)


def test_mails_of_one_person_are_not_so_many_facts() -> None:
    random = np.random.default_rng(2)
    of_person = random.standard_normal(500)
    values, person = np.repeat(of_person, 20), np.repeat(np.arange(500, dtype=np.uint64), 20)
    mean, error = mean_over_people(values, person)
    assert mean == pytest.approx(of_person.mean())
    assert error == pytest.approx(of_person.std(ddof=1) / np.sqrt(500), rel=1e-9)
    alone = mean_over_people(values, np.arange(10_000, dtype=np.uint64))[1]
    assert alone < error / 4


def test_one_person_proves_nothing() -> None:
    assert mean_over_people(np.ones(5), np.zeros(5, dtype=np.uint64)) == (1.0, np.inf)


def test_the_slopes_error_is_that_of_repeated_worlds() -> None:
    slopes, errors = [], []
    for seed in range(60):
        test, click, _ = a_world(8_000, seed)
        found = meant(test.rows.clicked, click)
        assert found is not None
        slopes.append(found.slope)
        errors.append(found.slope_error)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.25)
