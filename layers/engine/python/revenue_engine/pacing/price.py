"""The shadow price of the day's cap: what a mail must be worth, so that a weak mail of the morning takes no place from a strong one of the
evening. 0 where the cap will not bind: leaving a part of it unused is a normal outcome, filling it is nobody's goal.

Each cycle leaves a histogram of the indices that its people would have at the same hour of the next day on which the org mails. The price
is solved afresh in every cycle: how many people would still come today above each index is told by the cycles of the last such day, at the
same times, and the price is where so many are left as the budget still pays for. What a price of that day held back came again, or comes
today: a price that was too high or too low corrects itself by the next. Prices of a week ago, of the same weekday, know the day better and
correct themselves too late: what they let through or hold back comes back in seven days, and they swing (decisions/0039).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from revenue_engine.arrays import Bools, Ints

# micros: a twentieth apart, from a ten-thousandth of a dollar to a hundred dollars
EDGES: Ints = np.unique(np.geomspace(100, 100_000_000, 284).astype(np.int64))
BINS = len(EDGES)


def histogram(index_micros: Ints, wanted: Bools) -> Ints:
    """(BINS,) rows that would be mailed at no price, by index: bin b counts those from EDGES[b] up to the next edge."""
    found = index_micros[wanted & (index_micros >= EDGES[0])]
    return np.bincount(np.searchsorted(EDGES, found, side="right") - 1, minlength=BINS).astype(np.int64)


def mean_price(today: int, others: Sequence[int]) -> int:
    """Micros that later mails have to beat: days of the week differ, and what is to come is asked the price of all of them."""
    return round((today + sum(others)) / (1 + len(others)))


def shadow_price(supply: Iterable[Ints], budget_left: int) -> int:
    """Micros that an index must exceed, of what is still to come today and what the day's budget still pays for.

    Parameters
    ----------
    supply
        Histograms (BINS,) of the cycles that ran on the last day on which the org mailed, or the one before, at the times of those to
        come, this one's among them.

    The lowest edge above which no more than `budget_left` come; 0 when all of them find a place.
    """
    coming = np.sum([np.zeros(BINS, dtype=np.int64), *supply], axis=0)
    above = np.append(np.cumsum(coming[::-1])[::-1], 0)  # rows in bin b or higher
    if above[0] <= budget_left:
        return 0
    # the price lies below the first bin that finds its place whole
    first = int(np.argmax(above <= budget_left))
    return int(EDGES[min(first, BINS - 1)]) - 1
