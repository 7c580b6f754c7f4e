"""Rates by offer against rates that are known, and weeks of mails to come."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulation.twin import pace, rates


def lists(true: np.ndarray, mails: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Events and exposure of offers (O, D) with these rates, newest day first."""
    exposure = np.full(true.shape, mails)
    return np.random.default_rng(seed).poisson(true * exposure).astype(float), exposure


def test_steady_rates_are_found_and_remembered() -> None:
    true = np.repeat(np.array([0.01, 0.02, 0.03])[:, None], 56, axis=1)
    inside, shift = 0, []
    for seed in range(40):
        found = rates.fit(*lists(true, 500, seed))
        draws = found.draws(2_000, np.random.default_rng(seed))
        low, high = np.quantile(draws, [0.1, 0.9], axis=0)
        inside += ((low <= true[:, 0]) & (true[:, 0] <= high)).sum()
        shift.append(found.mean / true[:, 0])
    assert np.mean(shift, axis=0) == pytest.approx(1.0, abs=0.03)
    assert inside / 120 > 0.75  # at least: nothing drifts here, and the twin allows for drift


def test_wandering_rates_are_forgotten_sooner() -> None:
    random = np.random.default_rng(5)
    walks = 0.02 * np.exp(np.cumsum(random.normal(0, 0.1, (12, 56)), axis=1))[:, ::-1]
    steady = np.full((12, 56), 0.02)
    assert rates.fit(*lists(walks, 500, 6)).forgetting < rates.fit(*lists(steady, 500, 6)).forgetting


def test_a_common_decline_goes_on_more_slowly() -> None:
    falling = 0.02 * np.exp(0.08 * np.arange(56) / 7)[None, :] * np.array([0.7, 1.0, 1.4])[:, None]
    found = rates.fit(*lists(falling, 3_000, 7))
    assert -0.06 < found.trend < -0.02  # half of 8 % a week, drawn a little to none
    assert found.mean == pytest.approx(falling[:, 0] * np.exp(-0.04), rel=0.12)


def test_an_offer_without_events_is_like_the_others() -> None:
    events, exposure = lists(np.full((6, 28), 0.02), 1_000, 8)
    events[0], exposure[0] = 0.0, 0.0
    found = rates.fit(events, exposure)
    assert found.mean[0] == pytest.approx(found.mean[1:].mean(), rel=0.1)
    assert found.shape[0] < 0.5 * found.shape[1:].min()


def test_weekdays_are_found_though_each_has_its_own_offers() -> None:
    factor = np.array([1.3, 1.2, 1.0, 0.6, 0.8, 1.0, 1.1])
    offers = np.array([0.01, 0.03])
    true = offers[:, None] * factor[np.arange(84) % 7]
    exposure = np.full(true.shape, 5_000.0)
    exposure[1, np.arange(84) % 7 < 2] = 30_000.0
    events = np.random.default_rng(9).poisson(true * exposure).astype(float)
    found = rates.weekdays(events, exposure)
    assert found / found[2] == pytest.approx(factor, abs=0.12)


# --- pace ------------------------------------------------------------------------------------------------------------------
def test_a_week_of_mails_keeps_rhythm_and_trend() -> None:
    days = np.arange(56)
    rhythm = np.array([0.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0])  # by days ago
    volume = 1_000 * rhythm[days % 7] * np.exp(-0.05 * (days // 7 - 7) * -1)
    mails = np.stack([0.25 * volume, 0.75 * volume])
    found = pace.fit(mails, 0.0)
    assert found.trend == pytest.approx(0.05 * -1, abs=0.005)
    drawn = found.draws(4_000, np.random.default_rng(1))
    assert drawn.shape == (4_000, 2, 7)
    mean = drawn.mean(axis=0)
    assert mean[1] == pytest.approx(3 * mean[0])
    assert mean[:, 6].sum() == 0.0 and mean[:, 4].sum() == pytest.approx(2 * mean[:, 3].sum())
    assert mean.sum() == pytest.approx(mails[:, :7].sum() * np.exp(-0.05), rel=0.01)


def test_blasts_stay_blasts_of_one_offer() -> None:
    mails = np.zeros((5, 56))
    mails[np.random.default_rng(2).integers(0, 5, 16), np.arange(16) * 7 // 2] = 900.0
    drawn = pace.fit(mails, 0.01).draws(500, np.random.default_rng(3))
    assert ((drawn > 0).sum(axis=1) <= 1).all()
    assert (drawn.sum(axis=(0, 2)) > 0).sum() >= 4  # any of the offers seen may come again


def test_without_weeks_to_tell_the_list_shrinks() -> None:
    assert pace.fit(np.array([[0.0] * 7 + [70.0] * 7 + [0.0] * 14]), 0.02).trend == pytest.approx(-0.02, abs=0.01)
