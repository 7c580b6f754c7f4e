"""What one person's mail does to others: a mailbox provider's view of the sender, and an offer's caps. P providers, O offers.

Only whole numbers are added up and only days long past are looked at, so parts of one list that share a `Commons` see the same in
whatever order they are stepped.
"""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from workbench.simulation.worlds.offers import HORIZON, offers
from workbench.simulation.worlds.spec import PROVIDERS, WorldSpec

REPUTATION_LAG_DAYS = 3
REPORT_LAG_DAYS = 2
_MEMORY_DAYS = 30
_FORGETTING = 0.9  # per day
_PRIOR_MAILS = 300.0  # of a sender nobody knows


class Commons:
    """The offers and tallies by day of one list of `subscribers` people, however many parts it is stepped in."""

    def __init__(self, spec: WorldSpec, seed: int, subscribers: int) -> None:
        self._spec = spec
        self.offers = offers(spec, seed, subscribers)
        self._mails = np.zeros((HORIZON, len(PROVIDERS)), dtype=np.int64)
        self._complaints = np.zeros((HORIZON, len(PROVIDERS)), dtype=np.int64)
        self._conversions = np.zeros((HORIZON, spec.offers), dtype=np.int64)

    def mailed(self, day: int, provider: Ints, complained: Bools) -> None:
        """One row a delivered mail. Providers count what they do not tell senders, too."""
        self._mails[day] += np.bincount(provider, minlength=len(PROVIDERS))
        self._complaints[day] += np.bincount(provider[complained], minlength=len(PROVIDERS))

    def converted(self, day: int, offer: Ints) -> None:
        """One row a conversion of this day."""
        self._conversions[day] += np.bincount(offer, minlength=self._conversions.shape[1])

    def placement(self, day: int) -> Floats:
        """(P,) share of mail that reaches the inbox: from complaints of three days ago and before."""
        last = day - REPUTATION_LAG_DAYS + 1
        first = max(last - _MEMORY_DAYS, 0)
        if last <= 0:
            return np.full(len(PROVIDERS), self._spec.inbox)
        weight = _FORGETTING ** np.arange(last - first - 1, -1, -1)
        rate = (weight @ self._complaints[first:last]) / (weight @ self._mails[first:last] + _PRIOR_MAILS)
        return np.asarray(self._spec.inbox / (1 + (rate / self._spec.complaints_halving) ** 2))

    def running(self, day: int) -> Bools:
        """(O,): there, and neither over its weekly cap nor out of budget by the reports of the day before yesterday."""
        offers = self.offers
        last = max(day - REPORT_LAG_DAYS + 1, 0)
        week = self._conversions[max(last - 7, 0) : last].sum(axis=0)
        there = (offers.arrives <= day) & (day < offers.expires)
        return np.asarray(there & (week < offers.weekly_cap) & (self._conversions[:last].sum(axis=0) < offers.budget))
