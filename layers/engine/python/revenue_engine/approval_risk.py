"""Which plans nobody needs to look at (autonomy = approval): why a cycle's mails are not routine, as named reasons. Little revenue is not
little risk; what was never seen before is. Shapes: A arms, O offers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints
from revenue_engine.offers.choice import Positions
from revenue_engine.pacing.complaints import BUDGET


@dataclass(frozen=True, slots=True)
class Planned:
    """What a cycle would mail, over all its pages."""

    mails: Ints  # (A,) of each arm
    complaints: float  # expected of all of them, if each could be complained about
    predicted_revenue_micros: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the mails are held against."""

    clicks: Floats  # (A,) of people, on record
    offer_of_arm: Positions  # (A,) positions of offers
    usual_mails: tuple[int, ...]  # that recent cycles planned and that were let go; none known: ()
    anything_stopped: bool  # an offer, variant, segment or mailbox provider, by the judge, for what came of mails
    breaker: str  # closed | half_open | ...


def why_not_routine(planned: Planned, known: Known, *, under_micros: int) -> tuple[str, ...]:
    """Every reason why a person has to look; none: the plan may approve itself.

    Parameters
    ----------
    under_micros
        What a cycle has to be worth less than, whatever else is true of it; 0: nothing approves itself.
    """
    return tuple(name for name, holds in _reasons(planned, known, under_micros) if holds)


def _reasons(planned: Planned, known: Known, under_micros: int) -> Iterable[tuple[str, bool]]:
    mailed, total = planned.mails > 0, int(planned.mails.sum())
    clicks_of_offer = np.bincount(known.offer_of_arm, known.clicks)[known.offer_of_arm]
    yield "new_offer", bool((mailed & (clicks_of_offer <= 0)).any())
    yield "new_variant", bool((mailed & (known.clicks <= 0) & (clicks_of_offer > 0)).any())
    yield "unusual_volume", total > max(known.usual_mails, default=0)
    yield "something_stopped", known.anything_stopped
    yield "breaker_not_closed", known.breaker != "closed"
    yield "complaints_above_budget", planned.complaints > BUDGET * total
    yield "not_under_bound", planned.predicted_revenue_micros >= under_micros
