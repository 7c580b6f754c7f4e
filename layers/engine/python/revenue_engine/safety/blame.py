"""Which cause a risen rate comes from: the first remedy stops that, and everything else goes on. Needs no numpy.

Counters know a mail's causes one by one, not together. So what a stopped cause brought can be taken out of the whole, and of an offer
when it is one of its variants; of causes of another kind, whose mails it shared, it cannot: for them evidence begins with its stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from revenue_engine.records.causes import MARKS, Cause, seen_causes
from revenue_engine.safety.sequential import barrier, cusum, poisson_at_least

Hours = Sequence[Mapping[str, int]]  # counters of each hour of mails, oldest first
Stopped = Mapping[Cause, int]  # causes out already, with the position of the first hour that they had no part in
MOST_SHARE = 0.5  # of the mails: what carries more is no cause apart
CLEAR_SHARE = 0.6  # of the barrier: where all is too much, so much of it convicts a cause whose rest is well
REST_SHARE = 0.5  # of the barrier: below it the rest is well
MOST_STOPS = 4  # in one window: then it is not the causes
TAIL, FEWEST = 0.001, 2  # chance of so many at the limit in a window; one event alone says nothing


@dataclass(frozen=True, slots=True)
class Rate:
    """Events per mail, by the names of their counters."""

    name: str  # the specification's reason
    mails: str
    events: str
    limit: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one rate: the cause to stop, or that all must stop, or neither."""

    all_stop: bool
    cause: Cause | None
    observed: float
    score: float
    barrier: float


def series(hours: Hours, rate: Rate, cause: Cause | None = None) -> list[tuple[float, float]]:
    """(mails, events) of each hour, of all mails or of a cause's."""
    mails, events = (rate.mails, rate.events) if cause is None else (cause.counter(rate.mails), cause.counter(rate.events))
    return [(counted.get(mails, 0), counted.get(events, 0)) for counted in hours]


def without(hours: Hours, rate: Rate, stopped: Stopped, cause: Cause | None = None) -> list[tuple[float, float]]:
    """The same less what stopped causes have, or may have, of it."""
    left = series(hours, rate, cause)
    for other, since in stopped.items():
        if any(_holds(outer, other) for outer in stopped):
            continue  # taken out with its offer
        if cause == other or (cause is not None and _holds(other, cause)):
            return [(0.0, 0.0)] * len(left)
        if cause is None or _holds(cause, other):
            theirs = series(hours, rate, other)
            left = [(max(m - om, 0), max(e - oe, 0)) for (m, e), (om, oe) in zip(left, theirs, strict=True)]
        elif cause.kind != other.kind and {cause.kind, other.kind} != {"offer", "variant"}:
            left = [(0.0, 0.0)] * min(since, len(left)) + left[since:]
    return left


def try_rate(hours: Hours, rate: Rate, *, stopped: Stopped, days: float, may_stop: bool) -> Verdict:
    """Judge one rate over a window.

    Parameters
    ----------
    stopped
        Their mails are not held against the others.
    days
        That the window spans, at least one.
    may_stop
        Whether a cause may be stopped; else what would stop one stops everything.
    """
    rest = without(hours, rate, stopped)
    mails, events = _sums(rest)
    high = barrier(mails / days, rate.limit)
    score = cusum(rest, rate.limit)
    trips = score >= high or _by_tail(mails, events, rate.limit)
    observed = events / mails if mails else 0.0
    if events < FEWEST:
        return Verdict(False, None, observed, score, high)
    # a way to part the mails is one more occasion for chance
    bar = CLEAR_SHARE * high if trips else barrier(mails / days, rate.limit, families=len(MARKS))
    found = _worst(hours, rate, stopped, mails, bar, early=trips)
    if found is not None and (not trips or _well(without(hours, rate, {**stopped, found[1]: 0}), rate.limit, high)):
        own_mails, own_events = _sums(without(hours, rate, stopped, found[1]))
        return Verdict(not may_stop, found[1], own_events / own_mails, found[0], bar)
    return Verdict(trips, None, observed, score, high)


def _worst(hours: Hours, rate: Rate, stopped: Stopped, mails: float, bar: float, *, early: bool) -> tuple[float, Cause] | None:
    """The cause with the highest score, if it reaches the bar, or `early` the tail that the whole was convicted by; of equals the widest,
    which comes first in MARKS."""
    found: tuple[float, Cause] | None = None
    for cause in sorted(seen_causes(hours), key=lambda c: (list(MARKS).index(c.kind), c.name)):
        counter = cause.counter(rate.events)
        if not any(counter in counted for counted in hours):
            continue
        own = without(hours, rate, stopped, cause)
        own_mails, own_events = _sums(own)
        if not 0 < own_mails <= MOST_SHARE * mails:
            continue
        score = cusum(own, rate.limit)
        sure = score >= bar or (early and own_events > FEWEST and _by_tail(own_mails, own_events, rate.limit, len(MARKS)))
        if sure and (found is None or score > found[0]):
            found = (score, cause)
    return found


def _by_tail(mails: float, events: float, limit: float, families: int = 1) -> bool:
    """Whether chance gives so many of so few mails too seldom: what finds trouble before there is a history."""
    return events >= FEWEST and poisson_at_least(events, limit * mails) < TAIL / families


def _well(rest: Sequence[tuple[float, float]], limit: float, high: float) -> bool:
    """Whether what is left without a cause shows nothing by itself."""
    return cusum(rest, limit) < REST_SHARE * high and not _by_tail(*_sums(rest), limit)


def _sums(of: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(m for m, _ in of), sum(e for _, e in of)


def _holds(outer: Cause, inner: Cause) -> bool:
    """Whether an offer is the variant's."""
    return outer.kind == "offer" and inner.kind == "variant" and inner.name.partition("/")[0] == outer.name
