"""Credit over many conversions at once: a ragged batch of journeys, laid side by side by their length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Ints
from revenue_engine.attribution.models import MODELS
from revenue_engine.attribution.shares import decayed, micros_of

Channels = npt.NDArray[np.integer[Any]]  # whole numbers from 0 on; a small type is gathered faster

_AT_A_TIME = 1 << 17  # touches: what fits a processor's caches


@dataclass(frozen=True, slots=True)
class Journeys:
    """m conversions with n touches each; the touches (n, m) of a conversion in one column, oldest first."""

    conversions: Ints  # (m,) which of the batch
    at_millis: Ints
    clicked: Bools
    channels: Channels


def lay_out(starts: Ints, at_millis: Ints, clicked: Bools, channels: Channels) -> tuple[Journeys, ...]:
    """A ragged batch by length, one `Journeys` for each that occurs. Conversions without touches are left out.

    Parameters
    ----------
    starts
        Where each conversion's touches begin in the other arrays, and where the last one's end, (conversions + 1,).
    at_millis, clicked, channels
        Of each touch, (touches,). A channel is whatever credit is asked for: an arm, a campaign, a mail. The touches of a conversion
        are one a mail, oldest first, as `touches_per_mail` has them.
    """
    lengths = np.diff(starts)
    lengths = lengths.astype(np.min_scalar_type(int(lengths.max(initial=0))))  # small ones are sorted by counting
    sides: dict[int, Journeys] = {}
    for n, m in enumerate(np.bincount(lengths).tolist()):
        if n and m:
            at, click, channel = (np.empty((n, m), column.dtype) for column in (at_millis, clicked, channels))
            sides[n] = Journeys(np.empty(m, np.int64), at, click, channel)
    filled = dict.fromkeys(sides, 0)
    # piece by piece: to pick from a whole batch, too large for the caches, is slow
    cuts = np.unique([*np.searchsorted(starts, np.arange(starts[0], starts[-1], _AT_A_TIME)), len(lengths)]).tolist()
    for first, last in pairwise(cuts):
        touches = slice(starts[first], starts[last])
        columns = at_millis[touches].copy(), clicked[touches].copy(), channels[touches].copy()
        by_length = np.argsort(lengths[first:last], kind="stable") + first
        for n, some in _runs(by_length, np.bincount(lengths[first:last]).tolist()):
            picked = starts[some] - starts[first] + np.arange(n)[:, None]
            into = slice(filled[n], filled[n] + len(some))
            side = sides[n]
            side.conversions[into] = some
            for target, column in zip((side.at_millis, side.clicked, side.channels), columns, strict=True):
                target[:, into] = column.take(picked, mode="clip")
            filled[n] += len(some)
    return tuple(sides.values())


def _runs(by_length: Ints, counts: Sequence[int]) -> list[tuple[int, Ints]]:
    """(length, conversions of that length), for lengths above 0 that occur."""
    ends = np.cumsum(counts).tolist()
    return [(n, by_length[end - m : end]) for n, (m, end) in enumerate(zip(counts, ends, strict=True)) if n and m]


def credit(journeys: Sequence[Journeys], amounts: Ints, *, n_channels: int, half_life_days: float, click_weight: float) -> Ints:
    """Micros that each of `MODELS` credits to each channel, (models, n_channels).

    `amounts` are the whole batch's micros, of one currency, (conversions,). Each row sums to those with touches, to the micro (M1).
    Raises ValueError as `micros_of`.
    """
    totals = np.zeros((len(MODELS), n_channels), np.int64)
    for side in journeys:
        step = max(1, _AT_A_TIME // len(side.at_millis))
        for first in range(0, len(side.conversions), step):
            some = slice(first, first + step)
            clicked = side.clicked[:, some]
            decay = decayed(side.at_millis[:, some], clicked, half_life_days=half_life_days, click_weight=click_weight)
            channels = side.channels[:, some].ravel().astype(np.intp)
            for total, micros in zip(totals, micros_of(amounts[side.conversions[some]], clicked, decay), strict=True):
                np.add.at(total, channels, micros.ravel())
    return totals
