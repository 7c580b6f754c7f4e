"""What an approved conversion pays: expected payout and its square, of every person with every arm. Shapes: n people, A arms.

What is expected of an offer before trees is what it lists, or what offers like it do (`offers.book`). Trees then say by which factor a
person's basket differs, from conversions alone; with few of them they say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.errors import Refused
from revenue_engine.prediction import archive, tables
from revenue_engine.prediction.scorer import Scorer
from revenue_engine.prediction.tables import TreeTables

PRIOR_SQUARE = 1.64  # E[Y²] / E[Y]²: payouts spread by 0.8 of their mean
SCHEMA = 2


@dataclass(frozen=True, slots=True)
class PayoutTables:
    """The stage as it is served."""

    trees: TreeTables | None  # of the logarithm of a factor; None: too few conversions
    level: float = 1.0  # what stands in the end, of what is expected
    square: float = PRIOR_SQUARE  # E[Y²] over the square of the expectation

    def __post_init__(self) -> None:
        if not (self.level > 0 and self.square >= 1):
            raise ValueError("a payout is above zero, and its mean square not below its squared mean")


@dataclass(frozen=True, slots=True)
class Payout:
    """Of an approved conversion, micros and micros²; one shape."""

    mean: Floats
    square: Floats


class Paid:
    """The stage and the A arms of a cycle, ready for any number of people."""

    def __init__(self, stage: PayoutTables, arms: npt.NDArray[np.float32], expected_micros: Floats) -> None:
        """`arms` (A, Fo), and what is expected of each arm's offer before trees, (A,)."""
        self._stage, self._expected = stage, expected_micros
        self._scorer = None if stage.trees is None else Scorer(stage.trees, arms)

    def mean(self, people: npt.NDArray[np.float32]) -> Floats:
        """Micros of an approved conversion of people (n, Fs) with every arm, (n, A)."""
        raw = np.zeros((len(people), len(self._expected))) if self._scorer is None else self._scorer.raw(people)
        return np.asarray(self._stage.level * np.exp(raw) * self._expected)


def payouts(
    stage: PayoutTables, people: npt.NDArray[np.float32], arms: npt.NDArray[np.float32], expected_micros: Floats
) -> Payout:
    """Of people (n, Fs) with arms (A, Fo), (n, A): expected_micros (A,) of each arm's offer before trees."""
    mean = Paid(stage, arms, expected_micros).mean(people)
    return Payout(mean, stage.square * mean**2)


# Too few conversions for trees and a level: what is expected of an offer stands.
AS_EXPECTED = PayoutTables(None)


def dump(stage: PayoutTables) -> bytes:
    """An npz archive, the same bytes for the same stage."""
    head = {"schema": SCHEMA, "level": stage.level, "square": stage.square}
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
