"""What a bundle says of sends that were made: its rates and posteriors, and its funnel and payout stage where it has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from revenue_engine.arrays import Bools, Floats
from revenue_engine.learning.dataset import Arm, Part
from revenue_engine.prediction.funnel import Chances, FunnelTables, chances_of_sends
from revenue_engine.prediction.payout import PayoutTables
from revenue_engine.prediction.rates import Rates, table
from revenue_engine.prediction.scorer import raw_of_pairs


def clicks_by(rates: Rates, part: Part, arms: Sequence[Arm]) -> Floats:
    """(n,) what these rates say of a click. A funnel is fitted to, and served with, the rates of its own bundle."""
    return table(rates.click_level, rates.click_ratio, arms)[part.segment, part.arm]


def told(rates: Rates, funnel: FunnelTables | None, part: Part, arms: Sequence[Arm]) -> Chances:
    """(n,) each; conversions per click are those of the posteriors at the time."""
    p_click, p_sale = clicks_by(rates, part, arms), part.rows.p_sale
    if funnel is None:
        return Chances(p_click, p_sale, p_click * p_sale)
    return chances_of_sends(funnel, part.rows.features, part.rows.cross, p_click=p_click, p_sale=p_sale)


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
