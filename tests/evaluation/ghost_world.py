"""A small world in which the effect of one mail is known exactly: wants open and close by themselves, and any mail may meet them.

A person of the engine's list wants something now and then. A mail that finds the want open sells with some probability and ends it; the
next mail comes `gap` days after a send, `retry` days after a ghost. So most of what a ghost misses the next mail sells: cannibalisation.
Others of the list never want enough to be mailed at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.evaluation.ghosts import Events, WouldBe

DAY = 86_400
MORNING = 36_000  # when decisions fall
DAYS = 30


class Drawn(NamedTuple):
    """What happened. `others`: days on which somebody was not mailed, with a lot or without."""

    decisions: WouldBe
    paid: Events
    exits: Events
    as_of: int
    others: WouldBe


@dataclass(frozen=True)
class World:
    """Rates per day, and of a mail."""

    people: int = 1_500  # who are mailed; as many others never are
    length: int = 75
    opens: float = 0.05
    closes: float = 0.15
    sells: float = 0.5
    leaves: float = 0.004
    ghost: float = 0.1
    gap: int = 3
    retry: int = 1
    micros: int = 20_000_000
    tail: float = 0.5  # standard deviation of the logarithm of what is paid

    def drawn(self, seed: int) -> Drawn:
        random = np.random.default_rng(seed)
        n = self.people
        want, wait = np.zeros(n, dtype=bool), random.integers(0, self.gap, n)
        here = np.ones(n, dtype=bool)
        rows: list[tuple[npt.NDArray[Any], ...]] = []
        for today in range(self.length):
            want = np.where(want, random.random(n) >= self.closes, random.random(n) < self.opens)
            due = here & (wait == 0)
            sent = due & (random.random(n) >= self.ghost)
            sold = sent & want & (random.random(n) < self.sells)
            left = sent & (random.random(n) < self.leaves)
            want &= ~sold
            here &= ~left
            wait = np.where(sent, self.gap, np.where(due, self.retry, wait)) - 1
            rows.append((np.full(n, today), np.arange(n), due, sent, sold, left))
        day, who, due, sent, sold, left = (np.concatenate(column) for column in zip(*rows, strict=True))
        at = day * DAY + MORNING
        share = np.full(len(who), 1 - self.ghost)
        size = random.lognormal(-(self.tail**2) / 2, self.tail, int(sold.sum()))
        never = np.tile(np.arange(n, 2 * n), self.length)
        days = np.repeat(np.arange(self.length), n) * DAY + MORNING
        unsent = ~sent
        return Drawn(
            WouldBe(who[due], at[due], sent[due], share[due]),
            Events(who[sold], at[sold] + 3_600, np.rint(self.micros * size).astype(np.int64)),
            Events(who[left], at[left] + 7_200, np.ones(int(left.sum()), dtype=np.int64)),
            self.length * DAY,
            WouldBe(
                np.concatenate([who[unsent], never]),
                np.concatenate([at[unsent], days]),
                np.zeros(int(unsent.sum()) + len(never), dtype=bool),
                np.full(int(unsent.sum()) + len(never), 1 - self.ghost),
            ),
        )

    def truth(self) -> tuple[float, float]:
        """Micros and exits that a send adds within DAYS, over all decisions whose days are over: by recursion, without a draw."""
        money, exits = self._ahead(self.micros * self.sells, 0.0), self._ahead(0.0, self.leaves)
        share = self._decided()
        return self._added(money, share, self.micros * self.sells, 0.0), self._added(exits, share, 0.0, self.leaves)

    def _added(self, ahead: Floats, share: Floats, sale: float, exit_: float) -> float:
        stay = 1 - self.leaves
        after_ghost = ahead[DAYS - 1, :, self.retry - 1]
        closed, opened = ahead[DAYS - 1, :, self.gap - 1]
        after_send = np.array([exit_ + stay * closed, sale + exit_ + stay * (self.sells * closed + (1 - self.sells) * opened)])
        return float(share @ (after_send - after_ghost))

    def _ahead(self, sale: float, exit_: float) -> Floats:
        """Expected sum over the next d days, (d, want 0/1 at their eve, days to wait), of what sales and exits are worth."""
        stay = 1 - self.leaves
        ahead = np.zeros((DAYS, 2, max(self.gap, self.retry)))
        opens = np.array([self.opens, 1 - self.closes])
        for d in range(1, DAYS):
            before = ahead[d - 1]
            for wait in range(ahead.shape[2]):
                if wait:
                    value = before[:, wait - 1]
                else:
                    closed, opened = before[:, self.gap - 1]
                    sent = np.array(
                        [exit_ + stay * closed, sale + exit_ + stay * (self.sells * closed + (1 - self.sells) * opened)]
                    )
                    value = (1 - self.ghost) * sent + self.ghost * before[:, self.retry - 1]
                ahead[d, :, wait] = (1 - opens) * value[0] + opens * value[1]
        return ahead

    def _decided(self) -> Floats:
        """Shares of decisions that find the want closed and open, (2,), of those that are over."""
        state = np.zeros((2, max(self.gap, self.retry)))
        state[0, : self.gap] = 1 / self.gap
        found = np.zeros(2)
        for day in range(self.length):
            state = np.array(
                [
                    state[0] * (1 - self.opens) + state[1] * self.closes,
                    state[0] * self.opens + state[1] * (1 - self.closes),
                ]
            )
            due = state[:, 0].copy()
            if day * DAY + MORNING <= (self.length - DAYS) * DAY:
                found += due
            state = np.column_stack([state[:, 1:], np.zeros(2)])
            sent = (1 - self.ghost) * (1 - self.leaves)
            state[0, self.gap - 1] += sent * (due[0] + due[1] * self.sells)
            state[1, self.gap - 1] += sent * due[1] * (1 - self.sells)
            state[:, self.retry - 1] += self.ghost * due
        return np.asarray(found / found.sum())
