"""How long somebody stays: a hazard of leaving per mail, fitted elsewhere (`learning/hazard`), served here in NumPy.

Leaving is an observed exit: an opt-out or a complaint (training counts no bounces: docs/decisions/0038). Its clock is the number of
mails somebody got, not the calendar: who is mailed half as often lives through the same clock in twice the time, and what the mail
itself does (mails of late) is a covariate. Cox, "Regression models and life-tables", JRSS B 34 (1972);
S = exp(−(H₀(t₁) − H₀(t₀)) · exp((x − x̄)'β)).
n people, d covariates, K periods.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Baseline:
    """Cumulative hazard of an average person at clocks (G,), both rising from 0; straight lines between, `tail` per mail beyond."""

    clock: Floats
    cumulative: Floats
    tail: float

    def at(self, clock: Floats) -> Floats:
        """Of any shape. Beyond the data it goes on as in the last quarter of them: the estimate itself would stop there."""
        beyond = np.maximum(clock - self.clock[-1], 0.0)
        return np.asarray(np.interp(clock, self.clock, self.cumulative) + self.tail * beyond)


@dataclass(frozen=True, slots=True)
class Hazard:
    """A fitted hazard. One baseline a stratum: 2 ** len(strata) of them."""

    names: tuple[str, ...]  # of the d covariates
    coefficients: Floats  # (d,) 0 for what was left out
    means: Floats  # (d,)
    strata: tuple[int, ...]  # places of the 0/1 covariates that have baselines of their own instead of a coefficient
    baselines: tuple[Baseline, ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.coefficients) == len(self.means):
            raise ValueError("a coefficient and a mean for every covariate")
        if len(self.baselines) != 2 ** len(self.strata):
            raise ValueError("a baseline for every stratum")


def stratum(hazard: Hazard, covariates: Floats) -> Ints:
    """The baseline that holds for each row: (..., d) in, (...) out."""
    code = np.zeros(covariates.shape[:-1], dtype=np.int64)
    for bit, place in enumerate(hazard.strata):
        code |= (covariates[..., place] > 0.5).astype(np.int64) << bit
    return code


def relative(hazard: Hazard, covariates: Floats) -> Floats:
    """How many times the baseline's hazard each row has: (..., d) in, (...) out.

    Raises ValueError for another number of covariates.
    """
    if covariates.shape[-1] != len(hazard.names):
        raise ValueError(f"{covariates.shape[-1]} covariates, not the {len(hazard.names)} it was fitted to")
    return np.asarray(np.exp((covariates - hazard.means) @ hazard.coefficients))


def between(hazard: Hazard, covariates: Floats, start: Floats, stop: Floats) -> Floats:
    """Cumulative hazard from one clock to another with covariates that stay: (..., d) in, the clocks broadcast with the rest."""
    code = stratum(hazard, covariates)
    start, stop, code = np.broadcast_arrays(start, stop, code)
    gained = np.empty(code.shape)
    for number, baseline in enumerate(hazard.baselines):
        here = code == number
        gained[here] = baseline.at(stop[here]) - baseline.at(start[here])
    return gained * relative(hazard, covariates)


def survival(hazard: Hazard, covariates: Floats, start: Floats, stop: Floats) -> Floats:
    """P(still there at clock `stop` | there at `start`); shapes as in `between`."""
    return np.exp(-between(hazard, covariates, start, stop))


def under_cadence(hazard: Hazard, covariates: Floats, sent: Floats, mails: Floats) -> Floats:
    """Cumulative hazard at the end of each period of a plan, (n, K).

    Parameters
    ----------
    covariates
        (n, K, d) in each period.
    sent
        (n,) mails that each person has had so far: where his clock stands.
    mails
        (n, K) mails of each period; fractions are expectations.

    Raises
    ------
    ValueError
        Mails below zero.
    """
    if (mails < 0).any():
        raise ValueError("mails of a period below zero")
    stop = sent[:, None] + np.cumsum(mails, axis=1)
    return np.cumsum(between(hazard, covariates, stop - mails, stop), axis=1)
