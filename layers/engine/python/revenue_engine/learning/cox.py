"""lifelines' time-varying Cox model, contained: a penalised fit that climbs a ladder until it converges.

Davidson-Pilon, "lifelines: survival analysis in Python", JOSS 4 (2019).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from lifelines import CoxTimeVaryingFitter
from lifelines.exceptions import ConvergenceError, ConvergenceWarning
from lifelines.utils import concordance_index

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.errors import Refused
from revenue_engine.learning.exposures import Exposures

# Strength of the penalty per exit, then the step of Newton's method.
LADDER = ((0.01, 0.95), (0.1, 0.95), (1.0, 0.95), (1.0, 0.25))


@dataclass(frozen=True, slots=True)
class Cox:
    """A fit: of the columns asked for, (d,) and (d, d)."""

    coefficients: Floats
    variance: Floats
    penalizer: float  # as lifelines counts it
    rung: int  # of the ladder


def frame(rows: Exposures, columns: Sequence[int], stratum: Ints | None = None) -> pd.DataFrame:
    """The rows as lifelines wants them."""
    table = pd.DataFrame(rows.covariates[:, columns], columns=[rows.names[c] for c in columns])
    table["start"], table["stop"], table["event"] = rows.start, rows.stop, rows.left
    if stratum is not None:
        table["stratum"] = stratum
    return table


def penalizer(rows: Exposures, strength: float) -> float:
    """lifelines multiplies its penalty by the number of rows. With a row a mail nearly all of them say nothing about leaving, so a
    strength is meant per exit."""
    return float(strength * rows.left.sum() / len(rows.left))


def fit_cox(rows: Exposures, columns: Sequence[int], stratum: Ints | None = None) -> Cox:
    """Coefficients of these columns; lifelines standardises them first, so the penalty is fair between units.

    Raises
    ------
    Refused
        `hazard_did_not_converge` on any rung.
    """
    table = frame(rows, columns, stratum)
    for rung, (strength, step) in enumerate(LADDER):
        fitter = CoxTimeVaryingFitter(penalizer=penalizer(rows, strength), strata=None if stratum is None else ["stratum"])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ConvergenceWarning)
                fitter.fit(table, "event", "start", "stop", fit_options={"step_size": step})
        except (ConvergenceError, ConvergenceWarning):
            continue
        coefficients = np.asarray(fitter.params_, dtype=np.float64)
        return Cox(coefficients, np.asarray(fitter.variance_matrix_, dtype=np.float64), fitter.penalizer, rung)
    raise Refused("hazard_did_not_converge", f"{len(LADDER)} penalties tried")


def concordance(time: Floats, risk: Floats, left: Bools) -> float:
    """Share of comparable pairs of whom the one with the higher risk left first (Harrell's C)."""
    return float(concordance_index(time, -risk, left))
