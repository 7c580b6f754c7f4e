"""What a policy is: each morning it looks at what a sender may see and says whom to mail; in the evening it is told what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints, Keys
from revenue_engine.draws import mix
from workbench.simulation.worlds import DayEvents, Mailing, Observables

COST_MICROS = 1_000  # of a mail
NOBODY = np.zeros(0, dtype=np.int64)
NO_MAIL = Mailing(NOBODY, NOBODY, NOBODY, NOBODY)
NEWSLETTER_HOUR = 10


@dataclass(frozen=True, slots=True)
class Setting:
    """What the operator allows; the same for every policy that keeps to it."""

    people: int
    offers: int
    days: int
    daily_cap: int
    seed: int  # of the policy's own draws
    per_week: int = 4  # mails to a person
    gap_days: int = 1


class Policy(Protocol):
    """One way to mail a list, with what it has learned so far."""

    def mail(self, seen: Observables, day: int) -> Mailing:
        """The mails of this day."""
        ...

    def told(self, events: DayEvents, day: int) -> None:
        """What the sender learned on it."""
        ...


class Calendar:
    """Who was mailed on which of the last seven days: the operator's caps and gaps."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._on = np.full((setting.people, 7), -1_000, dtype=np.int32)  # day, by day modulo 7

    def free(self, day: int) -> Bools:
        """(n,) people whose week and gap allow another mail."""
        ago = day - self._on
        in_week, too_soon = ((ago < days).sum(axis=1) for days in (7, self._setting.gap_days))
        return np.asarray((in_week < self._setting.per_week) & (too_soon == 0))

    def mailed(self, who: Ints, day: int) -> None:
        """They were."""
        self._on[who, day % 7] = day


def luck(seed: int, ids: Ints, day: int, purpose: int) -> Floats:
    """(n,) uniforms in [0, 1), a function of the arguments alone."""
    keys: Keys = ids.astype(np.uint64)
    for word in (seed, day, purpose):
        keys = mix(keys ^ mix(np.array([word + 1], dtype=np.uint64)))
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53


def to_all(who: Ints, offer: Ints | int, *, content: Ints | int = 0, hour: Ints | int = NEWSLETTER_HOUR) -> Mailing:
    """These people, each argument one a mail or the same for all."""
    offers, contents, hours = (
        np.broadcast_to(np.asarray(value, dtype=np.int64), len(who)).copy() for value in (offer, content, hour)
    )
    return Mailing(who, offers, contents, hours)


def best(values: Floats, among: Ints, most: int) -> Ints:
    """The `most` rows of `among` with the highest values (n,); equals in the order of the list."""
    order = np.argsort(-values[among], kind="stable")[:most]
    return np.sort(among[order])
