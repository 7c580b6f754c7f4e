"""What a mail brings, by counts alone: the simple model that `revenue` learns a factor on, for lists where few ever bought.

Clicks per mail are Gamma-Poisson: (clicks + k · rate) / (mails + k), k in mails; a click brings what clicks bring on average. It is to
mails what BG/NBD's counts are to weeks, leaving aside: that is the hazard's part. n people.
"""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Floats

PRIOR_MAILS = 100.0  # what everybody's rate is worth against a person's own


def expected_per_mail(mails: Floats, clicks: Floats, revenue: Floats) -> Floats:
    """(n,) revenue of a mail to each person, in the unit of `revenue`, from (n,) totals as of a day.

    Raises ValueError where nobody has clicked or brought anything yet: there is nothing to share out.
    """
    if not (clicks.sum() > 0 and revenue.sum() > 0):
        raise ValueError("no click or no revenue yet")
    rate = clicks.sum() / mails.sum()
    return np.asarray((clicks + PRIOR_MAILS * rate) / (mails + PRIOR_MAILS) * (revenue.sum() / clicks.sum()))
