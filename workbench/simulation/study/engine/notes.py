"""What the engine's log would keep of a world's mails: features as they were served, joined later with what became of them."""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Ints
from revenue_engine.learning.rows import Rows
from revenue_engine.served import Inputs
from workbench.simulation.study.engine.memory import Memory

CLICK_DAYS, SALE_DAYS = 3, 14


class Notes:
    """Of every mail so far."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Ints, Inputs]] = []

    def sent(self, day: int, who: Ints, given: Inputs) -> None:
        """One mail each."""
        if len(who):
            self._parts.append((day, who, given))

    def rows(self, memory: Memory, today: int) -> Rows:
        """Of the mails whose outcomes are final."""
        parts = [part for part in self._parts if part[0] <= today - SALE_DAYS]
        day = np.concatenate([np.full(len(who), sent) for sent, who, _ in parts])
        who = np.concatenate([who for _, who, _ in parts])
        given = [each for _, _, each in parts]
        n = len(who)
        return Rows(
            features=np.concatenate([each.features for each in given]),
            cross=np.concatenate([each.cross for each in given]),
            p_click=np.concatenate([each.p_click for each in given]),
            p_sale=np.concatenate([each.p_sale for each in given]),
            clicked=memory.clicked_within(CLICK_DAYS, day, who),
            sold=memory.paid(day, who) > 0,
            propensity=np.ones(n),
            weight=np.ones(n),
        )

    def __len__(self) -> int:
        return sum(len(who) for _, who, _ in self._parts)
