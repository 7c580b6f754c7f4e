"""What offers earn above a price of an opening, each for itself: the part of the bound that knows of wear.

Of one person and one offer, with w the mails of it lately: J(w) = max { J(δw), gain(w) + (1−s)·J(δw) + s·J(δ(w+1)) }, gain(w) what a mail
earns above μ an opening, nobody tired, nobody gone. A mail's revenue is convex in w while its rate of clicks is below 2 (above, wear is
left out), each move of w is a straight line, so J is convex and reading it off between levels by straight lines overstates it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats, Ints
from workbench.simulation.study.prospects import Prospects, choices
from workbench.simulation.worlds import World
from workbench.simulation.worlds.state import WEAR_OUT_HALF_LIFE_DAYS

Tables = npt.NDArray[np.float32]  # (L, n, O, K)
_LEVELS = 20
_DECAY = 2.0 ** (-1.0 / WEAR_OUT_HALF_LIFE_DAYS)
_MOST = _DECAY / (1 - _DECAY)
_CONVEX_BELOW = 2.0  # a rate r of clicks: 1 − exp(−r / (1 + bw)) is convex in w while r / (1 + bw) is below 2


def rents(world: World, who: Ints, calendar: Sequence[Prospects | None], openings: Floats) -> Floats:
    """Micros above each price, (n, K), summed over offers and days, for prices (n, K)."""
    worn = _MOST * (np.arange(_LEVELS) / (_LEVELS - 1)) ** 2
    rest, mailed = _reader(worn, worn * _DECAY), _reader(worn, (worn + 1) * _DECAY)
    fresh = 1 / (1 + world.spec.wear_out * worn)
    # levels lead, so that reading between them takes whole slices
    values = np.zeros((_LEVELS, len(who), world.spec.offers, openings.shape[1]), dtype=np.float32)
    for day in reversed(range(len(calendar))):
        today, tomorrow = calendar[day], values
        values = rest(tomorrow)
        if today is None:
            continue
        there = world.commons.offers
        offers = np.flatnonzero((there.arrives <= day) & (day < there.expires))
        _, rate, sale = choices(world, who, day, offers)
        wearing = np.where(rate < _CONVEX_BELOW, fresh[:, None, None, None], 1.0)
        revenue = (-np.expm1(-rate * wearing) * sale).max(axis=3)
        opened, seen = today.seen * -np.expm1(-today.open_rate), today.seen[:, None, None]
        gain = np.maximum(revenue[..., None] - openings[:, None, :], 0.0) * opened[:, None, None]
        stay = values[:, :, offers]
        values[:, :, offers] = np.maximum(stay, gain + (1 - seen) * stay + seen * mailed(tomorrow[:, :, offers]))
    return np.asarray(values[0].sum(axis=1), dtype=np.float64)


def _reader(levels: Floats, places: Floats) -> Callable[[Tables], Tables]:
    """Reads tables off at places between their levels, (L, …)."""
    low = np.minimum(np.searchsorted(levels, places, side="right") - 1, len(levels) - 2)
    share = ((places - levels[low]) / (levels[low + 1] - levels[low])).astype(np.float32)[:, None, None, None]
    return lambda values: values[low] * (1 - share) + values[low + 1] * share
