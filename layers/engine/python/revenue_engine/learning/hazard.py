"""Fit the hazard of leaving and export it to what `value/survival` serves.

What cannot be told is dropped before the fit; whether hazards are proportional is tested after it, and a 0/1 covariate that fails gets
baselines of its own. Grambsch and Therneau, "Proportional hazards tests and diagnostics based on weighted residuals", Biometrika 81
(1994); ranks instead of times as in Park and Hendry (2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.learning.cox import Cox, fit_cox
from revenue_engine.learning.exposures import Exposures, baseline_grid
from revenue_engine.value.survival import Baseline, Hazard, relative, stratum

FEWEST_EXITS = 20  # on each side of a 0/1 covariate
FEWEST_IN_STRATUM = 100  # exits that a baseline of its own needs
MOST_STRATA = 2  # covariates: four baselines
LEVEL = 0.05  # of the test, over all covariates together
_CONSTANT = 1e-6


@dataclass(frozen=True, slots=True)
class HazardFit:
    """What is served, and what there is to say about it."""

    hazard: Hazard
    exits: int
    dropped: Mapping[str, str]  # covariate: why
    not_proportional: Mapping[str, float]  # covariate that still fails the test: p, already multiplied by the number of tests
    stratified: tuple[str, ...]
    penalizer: float
    rung: int


def fit_hazard(rows: Exposures, *, stratify: bool = True) -> HazardFit:
    """The hazard of these exposures.

    Raises
    ------
    Refused
        `hazard_did_not_converge`.
    ValueError
        Nobody left, or no covariate can be told.
    """
    dropped = _untellable(rows)
    columns = [c for c, name in enumerate(rows.names) if name not in dropped]
    if not rows.left.any() or not columns:
        raise ValueError("a hazard needs exits and covariates")
    strata: tuple[int, ...] = ()
    cox = fit_cox(rows, columns)
    failed = not_proportional(rows, columns, cox)
    if stratify:
        strata = _strata(rows, failed)[: len(columns) - 1]  # a covariate must stay
    if strata:
        columns = [c for c in columns if c not in strata]
        code = _codes(rows, strata)
        cox = fit_cox(rows, columns, code)
        failed = not_proportional(rows, columns, cox, code)
    return HazardFit(
        hazard=export(rows, columns, cox.coefficients, strata),
        exits=int(rows.left.sum()),
        dropped=dropped,
        not_proportional=failed,
        stratified=tuple(rows.names[c] for c in strata),
        penalizer=cox.penalizer,
        rung=cox.rung,
    )


def export(rows: Exposures, columns: Sequence[int], coefficients: Floats, strata: tuple[int, ...] = ()) -> Hazard:
    """The served form: coefficients of all covariates, means of the rows, and Breslow's baseline of each stratum, which has exits."""
    every = np.zeros(len(rows.names))
    every[list(columns)] = coefficients
    nothing = Baseline(np.zeros(1), np.zeros(1), 0.0)
    bare = Hazard(rows.names, every, rows.covariates.mean(axis=0), strata, (nothing,) * 2 ** len(strata))
    risk, code = relative(bare, rows.covariates), stratum(bare, rows.covariates)
    baselines = []
    for number in range(2 ** len(strata)):
        here = code == number
        baselines.append(Baseline(*baseline_grid(rows.where(here), risk[here])))
    return Hazard(rows.names, every, bare.means, strata, tuple(baselines))


def not_proportional(rows: Exposures, columns: Sequence[int], cox: Cox, code: Ints | None = None) -> dict[str, float]:
    """The covariates whose effect changes with the clock: p by the number of tests (Bonferroni), where that is below LEVEL."""
    chance = np.minimum(proportionality(rows, columns, cox, code) * len(columns), 1.0)
    return {rows.names[c]: float(p) for c, p in zip(columns, chance, strict=True) if p < LEVEL}


def proportionality(rows: Exposures, columns: Sequence[int], cox: Cox, code: Ints | None = None) -> Floats:
    """(d,) p-values of scaled Schoenfeld residuals against the rank of their clock; exits of one clock share the middle rank."""
    codes = np.zeros(len(rows.left), dtype=np.int64) if code is None else code
    parts = [_schoenfeld(rows.where(codes == number), columns, cox.coefficients) for number in np.unique(codes)]
    clock = np.concatenate([part[0] for part in parts])
    residual = np.concatenate([part[1] for part in parts])
    values, inverse, counts = np.unique(clock, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse] if len(values) else clock
    rank = rank - rank.mean()
    exits = len(clock)
    scaled = exits * residual @ cox.variance
    statistic = (rank @ scaled) ** 2 / (exits * np.diag(cox.variance) * (rank**2).sum())
    return np.array([erfc(sqrt(value / 2)) for value in statistic])  # χ² of one degree of freedom


def _schoenfeld(rows: Exposures, columns: Sequence[int], coefficients: Floats) -> tuple[Floats, Floats]:
    """Clock of each exit, and its covariates less what Efron's risk set would have expected, (e,) and (e, d)."""
    x = rows.covariates[:, columns] - rows.covariates[:, columns].mean(axis=0)
    risk = np.exp(x @ coefficients)
    clock, inverse, ties = np.unique(rows.stop[rows.left], return_inverse=True, return_counts=True)
    all_risk, all_x = rows.at_risk(clock, risk), rows.at_risk(clock, risk[:, None] * x)
    tied_risk, tied_x = np.zeros(len(clock)), np.zeros((len(clock), len(columns)))
    np.add.at(tied_risk, inverse, risk[rows.left])
    np.add.at(tied_x, inverse, (risk[:, None] * x)[rows.left])
    expected = np.empty_like(tied_x)
    for t, tie in enumerate(ties):  # one step a clock, not a row
        part = np.arange(tie)[:, None] / tie
        expected[t] = ((all_x[t] - part * tied_x[t]) / (all_risk[t] - part * tied_risk[t])).mean(axis=0)
    return clock[inverse], x[rows.left] - expected[inverse]


def _untellable(rows: Exposures) -> dict[str, str]:
    """Covariates to leave out, and why."""
    found = {}
    for name, x in zip(rows.names, rows.covariates.T, strict=True):
        spread = x.std()
        if spread < _CONSTANT:
            found[name] = "constant"
        elif not rows.left.any() or x[rows.left].std() < _CONSTANT * spread:
            found[name] = "separates"
        elif _is_binary(x) and _fewest(rows.left, x) < FEWEST_EXITS:
            found[name] = "few_exits"
    return found


def _strata(rows: Exposures, failed: Mapping[str, float]) -> tuple[int, ...]:
    """Places of the 0/1 covariates that fail worst, as many as leave exits enough for every baseline."""
    chosen: tuple[int, ...] = ()
    for name in sorted(failed, key=lambda n: failed[n]):
        place = rows.names.index(name)
        if len(chosen) == MOST_STRATA or not _is_binary(rows.covariates[:, place]):
            continue
        counts = np.bincount(_codes(rows, (*chosen, place))[rows.left], minlength=2 ** (len(chosen) + 1))
        if counts.min() >= FEWEST_IN_STRATUM:
            chosen = (*chosen, place)
    return chosen


def _codes(rows: Exposures, strata: tuple[int, ...]) -> Ints:
    """(m,) stratum of each row, as `survival.stratum` counts them."""
    bits = (rows.covariates[:, list(strata)] > 0.5).astype(np.int64)
    return np.asarray(bits @ (1 << np.arange(len(strata))), dtype=np.int64)


def _is_binary(x: Floats) -> bool:
    return bool(np.isin(x, (0.0, 1.0)).all())


def _fewest(left: Bools, x: Floats) -> int:
    """Exits on the rarer side of a 0/1 covariate."""
    ones = int(x[left].sum())
    return min(ones, int(left.sum()) - ones)
