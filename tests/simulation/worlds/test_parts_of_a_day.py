"""A day may be mailed in parts, at any minute: that changes nothing about what happens."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from revenue_engine.arrays import Ints
from tests.simulation.worlds.policies import HOT, NO_MAIL, at_random, everybody
from workbench.simulation.worlds import Mailing, World
from workbench.simulation.worlds.events import Facts, Kind, joined

SEED, PEOPLE, DAYS = 5, 900, 12


def _some(mailing: Mailing, chosen: Ints) -> Mailing:
    past = None if mailing.past_hour is None else mailing.past_hour[chosen]
    return Mailing(mailing.who[chosen], mailing.offer[chosen], mailing.content[chosen], mailing.hour[chosen], past)


def _facts(world: World) -> Facts:
    assert world.truth.facts is not None
    return world.truth.facts


def _same(one: Facts, two: Facts) -> bool:
    return all(np.array_equal(getattr(one, field.name), getattr(two, field.name)) for field in fields(Facts))


@pytest.mark.parametrize("parts", [2, 7, 60])
def test_one_step_or_many_parts_tell_the_same_row_for_row(parts: int) -> None:
    whole, split, policy = World(HOT, SEED, PEOPLE), World(HOT, SEED, PEOPLE), at_random(2.0)
    luck = np.random.default_rng(0)
    for day in range(DAYS):
        mailing = policy(whole)
        whole.step(day, mailing)
        for chosen in np.array_split(luck.permutation(len(mailing.who)), parts):
            split.mail(day, _some(mailing, chosen))
        split.evening(day)
        assert _same(_facts(whole), _facts(split))
    assert np.array_equal(whole.truth.fatigue, split.truth.fatigue)
    assert np.array_equal(whole.truth.leaving, split.truth.leaving)
    assert np.array_equal(whole.placement(DAYS), split.placement(DAYS))


def test_a_part_gives_all_rows_that_its_mails_will_ever_cause() -> None:
    world = World(replace(HOT, convert_rate=2.0, reversed=0.3), SEED, PEOPLE)
    promised = world.mail(0, at_random(1.0)(world))
    world.evening(0)
    came = [_facts(world)]
    for day in range(1, 300):
        world.step(day, NO_MAIL)
        came.append(_facts(world))
    told = joined(came)
    order = np.lexsort((promised.part, promised.kind, promised.row, promised.at))
    assert _same(promised.where(order), told)
    assert {Kind.REBILL, Kind.APPROVAL, Kind.REVERSAL} <= {Kind(kind) for kind in told.kind.tolist()}


def test_a_mail_leaves_at_the_minute_that_is_given() -> None:
    world, other = World(HOT, SEED, PEOPLE), World(HOT, SEED, PEOPLE)
    plan = everybody(world, hour=9)
    given = Mailing(plan.who, plan.offer, plan.content, plan.hour, np.full(len(plan.who), 0.5))
    exact, drawn = world.mail(0, given).of(Kind.DELIVERY), other.mail(0, plan).of(Kind.DELIVERY)
    assert np.array_equal(exact.row, drawn.row)
    assert ((exact.at > 9.5 * 3_600 + 0.8) & (exact.at < 9.5 * 3_600 + 3.8)).all()
    assert np.ptp(drawn.at) > 3_000


def test_nobody_is_mailed_twice_a_day_in_whatever_parts() -> None:
    world = World(HOT, SEED, PEOPLE)
    plan = everybody(world)
    world.mail(0, _some(plan, np.arange(5)))
    with pytest.raises(ValueError, match="one mail a day and person"):
        world.mail(0, _some(plan, np.arange(4, 9)))
    with pytest.raises(ValueError, match="the next day is 0"):
        world.evening(1)
    world.evening(0)
    assert len(world.mail(1, _some(everybody(world), np.arange(3)))) > 0


@pytest.mark.parametrize("past", [[-0.1], [1.0], [0.5, 0.5]])
def test_an_hour_has_sixty_minutes(past: list[float]) -> None:
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(ValueError, match="of an hour"):
        World(HOT, SEED, 10).mail(0, Mailing(one, one, one, one, np.array(past)))
