"""`revenue-engine simulate`: what a person sees, what is left on disk, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from workbench.cli.main import main
from workbench.simulation.study import compare

SMALL = ("--days", "14", "--subscribers", "120", "--jobs", "1")


def _run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *SMALL, "--out", str(tmp_path / "out"), *arguments])


def test_policies_are_shown_beside_each_other_with_paired_differences(tmp_path: Path) -> None:
    result = _run(tmp_path, "--seeds", "5", "--policies", "weekly_true_epc, engine", "--list-days", "7")
    assert result.exit_code == 0, result.output
    for shown in ("weekly_true_epc", "clairvoyant_index", "value kept", "regret", "net, $", "engine - weekly_true_epc", "±"):
        assert shown in result.output
    lines = (tmp_path / "out" / "trials.ndjson").read_text().splitlines()
    assert {json.loads(line)["policy"] for line in lines} == {"weekly_true_epc", "engine", "clairvoyant_index"}
    assert len(lines) == 15
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"cash.png", "list.png", "net.png"}


def test_machines_get_figures(tmp_path: Path) -> None:
    result = _run(tmp_path, "--seeds", "1", "--policies", "random,lagrangian_bound", "--json")
    found = json.loads(result.stdout)
    assert [one["policy"] for one in found["policies"]] == ["random", "lagrangian_bound"]
    assert 0 < found["policies"][0]["of_bound"] < 1
    assert found["leaks"] == []


def test_an_engine_that_knows_too_much_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "LEAK_ABOVE", 0.001)
    result = _run(tmp_path, "--seeds", "1", "--policies", "engine")
    assert result.exit_code == 1
    assert "the world leaks" in result.output


def test_a_sealed_world_needs_its_seed_file(tmp_path: Path) -> None:
    seed_file = tmp_path / "seed"
    seed_file.write_text("kept outside the repository")
    assert _run(tmp_path, "--world", "sealed").exit_code == 1
    result = _run(tmp_path, "--world", "sealed", "--seed-file", str(seed_file), "--seeds", "1", "--policies", "random")
    assert result.exit_code == 0 and "sealed world" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policies", "ideal"), "--policies: unknown_policy (ideal; there are random"),
        (("--policies", " , "), "--policies: unknown_policy (none"),
        (("--days", "700", "--list-days", "365"), "--list-days: too_many"),
        (("--world", "flat"), "Invalid value for '--world'"),
    ],
)
def test_what_cannot_be_simulated_is_named(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = _run(tmp_path, *arguments)
    assert result.exit_code != 0 and said in result.output
