"""What a bundle says of sends that were made: its rates and posteriors, and its funnel where it has one."""

from __future__ import annotations

from collections.abc import Sequence

from revenue_engine.arrays import Floats
from revenue_engine.learning.dataset import Arm, Part
from revenue_engine.prediction.funnel import Chances, FunnelTables, chances_of_sends
from revenue_engine.prediction.rates import Rates, table


def clicks_by(rates: Rates, part: Part, arms: Sequence[Arm]) -> Floats:
    """(n,) what these rates say of a click. A funnel is fitted to, and served with, the rates of its own bundle."""
    return table(rates.click_level, rates.click_ratio, arms)[part.segment, part.arm]


def told(rates: Rates, funnel: FunnelTables | None, part: Part, arms: Sequence[Arm]) -> Chances:
    """(n,) each; conversions per click are those of the posteriors at the time."""
    p_click, p_sale = clicks_by(rates, part, arms), part.rows.p_sale
    if funnel is None:
        return Chances(p_click, p_sale, p_click * p_sale)
    return chances_of_sends(funnel, part.rows.features, part.rows.cross, p_click=p_click, p_sale=p_sale)
