"""The funnel as it is served: chances of every person with every arm, from tables. Shapes: n people, A arms."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.errors import Refused
from revenue_engine.prediction import archive
from revenue_engine.prediction.cross_line import CrossLine
from revenue_engine.prediction.platt import Platt, logit
from revenue_engine.prediction.scorer import Scorer, raw_of_pairs
from revenue_engine.prediction.tables import TreeTables, from_arrays, to_arrays

SCHEMA = 1
_STAGES = ("click", "sale")


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
    """Per mail, of one shape."""

    click: Floats
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
        return Chances(click, tables.product(logit(click * sale)))


def _scorer(stage: StageTables, arms: npt.NDArray[np.float32]) -> Scorer | None:
    return None if stage.trees is None else Scorer(stage.trees, arms)


def _raw(scorer: Scorer | None, people: npt.NDArray[np.float32]) -> Floats | float:
    return 0.0 if scorer is None else scorer.raw(people)


# Too little is known for trees and lines: the rates and posteriors stand as they are.
RATES_ALONE = FunnelTables(CrossLine(), StageTables(None, Platt()), CrossLine(), StageTables(None, Platt()), Platt())


def chances_of_sends(
    tables: FunnelTables, features: npt.NDArray[np.float32], cross: npt.NDArray[np.float32], *, p_click: Floats, p_sale: Floats
) -> Chances:
    """Of n given sends, (n,) each: `features` (n, Fs + Fo) of the person, then of the arm; the rest as `chances`, a row per send."""

    def raw(stage: StageTables) -> Floats | float:
        if stage.trees is None:
            return 0.0
        people = len(stage.trees.subscriber.features)
        return raw_of_pairs(stage.trees, features[:, :people], features[:, people:])

    click = tables.click.platt(logit(p_click) + tables.cross(cross) + raw(tables.click))
    sale = tables.sale.platt(logit(p_sale) + tables.sale_cross(cross) + raw(tables.sale))
    return Chances(click, tables.product(logit(click * sale)))


def dump(tables: FunnelTables) -> bytes:
    """One archive, the same bytes for the same tables."""
    stages = {name: getattr(tables, name) for name in _STAGES}
    head = {
        "schema": SCHEMA,
        "cross": tables.cross.coefficients,
        "sale_cross": tables.sale_cross.coefficients,
        "product": astuple(tables.product),
        "platt": {name: astuple(stage.platt) for name, stage in stages.items()},
        "trees": [name for name, stage in stages.items() if stage.trees is not None],
    }
    arrays = {"funnel": archive.text(head)}
    for name, stage in stages.items():
        if stage.trees is not None:
            arrays |= {f"{name}_{part}": values for part, values in to_arrays(stage.trees).items()}
    return archive.dump(arrays)


def load(data: bytes) -> FunnelTables:
    """The funnel of these bytes. Raises Refused: `archive_corrupt`, `funnel_corrupt` or `funnel_schema` (D5)."""
    arrays = archive.load(data)
    try:
        head = archive.document(arrays["funnel"])
        if head["schema"] != SCHEMA:
            raise Refused("funnel_schema", f"made for {head['schema']}, here {SCHEMA}")

        def stage(name: str) -> StageTables:
            own = {key.removeprefix(f"{name}_"): values for key, values in arrays.items() if key.startswith(f"{name}_")}
            return StageTables(from_arrays(own) if name in head["trees"] else None, Platt(*head["platt"][name]))

        cross, sale_cross = (CrossLine(tuple(head[name])) for name in ("cross", "sale_cross"))
        return FunnelTables(cross, stage("click"), sale_cross, stage("sale"), Platt(*head["product"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("funnel_corrupt", repr(error)[:300]) from None
