"""The minute of the cycle at which each send leaves. Shapes: n sends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Codes, Keys

CYCLE_MINUTES = 15  # SQS can delay a message by at most 900 seconds


def minutes(order: Keys, provider: Codes, *, per_minute: int) -> npt.NDArray[np.int16]:
    """Offsets 0..14, (n,): even over the cycle, each mailbox provider's share even too, in the random order of `order`.

    Raises ValueError when the cycle cannot hold them.
    """
    n = len(order)
    if n > CYCLE_MINUTES * per_minute:
        raise ValueError(f"sends_per_minute: {n} sends do not fit {CYCLE_MINUTES} minutes of {per_minute}")
    place = np.empty(n)
    for code in np.unique(provider):
        rows = np.flatnonzero(provider == code)
        rank = np.empty(len(rows))
        rank[np.argsort(order[rows], kind="stable")] = np.arange(len(rows))
        place[rows] = (rank + 0.5) / len(rows)
    queue = np.empty(n, dtype=np.int64)
    queue[np.lexsort((order, provider, place))] = np.arange(n)
    return (queue * CYCLE_MINUTES // max(n, 1)).astype(np.int16)
