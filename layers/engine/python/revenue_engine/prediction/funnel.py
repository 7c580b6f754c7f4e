"""The funnel as it is served: chances of every person with every arm, from tables. Shapes: n people, A arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.prediction.cross_line import CrossLine
from revenue_engine.prediction.platt import Platt, logit
from revenue_engine.prediction.scorer import Scorer
from revenue_engine.prediction.tables import TreeTables


@dataclass(frozen=True, slots=True)
class StageTables:
    """Of one stage; no trees: too few events for them, so that what was said before stands."""

    trees: TreeTables | None
    platt: Platt


@dataclass(frozen=True, slots=True)
class FunnelTables:
    """P(human click | delivered), P(approved conversion | click, offer), and their product, each with its line."""

    cross: CrossLine
    click: StageTables
    sale_cross: CrossLine
    sale: StageTables
    product: Platt


@dataclass(frozen=True, slots=True)
class Chances:
    """Per mail, but for the second; one shape."""

    click: Floats
    sale_of_click: Floats
    sale: Floats


class Served:
    """A funnel and the A arms of a cycle, ready for any number of people; what a row is told depends on nothing but itself."""

    def __init__(self, tables: FunnelTables, arms: npt.NDArray[np.float32]) -> None:
        """`arms` (A, Fo), columns as `features.OFFER`."""
        self._tables = tables
        self._click, self._sale = (_scorer(stage, arms) for stage in (tables.click, tables.sale))

    def chances(
        self, people: npt.NDArray[np.float32], cross: npt.NDArray[np.float32], *, p_click: Floats, p_sale: Floats
    ) -> Chances:
        """Of people (n, Fs) with every arm, (n, A) each; columns as `features.SUBSCRIBER`.

        Parameters
        ----------
        cross
            (n, A, len(CROSS)): `features.cross_features` of each arm's offer.
        p_click, p_sale
            (n, A): what rates and posteriors say without trees.
        """
        tables = self._tables
        click = tables.click.platt(logit(p_click) + tables.cross(cross) + _raw(self._click, people))
        sale = tables.sale.platt(logit(p_sale) + tables.sale_cross(cross) + _raw(self._sale, people))
        return Chances(click, sale, tables.product(logit(click * sale)))


def _scorer(stage: StageTables, arms: npt.NDArray[np.float32]) -> Scorer | None:
    return None if stage.trees is None else Scorer(stage.trees, arms)


def _raw(scorer: Scorer | None, people: npt.NDArray[np.float32]) -> Floats | float:
    return 0.0 if scorer is None else scorer.raw(people)


# Too little is known for trees and lines: the rates and posteriors stand as they are.
RATES_ALONE = FunnelTables(CrossLine(), StageTables(None, Platt()), CrossLine(), StageTables(None, Platt()), Platt())
