"""An upper bound on what any policy could earn in a world: the Lagrangian relaxation of its daily cap, people apart.

V* ≤ min over λ of  Σ_i V_i(λ) + λ · cap · days, each V_i the best of one person alone, by a sender who knows every chance and the
whole future of the offers, but not how the dice fall. One person's problem is relaxed once more, for tiredness and twelve worn offers
are too many to solve together: with any price μ of an opening, what an offer earns above μ is bounded offer by offer (`rents`), and
the rest is a person who pays μ an opening, whatever he is sent:  V_i ≤ min over μ of  Σ_o rent_o(μ) + V_i(μ).

It holds for any policy that keeps to the cap, for each step errs upwards: tiredness is rounded down, offers neither reach caps nor
break, hours are ideal, exits are those of the mildest choice, offers are priced as if nobody ever left. Stated, and certified, for the
world without provider reputation; with it placement is lower, and the bound looser. Money as in `play`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints
from workbench.simulation.study.lists import morning, nothing
from workbench.simulation.study.policy import COST_MICROS
from workbench.simulation.study.prospects import Prospects, prospects
from workbench.simulation.study.rents import rents
from workbench.simulation.study.tiredness import Levels, impatient, kinds, patient
from workbench.simulation.worlds import World

LEVELS = 96
_OPENINGS = np.array([0.1, 0.2, 0.3, 0.45, 0.65, 1.0])  # prices tried, of the best opening there ever is
_MAILS = (0.0, 4_000.0, 12_000.0, 36_000.0)  # and of a mail, in micros
_PART = 500  # people at a time: tables of all would not fit


def upper_bound(world: World, days: int, daily_cap: int, *, each: Callable[[], None] = lambda: None) -> float:
    """Dollars. Raises ValueError for a world that has begun."""
    if world.day:
        raise ValueError("the bound is of a world on its first day")
    alive = np.flatnonzero(~world.people.dead)
    parts = [part for kind in kinds(world, alive) for part in np.array_split(kind, len(kind) // _PART + 1) if len(part)]
    total = np.array([price * daily_cap * days for price in _MAILS])
    for part in parts:
        total += _part(world, part, days)
        each()
    return float(total.min()) / 1e6


@dataclass(frozen=True)
class _Priced(Prospects):
    """An opening brings its price, and the exits of the mildest choice."""

    opening: Floats  # (n,) micros
    mildest: Floats  # (n,) factor m

    def worth(self, price: Floats) -> Floats:
        return np.asarray(self.opening[:, None] - self.mildest[:, None] * price)


def _part(world: World, who: Ints, days: int) -> Floats:
    """Micros of some people of one kind at each price of a mail, (len(_MAILS),)."""
    smooth = bool(np.isinf(world.people.annoyed_above[who]).all())
    levels = patient(world, who, LEVELS, rounded_down=True) if smooth else impatient(world, who, tired=False)
    offers = world.commons.offers
    inbox = np.full(len(who), world.spec.inbox)
    calendar: list[Prospects | None] = []
    for day in range(days):
        there = (offers.arrives <= day) & (day < offers.expires)
        calendar.append(prospects(world, who, day, there, inbox=inbox) if there.any() else None)
    dearest = np.max([today.envelope[:, 0] for today in calendar if today], axis=0)
    openings = dearest[:, None] * _OPENINGS
    above = rents(world, who, calendar, openings)
    found = np.empty((len(_MAILS), len(who), len(_OPENINGS)))
    for k, opening in enumerate(openings.T):
        for m, mail in enumerate(_MAILS):
            found[m, :, k] = above[:, k] + _alone(world, levels, calendar, opening, COST_MICROS + mail)
    return np.asarray(found.min(axis=2).sum(axis=1))


def _alone(world: World, levels: Levels, calendar: list[Prospects | None], opening: Floats, mail: float) -> Floats:
    """(n,) micros of each, rested on the first morning, when openings bring this and mails cost that."""
    values = nothing(levels)
    for today in reversed(calendar):
        priced = None if today is None else _Priced(**vars(today), opening=opening, mildest=today.least)
        values = morning(world.spec, levels, priced, values, price=mail)
    return np.asarray(values.active[:, 0])
