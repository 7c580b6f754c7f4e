"""The Thompson tally: what is logged is what is played."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from revenue_engine.draws import Stream, uniforms
from revenue_engine.offers.choice import choose, even_shares, exploration_budget, mixed, tally

OFFER_OF_ARM = np.array([0, 0, 0, 1, 2], dtype=np.intp)
RNG = np.random.default_rng(5)
WORTH = np.array([1.0, 1.1, 0.9, 1.2, 0.3]) * np.array([[1.0], [3.0], [0.5]])  # each row's own
FACTORS = RNG.gamma(2.0, 0.5, (2, 5, 256)).astype(np.float32)
SEGMENT = np.array([0, 1, 0], dtype=np.intp)
ELIGIBLE = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=bool)
VOTES = tally(WORTH, FACTORS, SEGMENT, ELIGIBLE)


def test_the_tally_is_a_plain_count_of_argmaxes() -> None:
    for p in range(3):
        scores = WORTH[p, :, None].astype(np.float32) * FACTORS[SEGMENT[p]]
        best = np.where(ELIGIBLE[p][:, None], scores, -1).argmax(axis=0)
        assert VOTES[p].tolist() == np.bincount(best, minlength=5).tolist()


def test_rows_of_one_segment_vote_by_their_own_worth() -> None:
    """The same draws: who likes the last arm ten times as much votes for it more often."""
    worth = np.stack([WORTH[0], WORTH[0] * [1, 1, 1, 1, 10]])
    votes = tally(worth, FACTORS, np.zeros(2, dtype=np.intp), np.ones((2, 5), dtype=bool))
    assert votes.sum(axis=1).tolist() == [256, 256]
    assert votes[1, 4] > votes[0, 4]


def test_many_rows_are_counted_as_one_by_one() -> None:
    n = 1_500
    worth, segment = RNG.random((n, 5)), RNG.integers(0, 2, n).astype(np.intp)
    eligible = RNG.random((n, 5)) < 0.7
    whole = tally(worth, FACTORS, segment, eligible)
    for row in (0, 511, 512, n - 1):
        assert tally(worth[[row]], FACTORS, segment[[row]], eligible[[row]]).tolist() == whole[[row]].tolist()


def test_nothing_eligible_or_nothing_worth_anything_gets_no_vote() -> None:
    assert tally(WORTH[:1], FACTORS, np.zeros(1, dtype=np.intp), np.zeros((1, 5), dtype=bool)).sum() == 0
    assert tally(0 * WORTH, FACTORS, SEGMENT, ELIGIBLE).sum() == 0


def test_exploration_is_even_over_offers_then_over_their_variants() -> None:
    assert even_shares(ELIGIBLE, OFFER_OF_ARM) == pytest.approx(
        np.array([[1 / 9, 1 / 9, 1 / 9, 1 / 3, 1 / 3], [1 / 4, 0, 1 / 4, 1 / 2, 0], [0, 0, 0, 0, 1]])
    )


def test_the_mixture_adds_up_and_leaves_no_eligible_arm_below_its_floor() -> None:
    even = even_shares(ELIGIBLE, OFFER_OF_ARM)
    pattern = np.array([0, 1, 2, 1], dtype=np.intp)
    epsilon = np.array([0.05, 0.002, 0.2, 0.0101])
    mixture = mixed(VOTES[pattern], even[pattern], epsilon)
    assert mixture.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-9)
    assert (mixture >= epsilon[:, None] * even[pattern] - 1e-15).all()
    assert (mixture[~ELIGIBLE[pattern]] == 0).all()


@pytest.mark.parametrize("p", [0, 1, 2])
def test_arms_come_as_often_as_their_logged_propensity_says(p: int) -> None:
    n = 60_000
    even, keys = even_shares(ELIGIBLE, OFFER_OF_ARM), np.arange(n, dtype=np.uint64)
    pattern, epsilon = np.full(n, p, dtype=np.intp), np.full(n, 0.2)
    draws = {
        name: uniforms(11, keys, stream)
        for name, stream in (("explore", Stream.EXPLORE), ("pick_voted", Stream.TALLY), ("pick_even", Stream.UNIFORM))
    }
    picked = choose(VOTES[pattern], even[pattern], OFFER_OF_ARM, epsilon=epsilon, **draws)
    mixture = mixed(VOTES[[p]], even[[p]], epsilon[:1])[0]
    counts = np.bincount(picked.arm, minlength=5)
    assert (counts[~ELIGIBLE[p]] == 0).all()
    live = ELIGIBLE[p]
    assert p == 2 or stats.chisquare(counts[live], n * mixture[live]).pvalue > 1e-3
    assert picked.propensity_offer * picked.propensity_content == pytest.approx(mixture[picked.arm], abs=1e-12)
    assert picked.explored.mean() == pytest.approx(0.2, abs=0.01)


def test_the_highest_possible_draws_still_pick_an_eligible_arm() -> None:
    almost = np.full(3, 1 - 2.0**-53)
    for explore in (0.0, 1.0):
        picked = choose(
            VOTES,
            even_shares(ELIGIBLE, OFFER_OF_ARM),
            OFFER_OF_ARM,
            epsilon=np.full(3, 0.5),
            explore=np.full(3, explore),
            pick_voted=almost,
            pick_even=almost,
        )
        assert ELIGIBLE[np.arange(3), picked.arm].all()


def test_choosing_from_nothing_is_an_error_not_a_first_arm() -> None:
    none = np.zeros((1, 5), dtype=np.int64)
    half = np.full(1, 0.5)
    with pytest.raises(ValueError, match="votes"):
        choose(
            none,
            np.zeros((1, 5)),
            OFFER_OF_ARM,
            epsilon=half,
            explore=half,
            pick_voted=half,
            pick_even=half,
        )


def test_deciding_often_does_not_explore_often() -> None:
    now = 1_000_000_000
    decided = np.array([0, now - 86_400 * 9, now - 86_400, now - 43_200, now - 3_600, now - 900, now])
    budget = exploration_budget(0.05, now=now, decided_at=decided)
    assert budget == pytest.approx(0.05 * np.array([1, 1, 1, 0.5, 1 / 24, 1 / 24, 1 / 24]))
    hourly = exploration_budget(0.05, now=now, decided_at=np.full(24, now - 3_600))
    assert hourly.sum() == pytest.approx(0.05)  # a day of hourly decisions spends one day's budget
