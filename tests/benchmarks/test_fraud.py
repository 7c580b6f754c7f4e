"""The fraud benchmark measures what it says, on one small world."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import fraud, fraud_worlds
from benchmarks.fraud_worlds import HONEST, KINDS, NUMBER, World


def test_a_world_is_its_seeds_and_holds_every_kind_of_fraud() -> None:
    one, same, other = (World(seed).stream() for seed in (1, 1, 2))
    assert np.array_equal(one.booked_at, same.booked_at) and not np.array_equal(one.payout[:50], other.payout[:50])
    assert set(one.kind) == set(NUMBER.values())
    assert np.all(np.diff(one.booked_at) >= 0)
    assert 0.97 < (one.kind == NUMBER[HONEST]).mean() < 0.995


def test_one_world_is_judged_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fraud, "QUICK_SEEDS", [3])
    result = fraud.measure(True)
    assert [row[0] for row in result.rows] == list(KINDS[1:])
    assert result.figures["recall"] > 0.8
    assert result.figures["held_legitimate"] < 0.001
    assert result.figures["review_share"] < 0.01
    assert result.figures["naive_flagged_legitimate"] > 5 * result.figures["review_share"]


def test_without_fraud_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = World(4).stream()
    honest = stream.kind == NUMBER[HONEST]
    assert fraud_worlds.SHARE < 0.01
    assert not fraud._caught(stream)[honest].any()
    assert fraud._caught(stream)[stream.kind == NUMBER["forged id"]].all()
