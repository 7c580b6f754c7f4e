"""One stage of the funnel: boosted trees for the log odds of an event, then Platt's line on the newest part of the data.

Rows are cut by time: the oldest fit the trees, the next say when to stop, the newest calibrate; what is measured on them later has
seen none of that. The order of rows within a part does not matter, and the same rows give the same trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats
from revenue_engine.prediction.platt import Platt, fit_platt

Table = npt.NDArray[np.floating[Any]]
_FIT, CALIBRATED_FROM = 0.70, 0.85  # shares of the rows, by time
_FEWEST = 20  # of either outcome in the rows that fit: below, trees would be noise
_PATIENCE, _ROUNDS = 60, 1_500


@dataclass(frozen=True, slots=True)
class Shape:
    """How much a stage may learn. The defaults are for thousands of rows with few positives."""

    leaves: int = 6
    rows_per_leaf: int = 200
    rate: float = 0.03
    ridge: float = 10.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A fitted stage."""

    booster: lightgbm.Booster | None  # None: too few events for trees
    platt: Platt

    def score(self, features: Table, offset: Floats) -> Floats:
        """(n,) log odds before Platt's line."""
        if self.booster is None:
            return offset
        return offset + np.asarray(self.booster.predict(features, raw_score=True), dtype=np.float64)

    def predict(self, features: Table, offset: Floats) -> Floats:
        """(n,) chances."""
        return self.platt(self.score(features, offset))


def fit_stage(
    features: Table,
    happened: Bools,
    offset: Floats,
    *,
    shape: Shape | None = None,
    weight: Floats | None = None,
    monotone: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> Stage:
    """The stage of these rows.

    Parameters
    ----------
    features, happened, offset, weight
        (n, F), (n,), (n,) log odds to start from, (n,): rows by time, the oldest first.
    monotone
        (F,) 1, 0 or -1: what a feature may do to the odds.
    names
        (F,) of the features, for tables.
    """
    shape = shape or Shape()
    w = np.ones(len(happened)) if weight is None else weight
    stop, calibrate = int(_FIT * len(happened)), int(CALIBRATED_FROM * len(happened))
    old, mid, new = slice(0, stop), slice(stop, calibrate), slice(calibrate, len(happened))
    booster = None
    if min(int(happened[old].sum()), int((~happened[old]).sum())) >= _FEWEST:
        booster = _boost(features, happened, offset, w, (old, mid), shape, (monotone, names), seed)
    bare = Stage(booster, Platt())
    return Stage(booster, fit_platt(bare.score(features[new], offset[new]), happened[new], w[new]))


def _boost(
    features: Table,
    happened: Bools,
    offset: Floats,
    weight: Floats,
    parts: tuple[slice, slice],
    shape: Shape,
    of_features: tuple[Sequence[int] | None, Sequence[str] | None],
    seed: int,
) -> lightgbm.Booster:
    settings: dict[str, Any] = {
        "objective": "binary",
        "num_leaves": shape.leaves,
        "min_data_in_leaf": shape.rows_per_leaf,
        "learning_rate": shape.rate,
        "lambda_l2": shape.ridge,
        "boost_from_average": False,  # the offset is where it starts
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbose": -1,
    }
    monotone, names = of_features
    if monotone is not None:
        settings["monotone_constraints"] = list(monotone)
    old, mid, both = (
        lightgbm.Dataset(
            features[part],
            happened[part],
            weight=weight[part],
            init_score=offset[part],
            feature_name="auto" if names is None else list(names),
            free_raw_data=False,
        )
        for part in (*parts, slice(parts[0].start, parts[1].stop))
    )
    stopping = lightgbm.early_stopping(_PATIENCE, verbose=False)
    rounds = lightgbm.train(settings, old, _ROUNDS, valid_sets=[mid], callbacks=[stopping]).best_iteration
    return lightgbm.train(settings, both, rounds)  # what said when to stop is too good to be left unused
