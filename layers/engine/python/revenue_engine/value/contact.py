"""What a mail does to whoever gets it, as covariates of the hazard; the same code for logs (`learning/sends`) and for plans.

n people, K periods, q traits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats

RECENT_DAYS = 7
WEEK = 7.0
# tenure in days at which the slope in log days may change: exits fall steeply after the first months, and then settle
_KNOTS = (30.0, 120.0)
CONTACT = ("mails_of_week", "log_tenure", *(f"log_tenure_over_{knot:.0f}" for knot in _KNOTS))


def names(traits: Sequence[str]) -> tuple[str, ...]:
    """Of the covariates that `covariates` makes."""
    return (*CONTACT, *traits)


def covariates(mails_of_week: Floats, tenure_days: Floats, traits: Floats) -> Floats:
    """(..., 4 + q) from (...), (...) and (..., q): mails in the seven days before, days since signing up, what else is known."""
    log_tenure = np.log1p(tenure_days)
    over = [np.maximum(log_tenure - np.log1p(knot), 0.0) for knot in _KNOTS]
    return np.concatenate([np.stack([mails_of_week, log_tenure, *over], axis=-1), traits], axis=-1)


@dataclass(frozen=True, slots=True)
class Plan:
    """Weeks to come under a stated cadence."""

    mails: Floats  # (n, K) in each week
    covariates: Floats  # (n, K, 4 + q)


def plan(per_week: Floats, weeks: int, *, mails_of_week: Floats, tenure_days: Floats, traits: Floats) -> Plan:
    """So many mails a week from now on.

    Parameters
    ----------
    per_week
        (n,) mails.
    mails_of_week
        (n,) of the seven days before now: the first week is still half of what was.
    tenure_days, traits
        (n,) and (n, q), of now.
    """
    n = len(per_week)
    recent = np.repeat(per_week[:, None], weeks, axis=1)
    recent[:, :1] = (mails_of_week[:, None] + recent[:, :1]) / 2
    tenure = tenure_days[:, None] + WEEK * (np.arange(weeks) + 0.5)
    known = np.broadcast_to(traits[:, None, :], (n, weeks, traits.shape[1]))
    return Plan(np.repeat(per_week[:, None], weeks, axis=1), covariates(recent, tenure, known))
