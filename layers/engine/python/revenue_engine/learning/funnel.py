"""Per-send revenue: P(human click | delivered) and P(approved conversion | click, offer), calibrated each, and their product once more.

Both stages start from what the smoothed rates and posteriors say already, so that a small list keeps those. The product is calibrated
again on the actions that were chosen: the best of several noisy predictions is mostly the luckiest one (winner's curse).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats
from revenue_engine.learning.export import export
from revenue_engine.learning.rows import Rows
from revenue_engine.learning.stage import CALIBRATED_FROM, Shape, Stage, fit_stage
from revenue_engine.prediction.cross_line import CrossLine, fit_cross_line
from revenue_engine.prediction.features import OFFER, SUBSCRIBER
from revenue_engine.prediction.funnel import Chances, FunnelTables, StageTables
from revenue_engine.prediction.platt import Platt, fit_platt, logit

CLICK = Shape(leaves=12, rows_per_leaf=400, rate=0.06)
SALE = Shape(leaves=4, rows_per_leaf=300, rate=0.03, ridge=50.0)


@dataclass(frozen=True, slots=True)
class Funnel:
    """The fitted stages."""

    cross: CrossLine
    click: Stage
    sale_cross: CrossLine
    sale: Stage
    product: Platt

    def chances(self, rows: Rows) -> Chances:
        """Of these sends."""
        click = self.click.predict(rows.features, logit(rows.p_click) + self.cross(rows.cross))
        sale = self.sale.predict(rows.features, logit(rows.p_sale) + self.sale_cross(rows.cross))
        return Chances(click, self.product(logit(click * sale)))

    def tables(self) -> FunnelTables:
        """For serving. Raises NotExportable for names that `features` does not know."""
        return FunnelTables(self.cross, _tables(self.click), self.sale_cross, _tables(self.sale), self.product)


def _tables(stage: Stage) -> StageTables:
    trees = None if stage.booster is None else export(stage.booster, subscriber=SUBSCRIBER, offer=OFFER)
    return StageTables(trees, stage.platt)


def fit_funnel(
    rows: Rows, *, names: Sequence[str] = (*SUBSCRIBER, *OFFER), seed: int = 0, click: Shape = CLICK, sale: Shape = SALE
) -> Funnel:
    """The funnel of these rows, whose outcomes must be final; `names` of their features, in order."""
    newest = np.arange(len(rows)) >= int(CALIBRATED_FROM * len(rows))
    before = logit(rows.p_click)
    cross = fit_cross_line(
        rows.cross[~newest], rows.clicked[~newest], before[~newest], rows.weight[~newest], ridge_events=10.0, free_level=True
    )
    offset = before + cross(rows.cross)
    of_click = fit_stage(rows.features, rows.clicked, offset, shape=click, weight=rows.weight, names=names, seed=seed)
    of_clicks = rows.where(rows.clicked)
    bought = logit(of_clicks.p_sale)
    old = np.arange(len(of_clicks)) < int(CALIBRATED_FROM * len(of_clicks))
    sale_cross = fit_cross_line(
        of_clicks.cross[old], of_clicks.sold[old], bought[old], of_clicks.weight[old], ridge_events=200.0, free_level=False
    )
    bought = bought + sale_cross(of_clicks.cross)
    of_sale = fit_stage(of_clicks.features, of_clicks.sold, bought, shape=sale, weight=of_clicks.weight, names=names, seed=seed)
    bare = Funnel(cross, of_click, sale_cross, of_sale, Platt())
    last = rows.where(newest)
    told = bare.chances(last)
    return Funnel(cross, of_click, sale_cross, of_sale, fit_platt(logit(told.sale), last.sold, last.weight))


def thinned(clicked: Bools, share: float, random: np.random.Generator) -> tuple[Bools, Floats]:
    """Which rows to keep, (n,), and their weights: every click, and this share of the others, each for as many as it stands for."""
    kept = clicked | (random.random(len(clicked)) < share)
    return kept, np.where(clicked, 1.0, 1.0 / share)
