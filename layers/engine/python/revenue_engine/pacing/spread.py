"""The minute of the cycle at which each send leaves. Shapes: n sends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Codes, Keys
from revenue_engine.pacing.minutes import CYCLE_MINUTES

_GOLDEN = 0.6180339887498949


def minutes(order: Keys, provider: Codes, *, per_minute: int, taken: int = 0, span: int = CYCLE_MINUTES) -> npt.NDArray[np.int16]:
    """Offsets 0..span-1, (n,): even over the span, each mailbox provider's share even too, in the random order of `order`.

    All mails of a cycle are dealt to its minutes in one round after the other, `taken` of them by earlier pages: however small the pages
    are, no minute gets more than its share of all. Within a round minutes come by the golden ratio's multiples, whose first so many are
    spread over it (three-gap theorem).

    Raises ValueError when the span cannot hold them.
    """
    n = len(order)
    if n and taken + n > span * per_minute:
        raise ValueError(f"sends_per_minute: {taken} and {n} sends do not fit {span} minutes of {per_minute}")
    place = np.empty(n)
    for code in np.unique(provider):
        rows = np.flatnonzero(provider == code)
        rank = np.empty(len(rows))
        rank[np.argsort(order[rows], kind="stable")] = np.arange(len(rows))
        place[rows] = (rank + 0.5) / len(rows)
    dealt = np.argsort(np.arange(span) * _GOLDEN % 1.0)[(taken + np.arange(n)) % max(span, 1)]
    result = np.empty(n, dtype=np.int16)
    result[np.lexsort((order, provider, place))] = np.sort(dealt)
    return result
