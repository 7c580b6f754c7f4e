"""Trials, what is made of them, and where a study must raise its hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from workbench.simulation.study import charts, compare
from workbench.simulation.study.batch import tasks, trials
from workbench.simulation.study.engine.engine import START, Engine
from workbench.simulation.study.play import play
from workbench.simulation.study.policy import Setting
from workbench.simulation.study.trial import BOUND, HEIRS, Size, Trial, run, trial_of, worth_per_mail
from workbench.simulation.worlds import World, named

SIZE = Size(120, 21, 14)
ONE = Trial("default", 0, "engine", 100.0, 0.9, 40.0, 60.0, 20.0, 1_000, 1, 9, 0.95, (30.0, 60.0, 100.0), (1.0, 0.98, 0.95))


def _some(policy: str, cash: list[float], **changes: object) -> list[Trial]:
    return [replace(ONE, policy=policy, seed=seed, cash=value, **changes) for seed, value in enumerate(cash)]  # type: ignore[arg-type]


def test_a_trial_is_the_same_every_time_and_survives_a_file() -> None:
    once = run(named("default"), 3, "engine", SIZE)
    assert once == run(named("default"), 3, "engine", SIZE)
    assert trial_of(json.loads(json.dumps(once.document()))) == once
    assert len(once.cash_by_week) == 3 and once.cash_by_week[-1] == pytest.approx(once.cash, abs=0.01)
    assert once.net == once.cash + once.list_value and once.list_value > 0


def test_the_list_left_is_not_mailed_twice() -> None:
    """What an heir earns with the list that is left does not depend on what the others would do with it, nor changes the policy's own."""
    alone, together, without = (
        run(named("default"), 3, "spec_loop", replace(SIZE, list_days=days, heirs=heirs))
        for days, heirs in ((14, ("engine",)), (14, HEIRS), (0, HEIRS))
    )
    assert (together.cash, together.mails, together.exits) == (without.cash, without.mails, without.exits)
    assert alone.list_value == together.list_value > 0
    assert (alone.oracle_list_value, alone.own_list_value) == (0.0, 0.0) != (together.oracle_list_value, together.own_list_value)
    assert (without.list_value, without.oracle_list_value, without.own_list_value) == (0.0, 0.0, 0.0)
    assert together.oracle_list_value > together.list_value


def test_an_heir_begins_anew() -> None:
    """The engine's list goes to an engine that knows nothing of the mails before: the same dollars as by hand, unlike its own."""
    size = Size(100, 10, 6, HEIRS)
    trial = run(named("default"), 3, "engine", size)
    setting = Setting(size.people, 12, size.days + size.list_days, size.daily_cap, 3)
    world, first, second = World(named("default"), 3, size.people), Engine(setting), Engine(setting)
    play(world, first, size.days)
    assert play(world, second, size.list_days).cash == trial.list_value != trial.own_list_value
    sent = [cell.day for cell in second.memory.evidence(since=0, until=size.days + size.list_days)]
    assert min(sent) == (START + timedelta(days=size.days)).date(), "of earlier mails, clicked late, it counts nothing"
    assert second.memory.rows["created_at"].max() <= (START + timedelta(days=size.days)).timestamp()


def test_worth_that_is_kept_counts_those_more_who_are_worth_more() -> None:
    world = World(named("default"), 3, 200)
    worth = worth_per_mail(world)
    assert (worth > 0).all() and worth.std() / worth.mean() > 0.5
    gentle, harsh = (run(named("fatigued"), 3, name, Size(200, 60, 0)) for name in ("clairvoyant_index", "daily_blast"))
    assert 1 > gentle.kept > harsh.kept > 0


def test_paired_differences_and_ratios_are_those_of_the_textbook() -> None:
    """Differences 1..6: mean 3.5, s = 1.8708, t(5, 0.975) = 2.5706, half-width 1.9633."""
    rows = _some("engine", [11, 22, 33, 44, 55, 66]) + _some("random", [10, 20, 30, 40, 50, 60])
    found = compare.difference(rows, "default", "engine", "random", net=False)
    assert found is not None and found.value == 3.5
    assert found.half_width == pytest.approx(1.9633, rel=0.01)
    shares = compare.ratio(rows, "default", "engine", "random", net=False)
    assert shares is not None and shares.value == pytest.approx(1.1) and shares.half_width == pytest.approx(0.0, abs=1e-12)
    assert compare.difference(rows, "default", "engine", "nobody", net=False) is None


def test_a_gap_is_in_points_and_paired() -> None:
    rows = _some("engine", [1.0] * 5, kept=0.80) + [
        replace(t, kept=0.84 + 0.01 * t.seed) for t in _some("clairvoyant_index", [1.0] * 5)
    ]
    found = compare.gap(rows, "default", "clairvoyant_index", "engine")
    assert found is not None and found.value == pytest.approx(6.0)
    assert found.half_width == pytest.approx(2.776 * 1.5811 / 5**0.5, rel=0.01)
    assert compare.gap(rows, "default", "engine", "nobody") is None


def test_only_worlds_that_all_have_played_are_compared() -> None:
    rows = _some("engine", [1, 2, 3, 4, 5, 6]) + _some("random", [1, 2, 3])
    assert {(s.policy, s.seeds) for s in compare.summaries(rows, "default")} == {("engine", 3), ("random", 3)}
    assert compare.summaries(rows, "drifting") == []


def test_four_seeds_show_no_interval() -> None:
    (found,) = compare.summaries(_some("engine", [1, 2, 3, 4]), "default")
    assert math.isnan(found.cash.half_width)


def test_an_engine_too_good_to_be_honest_is_a_leak_and_a_clairvoyant_is_not() -> None:
    rows = _some("clairvoyant_index", [100.0] * 5) + _some("engine", [86.0] * 5) + _some("clairvoyant_sort", [120.0] * 5)
    (leak,) = compare.leaks(compare.summaries(rows, "default"))
    assert leak.startswith("engine earned 86%")
    honest = _some("clairvoyant_index", [100.0] * 5) + _some("engine", [84.0] * 5) + _some("same_models_sort", [30.0] * 5)
    assert compare.leaks(compare.summaries(honest, "default")) == []


def test_regret_is_measured_by_the_oracle_and_by_the_bound() -> None:
    rows = _some("clairvoyant_index", [100.0] * 5) + _some("engine", [40.0] * 5) + _some(BOUND, [200.0] * 5, mails=0)
    by_name = {s.policy: s for s in compare.summaries(rows, "default")}
    assert (by_name["engine"].of_oracle, by_name["engine"].of_bound) == (0.4, 0.2)
    assert by_name["engine"].complaints_rate == 0.001


def test_trials_side_by_side_are_those_one_by_one() -> None:
    todo = tasks(named("placebo"), ["random", "engine"], [0, 1], Size(60, 9, 0))
    days = 0

    def each() -> None:
        nonlocal days
        days += 1

    alone = list(trials(todo, jobs=1, each_day=each))
    assert days == 4 * 9
    together = list(trials(todo, jobs=2))
    assert {(t.seed, t.policy): t for t in together} == {(t.seed, t.policy): t for t in alone}
    assert [(t.seed, t.policy) for t in alone] == [(0, "random"), (0, "engine"), (1, "random"), (1, "engine")]


def test_pictures_are_drawn(tmp_path: Path) -> None:
    rows = _some("engine", [40.0] * 5) + _some("random", [30.0] * 5) + _some(BOUND, [90.0] * 5, cash_by_week=(), alive_by_week=())
    paths = charts.draw(tmp_path / "new", rows, compare.summaries(rows, "default"), title="a study")
    assert [path.name for path in paths] == ["cash.png", "list.png", "net.png"]
    for path in paths:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 5_000


def test_nothing_is_found_in_a_world_where_content_and_timing_do_nothing() -> None:
    """The true chances of tones and hours are equal there, so whoever knows them all gains nothing by choosing among them."""
    world = World(named("placebo"), 3, 50)
    hours = world.truth.chances(np.arange(50)[:, None], np.array([[0]]), np.array([[0]]), np.arange(24)[None, :])
    tones = world.truth.chances(np.arange(50)[:, None], np.array([[0]]), np.arange(5)[None, :], np.array([[9]]))
    assert np.ptp(hours.expected_micros, axis=1).max() == 0
    assert np.ptp(tones.expected_micros, axis=1).max() == 0
