"""How sure a prediction of value is: what people with such a prediction really brought, in a window that is over.

The table is fitted by `learning/spread` and read here. P predictions, V amounts; it holds for the horizon it was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, place


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of what came, by what was predicted."""

    horizon_days: float
    predicted: Floats  # (P,) micros, rising
    amounts: Floats  # (V,) micros, rising, all above 0
    below: Floats  # (P, V) share of people with this prediction who brought less than this amount

    def __post_init__(self) -> None:
        if self.below.shape != (len(self.predicted), len(self.amounts)) or self.amounts[0] <= 0:
            raise ValueError("a share for every prediction and amount, amounts above zero")


def chance_below(spread: Spread, predicted: Floats, amount: Floats) -> Floats:
    """(n,) P(brings less than `amount`), of people predicted to bring `predicted` micros.

    Straight lines between the logarithms of both; nobody brings less than nothing. `amount` may be infinite.
    """
    row, row_share = place(np.log(spread.predicted), np.log(np.maximum(predicted, 1.0)))
    column, column_share = place(np.log(spread.amounts), np.log(np.maximum(amount, 1.0)))
    table = spread.below
    at_row = [(1 - column_share) * table[r, column] + column_share * table[r, column + 1] for r in (row, row + 1)]
    chance = (1 - row_share) * at_row[0] + row_share * at_row[1]
    return np.where(amount <= 0, 0.0, np.where(np.isinf(amount), 1.0, chance))


def chance_between(spread: Spread, predicted: Floats, low: Floats, high: Floats) -> Floats:
    """(n,) P(low ≤ what comes < high): the confidence that a value lies in its segment, for that segment's limits."""
    return np.maximum(chance_below(spread, predicted, high) - chance_below(spread, predicted, low), 0.0)
