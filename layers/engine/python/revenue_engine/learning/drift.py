"""Is the world still the one that was learned? What is served now beside what was learned from, and the champion's predictions beside
what happened.

A shift of a distribution is its population stability index, Σ (q − p) ln(q / p) over tenths of the older mails (and one place for what
is missing), less what chance alone gives: (bins − 1)(1/n + 1/m) on average (Yurdakul and Naranjo, "Statistical properties of the
population stability index", Journal of Risk Model Validation 14, 2020). Above 0.25 is a shift by the rule of thumb. Features of time move
by themselves, so only shifted predictions and a wrong level or slope raise an alarm; shifted features say where to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.learning.dataset import Dataset
from revenue_engine.learning.gate import Meant, meant
from revenue_engine.learning.told import told
from revenue_engine.prediction.features import OFFER, SUBSCRIBER
from revenue_engine.prediction.funnel import FunnelTables
from revenue_engine.prediction.rates import Rates

Values = npt.NDArray[np.floating[Any]]
BINS = 10
SHIFTED = 0.25
LEVEL_OFF, SLOPE_OFF, ERRORS = 0.25, (0.7, 1.4), 3.0
FEWEST = 500  # mails on either side: below, an index says little


@dataclass(frozen=True, slots=True)
class Drift:
    """Of a champion on one day."""

    features: dict[str, float]  # stability index by feature
    predictions: dict[str, float]  # of `click` and `sale`
    meant: dict[str, Meant]  # likewise, on the newest mails whose horizon is over
    alarms: tuple[str, ...]


NOTHING_KNOWN = Drift({}, {}, {}, ())


def drift(data: Dataset, rates: Rates, funnel: FunnelTables | None) -> Drift:
    """Of the champion with these parts. Empty where there is too little to say anything."""
    features: dict[str, float] = {}
    predictions: dict[str, float] = {}
    alarms: list[str] = []
    before, after = data.old, data.young
    if min(len(before), len(after)) >= FEWEST:
        weight = before.rows.weight
        for column, name in enumerate((*SUBSCRIBER, *OFFER)):
            features[name] = stability(before.rows.features[:, column], weight, after.rows.features[:, column])
        one, other = (told(rates, funnel, part, data.arms) for part in (before, after))
        for name in ("click", "sale"):
            predictions[name] = stability(getattr(one, name), weight, getattr(other, name))
        alarms += [f"{name}_predictions_shifted" for name, index in predictions.items() if index > SHIFTED]
    known: dict[str, Meant] = {}
    if len(data.test):
        said, rows = told(rates, funnel, data.test, data.arms), data.test.rows
        for name, happened in (("click", rows.clicked), ("sale", rows.sold)):
            found = meant(happened, getattr(said, name))
            if found is not None:
                known[name] = found
                alarms += [f"{name}_{what}" for what in _off(found)]
    return Drift(features, predictions, known, tuple(alarms))


def _off(found: Meant) -> list[str]:
    """What is off by so much that chance does not explain it, and that it costs money; small errors are the gate's."""
    wrong = []
    if abs(found.level - 1) > max(LEVEL_OFF, ERRORS / np.sqrt(found.events)):
        wrong.append("level_off")
    if not SLOPE_OFF[0] <= found.slope <= SLOPE_OFF[1] and abs(found.slope - 1) > ERRORS * found.slope_error:
        wrong.append("slope_off")
    return wrong


def stability(before: Values, weight: Floats, after: Values) -> float:
    """The index of values (n,) with weights (n,) and later ones (m,), less its expectation by chance; NaN is a value of its own."""
    known = np.flatnonzero(~np.isnan(before))
    cuts = np.zeros(0)
    if len(known):
        order = known[np.argsort(before[known], kind="stable")]
        ahead = np.cumsum(weight[order])
        at = np.searchsorted(ahead, ahead[-1] * np.arange(1, BINS) / BINS)
        cuts = np.unique(before[order[np.minimum(at, len(order) - 1)]]).astype(np.float64)
    places = len(cuts) + 2
    old, new = (
        np.bincount(np.where(np.isnan(values), places - 1, np.searchsorted(cuts, values)), w, places)
        for values, w in ((before, weight), (after, np.ones(len(after))))
    )
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    seen = (old + new) > 0
    # half a mail everywhere, so that a place that one side lacks is no infinity
    p, q = ((counts[seen] + 0.5) / (counts[seen] + 0.5).sum() for counts in (old, new))
    chance = (int(seen.sum()) - 1) * (1 / effective + 1 / len(after))
    return max(float(((q - p) * np.log(q / p)).sum()) - chance, 0.0)
