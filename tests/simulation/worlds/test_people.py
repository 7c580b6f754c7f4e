"""Traits are as declared, and a list knows of them what lists know."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulation.worlds import named
from workbench.simulation.worlds.people import PAST_HOURS, people
from workbench.simulation.worlds.spec import CATEGORIES, PROVIDERS

N = 40_000
TRUTH, PROFILE = people(named("default"), 11, np.arange(N))


def test_declared_topics_correlate_with_taste_and_are_often_missing() -> None:
    assert 1 - PROFILE.topics_known.mean() == pytest.approx(0.30, abs=0.01)
    assert not PROFILE.topics[~PROFILE.topics_known].any()
    known = PROFILE.topics_known
    # interest is a monotone function of taste: its rank order is taste's
    interest = TRUTH.interest[known].argsort(axis=0).argsort(axis=0).ravel()
    assert 0.45 < np.corrcoef(interest, PROFILE.topics[known].ravel())[0, 1] < 0.75
    assert TRUTH.interest.mean() == pytest.approx(1.0, abs=0.01)
    assert TRUTH.interest.shape == (N, CATEGORIES)


def test_response_traits_go_together_without_being_one() -> None:
    logs = np.log(
        [TRUTH.open_rate / _by_purchases(TRUTH.open_rate), TRUTH.click_rate / _by_purchases(TRUTH.click_rate), TRUTH.convert_rate]
    )
    correlation = np.corrcoef(logs)
    assert 0.15 < correlation[0, 1] < 0.6
    assert 0.1 < correlation[0, 2] < 0.6
    assert 0.2 < correlation[1, 2] < 0.7


def _by_purchases(rates: np.ndarray) -> np.ndarray:
    means = np.array([rates[PROFILE.purchases == count].mean() for count in range(14)])
    return np.asarray(means[PROFILE.purchases])


def test_price_sensitivity_and_reading_hours_are_known_roughly() -> None:
    assert 0.6 < np.corrcoef(TRUTH.thrift, PROFILE.price_sensitivity)[0, 1] < 0.95
    assert PROFILE.past_opens.sum(axis=1).max() == PAST_HOURS
    assert (PROFILE.past_opens.sum(axis=1) == 0).mean() == pytest.approx(1 / (PAST_HOURS + 1), abs=0.01)
    seen = PROFILE.past_opens.sum(axis=1) >= 4
    bins = PROFILE.past_opens.shape[1]
    guess = PROFILE.past_opens[seen].argmax(axis=1)
    truth = np.minimum(TRUTH.peak_hour[seen] * bins / 24, bins - 1).astype(int)
    assert 0.35 < (guess == truth).mean() < 0.8


def test_machines_sit_where_they_do_in_the_world() -> None:
    assert TRUTH.proxied.mean() == pytest.approx(0.50, abs=0.02)
    assert TRUTH.scanned.mean() == pytest.approx(0.06, abs=0.01)
    share = [TRUTH.scanned[PROFILE.provider == provider].mean() for provider in range(len(PROVIDERS))]
    assert share[PROVIDERS.index("other")] > 0.3 and share[PROVIDERS.index("gmail")] < 0.01


def test_repeat_purchase_rates_are_those_of_cdnow() -> None:
    weekly = TRUTH.shop_per_day * 7
    assert weekly.mean() == pytest.approx(0.243 / 4.414, rel=0.06)
    assert weekly.std() == pytest.approx(np.sqrt(0.243) / 4.414, rel=0.08)
    assert TRUTH.shop_leaves.mean() == pytest.approx(0.793 / (0.793 + 2.426), rel=0.02)


def test_fatigue_half_lives_are_log_normal_and_some_have_a_threshold_instead() -> None:
    logs = np.log(TRUTH.half_life_days)
    assert np.exp(logs.mean()) == pytest.approx(4.0, rel=0.02) and logs.std() == pytest.approx(0.5, rel=0.02)
    assert np.isfinite(TRUTH.annoyed_above).mean() == pytest.approx(0.10, abs=0.01)


def test_what_a_policy_is_handed_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        PROFILE.tenure_days[0] = 0
