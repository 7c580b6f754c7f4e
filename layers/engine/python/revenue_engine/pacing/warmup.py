"""How many mails a mailbox provider is given a day while it gets to know us. Shapes: P providers, D days.

A provider meets a new sender with suspicion of volume, so volume grows by a share a day from what the provider has taken lately, never
in leaps; after a pause it grows again from a week's best. (Amazon SES warms its own dedicated addresses up over 45 days the same way:
"Dedicated IP warming" in the developer guide; the figures are ours.)
"""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Ints

START = 200  # mails a day to a provider that knows nothing of us
GROWTH = 1.5  # from one day to the next
LOOK_BACK_DAYS = 7
DAY_IN_HOURS = 4  # an hour takes at most a quarter of a day's mails


def provider_days(delivered: Ints, *, days: int, most: int) -> Ints:
    """Mails per provider and day to come, (P, D).

    Parameters
    ----------
    delivered
        (P, any) delivered on each of the last full days, newest last.
    most
        What no day may exceed: the org's daily cap.
    """
    best = delivered[:, -LOOK_BACK_DAYS:].max(axis=1, initial=0)
    grown = np.maximum(best[:, None] * GROWTH ** np.arange(1, days + 1), START * GROWTH ** np.arange(days))
    return np.asarray(np.minimum(grown, most), dtype=np.int64)


def provider_hours(of_day: Ints, *, per_minute: int) -> Ints:
    """Mails per provider and hour on days with these caps, of the same shape."""
    return np.asarray(np.minimum(-(-of_day // DAY_IN_HOURS), 60 * per_minute), dtype=np.int64)
