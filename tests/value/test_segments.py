"""Segments: the specification's cuts, and people of any value who are about to leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revenue_engine.value.confidence import Spread
from revenue_engine.value.lifetime import Lifetime
from revenue_engine.value.segments import SEGMENTS, at_risk, bands, confidence, segments

M = 1_000_000


def worth(predicted: list[float], remaining: Any = None, leaving: Any = 0.1) -> Lifetime:
    """In dollars."""
    total = np.array(predicted, dtype=np.float64) * M
    rest = total if remaining is None else np.broadcast_to(np.array(remaining, dtype=np.float64) * M, total.shape)
    nothing = np.zeros(len(total))
    return Lifetime(rest, total, nothing, nothing, np.broadcast_to(np.asarray(leaving, dtype=np.float64), total.shape))


def named(value: Lifetime) -> list[str]:
    return [SEGMENTS[s] for s in segments(value)]


def test_the_cuts_are_the_specifications() -> None:
    cuts = ["whale", "high", "high", "medium", "medium", "low", "low"]
    assert named(worth([1_000, 999.99, 500, 499.99, 100, 99.99, 10.01])) == cuts


def test_a_whale_that_is_leaving_is_at_risk_and_still_known_as_a_whale() -> None:
    value = worth([5_000, 700, 150, 50], leaving=0.6)
    assert named(value) == ["at_risk"] * 4
    assert bands(value.predicted_micros).tolist() == [3, 2, 1, 0]


def test_of_low_values_those_from_whom_little_is_to_come_are_at_risk_too() -> None:
    value = worth([50, 50, 150, 5], remaining=[10, 10.01, 1, 5])
    assert named(value) == ["at_risk", "low", "medium", "at_risk"]


def test_risk_begins_where_leaving_is_as_likely_as_not() -> None:
    assert at_risk(worth([200, 200], leaving=[0.49, 0.5])).tolist() == [False, True]


def test_confidence_is_the_chance_to_end_in_the_band_that_is_predicted() -> None:
    """Of people predicted to bring 80 more, a half brings less than 50 and the rest evenly up to 150."""
    amounts = np.array([50.0, 150.0]) * M
    spread = Spread(365.0, np.array([79.0, 81.0]) * M, amounts, np.array([[0.5, 1.0], [0.5, 1.0]]))
    fresh, with_a_past = worth([80], remaining=80), worth([130], remaining=80)
    below_100 = 0.5 + 0.5 * (np.log(100 / 50) / np.log(150 / 50))
    assert confidence(fresh, spread) == pytest.approx([below_100])
    assert confidence(with_a_past, spread) == pytest.approx([0.5])  # 50 more make it medium
    assert confidence(worth([1_080], remaining=80), spread) == pytest.approx([1.0])
