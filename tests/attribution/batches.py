"""Ragged batches of journeys, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Ints
from revenue_engine.attribution.journeys import credit, lay_out
from revenue_engine.attribution.models import MODELS


@dataclass(frozen=True)
class Batch:
    """Conversions, and their touches one after another, oldest first."""

    amounts: Ints
    starts: Ints
    at_millis: Ints
    clicked: Bools

    def micros(self, **rule: Any) -> dict[str, Ints]:
        """What each touch gets by each model, (touches,): every touch is a channel of its own."""
        touches = np.arange(self.starts[-1])
        journeys = lay_out(self.starts, self.at_millis, self.clicked, touches)
        settings = {"half_life_days": 7.0, "click_weight": 2.0, **rule}
        got = credit(journeys, self.amounts, n_channels=len(touches), **settings)
        return dict(zip(MODELS, got, strict=True))

    def sums(self, of_touches: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """By conversion, (conversions,)."""
        return np.diff(np.concatenate([[0], np.cumsum(of_touches)])[self.starts])


def drawn(conversions: int, seed: int, *, most_touches: int = 20, largest: int = 10**15) -> Batch:
    """Journeys of 0 to `most_touches` touches in 90 days, some at the very same time, amounts on both sides of zero."""
    random = np.random.default_rng(seed)
    lengths = random.integers(0, most_touches + 1, conversions)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    hours = random.integers(0, 90 * 24, starts[-1])
    at_millis = 1_770_000_000_000 + hours * 3_600_000
    order = np.lexsort((at_millis, np.repeat(np.arange(conversions), lengths)))
    amounts = random.integers(-largest, largest, conversions, endpoint=True)
    return Batch(amounts, starts, at_millis[order], random.random(starts[-1]) < 0.3)
