"""Telephone customers: does the hazard put those who leave first in front, and does NumPy serve what lifelines fitted?"""

from __future__ import annotations

import numpy as np
from lifelines import CoxTimeVaryingFitter

from benchmarks.models_value_cdnow import Part
from benchmarks.models_value_data import telco
from revenue_engine.arrays import Floats
from revenue_engine.learning.cox import LADDER, concordance, frame, penalizer
from revenue_engine.learning.exposures import Exposures
from revenue_engine.learning.hazard import export, fit_hazard
from revenue_engine.value.survival import between, survival

FOLDS, SEED = 5, 2_026
ASKED_MONTHS = 24.0  # at which cumulative hazards are compared: strata have baselines of their own


def telco_figures() -> Part:
    """Out-of-fold concordance, and the largest difference to lifelines' survival over people and months."""
    rows = telco()
    fold = np.random.default_rng(SEED).permutation(len(rows.left)) % FOLDS
    fits = [fit_hazard(rows.where(fold != number)) for number in range(FOLDS)]
    ordered = []
    for number, fit in enumerate(fits):
        rest = rows.where(fold == number)
        risk = between(fit.hazard, rest.covariates, np.zeros(len(rest.left)), np.full(len(rest.left), ASKED_MONTHS))
        ordered.append(concordance(rest.stop, risk, rest.left))
    figures = {"telco_concordance": float(np.mean(ordered)), "hazard_max_difference_to_lifelines": parity(rows)}
    strata, failing = fits[0].stratified, fits[0].not_proportional
    return [
        ("Telco: concordance, five folds", f"{figures['telco_concordance']:.4f}", "0.850"),
        ("Telco: hazards not proportional", f"{len(failing)} covariates", f"strata: {', '.join(strata) or 'none'}"),
        ("Telco: NumPy against lifelines", f"{figures['hazard_max_difference_to_lifelines']:.1e}", "1e-9"),
    ], figures


def parity(rows: Exposures) -> float:
    """Largest absolute difference of survival between what is served and lifelines' own model, 200 people by all its months."""
    columns = list(range(len(rows.names)))
    table = frame(rows, columns)
    fitter = CoxTimeVaryingFitter(penalizer=penalizer(rows, LADDER[0][0])).fit(table, "event", "start", "stop")
    served = export(rows, columns, np.asarray(fitter.params_, dtype=np.float64))
    months = np.asarray(fitter.baseline_cumulative_hazard_.index, dtype=np.float64)
    people = rows.covariates[:200]
    theirs: Floats = np.exp(
        -np.outer(fitter.predict_partial_hazard(table.iloc[:200]), fitter.baseline_cumulative_hazard_.to_numpy()[:, 0])
    )
    ours = survival(served, people[:, None, :], np.zeros((200, 1)), months[None, :])
    return float(np.abs(ours - theirs).max())
