"""What a complaint costs beside the loss of its reader: κ, the price of the complaint budget that all mails share.

The budget is a rate, so its price is found as λ is, from what was done: κ rises in weeks that had more complaints than the budget and falls
in others, never below nothing (dual ascent; Nedić and Ozdaglar, "Approximate primal solutions and rate analysis for dual subgradient
methods", SIAM J. Optim. 19, 2009). The index charges a mail its chance of a complaint times κ, or the reader's worth once more where that
is dearer. Its unit is what makes a budget's worth of complaints cost a mail's mean revenue: at that price mails at the budget earn nothing.
Worked out anew from the weeks on record, so that a retry and a replay come to the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np

from revenue_engine.records.evidence import Evidence

BUDGET = 0.0005  # complaints a delivered mail: the specification's KPI of 0.05 %
STEP = 0.25  # of the unit, a week at twice the budget
WHOLE_STEP_MAILS = 8_000.0  # in a week; fewer move the price in proportion, so that one complaint of a small list is no verdict
MOST_EXCESS = 2.0  # in budgets: one bad week is one bad week


def complaint_price(evidence: Iterable[Evidence], today: date) -> int:
    """Micros of a complaint, from the weeks that ended yesterday and before; 0 without any.

    Complaints are counted on the day they came, deliveries on theirs.
    """
    counts = [(max((today - row.day).days - 1, 0) // 7, row) for row in evidence if row.day < today]
    if not counts:
        return 0
    week = np.array([number for number, _ in counts])
    weeks = int(week.max()) + 1
    mails, complaints, micros = (
        np.bincount(week, [getattr(row, name) for _, row in counts], weeks)
        for name in ("deliveries", "complaints", "conversion_micros")
    )
    unit = max(float(micros.sum()), 0.0) / max(float(mails.sum()), 1.0) / BUDGET
    beyond = (complaints - BUDGET * mails) / (BUDGET * np.maximum(mails, WHOLE_STEP_MAILS))
    price = 0.0
    for excess in np.minimum(beyond, MOST_EXCESS)[::-1]:  # the oldest first
        price = max(price + STEP * unit * float(excess), 0.0)
    return round(price)
