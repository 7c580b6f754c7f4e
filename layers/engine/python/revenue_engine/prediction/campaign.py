"""The campaign revenue predictor: what any groups of sends will bring, with intervals, each send in the group its labels name.

n sends, G groups, O offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints
from revenue_engine.prediction.groups import Groups, forecast
from revenue_engine.prediction.level import Level, of_groups


@dataclass(frozen=True, slots=True)
class Campaigns:
    """Groups in the order of their labels."""

    labels: tuple[tuple[str, ...], ...]  # (G,)
    group: Ints  # (n,) of each send
    sends: Ints  # (G,)
    told: Groups
    level_error: Floats  # (G,)


def campaigns(
    labels: Sequence[tuple[str, ...]],
    offer: Ints,
    p_sale: Floats,
    payout: Floats,
    payout_square: Floats,
    *,
    level: Level,
    day_error: float,
    random: np.random.Generator,
    coverage: float = 0.9,
) -> Campaigns:
    """Forecasts of all groups.

    Parameters
    ----------
    labels
        (n,) what places each send: its cycle, its offer and day, its segment, whatever is asked.
    offer
        (n,) position of each send's offer in `level`.
    p_sale, payout, payout_square
        (n,) chance of an approved conversion, and E[Y], E[Y²] of its payout in micros.
    level, day_error
        Of the offers (`level.track`), and of whole days (`level.day_error`): chances are taken at this level.
    """
    names, group = _numbered(labels)
    count, offers = len(names), len(level.factor)
    chance = np.minimum(p_sale * level.factor[offer], 1.0)
    per_offer = np.bincount(group * offers + offer, chance * payout, count * offers).astype(np.float64).reshape(count, offers)
    error = of_groups(level, per_offer, day_error)
    told = forecast(group, chance, payout, payout_square, groups=count, level_error=error, random=random, coverage=coverage)
    return Campaigns(names, group, np.bincount(group, minlength=count), told, error)


def _numbered(labels: Sequence[tuple[str, ...]]) -> tuple[tuple[tuple[str, ...], ...], Ints]:
    names = tuple(sorted(set(labels)))
    place = {name: number for number, name in enumerate(names)}
    return names, np.fromiter((place[label] for label in labels), dtype=np.int64, count=len(labels))
