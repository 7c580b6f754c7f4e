"""Whether an offer's page is down: it is clicked, and nobody buys any more. Needs no numpy: the judge loads it.

Held against each other are a healthy page and one that went down at the start of a bucket s. Healthy, the conversions of bucket j have
the mean g·rate·due[j], where due[j] are the clicks whose conversion falls due there by the delay curve; down, only the clicks from
before s still convert: g·rate·old[j]. g is the luck of these days, gamma with mean 1 and the offer's dispersion d, r = 1/d, the same
for both. Integrated out, with N the conversions since s and E, O the sums of both means,

    likelihood ratio(s) = Π (old[j] / due[j])^n[j] · ((r + E) / (r + O))^(N + r)

A click an hour old weighs little in it, and a late conversion of an old click speaks hardly against the break. On a healthy page the
ratio is a martingale of mean 1, so the chance that it ever reaches A is at most 1/A for one s (Ville 1939), however often one looks.
The maximum over s is the generalised likelihood ratio (Lorden 1971); neighbouring s look at nearly the same evidence, so what they add
to that chance is measured (`tests/safety/test_silence.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

# Of conversions, three fifths come within hours of the click, a fifth the next day, the rest later: as where nothing is known of an
# offer's own delay. The first come in minutes, but slow offers would seem silent if that were taken for granted.
_DELAY = ((0.6, 3.0), (0.2, 24.0), (0.2, 120.0))  # share, mean hours
_LEAST = 1e-12
_NOTHING = math.log(
    20
)  # chances above a twentieth are not told apart: a judge that looks every hour at every offer saves most of its work


@dataclass(frozen=True, slots=True)
class Bucket:
    """Some hours of an offer."""

    hours: float  # above 0
    clicks: float
    conversions: int


@dataclass(frozen=True, slots=True)
class Silence:
    """The break that is likeliest."""

    chance: float  # at most, that a healthy page ever looks like it from then on; 1 where that is above a twentieth
    hours: float  # since it went down
    conversions: int  # since then
    expected: float  # of a healthy page


def silence(buckets: Sequence[Bucket], *, rate: float, dispersion: float, begins: int) -> Silence:
    """As of the end of the last bucket, oldest first; `begins`: the first bucket that a page may have gone down with.

    `rate`: conversions per click; `dispersion`: of the conversions of some days around what that rate says, above 0.
    """
    r = 1.0 / dispersion
    due, waiting = _flow(buckets)
    ages = list(accumulate((bucket.hours for bucket in buckets), initial=0.0))  # of the start of each bucket, and of now
    sells = [j for j in range(len(buckets) - 1, begins - 1, -1) if buckets[j].conversions]
    found, best = Silence(1.0, 0.0, 0, 0.0), _NOTHING
    sold, expected = 0, 0.0
    for start in range(len(buckets) - 1, begins - 1, -1):
        sold += buckets[start].conversions
        expected += rate * due[start]
        still = rate * _falls_due(waiting[start], 0.0, ages[-1] - ages[start])
        ratio = (sold + r) * math.log((r + expected) / (r + still))
        if ratio <= best:
            continue
        for j in sells:
            if j < start or ratio <= best:  # what was sold can only lower it
                break
            old = _falls_due(waiting[start], ages[j] - ages[start], ages[j + 1] - ages[start])
            ratio += buckets[j].conversions * math.log(max(old, _LEAST) / max(due[j], _LEAST))
        if ratio > best:
            best = ratio
            found = Silence(math.exp(-ratio), ages[-1] - ages[start], sold, expected)
    return found


def _flow(buckets: Sequence[Bucket]) -> tuple[list[float], list[tuple[float, ...]]]:
    """Clicks whose conversion falls due in each bucket, and by part of the delay those that still wait at its start. A bucket's clicks
    lie evenly in it."""
    waits = tuple(0.0 for _ in _DELAY)
    due, waiting = [], []
    for bucket in buckets:
        waiting.append(waits)
        after = tuple(was * stay + bucket.clicks * new for was, (stay, new) in zip(waits, _waiting_on(bucket.hours), strict=True))
        due.append(sum(waits) + bucket.clicks - sum(after))
        waits = after
    return due, waiting


@lru_cache(maxsize=256)
def _waiting_on(hours: float) -> tuple[tuple[float, float], ...]:
    """By part of the delay: what share still waits after so many hours, of the clicks of before, and of those that lie evenly in them."""
    return tuple((math.exp(-hours / scale), share * -math.expm1(-hours / scale) * scale / hours) for share, scale in _DELAY)


def _falls_due(waits: tuple[float, ...], since: float, until: float) -> float:
    """Of clicks that wait, those whose conversion falls due between so many hours from now."""
    return sum(was * (math.exp(-since / scale) - math.exp(-until / scale)) for was, (_, scale) in zip(waits, _DELAY, strict=True))
