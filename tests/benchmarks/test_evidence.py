"""The benchmark's parts on few lists; what they come to is not judged here, but that they can tell right from wrong is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks import evidence
from benchmarks.evidence_lift import FIRST_LOOK, SHARES, World, coverage, metered, mis_split, watch
from revenue_engine.evaluation.lift import Settings

SMALL = World("small", people=10_000, monthly=0.5, days=40, tail=0.5)


def test_the_table_is_of_both_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "ope_figures", lambda quick: ([("a", "b", "c")], {"gate_power": float(quick)}))
    monkeypatch.setattr(evidence, "lift_figures", lambda quick: ([("d", "e", "f")], {"lift_coverage": 2.0}))
    result = evidence.measure(quick=True)
    assert result.rows == [("a", "b", "c"), ("d", "e", "f")]
    assert result.figures == {"gate_power": 1.0, "lift_coverage": 2.0}
    assert len(result.columns) == 3


def test_what_people_really_earned_is_on_average_what_was_expected() -> None:
    world = dataclasses.replace(SMALL, reversed_share=0.5, leaving=(0.02, 0.01, 1e-6))
    day = world.days - 1
    earned = []
    for seed in range(40):
        people = world.drawn(seed).people(day)
        earned.append([people.approved_micros[people.arm == arm].mean() for arm in range(2)])
    for arm, mean in enumerate(np.mean(earned, axis=0)):
        error = np.std(earned, axis=0)[arm] / 40**0.5
        assert mean == pytest.approx(world.earned(arm)[day], abs=3.5 * error)
        assert error < 0.05 * mean


def test_a_world_without_reversals_or_leaving_earns_a_round_sum() -> None:
    world = dataclasses.replace(SMALL, lift=0.0, reversed_share=0.0, leaving=(0.0, 0.0, 0.0), monthly=3.0)
    # a payment of 20 dollars every ten days, approved 3 to 14 days after it: of 30 days' all but the last 13 counted in full
    daily = np.diff(world.earned(0))
    assert daily[:2].tolist() == [0.0, 0.0]
    assert daily[13:] == pytest.approx(2e6)
    assert world.earned(2).tolist() == [0.0] * world.days


def test_every_day_is_looked_at_and_a_wrong_truth_is_noticed() -> None:
    drawn = SMALL.drawn(1)
    right = watch(drawn, Settings())
    assert 10 < right.looks == len(right.margins) <= SMALL.days - FIRST_LOOK
    assert right.inside
    assert right.plain_inside <= right.inside
    wrong = watch(dataclasses.replace(drawn, world=dataclasses.replace(SMALL, lift=5.0)), Settings())
    assert not wrong.inside
    assert not wrong.ratio_inside
    assert not wrong.plain_inside


def test_lists_that_give_no_interval_are_no_evidence_of_coverage() -> None:
    rows, seen = coverage([SMALL, dataclasses.replace(SMALL, name="nobody pays", monthly=1e-6)], 2, Settings())
    assert len(seen) == 2
    assert len(rows) == 1


def test_the_power_meter_is_asked_and_judged_by_its_day() -> None:
    world = dataclasses.replace(SMALL, lift=1.5, days=90, leaving=(1e-6, 1e-6, 1e-6))
    asked, shown, days = metered(world, 15, 3)
    assert 0 <= shown <= asked == len(days) <= 3
    assert asked


def test_mis_split_arms_are_found_and_others_seldom() -> None:
    assert mis_split((0.93, 0.06, 0.01), 6_000, 20) == 1.0
    assert mis_split(SHARES, 6_000, 50) <= 0.05
    assert mis_split((0.5, 0.5), 6_000, 50) <= 0.05
    assert mis_split((0.4, 0.6), 6_000, 20) == 1.0
