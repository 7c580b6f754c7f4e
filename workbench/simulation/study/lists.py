"""What a person is worth to a sender who knows everything: one step back in time of the Bellman recursion, for many at once.

V(tiredness) = max { no mail: W₀,  mail: −c − λ + (1−s)·W₀ + s·[W₁ + open · φ(exits · W₁ / open)] },  W what the evening leaves, in
expectation over silence, return and death; s the chance that the mail is seen; φ of `prospects`; λ the price of a mail. The weakly
coupled problem and its relaxation: Whittle, "Restless bandits", J. Appl. Prob. 25A (1988); Hawkins, MIT thesis (2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats
from workbench.simulation.study.prospects import Prospects
from workbench.simulation.study.tiredness import Levels
from workbench.simulation.worlds import WorldSpec


@dataclass(frozen=True)
class Values:
    """Micros by level, (n, L): of people who read, and of the silent."""

    active: Floats
    silent: Floats


@dataclass(frozen=True)
class Evening:
    """Micros that the evening leaves of somebody who read this morning, (n, L) by his level of the morning."""

    rested: Floats  # without a mail
    mailed: Floats  # with one that was seen, did not make him leave


def nothing(levels: Levels) -> Values:
    """After the last day."""
    return Values(np.zeros(levels.opens.shape), np.zeros(levels.opens.shape))


def evening(spec: WorldSpec, levels: Levels, after: Values) -> Evening:
    """Of a day after which people are worth `after`."""
    kept = 1 - spec.death_per_day
    falls = spec.lapse_per_day
    more = np.minimum(falls + spec.lapse_per_mail * levels.lapses, 1.0)
    rested = levels.rest.of((1 - falls) * after.active + falls * after.silent)
    mailed = (1 - more) * levels.mailed.of(after.active) + more * levels.mailed.of(after.silent)
    return Evening(kept * rested, kept * mailed)


def morning(spec: WorldSpec, levels: Levels, today: Prospects | None, after: Values, *, price: float) -> Values:
    """Of the morning of a day; `price`: micros of a mail, its cost and λ. No prospects: no offer."""
    leaves = evening(spec, levels, after)
    silent = levels.rest.of((1 - spec.return_per_day) * after.silent + spec.return_per_day * after.active)
    silent *= 1 - spec.death_per_day
    if today is None:
        return Values(leaves.rested, silent)
    seen, limit = today.seen[:, None], 1 / today.most[:, None]  # no chance is above 1, whatever is chosen
    opened = -np.expm1(-today.open_rate[:, None] * levels.opens)
    unsubscribe = opened * np.minimum(today.unsubscribe[:, None] * levels.exits, limit)
    unsubscribe += (1 - opened) * np.minimum(today.unsubscribe_unopened[:, None] * levels.exits, limit)
    complaint = np.minimum(today.complaint[:, None] * levels.exits, limit)
    # who complains does not opt out as well; never more than m times this leave, whatever the choice's m
    exits = complaint + unsubscribe - complaint * unsubscribe / limit
    worth = today.worth(exits * leaves.mailed / np.maximum(opened, 1e-12))
    mail = (1 - seen) * leaves.rested + seen * (leaves.mailed + opened * worth) - price
    return Values(np.maximum(leaves.rested, mail), silent)
