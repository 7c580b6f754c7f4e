"""The minute of the cycle at which each send leaves. Shapes: n sends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Codes, Keys
from revenue_engine.pacing.minutes import CYCLE_MINUTES


def minutes(order: Keys, provider: Codes, *, per_minute: int, span: int = CYCLE_MINUTES) -> npt.NDArray[np.int16]:
    """Offsets 0..span-1, (n,): even over the span, each mailbox provider's share even too, in the random order of `order`.

    Raises ValueError when the span cannot hold them.
    """
    n = len(order)
    if n > span * per_minute:
        raise ValueError(f"sends_per_minute: {n} sends do not fit {span} minutes of {per_minute}")
    place = np.empty(n)
    for code in np.unique(provider):
        rows = np.flatnonzero(provider == code)
        rank = np.empty(len(rows))
        rank[np.argsort(order[rows], kind="stable")] = np.arange(len(rows))
        place[rows] = (rank + 0.5) / len(rows)
    queue = np.empty(n, dtype=np.int64)
    queue[np.lexsort((order, provider, place))] = np.arange(n)
    return (queue * span // max(n, 1)).astype(np.int16)
