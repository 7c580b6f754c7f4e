"""What people brought by what was predicted for them, in a window that is over: the table behind a prediction's confidence."""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.money import MICROS
from revenue_engine.value.confidence import Spread

GROUPS = 40  # of equal size; predictions come in orders of magnitude, and the few dear ones matter
_LEAST_PEOPLE = 100
_AMOUNTS = np.concatenate([[0.01], np.geomspace(1.0, 10_000.0, 121)]) * MICROS


def fit_spread(predicted_micros: Floats, brought_micros: Floats, *, horizon_days: float) -> Spread:
    """The table of these people, (n,) each; predictions are of a model that did not see the window.

    Raises ValueError with fewer than 200 people, from whom no two groups can be made.
    """
    groups = min(GROUPS, len(predicted_micros) // _LEAST_PEOPLE)
    if groups < 2:
        raise ValueError("too few people for a spread")
    order = np.argsort(predicted_micros, kind="stable")
    parts = np.array_split(order, groups)
    # the dearest group again in halves: a segment's cuts lie there
    while len(parts[-1]) >= 2 * _LEAST_PEOPLE:
        parts[-1:] = np.array_split(parts[-1], 2)
    centre = np.array([np.exp(np.log(np.maximum(predicted_micros[part], 1.0)).mean()) for part in parts])
    centre, kept = np.unique(centre, return_index=True)
    below = [np.searchsorted(np.sort(brought_micros[parts[k]]), _AMOUNTS, side="left") / len(parts[k]) for k in kept]
    return Spread(horizon_days, centre, _AMOUNTS, np.stack(below))
