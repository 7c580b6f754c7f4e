"""What a mail to somebody brings, served: a factor that trees learned (`learning/revenue`) on what his clicks per mail alone would say.

n people, F features, C cadences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.prediction.scorer import Scorer
from revenue_engine.prediction.tables import TreeTables

Table = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Revenue:
    """The trees, their level, and what a click brings on average."""

    trees: TreeTables  # everything is the person's; the offer's side has the one feature `ONE`
    level: float
    micros_per_click: float

    def __post_init__(self) -> None:
        if not (self.level > 0 and self.micros_per_click > 0):
            raise ValueError("a level and a click's worth are above zero")

    def per_mail(self, features: Table, click_rate: Floats) -> Floats:
        """(n,) micros expected of a mail, from features (n, F) in the order of `trees.subscriber.features` and clicks per mail (n,)."""
        raw = Scorer(self.trees, np.zeros((1, 1))).raw(np.asarray(features, dtype=np.float64))[:, 0]
        return np.asarray(self.level * np.exp(raw) * self.micros_per_click * click_rate)


ONE = ("no_offer",)
