"""A change of policy changes only what it causes, and a list may be stepped in any parts and any order."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from revenue_engine.arrays import Ints
from tests.simulation.worlds.policies import Policy, at_random, without
from workbench.simulation.worlds import Commons, DayEvents, World, WorldSpec, named
from workbench.simulation.worlds.commons import REPUTATION_LAG_DAYS

SEED, PEOPLE, DAYS = 3, 3_000, 25
# Hot enough that a month has something of everything.
BUSY = replace(
    named("default"),
    name="busy",
    click_rate=0.6,
    convert_rate=0.3,
    unsubscribe=0.01,
    complaint=0.004,
    fraud=0.02,
    weekly_cap_per_thousand=30.0,
)
ALONE = replace(BUSY, complaints_halving=np.inf, capped=0.0)  # nobody's mail touches others


def _history(world: World, policy: Policy, days: int = DAYS) -> list[DayEvents]:
    return [world.step(world.day, policy(world)) for _ in range(days)]


def _table(world: World, history: list[DayEvents], ids: Ints | None = None) -> np.ndarray:
    """All rows, by subscriber id instead of row, in a canonical order; (n, columns)."""
    columns = []
    for field in fields(DayEvents):
        column = np.concatenate([getattr(events, field.name) for events in history]).astype(np.float64)
        columns.append(world.profile.ids[column.astype(np.int64)] if field.name == "row" else column)
    table = np.stack(columns, axis=1)
    if ids is not None:
        table = table[np.isin(table[:, 2], ids)]
    return table[np.lexsort(table.T)]


def _one_by_one(spec: WorldSpec, parts: list[Ints]) -> np.ndarray:
    commons = Commons(spec, SEED, PEOPLE)
    worlds = [World(spec, SEED, ids, commons=commons) for ids in parts]
    policy, tables = at_random(2.0), []
    for _ in range(DAYS):
        tables += [_table(world, [world.step(world.day, policy(world))]) for world in worlds]
    table = np.concatenate(tables)
    return np.asarray(table[np.lexsort(table.T)])


def test_the_same_world_twice() -> None:
    one, two = World(BUSY, SEED, PEOPLE), World(BUSY, SEED, PEOPLE)
    assert np.array_equal(_table(one, _history(one, at_random(2.0))), _table(two, _history(two, at_random(2.0))))
    other = World(BUSY, SEED + 1, PEOPLE)
    assert len(_table(other, _history(other, at_random(2.0)))) != len(
        _table(one, _history(World(BUSY, SEED, PEOPLE), at_random(2.0)))
    )


def test_parts_and_order_of_the_list_change_nothing() -> None:
    everyone = np.arange(PEOPLE)
    whole = _one_by_one(BUSY, [everyone])
    assert {1, 4, 5, 6, 7, 8} <= set(whole[:, 1].astype(int))
    shuffled = np.random.default_rng(0).permutation(PEOPLE)
    for parts in (
        [everyone[::-1].copy()],
        [everyone[:10], everyone[10:1_700], everyone[1_700:]],
        [shuffled[2_000:], shuffled[:1], shuffled[1:2_000]],
    ):
        assert np.array_equal(_one_by_one(BUSY, parts), whole)


def test_a_policy_that_spares_one_person_changes_only_his_life() -> None:
    row = 77
    one, two = World(ALONE, SEED, PEOPLE), World(ALONE, SEED, PEOPLE)
    kept = _table(one, _history(one, at_random(1.5)))
    spared = _table(two, _history(two, without(at_random(1.5), row, range(5, 15))))
    others = np.delete(np.arange(PEOPLE), row)
    assert np.array_equal(kept[np.isin(kept[:, 2], others)], spared[np.isin(spared[:, 2], others)])
    assert (kept[:, 2] == row).sum() > (spared[:, 2] == row).sum()
    assert not np.array_equal(one.truth.fatigue[row], two.truth.fatigue[row])
    assert np.array_equal(np.delete(one.truth.fatigue, row), np.delete(two.truth.fatigue, row))


def test_others_feel_a_change_only_through_reputation_and_only_after_its_lag() -> None:
    """1,000 people of one provider are blasted with or without; the rest of the list is mailed alike."""
    spec = replace(BUSY, capped=0.0, complaint=0.05)
    worlds = [World(spec, SEED, PEOPLE) for _ in range(2)]
    provider = worlds[0].profile.provider
    blasted = np.flatnonzero(provider == 1)[:300]
    base = at_random(1.0)
    histories: list[list[DayEvents]] = []
    for world, spare in zip(worlds, (False, True), strict=True):
        days = []
        for _ in range(10):
            plan = base(world)
            keep = ~np.isin(plan.who, blasted) if spare else np.ones(len(plan.who), dtype=bool)
            plan = type(plan)(plan.who[keep], plan.offer[keep], plan.content[keep], plan.hour[keep])
            days.append(world.step(world.day, plan))
        histories.append(days)
    rest = np.setdiff1d(np.arange(PEOPLE), blasted)
    neighbours, strangers = rest[provider[rest] == 1], rest[provider[rest] != 1]
    one, two = worlds
    first = REPUTATION_LAG_DAYS
    assert np.array_equal(_table(one, histories[0][:first], neighbours), _table(two, histories[1][:first], neighbours))
    assert not np.array_equal(_table(one, histories[0], neighbours), _table(two, histories[1], neighbours))
    assert np.array_equal(_table(one, histories[0], strangers), _table(two, histories[1], strangers))
    assert one.placement(10)[1] < two.placement(10)[1]
