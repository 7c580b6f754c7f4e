"""Worlds by name: the placebo, the sealed one, and truth as clairvoyant policies read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.simulation.worlds.policies import NO_MAIL, at_random, everybody
from workbench.simulation.worlds import DayEvents, World, named
from workbench.simulation.worlds.spec import CONTENTS


def test_in_the_placebo_world_content_and_timing_do_nothing() -> None:
    for name, same in (("placebo", True), ("default", False)):
        world = World(named(name), 1, 300)
        who, content, hour = np.arange(300)[:, None, None], np.arange(CONTENTS)[None, :, None], np.arange(24)[None, None, :]
        chances = world.truth.chances(who, np.array([[[0]]]), content, hour)
        for values in (chances.click * chances.convert, chances.unsubscribe, chances.complaint):
            everywhere = np.broadcast_to(values, (300, CONTENTS, 24))
            assert np.allclose(everywhere, everywhere[:, :1, :1], rtol=1e-12) == same
        weekdays = []
        for day in range(7):
            c = world.truth.chances(np.arange(300), np.zeros(300, dtype=np.int64), np.zeros(300, dtype=np.int64), np.full(300, 9))
            weekdays.append(c.open[~world.truth.lapsed & ~world.truth.dead].mean())
            world.step(day, NO_MAIL)
        assert (np.ptp(weekdays) < 0.01 * np.mean(weekdays)) == same


def test_the_sealed_world_is_its_seed_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a secret\n")
    two.write_text("another")
    first = named("sealed", one)
    assert first == named("sealed", one) != named("sealed", two)
    assert first.name == "sealed" and first.unsubscribe != named("default").unsubscribe
    events = World(first, 1, 500).step(0, at_random()(World(first, 1, 500)))
    assert isinstance(events, DayEvents) and len(events) > 400
    (tmp_path / "empty").write_text(" \n")
    for name, file in (("sealed", None), ("default", one), ("sealed", tmp_path / "empty"), ("nowhere", None)):
        with pytest.raises(ValueError, match=r"seed file|no world"):
            named(name, file)


def test_chances_of_all_combinations_are_those_of_each() -> None:
    world = World(named("default"), 1, 200)
    for day in range(3):
        world.step(day, everybody(world))
    who = np.arange(200)
    grid = world.truth.chances(
        who[:, None, None], np.arange(12)[None, :, None], np.arange(CONTENTS)[None, None, :], np.array([[[20]]])
    )
    one = world.truth.chances(who, np.full(200, 7), np.full(200, 13), np.full(200, 20))
    for name in ("open", "click", "convert", "micros", "unsubscribe", "complaint", "hard_bounce", "lapse"):
        values = np.broadcast_to(getattr(grid, name), (200, 12, CONTENTS))[:, 7, 13]
        assert np.array_equal(values, getattr(one, name)), name
    assert np.array_equal(grid.expected_micros[:, 7, 13], one.expected_micros)
