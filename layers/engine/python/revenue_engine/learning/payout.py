"""E[payout | approved conversion]: trees for the factor by which a person's payout differs from what its offer is expected to pay.

Gamma deviance with a log link, on conversions alone, from the expectation as offset; rows by time, the newest say when to stop. A few
hundred conversions are needed before a factor is more than luck. m conversions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.learning.export import export
from revenue_engine.prediction.features import OFFER, SUBSCRIBER
from revenue_engine.prediction.payout import PRIOR_SQUARE, Payout, PayoutTables

FEWEST = 300  # conversions: below, the expectation stands alone
PRIOR_CONVERSIONS = 50.0  # what a level of 1 and the prior's spread are worth
_FIT = 0.8  # share of the rows, by time
_PATIENCE, _ROUNDS = 30, 400
_MOST_FACTOR = 20.0  # times what was expected: more is an error of a feed, and would be all that is learned
_SETTINGS: dict[str, Any] = {
    "objective": "gamma",
    "num_leaves": 6,
    "learning_rate": 0.05,
    "lambda_l2": 20.0,
    "boost_from_average": False,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True)
class PayoutStage:
    """The fitted stage."""

    booster: lightgbm.Booster | None
    level: float
    square: float

    def predict(self, features: npt.NDArray[Any], expected_micros: Floats) -> Payout:
        """(n,) of these pairs."""
        mean = self.level * expected_micros * _factor(self.booster, features)
        return Payout(mean, self.square * mean**2)

    def tables(self) -> PayoutTables:
        """For serving. Raises NotExportable for names that `features` does not know."""
        trees = None if self.booster is None else export(self.booster, subscriber=SUBSCRIBER, offer=OFFER)
        return PayoutTables(trees, self.level, self.square)


def fit_payout(
    features: npt.NDArray[Any],
    expected_micros: Floats,
    paid_micros: Floats,
    *,
    names: Sequence[str] = (*SUBSCRIBER, *OFFER),
    seed: int = 0,
) -> PayoutStage:
    """The stage of these conversions, the oldest first.

    Parameters
    ----------
    features, expected_micros, paid_micros
        (m, F); (m,) expected of the offer when it was served; (m,) approved by now, above 0.

    Raises ValueError for an expectation or a payout that is not above 0.
    """
    if not ((expected_micros > 0).all() and (paid_micros > 0).all()):
        raise ValueError("conversions pay something")
    ratio = np.minimum(paid_micros / expected_micros, _MOST_FACTOR)
    booster = _boost(features, ratio, names, seed) if len(ratio) >= FEWEST else None
    factor = _factor(booster, features)
    level = float((paid_micros.sum() + PRIOR_CONVERSIONS * _mean(expected_micros)) / _expected(expected_micros * factor))
    spread = float(((ratio / (level * factor)) ** 2).sum() + PRIOR_CONVERSIONS * PRIOR_SQUARE) / (len(ratio) + PRIOR_CONVERSIONS)
    return PayoutStage(booster, level, max(spread, 1.0))


def _expected(micros: Floats) -> float:
    return float(micros.sum()) + PRIOR_CONVERSIONS * _mean(micros)


def _mean(micros: Floats) -> float:
    return float(micros.mean()) if len(micros) else 1.0


def _factor(booster: lightgbm.Booster | None, features: npt.NDArray[Any]) -> Floats:
    if booster is None:
        return np.ones(len(features))
    return np.exp(np.asarray(booster.predict(features, raw_score=True, num_threads=1), dtype=np.float64))


def _boost(features: npt.NDArray[Any], ratio: Floats, names: Sequence[str], seed: int) -> lightgbm.Booster | None:
    cut = int(_FIT * len(ratio))
    settings = _SETTINGS | {"seed": seed, "min_data_in_leaf": max(50, len(ratio) // 40)}
    old, new, both = (
        lightgbm.Dataset(features[part], ratio[part], init_score=np.zeros(len(ratio[part])), feature_name=list(names))
        for part in (slice(0, cut), slice(cut, None), slice(None))
    )
    stopping = lightgbm.early_stopping(_PATIENCE, verbose=False)
    rounds = lightgbm.train(settings, old, _ROUNDS, valid_sets=[new], callbacks=[stopping]).best_iteration
    level = float(np.mean(ratio[:cut]))
    told = np.exp(np.asarray(lightgbm.train(settings, old, rounds).predict(features[cut:], raw_score=True)))
    # trees must beat one number for all on what they have not seen
    if _deviance(ratio[cut:], told) >= _deviance(ratio[cut:], np.full(len(told), level)):
        return None
    return lightgbm.train(settings, both, rounds)


def _deviance(ratio: Floats, told: Floats) -> float:
    """Of the gamma, but for what does not depend on `told`."""
    return float(np.mean(ratio / told + np.log(told)))
