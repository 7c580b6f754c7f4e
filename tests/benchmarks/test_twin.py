"""The benchmark of the twin on few worlds; what it comes to is not judged here, but that it can tell right from wrong is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import twin
from benchmarks.twin_worlds import Week, play
from workbench.simulation.twin import Refusal


def test_the_table_has_every_world_and_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    weeks = {"default": Week(100, 80, 110, 140, 90.0, 120.0), "fatigued": Week(60, 80, 110, 140, 90.0, 120.0)}
    monkeypatch.setattr(twin, "play", lambda world, policy, seed: weeks.get(world, Refusal("short_log", "2 days")))
    result = twin.measure(True)
    assert [row[:3] for row in result.rows[:2]] == [("default", "at random", "4"), ("default", "blasts", "4")]
    assert len(result.rows) == 7 and {len(row) for row in result.rows} == {len(result.columns)}
    assert result.figures == {"twin_band_coverage": 0.5, "twin_width_over_oracle": 2.0, "twin_worlds": 16.0}
    assert result.notes == ["8 worlds were refused for too little data"]


def test_a_world_is_logged_foretold_and_played_on() -> None:
    week = play("default", "at random", 1, subscribers=12_000)
    assert isinstance(week, Week)
    assert week.low < week.expected < week.high and week.oracle_low < week.oracle_high
    assert 0.4 < week.truth / week.expected < 2.5
    assert 0.7 < week.width < 3.0
    assert replace(week, truth=week.low - 1).inside is False
    assert play("default", "at random", 1, subscribers=12_000) == week


@pytest.mark.slow
def test_an_oracle_is_right_about_as_often_as_its_band_says() -> None:
    weeks = [play("default", "at random", seed, subscribers=8_000) for seed in range(20, 30)]
    inside = np.array([week.oracle_inside for week in weeks if isinstance(week, Week)])
    assert len(inside) == 10
    assert 5 <= inside.sum() <= 10


def test_too_small_a_list_is_refused() -> None:
    refused = play("default", "at random", 1, subscribers=500)
    assert isinstance(refused, Refusal)
    assert refused.reason == "few_conversions"
