"""Solves the table of the index (`pacing/index`): one person's problem, one chance to mail a day, for all hazards and costs at once.

    V(F) = max { d · V(F·δ),   m(F) − k + d · (1 − h(F)) · (1 − l(F) · (1 − ρ)) · V((F+1)·δ) }

in units of a rested mail's value: m what a tired reader is worth of it, h exits, l falling silent with ρ of the value kept, d the
discount of a day. By policy iteration (Howard, "Dynamic programming and Markov processes", 1960), which ends after a few exact steps.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.pacing.index import Habits, ValueTable

HAZARDS, COSTS, FATIGUES = 40, 40, 29
_DIGITS = 6  # what differs beyond, differs between machines
_MOST_STEPS = 100


@lru_cache(maxsize=8)
def solve(habits: Habits) -> ValueTable:
    """The table of these habits; the same habits, the same bits."""
    hazard = np.geomspace(1e-5, 0.1, HAZARDS)
    cost = np.concatenate([[0.0], np.geomspace(1e-3, 1.5, COSTS - 1)])
    fade = habits.fades(1.0)
    most = fade / (1.0 - fade) + 1.0
    fatigue = most * (np.arange(FATIGUES) / (FATIGUES - 1)) ** 1.5
    daily = habits.kept_per_day
    stays = ((1.0 - habits.leaves(hazard[:, None], fatigue)) * (1.0 - habits.lost_by_lapse(fatigue)))[:, None, :, None]
    reward = habits.worth(fatigue)[None, None, :] - cost[None, :, None]
    rest, mailed = daily * _reader(fatigue, fatigue * fade), daily * stays * _reader(fatigue, (fatigue + 1.0) * fade)
    sends = np.broadcast_to(reward > 0, (HAZARDS, COSTS, FATIGUES))
    for _ in range(_MOST_STEPS):
        moves = np.where(sends[..., None], mailed, rest)
        value = np.linalg.solve(np.eye(FATIGUES) - moves, np.where(sends, reward, 0.0)[..., None])[..., 0]
        gain = reward + (mailed @ value[..., None] - rest @ value[..., None])[..., 0]
        # an action is changed for a better one, never for an equal one: else equals would take turns for ever
        better = np.where(sends, gain >= -(10.0**-_DIGITS), gain > 10.0**-_DIGITS)
        if (better == sends).all():
            return ValueTable(habits, hazard, cost, fatigue, np.round(value, _DIGITS))
        sends = better
    raise ArithmeticError("the policy does not settle")


def _reader(levels: Floats, places: Floats) -> Floats:
    """(F, F) matrix whose rows read values off at places between their levels."""
    low = np.clip(np.searchsorted(levels, places, side="right") - 1, 0, len(levels) - 2)
    share = np.clip((places - levels[low]) / (levels[low + 1] - levels[low]), 0.0, 1.0)
    matrix = np.zeros((len(levels), len(levels)))
    row = np.arange(len(levels))
    matrix[row, low] = 1.0 - share
    matrix[row, low + 1] += share
    return matrix
