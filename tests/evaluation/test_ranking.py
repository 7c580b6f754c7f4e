"""Ranking scores: by hand, at their ends, and the rule that catches a leak."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.evaluation.ranking import is_leak, normalised_gini, ranks, spearman, top_share


def test_the_perfect_order_is_1_its_reverse_minus_1_and_none_at_all_0() -> None:
    brought = np.array([0.0, 0.0, 5.0, 1.0, 20.0])
    assert normalised_gini(10 * brought, brought) == pytest.approx(1.0)
    assert normalised_gini(-brought, brought) == pytest.approx(-1.0)
    assert normalised_gini(np.ones(5), brought) == pytest.approx(0.0)


def test_one_buyer_in_the_second_of_four_places() -> None:
    """Areas over the diagonal: a half of the perfect order's 3/8 is lost for one place of 1/4."""
    brought = np.array([0.0, 7.0, 0.0, 0.0])
    assert normalised_gini(np.array([4.0, 3.0, 2.0, 1.0]), brought) == pytest.approx((3 - 2.5) / (4 - 2.5))
    with pytest.raises(ValueError, match="nobody"):
        normalised_gini(np.ones(4), np.zeros(4))


def test_the_top_tenth_is_a_tenth_of_the_people() -> None:
    score = np.arange(20.0)
    brought = np.where(score >= 18, 30.0, 20.0 / 9)
    assert top_share(score, brought) == pytest.approx(60 / 100)


def test_equal_values_share_the_middle_rank() -> None:
    assert ranks(np.array([5.0, 1.0, 5.0, 0.0])).tolist() == [3.5, 2.0, 3.5, 1.0]
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 100.0, 1_000.0])) == pytest.approx(1.0)


def test_what_ranks_like_the_truth_is_a_leak() -> None:
    assert not is_leak(0.50, 0.60)
    assert is_leak(0.5821, 0.60) and is_leak(0.7, 0.60)
