"""The funnel's parts of the benchmark of models, tiny: the floors on real sets, and a world predicted by what was learned before."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import models_funnel, models_world
from benchmarks.models_world_told import Run
from tests.shared_data import shared_path


def test_real_sets_are_ranked_above_their_floors(monkeypatch: pytest.MonkeyPatch) -> None:
    shared_path("data/email_takehome/email_takehome_dev.csv.gz")
    monkeypatch.setattr(models_funnel, "QUICK_SPLITS", 1)
    rows, figures = models_funnel.funnel_figures(True)
    assert len(rows) == 6
    assert figures["email_open_auc"] > 0.66 and figures["email_click_auc"] > 0.72
    assert figures["crm_open_auc"] > 0.78 and figures["hillstrom_conversion_skill"] > 0


def test_without_the_real_sets_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(models_funnel, "DATA", tmp_path / "nowhere")
    rows, figures = models_funnel.funnel_figures(True)
    assert figures == {} and "left out" in rows[0]


def test_a_world_is_predicted_by_what_was_learned_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_world, "QUICK_RUNS", (Run(models_world.ENGAGED, 4_000, 201, (28,), 33),))
    rows, figures = models_world.world_figures(True)
    assert figures["world_click_auc"] > 0.65
    assert 0.4 < figures["revenue_over_predicted"] < 2
    assert {"interval90_coverage", "days_within_15"}.isdisjoint(figures), "a quick run is too small for them, and claims none"
    assert len(rows) == 11
