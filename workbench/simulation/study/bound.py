"""An upper bound on what any policy could earn in a world: the Lagrangian relaxation of its daily cap.

V* ≤ min over λ of  Σ_i V_i(λ) + λ · cap · days, each V_i the best of one person alone, by a sender who knows every chance and the
whole future of the offers, but not how the dice fall. It holds for any policy, for each step errs upwards: tiredness is rounded down,
offers neither wear out nor reach caps nor break, hours are ideal, exits understated, the inbox is that of a sender whom nobody
complained of. Stated, and certified, for the world without provider reputation; with it placement is lower, and the bound looser.
Money as in `play`: the expectation of each mail when sent, less its cost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from revenue_engine.arrays import Ints
from workbench.simulation.study.lists import morning, nothing
from workbench.simulation.study.policy import COST_MICROS
from workbench.simulation.study.prospects import Prospects, prospects
from workbench.simulation.study.tiredness import Levels, impatient, kinds, patient
from workbench.simulation.worlds import World

LEVELS = 160
_PRICES_TRIED = 6
_PART = 1_000  # people at a time: tables of all would not fit


def upper_bound(world: World, days: int, daily_cap: int, *, each: Callable[[], None] = lambda: None) -> float:
    """Dollars. The world must be new."""
    if world.day:
        raise ValueError("the bound is of a world on its first day")
    alive = np.flatnonzero(~world.people.dead)
    parts = [part for kind in kinds(world, alive) for part in np.array_split(kind, -(-len(kind) // _PART)) if len(part)]
    solved = [_Part(world, part, days) for part in parts]

    def at(price: float) -> float:
        each()
        return sum(part.value(price) for part in solved) + price * daily_cap * days

    # convex in the price: where no cap binds, a price of nothing is best
    low, high, best = 0.0, 4.0 * COST_MICROS, at(0.0)
    for _ in range(_PRICES_TRIED):
        middle = (low + high) / 2
        found = at(middle)
        if found < best:
            best, low = found, middle / 2
        else:
            high = middle
    return best / 1e6


class _Part:
    """Some people of one kind, and what each day has for them."""

    def __init__(self, world: World, who: Ints, days: int) -> None:
        self._spec = world.spec
        smooth = bool(np.isinf(world.people.annoyed_above[who]).all())
        self._levels: Levels = patient(world, who, LEVELS, rounded_down=True) if smooth else impatient(world, who, tired=False)
        offers = world.commons.offers
        inbox = np.full(len(who), world.spec.inbox)
        self._days: list[Prospects | None] = []
        for day in range(days):
            there = (offers.arrives <= day) & (day < offers.expires)
            self._days.append(prospects(world, who, day, there, inbox=inbox) if there.any() else None)

    def value(self, price: float) -> float:
        """Micros of all, rested on the first morning."""
        values = nothing(self._levels)
        for today in reversed(self._days):
            values = morning(self._spec, self._levels, today, values, price=COST_MICROS + price)
        return float(values.active[:, 0].sum())
