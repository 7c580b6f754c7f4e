"""What a mail costs the future of its reader, as a table look-up: the price side of the index

    I = value of the mail − hazard price − fatigue price − complaint price − silent-lapse price,    sent where I > λ

A person is worth V = max { rest, mail − k + what a mailed person is worth }, and V is homogeneous of degree 1 in (v, k): v the value of a
mail to him when rested, k what a mail costs (its price at the provider, λ). So one table of V/v by hazard, k/v and fatigue serves
everybody (`pacing/solve` makes it). Restless bandits and their Lagrangian prices: Whittle, "Restless bandits", J. Appl. Prob. 25A
(1988); index policies of weakly coupled problems: arXiv 2406.04751, 2412.12641. Shapes: n rows; H hazards, K costs, F fatigues.
"""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, fields
from math import isfinite

import numpy as np

from revenue_engine.arrays import Floats, Ints, place
from revenue_engine.errors import Refused
from revenue_engine.prediction import archive

PRIOR_EXITS = 4.0  # what the prior's level of exits is worth: four in the 2,000 mails of `learning/rates`


@dataclass(frozen=True, slots=True)
class Habits:
    """How readers tire and leave: what the table was solved for, at first a prior between the public worlds (`learning/habits` fits it).
    Days are between one chance to mail and the next."""

    half_life_days: float = 4.0  # of fatigue: the sum of past mails, each fading
    value_per_mail: float = 0.14  # a mail's value falls by exp(−this · fatigue)
    exits_per_mail: float = 0.4  # the hazard of leaving grows as 1 + this · fatigue
    exits_over: float = 1.0 + PRIOR_EXITS**-0.5  # times the exits that were counted: their level's mean and spread
    lapse_per_mail: float = 0.0006  # chance that a mail, beside everything else, makes its reader fall silent
    lapse_grows: float = 0.5  # and how it grows with fatigue, likewise
    kept_of_lapsed: float = 0.3  # of a silent reader's value
    horizon_days: float = 365.0  # what is further away counts less and less: readers are lost without us, and offers end

    def __post_init__(self) -> None:
        shares, slopes = (self.lapse_per_mail, self.kept_of_lapsed), (self.value_per_mail, self.exits_per_mail, self.lapse_grows)
        sound = (
            all(map(isfinite, astuple(self)))
            and self.half_life_days > 0
            and self.horizon_days > 1
            and self.exits_over > 0
            and min(slopes) >= 0
            and 0 <= min(shares) <= max(shares) <= 1
        )
        if not sound:
            raise ValueError(f"no habits of anybody: {self}")

    @property
    def kept_per_day(self) -> float:
        """What tomorrow's dollar is worth today."""
        return 1.0 - 1.0 / self.horizon_days

    def leaves(self, exits: Floats, fatigue: Floats) -> Floats:
        """Chance that a mail is charged with, of making somebody so tired leave, where mails of whatever fatigue made people leave with
        chance `exits`: as if those had been rested, dearer than counted on purpose (docs/decisions/0038)."""
        return np.asarray(np.minimum(exits * self.exits_over * (1.0 + self.exits_per_mail * fatigue), 1.0))

    def lost_by_lapse(self, fatigue: Floats) -> Floats:
        """Share of a reader's value that a mail loses by making him fall silent."""
        return np.asarray(np.minimum(self.lapse_per_mail * (1.0 + self.lapse_grows * fatigue), 1.0) * (1.0 - self.kept_of_lapsed))

    def worth(self, fatigue: Floats) -> Floats:
        """Of a mail to somebody so tired, over its worth to him when rested."""
        return np.asarray(np.exp(-self.value_per_mail * fatigue))

    def fades(self, days: float) -> float:
        """What is left of fatigue after so many days."""
        return float(0.5 ** (days / self.half_life_days))


@dataclass(frozen=True, slots=True)
class ValueTable:
    """V/v as of the next chance to mail, one a day; grids rising."""

    habits: Habits
    hazard: Floats  # (H,) chance that a mail makes a rested reader leave, evenly spaced in logarithms
    cost: Floats  # (K,) k/v
    fatigue: Floats  # (F,)
    value: Floats  # (H, K, F)

    def __post_init__(self) -> None:
        if self.value.shape != (len(self.hazard), len(self.cost), len(self.fatigue)):
            raise ValueError("a value for every hazard, cost and fatigue")
        for grid in (self.hazard, self.cost, self.fatigue):
            if len(grid) < 2 or not (np.isfinite(grid).all() and grid[0] >= 0 and (np.diff(grid) > 0).all()):
                raise ValueError("two points of a grid or more, rising")
        if self.hazard[0] <= 0:
            raise ValueError("the least hazard has a logarithm")
        # a rested mail every day for as long as the horizon is the most there is
        if not ((self.value >= 0) & (self.value <= self.habits.horizon_days)).all():
            raise ValueError("worth no number, or more than there is")


def dump(table: ValueTable) -> bytes:
    """One archive, the same bytes for the same table."""
    arrays = {name: getattr(table, name) for name in ("hazard", "cost", "fatigue", "value")}
    return archive.dump({"habits": archive.text(asdict(table.habits)), **arrays})


def load(data: bytes) -> ValueTable:
    """The table of these bytes. Raises Refused: `archive_corrupt` or `index_corrupt` (D5)."""
    arrays = archive.load(data)
    try:
        habits = archive.document(arrays.pop("habits"))
        if set(habits) != {field.name for field in fields(Habits)}:
            raise ValueError("habits")  # a default would price what the table was not solved for
        return ValueTable(Habits(**habits), **arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("index_corrupt", repr(error)[:300]) from None


@dataclass(frozen=True, slots=True)
class Prices:
    """Of mailing each row now, micros as floats, (n,) each; none is below zero."""

    hazard: Floats  # exits: chance times what stays with those who stay
    fatigue: Floats  # what later mails lose
    complaint: Floats
    lapse: Floats
    value_now: Floats  # what the person is worth under the policy to come
    value_after: Floats  # and once he has had this mail and stayed

    @property
    def total(self) -> Floats:
        """(n,)"""
        return self.hazard + self.fatigue + self.complaint + self.lapse


def fatigue_of(recent_sends: Ints, now: int, half_life_days: float) -> Floats:
    """(n,) Σ 2^(−age/half-life) over the mails a row remembers, (n, RECENT) epoch seconds, 0 = none."""
    days = (now - recent_sends) / 86_400
    return np.asarray(np.where(recent_sends > 0, np.exp2(-np.maximum(days, 0.0) / half_life_days), 0.0).sum(axis=1))


def prices(
    table: ValueTable,
    *,
    value_micros: Floats,
    fatigue: Floats,
    exits: Floats,
    complaint: Floats,
    cost_micros: float,
    kappa: float,
) -> Prices:
    """What it costs to mail each row now.

    Parameters
    ----------
    value_micros
        (n,) what a mail to the person would bring when rested, now and later, under the policy to come.
    fatigue
        (n,) now.
    exits, complaint
        (n,) chances that a mail makes him leave (opting out or complaining), and that he complains, taken for those of rested readers.
    cost_micros
        k, what each mail costs now and later: the provider's price and λ.
    kappa
        Micros of a complaint above the loss of the person; never less than that loss once more, which is the specification's 2 · LTV.
    """
    habits = table.habits
    scale = np.maximum(value_micros, 0.0)
    ratio = np.divide(cost_micros, scale, out=np.full(len(scale), np.inf), where=scale > 0)
    fades = habits.fades(1.0)
    look = _Look(table, exits, ratio)
    rested = scale * look(fatigue * fades)
    mailed = scale * look((fatigue + 1.0) * fades)
    now = scale * look(fatigue)
    daily = habits.kept_per_day
    return Prices(
        hazard=daily * habits.leaves(exits, fatigue) * mailed,
        fatigue=daily * np.maximum(rested - mailed, 0.0),
        complaint=habits.leaves(complaint, fatigue) * np.maximum(kappa, daily * mailed),
        lapse=daily * habits.lost_by_lapse(fatigue) * mailed,
        value_now=now,
        value_after=mailed,
    )


class _Look:
    """Reads the table off between its points, by straight lines in log hazard, cost and fatigue, for rows that keep hazard and cost."""

    def __init__(self, table: ValueTable, hazard: Floats, cost: Floats) -> None:
        h, h_share = place(np.log(table.hazard), np.log(np.maximum(hazard, table.hazard[0])))
        k, k_share = place(table.cost, cost)
        depth, width = len(table.fatigue), len(table.cost)
        self._fatigue, self._flat = table.fatigue, table.value.reshape(-1)
        self._corners = [
            (((h + i) * width + k + j) * depth, (h_share if i else 1 - h_share) * (k_share if j else 1 - k_share))
            for i in (0, 1)
            for j in (0, 1)
        ]

    def __call__(self, fatigue: Floats) -> Floats:
        """(n,) V/v."""
        f, share = place(self._fatigue, fatigue)
        found = np.zeros(len(f))
        for start, weight in self._corners:
            found += weight * ((1 - share) * self._flat[start + f] + share * self._flat[start + f + 1])
        return found
