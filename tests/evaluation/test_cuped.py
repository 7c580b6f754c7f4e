"""Means with less noise: known answers, what they must not depend on, and a real e-mail test."""

from __future__ import annotations

import csv
import gzip
from math import hypot

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.arrays import Bools, Floats
from revenue_engine.evaluation.cuped import ArmMean, arm_means
from tests.shared_data import shared_path

Drawn = tuple[Floats, Floats, tuple[Bools, Bools]]


def drawn(seed: int, n: int = 20_000, share: float = 0.05, lift: float = 0.5) -> Drawn:
    """Revenue of which a covariate tells four fifths of the variance in either arm."""
    random = np.random.default_rng(seed)
    fixed = random.random(n) < share
    before = random.gamma(4.0, 1.0, n)
    revenue = np.where(fixed, 1.0, 1 + lift) * (before + random.normal(0.0, 1.0, n))
    return revenue, np.column_stack([before, random.normal(size=n)]), (~fixed, fixed)


def test_what_the_covariate_tells_is_noise_no_more() -> None:
    revenue, covariates, arms = drawn(1)
    plain = arm_means(revenue, covariates[:, :0], arms)
    adjusted = arm_means(revenue, covariates, arms)
    for before, after in zip(plain, adjusted, strict=True):
        assert before.adjusted == before.plain == after.plain
        assert (after.error / before.error) ** 2 == pytest.approx(0.2, abs=0.02)


def test_the_error_is_that_of_repeated_draws_and_the_means_are_right() -> None:
    means, errors = [], []
    for seed in range(300):
        engine, fixed = arm_means(*drawn(seed, n=3_000, share=0.5))
        means.append((engine.adjusted, fixed.adjusted))
        errors.append(hypot(engine.error, fixed.error))
    difference = np.subtract(*np.array(means).T)
    assert difference.mean() == pytest.approx(2.0, abs=4 * difference.std() / 300**0.5)
    assert difference.std() == pytest.approx(np.mean(errors), rel=0.12)


def test_an_arm_of_many_payers_answers_for_its_own_variance() -> None:
    revenue, covariates, arms = drawn(2, n=60_000)
    _, fixed = arm_means(revenue, covariates, arms)
    assert fixed.error == pytest.approx(1 / fixed.people**0.5, rel=0.05)


def test_one_arm_that_drew_the_better_people_is_put_right() -> None:
    random = np.random.default_rng(3)
    before = random.gamma(4.0, 1.0, 10_000)
    better = np.argsort(before) >= 5_000
    engine, fixed = arm_means(2 * before, before[:, None], (better, ~better))
    assert engine.plain - fixed.plain == pytest.approx(2 * (before[better].mean() - before[~better].mean()))
    flat = arm_means(2 * before, np.ones((10_000, 1)), (better, ~better))
    assert [each.adjusted for each in flat] == [engine.plain, fixed.plain]
    assert abs(engine.adjusted - fixed.adjusted) < abs(engine.plain - fixed.plain) / 10


@given(st.floats(0.01, 1e6), st.floats(-1e3, 1e3), st.floats(0.01, 1e3))
def test_units_do_not_matter(money: float, offset: float, scale: float) -> None:
    revenue, covariates, arms = drawn(4, n=500, share=0.3)
    here = arm_means(revenue, covariates, arms)
    there = arm_means(revenue * money, covariates * scale + offset, arms)
    for a, b in zip(here, there, strict=True):
        assert (b.adjusted, b.error, b.payers) == pytest.approx((a.adjusted * money, a.error * money, a.payers), rel=1e-6)


@pytest.mark.parametrize("repeated", [np.ones((400, 1)), np.zeros((400, 2)), np.full((400, 1), 0.1)])
def test_covariates_that_say_nothing_change_nothing(repeated: Floats) -> None:
    revenue, covariates, arms = drawn(5, n=400, share=0.3)
    plain = arm_means(revenue, covariates, arms)
    more = arm_means(revenue, np.hstack([covariates, repeated, covariates]), arms)
    assert [each.adjusted for each in more] == pytest.approx([each.adjusted for each in plain])
    assert [each.error for each in more] == pytest.approx([each.error for each in plain])


def test_an_arm_without_the_large_payments_is_not_thought_sure_of_its_mean() -> None:
    revenue = np.zeros(10_000)
    revenue[:100] = 10.0
    revenue[100] = 2_000.0
    fixed = np.zeros(10_000, np.bool_)
    fixed[np.r_[50:70, 5_000:5_400]] = True
    engine, small = arm_means(revenue, np.zeros((10_000, 0)), (~fixed, fixed))
    assert small.error > 3 * float(revenue[fixed].std()) / 420**0.5
    assert engine.error == pytest.approx(float(revenue[~fixed].std(ddof=1)) / 9_580**0.5, rel=1e-3)


def test_no_revenue_at_all_is_a_mean_of_nothing() -> None:
    arm = np.array([True, True, False, False])
    none = ArmMean(people=2, payers=0, plain=0.0, adjusted=0.0, error=0.0)
    assert arm_means(np.zeros(4), np.array([[1.0], [2.0], [3.0], [5.0]]), (arm, ~arm)) == (none, none)


def test_hillstroms_mens_mail_against_none() -> None:
    with gzip.open(shared_path("data/hillstrom/hillstrom_dev.csv.gz"), "rt") as lines:
        rows = list(csv.DictReader(lines))
    segment = np.array([row["segment"] for row in rows])
    spend = np.array([float(row["spend"]) for row in rows])
    before = np.array([[float(row[name]) for name in ("history", "recency", "mens", "womens", "newbie")] for row in rows])
    mens, none = arm_means(spend, before, (segment == "Mens E-Mail", segment == "No E-Mail"))
    # all 64,000 rows: 0.770 ± 0.285
    assert mens.adjusted - none.adjusted == pytest.approx(0.770, abs=0.25)
    assert 1.96 * hypot(mens.error, none.error) == pytest.approx(0.285 / 0.7**0.5, rel=0.15)
    plain = arm_means(spend, before[:, :0], (segment == "Mens E-Mail", segment == "No E-Mail"))
    assert mens.error < plain[0].error
