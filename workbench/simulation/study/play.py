"""One policy in one world: what it brings and what it leaves behind.

Money is the expectation of each mail at the moment it is sent, given the true state of its reader (rebills, reversals and cuts to
come counted): sampled payouts would be mostly noise. What policies are told, and learn from, is sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from revenue_engine.arrays import Floats, Ints
from workbench.simulation.study.policy import COST_MICROS, Policy
from workbench.simulation.worlds import Kind, World

_EXITS = (Kind.UNSUBSCRIBE, Kind.COMPLAINT, Kind.HARD_BOUNCE)


@dataclass(frozen=True, slots=True)
class Days:
    """Of each day, (D,)."""

    cash_micros: Floats  # expected revenue less the cost of the mails
    mails: Ints
    complaints: Ints  # those nobody tells us of, too
    unsubscribes: Ints
    bounces: Ints  # hard
    conversions: Ints  # told
    alive: Ints  # in the evening: people who can still be reached, told or not

    def __add__(self, other: Days) -> Days:
        """These days, then the other ones."""
        return Days(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(Days)))

    @property
    def cash(self) -> float:
        """Dollars, of all days."""
        return float(self.cash_micros.sum()) / 1e6


def play(world: World, policy: Policy, days: int, *, each: Callable[[], None] = lambda: None) -> Days:
    """The next `days` days of this world under this policy."""
    return _table([_day(world, policy, each) for _ in range(days)])


def _day(world: World, policy: Policy, each: Callable[[], None]) -> tuple[float, ...]:
    day = world.day
    mailing = policy.mail(world.observables(day), day)
    told = world.step(day, mailing)
    policy.told(told, day)
    outcome = world.truth.outcome
    assert outcome is not None
    each()
    return (
        float(outcome.expected_micros.sum()) - COST_MICROS * len(mailing.who),
        len(mailing.who),
        int(outcome.complained.sum()),
        int(outcome.unsubscribed.sum()),
        len(told.of(Kind.HARD_BOUNCE)),
        len(told.of(Kind.CONVERSION)),
        int((~world.truth.leaving & ~world.truth.dead).sum()),
    )


def _table(rows: list[tuple[float, ...]]) -> Days:
    columns: Iterator[Floats] = iter(np.array(rows, dtype=np.float64).reshape(-1, len(fields(Days))).T)
    cash = next(columns)
    return Days(cash, *(column.astype(np.int64) for column in columns))
