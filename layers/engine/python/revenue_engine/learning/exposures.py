"""Rows that a hazard is fitted to: who was at risk from which clock to which, and whether he left at its end.

For mail the clock counts mails, one row a mail: leaving is then a hazard per mail whatever the cadence was, and somebody who is not
mailed is not at risk. m rows, d covariates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.value.contact import RECENT_DAYS, covariates, names

_AT_RISK_SHARE = 0.05  # of the greatest number at risk: below it a baseline is a few people's luck
_LAST = 0.25  # of all exposure: what the hazard beyond the data is read from


@dataclass(frozen=True, slots=True)
class Exposures:
    """At risk in (start, stop]."""

    start: Floats  # (m,)
    stop: Floats
    left: Bools
    covariates: Floats  # (m, d)
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not (self.stop > self.start).all():
            raise ValueError("a row must end after it starts")
        if self.covariates.shape != (len(self.start), len(self.names)):
            raise ValueError("a name for every covariate, a row for every exposure")

    def where(self, chosen: Bools) -> Exposures:
        """Some of the rows."""
        return Exposures(self.start[chosen], self.stop[chosen], self.left[chosen], self.covariates[chosen], self.names)

    def at_risk(self, clock: Floats, weight: Floats) -> Floats:
        """Sums of `weight` (m,) or (m, k) over who is at risk just before each clock, (c,) or (c, k)."""
        return _sums_below(self.start, weight, clock) - _sums_below(self.stop, weight, clock)


def _sums_below(at: Floats, weight: Floats, clock: Floats) -> Floats:
    """Of the rows with `at` < clock."""
    order = np.argsort(at, kind="stable")
    sums = np.concatenate([np.zeros((1, *weight.shape[1:])), np.cumsum(weight[order], axis=0)])
    return np.asarray(sums[np.searchsorted(at[order], clock, side="left")])


def of_mails(
    person: Ints, day: Ints, left: Bools, *, sent_before: Floats, tenure_days: Floats, traits: Floats, trait_names: Sequence[str]
) -> Exposures:
    """One row a mail, by person and day; what was sent after the mail that made somebody leave is no exposure.

    Parameters
    ----------
    person, day
        (m,) of each mail, in any order; days are whole numbers of 0 or more.
    left
        (m,) the mail that an opt-out or a complaint answers. When that was told does not matter here.
    sent_before
        (m,) mails its reader had before the first of these: his clock starts there (left truncation).
    tenure_days
        (m,) on the day of the mail.
    traits
        (m, q) what else was known before it.
    """
    order = np.lexsort((day, person))
    who, when, leaves = person[order], day[order], left[order]
    place = np.arange(len(who))
    first = np.searchsorted(who, who, side="left")
    # one rising number a person and day, with room for the seven days before a person's first
    key = who * (int(day.max(initial=0)) + 2 * RECENT_DAYS) + when + RECENT_DAYS
    recent = (place - np.searchsorted(key, key - RECENT_DAYS, side="left")).astype(np.float64)
    exits_before: Ints = np.concatenate([[0], np.cumsum(leaves)])
    start = sent_before[order] + (place - first)
    rows = Exposures(start, start + 1.0, leaves, covariates(recent, tenure_days[order], traits[order]), names(trait_names))
    return rows.where(exits_before[place] == exits_before[first])


def baseline_grid(rows: Exposures, risk: Floats) -> tuple[Floats, Floats, float]:
    """Breslow's cumulative hazard at the clocks of exits, with 0 in front, and the hazard per unit beyond.

    Parameters
    ----------
    risk
        (m,) relative hazards.

    Notes
    -----
    The grid ends where fewer than a twentieth of the greatest number are left: single exits among the last few would make steps of
    any size. Beyond it the hazard is that of the last quarter of the exposure: its exits by its exposure weighted by relative hazard.
    A quarter of the clock instead would be a few people's luck again. Breslow, discussion of Cox, JRSS B 34 (1972).
    """
    clock, exits = np.unique(rows.stop[rows.left], return_counts=True)
    people = rows.at_risk(clock, np.ones(len(risk)))
    kept = clock <= clock[people >= _AT_RISK_SHARE * people.max()][-1]
    clock = clock[kept]
    steps = exits[kept] / rows.at_risk(clock, risk)
    beyond = _beyond(rows.stop, clock) - _beyond(rows.start, clock)
    since = max(clock[beyond > _LAST * (rows.stop - rows.start).sum()], default=0.0)
    exposed = risk @ np.maximum(rows.stop - np.maximum(rows.start, since), 0.0)
    late = rows.left & (rows.stop > since)
    return np.concatenate([[0.0], clock]), np.concatenate([[0.0], np.cumsum(steps)]), float(late.sum() / exposed)


def _beyond(at: Floats, clock: Floats) -> Floats:
    """Sums of what `at` lies above each clock."""
    above = len(at) - _sums_below(at, np.ones(len(at)), clock)
    return np.asarray(at.sum() - _sums_below(at, at, clock) - above * clock)
