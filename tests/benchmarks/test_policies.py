"""The benchmark of policies, tiny: its figures, and that it goes on where it was stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import policies
from benchmarks import policies_plan as planned
from benchmarks.policies_plan import Part
from workbench.simulation.study.batch import Task
from workbench.simulation.study.broken import Scene
from workbench.simulation.study.registry import NAMES
from workbench.simulation.study.trial import Size

TINY = planned._plan(40, 8, 9, 3, Scene(60, 10, 2), 1)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(planned, "QUICK", TINY)
    monkeypatch.setattr(planned, "FULL", TINY)
    monkeypatch.setattr(policies, "RESULTS", tmp_path / "results" / "policies.json")
    monkeypatch.setattr(planned, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(planned, "JOBS", 1)


def test_every_policy_and_every_target_has_its_figure() -> None:
    figures = policies.measure(True).figures
    for name in NAMES:
        assert {f"{kind}_{name}" for kind in ("cash", "mails", "complaints", "alive", "regret")} <= set(figures)
    of_year = ("cash_vs_same_models_sort_365d", "cash_vs_weekly_365d", "alive_365d", "retention_gap_points", "complaints_rate")
    assert {f"{name}{suffix}" for name in of_year for suffix in ("", "_fatigued")} <= set(figures)
    assert {"net_vs_weekly_365d", "cash_vs_clairvoyant_150d", "placebo_loss", "hours_to_leave_broken_offer"} <= set(figures)
    assert figures["cash_vs_clairvoyant_150d"] == pytest.approx(figures["cash_engine"] / figures["cash_clairvoyant_index"])
    assert figures["cash_lagrangian_bound"] > figures["cash_clairvoyant_index"]
    assert figures["world_subscriber_days_per_minute"] > 1e6
    assert not any("_low" in name or "_high" in name for name in figures), "one seed has no interval"


def test_the_full_run_is_kept_and_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    first = policies.measure(False)
    (kept,) = planned.KEPT.glob("*.ndjson")
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join(lines[:-3]) + lines[-3][:20])  # stopped in the middle of a line
    made: list[object] = []
    really = planned.made

    def counted(job: Task | planned.Break) -> object:
        made.append(job)
        return really(job)

    monkeypatch.setattr(planned, "made", counted)
    again = policies.measure(False)
    assert len(made) == 3
    assert {k: v for k, v in again.figures.items() if "minute" not in k} == {
        k: v for k, v in first.figures.items() if "minute" not in k
    }
    result = json.loads(policies.RESULTS.read_text())
    assert (result["plan"]["seeds"], result["code"]) == (1, planned.fingerprint())
    assert {name: len(part) for name, part in result["trials"].items()} == {
        "months": len(NAMES) + 1,
        "year": 4,
        "fatigued": 4,
        "placebo": 5,
        "breaks": 1,
    }


def test_other_sizes_are_other_trials() -> None:
    """What was kept of a smaller list, or of one that was not handed over, is not read for another."""
    part = Part("default", ("random",), Size(20, 3, 2), ("random",))
    for size, handed in ((Size(20, 3, 2), ()), (Size(30, 3, 2), ()), (Size(20, 3, 2), ("random",))):
        one = replace(part, size=size, handed=handed)
        planned.played(planned.Plan(one, one, one, one, Scene(20, 10, 1), 1), keep=True)
    (kept,) = planned.KEPT.glob("*.ndjson")
    assert len(kept.read_text().splitlines()) == 3 + 1
