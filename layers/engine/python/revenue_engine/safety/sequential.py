"""Tests that may look after every mail: a CUSUM on counts, and how sure a rate is above its limit. Needs no numpy: the judge loads it.

A rate compared with its limit again and again trips on luck sooner or later; so does a test made for one look. Page's CUSUM
("Continuous inspection schemes", Biometrika 41, 1954) is a sequential probability ratio test begun anew whenever it favours the
target: on Poisson counts, S ← max(0, S + events · ln(p₁/p₀) - mails · (p₁ - p₀)), an alarm when S reaches its barrier.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

Series = Iterable[tuple[float, float]]  # (mails, events), oldest first

ON_TARGET, RISEN = 0.5, 2.0  # shares of the limit: the rate that is well, and the one to be found soonest
# At the target, false alarms come about 0.65 · e^-barrier times per expected event (measured, benchmarks/breaker): with this, on about
# one and a half days of a thousand from 10,000 mails a day up, on fewer below.
PATIENCE = 460.0
FEWEST_EVENTS = 5.0  # a day: for less mail the barrier stays as it is for so many
_NEGLIGIBLE = 1e-18


def cusum(series: Series, limit: float) -> float:
    """The highest that the sum stood over the series: a late report raises the hour of its mail, and stays seen."""
    gain, toll = math.log(RISEN / ON_TARGET), (RISEN - ON_TARGET) * limit
    now = highest = 0.0
    for mails, events in series:
        now = max(0.0, now + gain * events - toll * mails)
        highest = max(highest, now)
    return highest


def barrier(mails_a_day: float, limit: float, *, families: int = 1) -> float:
    """What the sum must reach.

    Parameters
    ----------
    mails_a_day
        Of the whole org: more mails give chance more occasions. False alarms of the parts of a whole add up to those of the whole,
        so its parts have its barrier.
    families
        In how many ways the whole is parted and tested.
    """
    return math.log(PATIENCE * families * max(FEWEST_EVENTS, ON_TARGET * limit * mails_a_day))


def poisson_at_least(events: float, mean: float) -> float:
    """P(X >= events) of a Poisson variable, summed in the smaller tail from its largest term outwards."""
    events = math.ceil(events)
    if events <= 0:
        return 1.0
    if mean <= 0.0:
        return 0.0
    upper = events > mean
    k = events if upper else events - 1
    term = math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
    total = 0.0
    while k >= 0 and term > _NEGLIGIBLE * total:
        total += term
        k += 1 if upper else -1
        term *= mean / k if upper else (k + 1) / mean
    return min(total, 1.0) if upper else max(1.0 - total, 0.0)


def chance_above(events: int, mails: int, limit: float) -> float:
    """P(rate > limit) after so many, from an exponential prior whose mean is the limit.

    The posterior is Gamma(1 + events, rate 1/limit + mails), whose tail is that of a Poisson variable.
    """
    return 1.0 - poisson_at_least(events + 1, 1.0 + limit * mails)
