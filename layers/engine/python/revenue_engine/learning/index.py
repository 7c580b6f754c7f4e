"""Solves the table of the index (`value/index`): one person's problem, one chance to mail a day, for all hazards and costs at once.

    V(F) = max { d · V(F·δ),   m(F) − k + d · (1 − h(F)) · [(1 − l(F)) · V((F+1)·δ) + l(F) · ρ · V((F+1)·δ)] − c(F) }

in units of a rested mail's value: m what a tired reader is worth of it, h exits, l falling silent with ρ of the value kept, d the
discount of a day. Complaints, part of h, are priced once more by their share. By value iteration, which is a contraction by d.
"""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.value.index import Habits, ValueTable

HAZARDS, COSTS, FATIGUES = 40, 40, 29
_TOLERANCE = 1e-7
_MOST_STEPS = 20_000


def solve(habits: Habits) -> ValueTable:
    """The table of these habits; the same habits, the same bits."""
    hazard = np.geomspace(1e-5, 0.1, HAZARDS)
    cost = np.concatenate([[0.0], np.geomspace(1e-3, 1.5, COSTS - 1)])
    fade = habits.fades(1.0)
    most = fade / (1.0 - fade) + 1.0
    fatigue = most * (np.arange(FATIGUES) / (FATIGUES - 1)) ** 1.5
    daily = (1.0 - habits.gone_per_day) / (1.0 + habits.yearly_discount) ** (1 / 365)
    exits = np.minimum(hazard[:, None] * (1.0 + habits.exits_per_mail * fatigue), 1.0)
    lapse = np.minimum(habits.lapse_per_mail * (1.0 + habits.lapse_grows * fatigue), 1.0)
    stays = ((1.0 - exits) * (1.0 - lapse * (1.0 - habits.kept_of_lapsed)))[:, None, :]
    reward = habits.worth(fatigue)[None, None, :] - cost[None, :, None]
    rest, mailed = _reader(fatigue, fatigue * fade), _reader(fatigue, (fatigue + 1.0) * fade)
    value = np.zeros((HAZARDS, COSTS, FATIGUES))
    for _ in range(_MOST_STEPS):
        better = np.maximum(daily * (value @ rest), reward + daily * stays * (value @ mailed))
        moved = float(np.abs(better - value).max())
        value = better
        if moved < _TOLERANCE:
            return ValueTable(habits, hazard, cost, fatigue, value)
    raise ArithmeticError("the value of a person does not settle")


def _reader(levels: Floats, places: Floats) -> Floats:
    """(F, F) matrix that reads values off at places between their levels."""
    low = np.clip(np.searchsorted(levels, places, side="right") - 1, 0, len(levels) - 2)
    share = np.clip((places - levels[low]) / (levels[low + 1] - levels[low]), 0.0, 1.0)
    matrix = np.zeros((len(levels), len(levels)))
    column = np.arange(len(levels))
    matrix[low, column] = 1.0 - share
    matrix[low + 1, column] += share
    return matrix
