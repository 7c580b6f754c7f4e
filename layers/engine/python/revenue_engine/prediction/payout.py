"""What an approved conversion pays: expected payout and its square, of every person with every arm. Shapes: n people, A arms.

An offer lists its payout, or a share of the sale, or nothing at all. What is expected of it before trees is drawn from that towards what
its conversions paid (`of_offers`), so that an offer that hides its payout has one to be judged by from its first day. Trees then say by
which factor a person's basket differs, from conversions alone; with few of them they say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.errors import Refused
from revenue_engine.money import MICROS
from revenue_engine.prediction import archive, tables
from revenue_engine.prediction.scorer import Scorer
from revenue_engine.prediction.tables import TreeTables

SALE_MICROS = (
    80.0 * MICROS
)  # of an average sale before any is known: the published order means of shops lie between 60 and 120 dollars
PAYOUT_MICROS = 20.0 * MICROS  # of an offer that lists nothing, in an org that has seen no conversion
PRIOR_CONVERSIONS = 5.0  # what the expectation of a hidden payout is worth against conversions that came
PRIOR_SQUARE = 1.64  # E[Y²] / E[Y]²: payouts spread by 0.8 of their mean
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class PayoutTables:
    """The stage as it is served."""

    trees: TreeTables | None  # of the logarithm of a factor; None: too few conversions
    level: float = 1.0  # what stands in the end, of what is expected
    square: float = PRIOR_SQUARE  # E[Y²] over the square of the expectation
    sale_micros: float = SALE_MICROS  # mean sale of offers that pay a share of it

    def __post_init__(self) -> None:
        if not (self.level > 0 and self.square >= 1 and self.sale_micros > 0):
            raise ValueError("a payout is above zero, and its mean square not below its squared mean")


@dataclass(frozen=True, slots=True)
class Payout:
    """Of an approved conversion, micros and micros²; one shape."""

    mean: Floats
    square: Floats


def of_offers(listed: Floats, share: Floats, conversions: Floats, micros: Floats, *, sale_micros: float) -> Floats:
    """(O,) micros expected of a conversion of each offer, before trees; never zero.

    Parameters
    ----------
    listed
        (O,) payout as listed, NaN where it is hidden.
    share
        (O,) of the sale that is paid, 0 to 1, NaN where that is hidden too.
    conversions, micros
        (O,) counted so far, net of what was taken back, and what they paid.
    sale_micros
        Mean sale.

    A hidden payout is the share of a mean sale, without a share the mean of what all conversions paid, each worth `PRIOR_CONVERSIONS` of
    the offer's own. What is listed stands: its conversions speak through the stage's level.
    """
    counted = np.maximum(conversions, 0.0)
    everywhere = float((micros.sum() + PRIOR_CONVERSIONS * PAYOUT_MICROS) / (counted.sum() + PRIOR_CONVERSIONS))
    before = np.where(np.isnan(share) | (share <= 0), max(everywhere, 1.0), share * sale_micros)
    shrunk = (np.maximum(micros, 0.0) + PRIOR_CONVERSIONS * before) / (counted + PRIOR_CONVERSIONS)
    return np.where(np.isnan(listed) | (listed <= 0), shrunk, listed)


def mean_sale(share: Floats, conversions: Floats, micros: Floats) -> float:
    """Micros of a mean sale, from offers that pay a share of it (O,): what they paid by what one dollar of sales pays."""
    known = (share > 0) & (conversions > 0)
    sales = float((micros[known] / share[known]).sum())
    return (sales + PRIOR_CONVERSIONS * SALE_MICROS) / (float(conversions[known].sum()) + PRIOR_CONVERSIONS)


class Paid:
    """The stage and the A arms of a cycle, ready for any number of people."""

    def __init__(self, stage: PayoutTables, arms: npt.NDArray[np.float32], expected_micros: Floats) -> None:
        """`arms` (A, Fo), and what is expected of each arm's offer before trees, (A,): `of_offers`."""
        self._stage, self._expected = stage, expected_micros
        self._scorer = None if stage.trees is None else Scorer(stage.trees, arms)

    def mean(self, people: npt.NDArray[np.float32]) -> Floats:
        """Micros of an approved conversion of people (n, Fs) with every arm, (n, A)."""
        raw = np.zeros((len(people), len(self._expected))) if self._scorer is None else self._scorer.raw(people)
        return np.asarray(self._stage.level * np.exp(raw) * self._expected)


def payouts(
    stage: PayoutTables, people: npt.NDArray[np.float32], arms: npt.NDArray[np.float32], expected_micros: Floats
) -> Payout:
    """Of people (n, Fs) with arms (A, Fo), (n, A): expected_micros (A,) are `of_offers` of each arm's offer."""
    mean = Paid(stage, arms, expected_micros).mean(people)
    return Payout(mean, stage.square * mean**2)


# Too few conversions for trees and a level: what is expected of an offer stands.
AS_EXPECTED = PayoutTables(None)


def dump(stage: PayoutTables) -> bytes:
    """An npz archive, the same bytes for the same stage."""
    head = {"schema": SCHEMA, "level": stage.level, "square": stage.square, "sale_micros": stage.sale_micros}
    arrays = {} if stage.trees is None else tables.to_arrays(stage.trees)
    return archive.dump({"payout": archive.text(head), **arrays})


def load(data: bytes) -> PayoutTables:
    """The reverse. Raises Refused (D5): `archive_corrupt`, `payout_corrupt`, or `payout_schema` when written for another version."""
    arrays = archive.load(data)
    try:
        head = archive.document(arrays.pop("payout"))
        if head.pop("schema") != SCHEMA:
            raise Refused("payout_schema")
        return PayoutTables(tables.from_arrays(arrays) if arrays else None, **head)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("payout_corrupt", repr(error)[:300]) from None
