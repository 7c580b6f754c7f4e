"""The outcome model never sees the person it speaks of; the safe rule leaves the best arm only for what is shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.evaluation.deviation import best_fixed, safe_arms
from revenue_engine.evaluation.outcome import cell_means, folds_of


@given(st.integers(0, 10**9), st.integers(2, 8))
def test_a_person_stays_in_one_fold(start: int, folds: int) -> None:
    people = np.repeat(np.arange(start, start + 400), 3)
    fold = folds_of(people, folds)
    assert (fold.reshape(-1, 3) == fold.reshape(-1, 3)[:, [0]]).all()
    assert np.bincount(fold[::3], minlength=folds).min() > 400 / folds / 3
    assert (folds_of(people[5:8], folds) == fold[5:8]).all()


def test_nobodys_reward_moves_his_own_prediction() -> None:
    n = 1_000
    random = np.random.default_rng(1)
    people, action, cell = np.arange(n) // 4, random.integers(0, 3, n), random.integers(0, 5, n)
    reward = random.random(n)
    before = cell_means(action, reward, cell, people, arms=3, cells=5, strength=10.0)
    mine = people == 7
    after = cell_means(action, np.where(mine, 1e9, reward), cell, people, arms=3, cells=5, strength=10.0)
    assert (before[mine] == after[mine]).all()
    assert (before != after).any()


def test_cells_are_shrunk_towards_their_arm() -> None:
    n = 30_000
    random = np.random.default_rng(2)
    action, cell = random.integers(0, 2, n), np.where(np.arange(n) < 20, 1, 0)
    reward = 1.0 * action + 5.0 * cell
    got = cell_means(action, reward, cell, np.arange(n), arms=2, cells=2, strength=1_000.0)
    assert got[-1] == pytest.approx([0.0, 1.0], abs=0.1)
    assert got[:20, 1] == pytest.approx(1.0, abs=0.2)  # twenty rows say little
    sharp = cell_means(action, reward, cell, np.arange(n), arms=2, cells=2, strength=0.01)
    assert sharp[:20, 1] == pytest.approx(6.0, abs=0.1)


def test_an_unseen_arm_has_a_value() -> None:
    got = cell_means(
        np.zeros(50, np.int64), np.full(50, 2.0), np.zeros(50, np.int64), np.arange(50), arms=2, cells=1, strength=5.0
    )
    assert got == pytest.approx(2.0)


def drawn(gain: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Twelve segments, three arms; the second is best everywhere but in the fourth segment, where the third is by `gain`."""
    random = np.random.default_rng(seed)
    action, segment = random.integers(0, 3, n), random.integers(0, 12, n)
    rate = np.array([0.05, 0.10, 0.08])[action] + gain * ((segment == 3) & (action == 2))
    return action, (random.random(n) < rate).astype(np.float64), np.full(n, 1 / 3), segment


def test_a_shown_gain_is_taken_where_it_is() -> None:
    action, reward, propensity, segment = drawn(0.15, 60_000, seed=1)
    assert best_fixed(action, reward, propensity, arms=3) == 1
    arms = safe_arms(action, reward, propensity, segment, arms=3, segments=12, base=1)
    assert arms.tolist() == [1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1]


def test_noise_seldom_leads_away() -> None:
    left = 0
    for seed in range(100):
        action, _, propensity, segment = drawn(0.0, 6_000, seed)
        same = (np.random.default_rng(seed + 1_000).random(6_000) < 0.1).astype(np.float64)
        left += (safe_arms(action, same, propensity, segment, arms=3, segments=12, base=1) != 1).any()
    assert left <= 12  # 5 of 100, and chance


def test_what_was_hardly_played_beats_nothing() -> None:
    action, reward = np.array([1, 1, 1, 0]), np.array([0.0, 1.0, 0.0, 100.0])
    arms = safe_arms(action, reward, np.full(4, 0.5), np.zeros(4, np.int64), arms=2, segments=2, base=1)
    assert arms.tolist() == [1, 1]


def test_unequal_propensities_are_weighed() -> None:
    # arm 0 was played mostly to people who buy anyway: as many of both in truth
    action = np.array([0] * 9 + [1] * 1 + [0] * 1 + [1] * 9)
    buys = np.array([1.0] * 10 + [0.0] * 10)
    propensity = np.array([0.9] * 9 + [0.1] + [0.1] + [0.9] * 9)
    assert best_fixed(action, buys + 0.01 * (action == 1), propensity, arms=2) == 1
    assert best_fixed(action, buys + 0.01 * (action == 0), propensity, arms=2) == 0
