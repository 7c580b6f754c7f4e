"""Policies that know the true chances of every mail: by the specification's rule, and by the index. They measure others; nobody can
run them.

The index of a mail is its value less what it does to the person's future: I = v − c − (exits) · W₁ − (being seen) · (W₀ − W₁) − κ · (its
chance of a complaint), W by the recursion of `lists`, κ another W₁. Sent where I > 0, the highest up to the cap: the cap may stay
unused. W is of the days that are left, and takes offers to stay as worn as they are today.
"""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Floats, Ints
from workbench.simulation.study.lists import Evening, Values, evening, morning, nothing
from workbench.simulation.study.policy import COST_MICROS, NO_MAIL, Calendar, Setting, best, to_all
from workbench.simulation.study.prospects import prospects
from workbench.simulation.study.tiredness import Levels, impatient, kinds, patient
from workbench.simulation.worlds import Chances, DayEvents, Mailing, Observables, World
from workbench.simulation.worlds.response import SOFT_BOUNCES
from workbench.simulation.worlds.spec import TONES

LEVELS = 24
SOLVED_EVERY_DAYS = 21
_ALL_TONES = np.arange(len(TONES))[None, None, :]


class ClairvoyantSort:
    """Everybody's best mail by true expected revenue, the highest up to the cap."""

    def __init__(self, setting: Setting, world: World) -> None:
        self._setting, self._world, self._calendar = setting, world, Calendar(setting)

    def mail(self, seen: Observables, day: int) -> Mailing:
        free = np.flatnonzero(seen.mailable & self._calendar.free(day))
        running = np.flatnonzero(seen.offer_running)
        if not len(running) or not len(free):
            return NO_MAIL
        grid = _grid(self._world, free, running)
        return _leave(self._setting, self._calendar, self._world, day, free, running, grid.expected_micros - COST_MICROS)

    def told(self, events: DayEvents, day: int) -> None:
        """Nothing it does not know."""


class ClairvoyantIndex:
    """The oracle."""

    def __init__(self, setting: Setting, world: World) -> None:
        self._setting, self._world, self._calendar = setting, world, Calendar(setting)
        everybody = np.arange(setting.people)
        smooth, others = kinds(world, everybody)
        both = patient(world, smooth, LEVELS, rounded_down=False), impatient(world, others, tired=True)
        self._kinds = [levels for levels in both if len(levels)]
        self._values: list[list[Values]] = []  # of each kind, of tomorrow, the day after and so on
        self._solved_on = -SOLVED_EVERY_DAYS

    def mail(self, seen: Observables, day: int) -> Mailing:
        running = np.flatnonzero(seen.offer_running)
        if not len(running):
            return NO_MAIL
        if day - self._solved_on >= SOLVED_EVERY_DAYS:
            self._solve(seen, day)
        world = self._world
        here = seen.mailable & ~world.truth.leaving & ~world.truth.dead & ~world.truth.lapsed
        free = np.flatnonzero(here & self._calendar.free(day))
        if not len(free):
            return NO_MAIL
        rested, mailed = (values[free][:, None, None] for values in self._evening())
        seen_by = world.placement(day)[world.profile.provider[free]][:, None, None] * (1 - SOFT_BOUNCES)
        grid = _grid(world, free, running)
        index = grid.expected_micros - COST_MICROS - seen_by * (rested - mailed)
        index = index - (grid.unsubscribe + 2 * grid.complaint) * mailed
        return _leave(self._setting, self._calendar, world, day, free, running, index)

    def told(self, events: DayEvents, day: int) -> None:
        """Nothing it does not know."""

    def _solve(self, seen: Observables, day: int) -> None:
        """As if the coming week came again and again until the last day."""
        self._solved_on = day
        self._values = [self._of_kind(levels, seen, day) for levels in self._kinds]

    def _of_kind(self, levels: Levels, seen: Observables, day: int) -> list[Values]:
        world, everywhere = self._world, np.arange(self._setting.offers)[None, :]
        fresh = 1 / (1 + world.spec.wear_out * world.state.worn(levels.who[:, None], everywhere, day))
        inbox = world.placement(day)[world.profile.provider[levels.who]]
        week = [prospects(world, levels.who, day + ahead, seen.offer_running, inbox=inbox, fresh=fresh) for ahead in range(7)]
        values = [nothing(levels)]
        for ahead in range(self._setting.days - day - 1, 0, -1):
            before = morning(world.spec, levels, week[ahead % 7], values[0], price=COST_MICROS)
            values = [before, *values[: SOLVED_EVERY_DAYS - 1]]
        return values

    def _evening(self) -> tuple[Floats, Floats]:
        """(n,) micros left tonight of each person who reads: without a mail, and with one."""
        rested, mailed = np.zeros(self._setting.people), np.zeros(self._setting.people)
        for levels, values in zip(self._kinds, self._values, strict=True):
            leaves: Evening = evening(self._world.spec, levels, values[min(self._world.day - self._solved_on, len(values) - 1)])
            now = levels.now(self._world)
            rested[levels.who], mailed[levels.who] = now.of(leaves.rested)[:, 0], now.of(leaves.mailed)[:, 0]
        return rested, mailed


def _grid(world: World, who: Ints, running: Ints) -> Chances:
    """Of each person, offer and tone, in the best format at his best hour."""
    return world.truth.chances(who[:, None, None], running[None, :, None], _ALL_TONES, _hours(world, who)[:, None, None])


def _hours(world: World, who: Ints) -> Ints:
    return world.people.peak_hour[who].astype(np.int64) % 24


def _leave(setting: Setting, calendar: Calendar, world: World, day: int, free: Ints, running: Ints, index: Floats) -> Mailing:
    """The best choice of each, where it is worth more than nothing, the highest up to the cap."""
    flat = index.reshape(len(free), -1)
    choice = flat.argmax(axis=1)
    value = np.full(setting.people, -np.inf)
    value[free] = flat[np.arange(len(free)), choice]
    who = best(value, free[value[free] > 0], setting.daily_cap)
    calendar.mailed(who, day)
    mine = choice[np.searchsorted(free, who)]
    return to_all(who, running[mine // len(TONES)], content=mine % len(TONES), hour=_hours(world, who))
