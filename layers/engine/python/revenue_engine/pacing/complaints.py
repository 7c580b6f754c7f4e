"""What a complaint costs beside the loss of its reader: κ, the price of the complaint budget that all mails share.

The budget is a rate, so its price is found from what was done (dual ascent; Nedić and Ozdaglar, "Approximate primal solutions and
rate analysis for dual subgradient methods", SIAM J. Optim. 19, 2009): week by week κ rises by how far the rate of complaints, as believed,
was above the budget, and falls while it is below, never under nothing. And it fades: a list that mails little for its complaints has few
mails to show that these are over. The index charges a mail its chance of a complaint times κ, or the reader's worth once more where that is
dearer; a mail that is complained about less than the budget allows gets nothing back for it, for then harmless mails would be sent to make
room for others. Its unit is what makes a budget's worth of complaints cost a mail's mean revenue: at that price mails at the budget earn
nothing. Worked out anew from the weeks on record, so that a retry and a replay come to the same. (λ needs no ascent: what bids is known
a day ahead, so its price is solved; `pacing/price`.)
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.offers.posterior import fading_of
from revenue_engine.prediction.prior import HAZARD_MAILS, PRIOR_RATES
from revenue_engine.prediction.rates import by_segment
from revenue_engine.records.evidence import SEGMENTS, Evidence

BUDGET = 0.0005  # complaints a mail that can be complained about: the specification's KPI of 0.05 %
STEP = 0.25  # of the unit, in a week at twice the budget
KEPT_PER_WEEK = 0.5**0.125  # half of the price has faded in eight weeks
PRIOR_COMPLAINTS = 4.0  # at the budget, in 8,000 mails: a small list's single complaint is no verdict
PRIOR_MAILS = 1_000.0  # that earned nothing: what a mail brings is told by few conversions, and the first makes no price
MOST_EXCESS = 2.0  # in budgets: one bad week is one bad week


def complaint_price(evidence: Iterable[Evidence], today: date, heard_share: float) -> int:
    """Micros of a complaint that is heard of, from the calendar weeks on record, the running one by the days it has had; 0 without any.

    Parameters
    ----------
    evidence
        Deliveries and complaints by the UTC day of the mail.
    heard_share
        Of the delivered mails, those to mailbox providers that tell of complaints at all (`records.causes`). The budget is of these; the
        price is of a complaint as rates count them, over all mails. The rate's posterior is a Gamma's, its mean at the budget beforehand.
    """
    budget = BUDGET * heard_share
    counts = [(_week_of(row.day), row.deliveries, row.complaints, row.conversion_micros) for row in evidence if row.day < today]
    if not counts or not budget:
        return 0
    weeks, *sums = np.array(counts, dtype=np.int64).T
    first, running = int(weeks.min()), _week_of(today)
    deliveries, complaints, micros = (np.bincount(weeks - first, of, running - first + 1).tolist() for of in sums)
    unit = max(sum(micros), 0.0) / (PRIOR_MAILS + sum(deliveries)) / budget
    price = 0.0
    for week, (came, mails) in enumerate(zip(complaints, deliveries, strict=True), first):
        share = today.weekday() / 7 if week == running else 1.0
        rate = (PRIOR_COMPLAINTS + came) / (PRIOR_COMPLAINTS / budget + mails)
        price = max(KEPT_PER_WEEK**share * price + share * STEP * unit * min(rate / budget - 1.0, MOST_EXCESS), 0.0)
    return round(price)


def heard_hazards(evidence: Iterable[Evidence], now: datetime, heard_share: float) -> Floats:
    """Complaints to expect of a mail that can be complained about, by segment of its reader, (S,): the unit of the budget.

    The engine's own hazards (`learning.rates`) are complaints a mail of all, and are worth what the day-one figures say while they are
    young. Those are rates of mails whose complaints are heard of, so here they are worth so many of these: where few are heard of it is
    they that count, and not a fraction of them.

    Parameters
    ----------
    evidence
        Deliveries and complaints by the UTC day of the mail, fading as rates do. Today's mails had no time to be complained about.
    heard_share
        As of `complaint_price`; 0: a complaint on record counts against the day-one figures alone.
    """
    rows = [row for row in evidence if row.day < now.date()]
    segment, fading = np.array([SEGMENTS.index(row.segment) for row in rows], dtype=np.intp), fading_of(rows, now)
    mails, complaints = (
        np.bincount(segment, fading * np.array(counts, dtype=np.float64), len(SEGMENTS))
        for counts in ([row.deliveries for row in rows], [row.complaints for row in rows])
    )
    prior = by_segment(PRIOR_RATES.complaint_hazard)
    return np.asarray((complaints + HAZARD_MAILS * prior) / (mails * heard_share + HAZARD_MAILS))


def _week_of(day: date) -> int:
    """From Monday on. On whatever day they are asked about weeks are the same: a burst must not be cut otherwise every morning."""
    return (day.toordinal() - 1) // 7
