"""A tiny run of the breaker's benchmark: the same answers every time, and the ones it promises."""

from __future__ import annotations

from statistics import median

from benchmarks.breaker_days import a_week_with, false_days, mails_to_catch
from benchmarks.breaker_replay import Recording, differences
from workbench.simulation.study.play import play
from workbench.simulation.study.policy import Setting
from workbench.simulation.worlds import World, named


def test_days_that_are_well_seldom_trip_and_a_rise_is_caught_in_time() -> None:
    assert false_days(0.0003, 100, 1) == 0
    caught = mails_to_catch(0.003, 30, 1)
    assert caught == mails_to_catch(0.003, 30, 1)
    assert 500 < median(caught) < 4_000
    assert median(mails_to_catch(0.003, 30, 1, lag_hours=6.0)) > median(caught)


def test_a_very_bad_offer_is_cut_and_the_others_flow() -> None:
    week = a_week_with(0.03, 1, days=1)
    assert (week.tripped, week.wrongly, week.others_kept) == (False, 0, 1.0)
    assert week.cut_after is not None
    assert week.cut_after < 1_000


def test_recorded_cycles_are_decided_again_to_the_byte_and_a_changed_line_is_seen() -> None:
    spec = named("default")
    engine = Recording(Setting(40, spec.offers, 4, 40, 1))
    play(World(spec, 1, 40), engine, 4)
    total, differing = differences(engine.recorded, engine.bundles)
    assert (total > 50, differing) == (True, 0)
    first = engine.recorded[0]
    changed = type(first)(first.page, first.context, first.granted, first.lines.replace(b'"granted"', b'"Granted"', 1))
    assert differences([changed], engine.bundles)[1] == 1
