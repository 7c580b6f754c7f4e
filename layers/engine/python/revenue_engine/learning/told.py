"""What a bundle says of sends that were made: its rates and posteriors, and its funnel and payout stage where it has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from revenue_engine.arrays import Bools, Floats
from revenue_engine.learning.dataset import Arm, Part
from revenue_engine.learning.rows import Rows
from revenue_engine.prediction.features import SUBSCRIBER
from revenue_engine.prediction.funnel import Chances, FunnelTables, chances_of_sends
from revenue_engine.prediction.payout import PayoutTables
from revenue_engine.prediction.rates import Rates, table
from revenue_engine.prediction.scorer import raw_of_pairs

_AN_HOUR = {"local_hour": 12.0, "local_weekday": 2.0}
_CHUNK = 100_000  # rows at once


def clicks_by(rates: Rates, part: Part, arms: Sequence[Arm]) -> Floats:
    """(n,) what these rates say of a click. A funnel is fitted to, and served with, the rates of its own bundle."""
    return table(rates.click_level, rates.click_ratio, arms)[part.segment, part.arm]


def told(rates: Rates, funnel: FunnelTables | None, part: Part, arms: Sequence[Arm]) -> Chances:
    """(n,) each; conversions per click are those of the posteriors at the time."""
    p_click, p_sale = clicks_by(rates, part, arms), part.rows.p_sale
    if funnel is None:
        return Chances(p_click, p_click * p_sale)
    return chances_of_sends(funnel, part.rows.features, part.rows.cross, p_click=p_click, p_sale=p_sale)


def clicks_at_any_hour(funnel: FunnelTables | None, rows: Rows) -> Floats:
    """(n,) chances of a click, had all mails left in the same hour of the week: what is left is who got which mail, and in what state."""
    if funnel is None:
        return rows.p_click
    found = np.empty(len(rows))
    for begin in range(0, len(rows), _CHUNK):
        some = rows.where(np.arange(begin, min(begin + _CHUNK, len(rows))))
        features = some.features.copy()
        for name, value in _AN_HOUR.items():
            features[:, SUBSCRIBER.index(name)] = value
        found[begin : begin + _CHUNK] = chances_of_sends(
            funnel, features, some.cross, p_click=some.p_click, p_sale=some.p_sale
        ).click
    return found


def paying(part: Part) -> Bools:
    """(n,) mails whose conversions can teach what one pays: there is an expectation, and there is money."""
    return np.asarray(part.rows.sold & (part.payout_micros > 0) & (part.paid_micros > 0))


def payout_level(test: Part, stage: PayoutTables) -> tuple[dict[str, float], bool]:
    """What the stage says conversions of the test pay, over what they paid; and whether that is off by more than a tenth and chance."""
    sales = test.where(paying(test))
    if not len(sales):
        return {}, False
    mean = stage.level * sales.payout_micros
    if stage.trees is not None:
        people = len(stage.trees.subscriber.features)
        mean = mean * np.exp(raw_of_pairs(stage.trees, sales.rows.features[:, :people], sales.rows.features[:, people:]))
    total = float(sales.paid_micros.sum())
    level, error = float(mean.sum()) / total, float(np.sqrt(((sales.paid_micros - mean) ** 2).sum())) / total
    return {"payout_predicted_over_actual": level, "payout_sales": float(len(sales))}, abs(level - 1) > max(0.1, 2 * error)
