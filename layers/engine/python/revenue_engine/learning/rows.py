"""Sends as the funnel learns from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Rows:
    """Sends in the order of time, (n,) each: features as served, what was said of them without trees, and what became of them."""

    features: npt.NDArray[np.float32]  # (n, F) of the person, then of the offer
    cross: npt.NDArray[np.float32]  # (n, 3)
    p_click: Floats  # by the rates
    p_sale: Floats  # per click, by the posteriors
    clicked: Bools  # a person did, within 72 hours
    sold: Bools  # an approved conversion within 14 days, of the click or of none we know
    propensity: Floats  # of what was sent, as logged
    weight: Floats  # 1 over the chance that the row was kept

    def where(self, chosen: Bools | Ints) -> Rows:
        """Some of them."""
        return Rows(*(getattr(self, name)[chosen] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.clicked)
