"""The benchmark of policies, tiny: its figures, and that it goes on where it was stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import policies
from workbench.simulation.study.registry import NAMES
from workbench.simulation.study.trial import Size


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(policies, "QUICK", Size(60, 8, 0))
    monkeypatch.setattr(policies, "FULL", Size(40, 8, 7))
    monkeypatch.setattr(policies, "SEEDS", 1)
    monkeypatch.setattr(policies, "QUICK_SEEDS", 1)
    monkeypatch.setattr(policies, "WORLDS", ("default", "drifting"))
    monkeypatch.setattr(policies, "RESULTS", tmp_path / "results" / "policies.json")
    monkeypatch.setattr(policies, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(policies, "JOBS", 1)


def test_every_policy_has_its_figures() -> None:
    figures = policies.measure(True).figures
    for name in NAMES:
        assert {f"{kind}_{name}" for kind in ("net", "cash", "mails", "complaints", "alive", "regret")} <= set(figures)
    assert figures["cash_lagrangian_bound"] > figures["cash_clairvoyant_index"]
    assert figures["world_subscriber_days_per_minute"] > 1e6


def test_the_full_run_is_kept_and_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    first = policies.measure(False)
    (kept,) = policies.KEPT.glob("*.ndjson")
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join(lines[:5]) + lines[5][:20])  # stopped in the middle of a line
    again = policies.measure(False)
    assert {k: v for k, v in again.figures.items() if "minute" not in k} == {
        k: v for k, v in first.figures.items() if "minute" not in k
    }
    result = json.loads(policies.RESULTS.read_text())
    assert (result["seeds"], result["code"]) == ([0], policies.fingerprint())
    assert len(result["trials"]) == 2 * (len(NAMES) + 1)
    assert any(name.endswith("_drifting") for name in result["figures"])
