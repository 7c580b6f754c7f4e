"""`revenue-engine simulate`: what a person sees, what is left on disk, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.simulation.worlds.policies import HOT
from workbench.cli.main import main
from workbench.logs import write_conversions, write_outcomes
from workbench.simulation.study import compare
from workbench.simulation.study.baselines import Random
from workbench.simulation.study.policy import Setting
from workbench.simulation.twin import world as fitting
from workbench.simulation.worlds import World
from workbench.simulation.worlds.logging import Recorder

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


def test_too_few_seeds_leave_intervals_empty_for_machines_too(tmp_path: Path) -> None:
    (found,) = json.loads(_run(tmp_path, "--seeds", "2", "--policies", "random", "--json").stdout)["policies"]
    assert found["cash"]["half_width"] is None and found["cash"]["value"] != 0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Five weeks of a hot world, mailed at random."""
    world, days = World(HOT, 5, 900), 35
    mine, recorder = Random(Setting(900, HOT.offers, days, 300, 5)), Recorder(world)
    for day in range(days):
        recorder.take(world.step(day, mine.mail(world.observables(day), day)))
    told, folder = recorder.log(), tmp_path / "logs"
    write_outcomes(folder, told.outcomes)
    write_conversions(folder, told.conversions)
    return folder


def _fit(log: Path, out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", "--fit", str(log), "--out", str(out), *arguments])


def test_a_log_tells_next_week_and_becomes_a_world_to_play_in(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SEEDS", 2), ("ROUNDS", 2), ("SUBSCRIBERS", 500)):
        monkeypatch.setattr(fitting, name, value)
    result = _fit(log, tmp_path / "fitted")
    assert result.exit_code == 0, result.output
    for shown in ("expected, 80% band", "conversions, next 7 days", "the world fitted to the log", "twin.json"):
        assert shown in result.output
    twin = tmp_path / "fitted" / "twin.json"
    assert json.loads(twin.read_text())["spec"]["open_rate"] != HOT.open_rate
    told = json.loads(_fit(log, tmp_path / "fitted", "--json").stdout)
    assert told["low_micros"] < told["expected_micros"] < told["high_micros"] and told["twin"]["file"] == str(twin)
    played = _run(tmp_path, "--twin", str(twin), "--seeds", "1", "--policies", "random")
    assert played.exit_code == 0 and "twin world" in played.output


def test_what_a_log_says_after_its_end_is_no_part_of_it(log: Path, tmp_path: Path) -> None:
    result = _fit(log, tmp_path / "fitted", "--as-of", "2026-03-20T00:00")
    assert result.exit_code == 0
    assert "no forecast: later_lines" in result.output and "no world fitted: later_lines" in result.output
    assert not (tmp_path / "fitted" / "twin.json").exists()


def test_a_log_of_the_future_needs_to_be_meant(log: Path, tmp_path: Path) -> None:
    path = log / "outcomes.ndjson.gz"
    first, *others = gzip.decompress(path.read_bytes()).splitlines()
    late = orjson.dumps(orjson.loads(first) | {"sent_at": 4_070_000_000.0})
    path.write_bytes(gzip.compress(b"\n".join([late, *others])))
    assert "in_the_future (its newest line is of 2098-12-21" in _fit(log, tmp_path / "fitted").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--world", "default"), "--world: not_with_fit"), (("--list-days", "3"), "--list-days: not_with_fit")],
)
def test_options_that_would_say_nothing_beside_a_log_are_refused(
    log: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = _fit(log, tmp_path / "fitted", *arguments)
    assert result.exit_code == 1 and said in result.output


def test_a_folder_that_cannot_be_written_is_named(log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for result in (_fit(log, tmp_path / "file" / "out"), _run(tmp_path / "file", "--policies", "random")):
        assert result.exit_code == 1 and "--out: not_writable" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policies", "lagrangian_bound"), "--policies: nothing_to_play"),
        (("--policies", "ideal"), "--policies: unknown_policy (ideal; there are random"),
        (("--policies", " , "), "--policies: unknown_policy (none"),
        (("--days", "700", "--list-days", "365"), "--list-days: too_many"),
        (("--world", "flat"), "Invalid value for '--world'"),
    ],
)
def test_what_cannot_be_simulated_is_named(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = _run(tmp_path, *arguments)
    assert result.exit_code != 0 and said in result.output
