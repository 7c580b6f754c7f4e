"""How much of the profile contract a list keeps: declared topics, peak hour, price sensitivity and earlier purchases.

What people say of themselves is worth more than any algorithm, and costs nothing but asking: so it is measured. Counts add up page by
page.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.records.batch import Batch
from revenue_engine.records.subscriber import UNKNOWN


@dataclass(frozen=True, slots=True)
class Coverage:
    """People, and how many of them declared what."""

    people: int = 0
    topics: int = 0
    peak_hour: int = 0
    price_sensitivity: int = 0
    purchases: int = 0
    whole: int = 0  # all of these

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def shares(self) -> dict[str, float]:
        """Each as a share of the people, by name; empty for nobody."""
        if not self.people:
            return {}
        return {name: getattr(self, name) / self.people for name in self.__slots__ if name != "people"}


def coverage(batch: Batch) -> Coverage:
    """Of these rows."""
    topics, hour = batch.column("topics") != 0, batch.column("peak_hour") >= 0
    price = ~np.isnan(batch.column("price_sensitivity"))
    bought = batch.column("purchases") < UNKNOWN
    whole = topics & hour & price & bought
    return Coverage(len(batch), int(topics.sum()), int(hour.sum()), int(price.sum()), int(bought.sum()), int(whole.sum()))
