"""How tired each person can be, as levels between which a day with or without a mail moves him. n people, L levels.

Most people tire smoothly: levels of fatigue, denser where it is low. The others count the mails of a week: a level for each pattern of
the last seven days. That is all of a person's state in the world but for offers worn out, silence, and days to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from workbench.simulation.worlds import World
from workbench.simulation.worlds.response import mood

WEEK_PATTERNS = 128
_POWER = 1.5  # of the spacing of levels
_COUNT = np.array([bin(bits).count("1") for bits in range(WEEK_PATTERNS)], dtype=np.float64)


@dataclass(frozen=True)
class Steps:
    """Where an evening leads: between `low` and the level above it, `share` of the way; (n, L) each."""

    low: Ints
    share: Floats | None  # None: on `low` itself

    def of(self, values: Floats) -> Floats:
        """Values (n, levels) of the levels, as of where the evening leads."""
        below = np.take(values, self._flat(values.shape[1]))
        if self.share is None:
            return below
        above = np.take(values, self._flat(values.shape[1]) + 1)
        above -= below
        above *= self.share
        above += below
        return above

    def _flat(self, levels: int) -> Ints:
        return self._places if levels == self.low.shape[1] else _flat(self.low, levels)

    @cached_property
    def _places(self) -> Ints:
        return _flat(self.low, self.low.shape[1])


def _flat(low: Ints, levels: int) -> Ints:
    """Positions in a table (n, levels) laid out in one row."""
    return np.asarray(low + levels * np.arange(len(low))[:, None])


@dataclass(frozen=True)
class Levels:
    """Of some people, either all patient or all of the other kind."""

    who: Ints  # (n,)
    opens: Floats  # (n, L) factors of `mood`
    exits: Floats
    lapses: Floats
    rest: Steps  # an evening without a mail
    mailed: Steps  # with one that was seen
    fatigue_of_top: Floats | None  # (n,) of the last level of the patient; None for the others

    def now(self, world: World) -> Steps:
        """Where these people are this morning, (n, 1)."""
        if self.fatigue_of_top is None:
            return Steps(world.state.week[self.who].astype(np.int64)[:, None], None)
        return _between(world.state.fatigue[self.who][:, None] / self.fatigue_of_top[:, None], _unit(self.opens.shape[1]))

    def __len__(self) -> int:
        return len(self.who)


def _unit(levels: int) -> Floats:
    return np.asarray((np.arange(levels) / (levels - 1)) ** _POWER)


def _between(place: Floats, unit: Floats) -> Steps:
    """Of places (n, L) from 0 to 1, up to rounding."""
    place = np.clip(place, 0.0, 1.0)
    low = np.minimum(np.searchsorted(unit, place, side="right") - 1, len(unit) - 2)
    return Steps(low, (place - unit[low]) / (unit[low + 1] - unit[low]))


def patient(world: World, who: Ints, levels: int, *, rounded_down: bool) -> Levels:
    """Levels of fatigue. Rounded down, people are never more tired than they would be: for bounds from above."""
    decay = np.exp2(-1.0 / world.people.half_life_days[who])[:, None]
    most, unit = decay / (1 - decay) + 1, _unit(levels)
    fatigue = most * unit

    def steps(after: Floats) -> Steps:
        found = _between(after / most, unit)
        return Steps(np.where(after / most >= 1, len(unit) - 1, found.low), None) if rounded_down else found

    late = mood(world.spec, np.full((len(who), 1), np.inf), fatigue, np.zeros(1))
    return Levels(who, late.opens, late.exits, late.lapses, steps(fatigue * decay), steps((fatigue + 1) * decay), most[:, 0])


def impatient(world: World, who: Ints, *, tired: bool) -> Levels:
    """Levels of the week's mails; `tired`: mails also make them fall silent as fatigue would (here: one a mail of the week)."""
    shape = (len(who), WEEK_PATTERNS)
    late = mood(
        world.spec, world.people.annoyed_above[who][:, None], _COUNT[None, :] if tired else np.zeros((1, 1)), _COUNT[None, :]
    )
    pattern = np.arange(WEEK_PATTERNS)

    def steps(after: Ints) -> Steps:
        return Steps(np.broadcast_to(after & (WEEK_PATTERNS - 1), shape), None)

    opens, exits, lapses = (np.broadcast_to(each, shape) for each in (late.opens, late.exits, late.lapses))
    return Levels(who, opens, exits, lapses, steps(pattern << 1), steps((pattern | 1) << 1), None)


def kinds(world: World, who: Ints) -> tuple[Ints, Ints]:
    """The patient among these people, and the others."""
    smooth: Bools = np.isinf(world.people.annoyed_above[who])
    return who[smooth], who[~smooth]
