"""The recursion against one solved by hand, and the bound against policies and a closed form."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.simulation.worlds.policies import HOT
from workbench.simulation.study.bound import upper_bound
from workbench.simulation.study.lists import morning, nothing
from workbench.simulation.study.play import play
from workbench.simulation.study.policy import COST_MICROS, Setting
from workbench.simulation.study.prospects import Prospects, prospects
from workbench.simulation.study.registry import NAMES, policy
from workbench.simulation.study.tiredness import impatient, kinds, patient
from workbench.simulation.worlds import World, WorldSpec, named
from workbench.simulation.worlds.response import SOFT_BOUNCES, mood, respond
from workbench.simulation.worlds.sales import mean_micros

FOR_EVER = replace(
    named("default"),
    name="for ever",
    unsubscribe=0.0,
    complaint=1e-12,
    dead_from_start=0.0,
    death_per_day=0.0,
    lapse_per_day=0.0,
    lapse_per_mail=0.0,
    wear_out=0.0,
    tired_at=1e9,
    annoyable=0.0,
    arriving=0.0,
    capped=0.0,
    breaks_per_day=0.0,
)


def _by_hand(world: World, who: int, today: Prospects, days: int) -> float:
    """Everything written out: a week's pattern of mails, reading or silent, with straight recursion."""
    spec, limit = world.spec, world.people.annoyed_above[who]

    def value(pattern: int, silent: bool, left: int) -> float:
        if not left:
            return 0.0
        kept = 1 - spec.death_per_day
        rest, seen_then = (pattern << 1) & 127, ((pattern | 1) << 1) & 127
        if silent:
            back = spec.return_per_day
            return kept * (back * value(rest, False, left - 1) + (1 - back) * value(rest, True, left - 1))
        falls = spec.lapse_per_day
        rested = kept * ((1 - falls) * value(rest, False, left - 1) + falls * value(rest, True, left - 1))
        late = mood(spec, np.array([limit]), np.zeros(1), np.array([float(bin(pattern).count("1"))]))
        more = falls + spec.lapse_per_mail * float(late.lapses[0])
        after = kept * ((1 - more) * value(seen_then, False, left - 1) + more * value(seen_then, True, left - 1))
        opened = 1 - np.exp(-today.open_rate[0] * late.opens[0])
        most = 1 / today.most[0]
        clicked, other, complains = (
            min(late.exits[0] * chance[0], most) for chance in (today.unsubscribe, today.unsubscribe_unopened, today.complaint)
        )
        leaves = clicked * opened + other * (1 - opened)
        exits = complains + leaves - complains * leaves / most
        worth = float(today.worth(np.array([[exits * after / opened]]))[0, 0])
        mail = (1 - today.seen[0]) * rested + today.seen[0] * (after + opened * worth) - COST_MICROS
        return float(max(rested, mail))

    return value(0, False, days)


def test_the_recursion_is_the_one_written_out_by_hand() -> None:
    world = World(replace(named("fatigued"), annoyable=1.0), 3, 4)
    who = np.arange(4)
    levels = impatient(world, who, tired=False)
    today = prospects(world, who, 0, world.commons.running(0))
    values = nothing(levels)
    for _ in range(9):
        values = morning(world.spec, levels, today, values, price=COST_MICROS)
    for person in who:
        alone = prospects(world, who[[person]], 0, world.commons.running(0))
        assert values.active[person, 0] == pytest.approx(_by_hand(world, int(person), alone, 9), rel=1e-9)


def test_the_envelope_is_never_below_the_best_choice() -> None:
    world = World(named("fatigued"), 3, 50)
    today = prospects(world, np.arange(50), 0, world.commons.running(0))
    price = today.scale[:, None] * np.random.default_rng(1).random((50, 40))
    answer = world.truth.chances(np.arange(50)[:, None, None], np.flatnonzero(world.commons.running(0))[None, :, None],
                                 np.arange(5)[None, None, :], np.zeros((1, 1, 1), dtype=np.int64))  # fmt: skip
    per_opening = (answer.expected_micros / answer.open).reshape(50, -1)
    factor = (answer.complaint / answer.complaint[:, :1, :1]).reshape(50, -1)
    exact = (per_opening[:, None, :] - factor[:, None, :] * price[:, :, None]).max(axis=2)
    got = today.worth(price)
    assert (got >= exact - 1e-6 * np.abs(exact) - 1e-6).all()
    assert np.median(np.abs(got - exact) / today.envelope[:, :1]) < 0.02


def test_tiredness_moves_as_in_the_world_and_is_never_rounded_up() -> None:
    world = World(named("default"), 3, 200)
    smooth, others = kinds(world, np.arange(200))
    assert len(smooth) + len(others) == 200 and 5 < len(others) < 50
    exact, down = (patient(world, smooth, 60, rounded_down=rounded) for rounded in (False, True))
    assert exact.fatigue_of_top is not None
    fatigue = exact.fatigue_of_top[:, None] * (np.arange(60) / 59) ** 1.5
    decay = np.exp2(-1 / world.people.half_life_days[smooth])[:, None]
    for steps_of, after in (("rest", fatigue * decay), ("mailed", (fatigue + 1) * decay)):
        assert np.allclose(getattr(exact, steps_of).of(fatigue), after, rtol=1e-9)
        rounded = getattr(down, steps_of).of(fatigue)
        assert (rounded <= after * (1 + 1e-12)).all() and (rounded > 0.6 * after - 0.1).all()


def test_the_bound_is_the_sum_of_best_mails_where_nothing_is_lost_by_mailing() -> None:
    """Nobody tires, leaves or wears offers out, and the cap is the list: the best mail to everybody every day."""
    people, days = 150, 12
    best = 0.0
    for day in range(days):
        world = World(FOR_EVER, 4, people)
        today = prospects(world, np.arange(people), day, world.commons.running(0), inbox=np.full(people, FOR_EVER.inbox))
        worth = today.seen * -np.expm1(-today.open_rate) * today.envelope[:, 0] - COST_MICROS
        best += float(np.maximum(worth, 0).sum()) / 1e6
    bound = upper_bound(World(FOR_EVER, 4, people), days, people)
    assert best * (1 - 1e-9) <= bound <= best * 1.05  # one price of an opening for all days


HARSH = replace(
    named("fatigued"),
    name="harsh",
    offers=1,
    wear_out=0.0,
    arriving=0.0,
    capped=0.0,
    breaks_per_day=0.0,
    complaints_halving=float("inf"),
    open_rate=0.6,
    click_rate=0.5,
    unsubscribe=0.02,
    lapse_per_mail=0.06,
    lapse_per_day=0.02,
    return_per_day=0.1,
    death_per_day=0.01,
)


def _best_possible(spec: WorldSpec, seed: int, people: int, days: int) -> np.ndarray:
    """(n,) micros of the best one can do with each person, by going through all histories of mails that were seen: the world's own
    responses, nothing of `study`."""
    world = World(spec, seed, people)
    who, tones = np.arange(people), np.arange(5)[None, :]
    hours = world.people.peak_hour.astype(np.int64)[:, None]
    decay, kept, seen = np.exp2(-1 / world.people.half_life_days), 1 - spec.death_per_day, spec.inbox * (1 - SOFT_BOUNCES)
    micros = mean_micros(spec, world.commons.offers, world.people.basket, np.zeros(people, dtype=np.int64))[:, None]

    @cache
    def value(history: tuple[int, ...], silent: bool) -> np.ndarray:
        day = len(history)
        if day == days:
            return np.zeros(people)
        idle = (*history, 0)
        if silent:
            back = spec.return_per_day
            return np.asarray(kept * (back * value(idle, False) + (1 - back) * value(idle, True)))
        world.state.fatigue[:] = 0.0
        world.state.week[:] = 0
        for bit in history:
            world.state.fatigue[:] = (world.state.fatigue + bit) * decay
            world.state.week[:] = ((world.state.week | np.uint8(bit)) << np.uint8(1)) & np.uint8(127)
        answer = respond(world, day, who[:, None], np.zeros((1, 1), dtype=np.int64), tones, hours)
        falls, more = spec.lapse_per_day, np.minimum(spec.lapse_per_day + answer.lapse, 1.0)
        rested = kept * ((1 - falls) * value(idle, False) + falls * value(idle, True))
        mailed, stung = value((*history, 1), False)[:, None], value((*history, 1), True)[:, None]
        after = kept * ((1 - more) * mailed + more * stung)
        leaves = answer.open * answer.unsubscribe_opened + (1 - answer.open) * answer.unsubscribe_unopened
        stays = (1 - answer.complaint) * (1 - leaves)
        mail = seen * (answer.open * answer.click * answer.convert * micros + stays * after) + (1 - seen) * rested[:, None]
        return np.asarray(np.maximum(rested, (mail - COST_MICROS).max(axis=1)))

    return np.where(world.people.dead, 0.0, value((), False))


@pytest.mark.parametrize("annoyable", [0.0, 1.0])
def test_the_bound_lies_closely_above_the_best_possible(annoyable: float) -> None:
    """Exits, silence, death and tiredness as harsh as they come: whatever step erred downwards would show."""
    spec, people, days = replace(HARSH, annoyable=annoyable), 120, 7
    best = float(_best_possible(spec, 3, people, days).sum()) / 1e6
    bound = upper_bound(World(spec, 3, people), days, people)
    assert best <= bound <= 1.2 * best
    # and it knows of the harm: without any, more could be earned
    gentle = replace(spec, unsubscribe=0.0, complaint=0.0, lapse_per_mail=0.0)
    assert upper_bound(World(gentle, 3, people), days, people) > 1.04 * bound


@pytest.mark.parametrize("world_name", ["default", "fatigued", "drifting", "hot"])
def test_no_policy_that_keeps_to_the_cap_earns_more_than_the_bound(world_name: str) -> None:
    spec = replace(HOT if world_name == "hot" else named(world_name), complaints_halving=float("inf"))
    people, days, cap = 150, 30, 52
    bound = upper_bound(World(spec, 6, people), days, cap)
    earned = {}
    for name in sorted(set(NAMES) - {"daily_blast"}):
        world = World(spec, 6, people)
        earned[name] = play(world, policy(name, Setting(people, spec.offers, days, cap, 6), world), days).cash
    assert max(earned.values()) < bound
    assert max(earned.values()) > 0.3 * bound, "a bound that says nothing"


def test_a_tighter_cap_lowers_the_bound_and_a_begun_world_has_none() -> None:
    bounds = [upper_bound(World(named("default"), 6, 150), 20, cap) for cap in (150, 20, 4)]
    assert bounds[0] > bounds[1] > bounds[2] > 0
    world = World(named("default"), 6, 150)
    world.evening(0)
    with pytest.raises(ValueError, match="first day"):
        upper_bound(world, 20, 50)


def test_the_oracle_keeps_a_tiring_list_that_sorting_burns() -> None:
    """Cash and what the list is worth afterwards, summed over seeds."""
    spec, people, days = named("fatigued"), 250, 120
    totals = dict.fromkeys(("clairvoyant_index", "clairvoyant_sort"), 0.0)
    alive = dict.fromkeys(totals, 0)
    for seed in range(2):
        for name in totals:
            world = World(spec, seed, people)
            setting = Setting(people, spec.offers, 2 * days, round(0.35 * people), seed)
            alive[name] += int(play(world, policy(name, setting, world), days).alive[-1])
            totals[name] += play(world, policy("clairvoyant_index", setting, world), days).cash
    assert alive["clairvoyant_index"] > 1.08 * alive["clairvoyant_sort"]
    assert totals["clairvoyant_index"] > 1.15 * totals["clairvoyant_sort"]
