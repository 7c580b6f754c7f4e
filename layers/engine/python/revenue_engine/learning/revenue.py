"""Revenue to come: LightGBM learns a factor on what a simple model expects, from windows that are over.

log E[revenue] = log(expected) + trees(features), Tweedie deviance: a mass at nothing and a long tail in one likelihood. Because the
offset carries exposure and horizon, a model of 13-week windows predicts other horizons and cadences; where there is little data the
trees stay near 0 and the offset is the prediction. Ke et al., "LightGBM", NeurIPS 2017; Tweedie: Jørgensen, JRSS B 49 (1987).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np

from revenue_engine.arrays import Floats

# Chosen on CDNOW's calibration weeks alone: trained on what weeks 14 to 26 brought, tried on weeks 27 to 39. Neighbouring values
# differ by less than noise.
ROUNDS = 50
PAYERS_IN_LEAF = 50  # expected: where one in forty pays, a leaf of 200 people would be the luck of five
_PARAMETERS = {
    "objective": "tweedie",
    "tweedie_variance_power": 1.5,
    "learning_rate": 0.05,
    "num_leaves": 7,
    "feature_fraction": 0.8,
    "lambda_l2": 10.0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Window:
    """People as they were known on one day, and what they brought in the days after it. w people, f features."""

    day: int  # last one that features know
    ends: int  # last one that `revenue` counts
    features: Mapping[str, Floats]  # (w,) each
    expected: Floats  # (w,) of the simple model for these days, above 0
    revenue: Floats  # (w,) ≥ 0


@dataclass(frozen=True, slots=True)
class RevenueModel:
    """Trees as LightGBM writes them down, and the level of their predictions."""

    names: tuple[str, ...]
    trees: str
    level: float  # factor of all predictions

    def predict(self, features: Mapping[str, Floats], expected: Floats) -> Floats:
        """(n,) in the unit of `expected`, which the simple model gives for the days asked about. KeyError without a feature."""
        booster = lgb.Booster(model_str=self.trees)
        factor = np.exp(np.asarray(booster.predict(_table(features, self.names), raw_score=True, num_threads=1)))
        return np.asarray(self.level * factor * expected)


def index_days(first: int, last_known: int, *, horizon: int, embargo: int, every: int = 7) -> list[int]:
    """Days to train at, so that the horizon and the embargo (conversions still to come, reversals) after each have passed."""
    return list(range(last_known - embargo - horizon, first - 1, -every))[::-1]


def fit_revenue(windows: Sequence[Window]) -> RevenueModel:
    """Trees of all these windows, at the level that the latest one asks for.

    What a model of the windows that had ended before the latest one began got wrong in it, in all, is put right: what it brought by
    what was predicted. Without such windows the level is that of all windows.

    Raises
    ------
    ValueError
        Windows with different features, an expectation of 0 or less, revenue below 0 or none at all.
    """
    ordered = sorted(windows, key=lambda window: window.day)
    latest = ordered[-1]
    earlier = [window for window in ordered if window.ends <= latest.day]
    missed = 1.0
    if earlier:
        missed = float(latest.revenue.sum() / _fit(earlier).predict(latest.features, latest.expected).sum())
    model = _fit(ordered)
    return replace(model, level=model.level * missed)


def _fit(windows: Sequence[Window]) -> RevenueModel:
    names = tuple(windows[0].features)
    if any(tuple(window.features) != names for window in windows):
        raise ValueError("windows of one model have the same features")
    expected = np.concatenate([window.expected for window in windows])
    revenue = np.concatenate([window.revenue for window in windows])
    if not (expected > 0).all() or (revenue < 0).any() or not revenue.any():
        raise ValueError("expectations are above 0, revenue is not below it, and there is some")
    table = np.concatenate([_table(window.features, names) for window in windows])
    level, mean = float(revenue.sum() / expected.sum()), revenue.mean()
    # in units of the mean: penalties would otherwise weigh less in cents than in dollars
    rows = lgb.Dataset(table, revenue / mean, init_score=np.log(level * expected / mean), feature_name=list(names))
    in_leaf = int(np.ceil(PAYERS_IN_LEAF * len(revenue) / np.count_nonzero(revenue)))
    booster = lgb.train({**_PARAMETERS, "min_data_in_leaf": in_leaf}, rows, ROUNDS)
    return RevenueModel(names, booster.model_to_string(), level)


def _table(features: Mapping[str, Floats], names: Sequence[str]) -> Floats:
    return np.stack([features[name] for name in names], axis=1)
