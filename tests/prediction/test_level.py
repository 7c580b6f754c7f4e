"""The level: what the last weeks' mails brought against what they were expected to."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.prediction.level import (
    DAY_ERROR,
    day_error,
    missed,
    of_groups,
    of_weekdays,
    payout_level,
    product,
    told_by,
    track,
)


def test_a_level_is_what_came_by_what_was_expected() -> None:
    expected = np.full((28, 3), 1_000.0)
    level = track(expected * np.array([0.8, 1.0, 1.5]), expected, fading=0.9, own_fading=0.9)
    np.testing.assert_allclose(level.factor, [0.8, 1.0, 1.5], rtol=0.01)
    assert (level.error < 0.03).all()


def test_a_new_offer_has_the_level_of_all_and_is_the_less_sure() -> None:
    expected = np.stack([np.full(28, 1_000.0), np.zeros(28), np.full(28, 1_000.0)], axis=1)
    level = track(expected * 1.2, expected, fading=0.9, own_fading=0.9)
    np.testing.assert_allclose(level.factor, 1.2, rtol=0.01)
    assert level.error[1] > level.error[0]


def test_old_days_fade() -> None:
    expected = np.full((40, 2), 500.0)
    events = expected * np.where(np.arange(40) < 20, 0.5, 1.5)[:, None]
    level = track(events, expected, fading=0.7, own_fading=0.7)
    np.testing.assert_allclose(level.factor, 1.5, rtol=0.02)


def test_a_young_days_sales_count_as_far_as_they_can_have_been_told() -> None:
    lags = np.array([0, 0, 0, 1, 1, 3, 9])
    told = told_by(lags, stood=5, most_days=4)  # two were taken back
    np.testing.assert_allclose(told, [3 / 5, 5 / 5, 5 / 5, 6 / 5, 7 / 5])
    assert told_by(np.zeros(0, dtype=np.int64), stood=0, most_days=2).tolist() == [1, 1, 1]


def test_what_days_are_off_beyond_chance_is_found_again() -> None:
    random = np.random.default_rng(5)
    assert day_error(np.zeros(0), np.zeros(0)) == DAY_ERROR
    expected = np.full(400, 900.0)
    assert day_error(random.poisson(expected).astype(float), expected) < 0.03
    off = random.poisson(expected * (1 + 0.2 * random.standard_normal(400))).astype(float)
    assert abs(day_error(off, expected) - 0.2) < 0.03


def test_a_group_of_one_offer_errs_as_that_offer_does() -> None:
    level = product(*(track(np.full((5, 2), 100.0), np.full((5, 2), 100.0), fading=0.9, own_fading=0.9) for _ in range(2)))
    whole, half = of_groups(level, np.array([[1.0, 0.0], [0.5, 0.5]]), 0.1)
    assert np.isclose(whole, np.hypot(level.error[0], 0.1))
    assert half < whole


def test_what_all_days_miss_is_put_right_and_one_broken_day_is_not_taken_for_all() -> None:
    expected = np.full(28, 400.0)
    assert missed(expected * 0.9, expected) == pytest.approx((28 * 0.9 + 7) / 35)
    broken = expected * 0.9
    broken[3] = 10.0
    assert missed(broken, expected) == missed(expected * 0.9, expected)
    assert missed(np.zeros(0), np.zeros(0)) == 1.0


def test_a_weekday_on_which_people_read_more_is_found_and_a_burst_is_not_taken_for_one() -> None:
    weekday = np.arange(28) % 7
    habit = np.array([1.0, 1.0, 1.1, 1.0, 0.8, 1.0, 1.2])
    expected = np.full(28, 1_000.0)
    events = expected * habit[weekday] * 1.5  # and all are off by a half, which is no weekday's
    found = of_weekdays(events, expected, weekday)
    np.testing.assert_allclose(found, habit, rtol=0.02)
    burst = events.copy()
    burst[10] *= 3
    np.testing.assert_allclose(of_weekdays(burst, expected, weekday), habit, rtol=0.03)


def test_days_that_differ_by_chance_alone_make_no_weekdays() -> None:
    random = np.random.default_rng(7)
    weekday, expected = np.arange(28) % 7, np.full(28, 100.0)
    off = [np.abs(of_weekdays(random.poisson(expected).astype(float), expected, weekday) - 1).mean() for _ in range(200)]
    assert np.mean(off) < 0.025  # a quarter of what a day scatters
    assert of_weekdays(expected[:13], expected[:13], weekday[:13]).tolist() == [1.0] * 7


def test_sales_that_pay_more_than_listed_are_expected_to_go_on() -> None:
    assert payout_level(np.zeros(0), np.zeros(0)) == 1.0
    expected = np.full(450, 20e6)
    assert payout_level(expected * 1.2, expected) == pytest.approx(1 + 0.2 * 450 / 500)
