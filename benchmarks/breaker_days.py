"""Streams of mail with a true complaint rate, and the engine's own judge looking at every complaint that arrives."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from revenue_engine.records.causes import Cause, counted_by_cause, sent_by_cause
from revenue_engine.records.controls import Controls
from revenue_engine.safety.breaker import judge
from revenue_engine.safety.health import HealthFacts
from revenue_engine.services.judged import WINDOW

HOURS, MAILS_AN_HOUR = 16, 625  # a day of 10,000 mails, as sending hours are by default
MAILS_A_DAY = HOURS * MAILS_AN_HOUR
WINDOW_DAYS = int(WINDOW.total_seconds()) // 86_400
BOUNCES, UNSUBSCRIBES = 0.005, 0.0015  # of a list that is well
LAG_HOURS = 6.0  # mean wait for a complaint, exponential, as the simulated worlds have it
CONTROLS, WELL = Controls(max_daily_emails=MAILS_A_DAY), HealthFacts()


@dataclass(frozen=True, slots=True)
class _Told:
    """A complaint: when it is told and in which hour its mail left, both in hours since the start."""

    at: float
    hour: int


class Judged:
    """The counters as they grow, hour by hour of mails, and the judge's verdict on them."""

    def __init__(self, rng: np.random.Generator, *, lag_hours: float = 0.0) -> None:
        self._rng, self._lag = rng, lag_hours
        self._hours: deque[tuple[int, dict[str, int]]] = deque()
        self._waiting: list[_Told] = []

    def hour(self, number: int, rate: float) -> int | None:
        """One hour of mails at this true rate. The mails of it that had left when the judge tripped, or None."""
        rng = self._rng
        while self._hours and self._hours[0][0] <= number - 24 * WINDOW_DAYS:
            self._hours.popleft()
        counted = {"sent": 0, "heard": 0, "complaints": 0, "bounces": 0, "unsubscribes": 0}
        self._hours.append((number, counted))
        complained = np.sort(rng.random(rng.binomial(MAILS_AN_HOUR, rate)))
        waits = rng.exponential(self._lag, len(complained)) if self._lag else np.zeros(len(complained))
        self._waiting += [_Told(number + float(a) + float(b), number) for a, b in zip(complained, waits, strict=True)]
        due = sorted((told for told in self._waiting if told.at < number + 1), key=lambda told: told.at)
        self._waiting = [told for told in self._waiting if told.at >= number + 1]
        lost = rng.binomial(MAILS_AN_HOUR, (BOUNCES, UNSUBSCRIBES))
        for told in due:
            left = max(int((told.at - number) * MAILS_AN_HOUR) + 1, 0)  # what is told overnight finds no mail of the hour yet
            counted |= {"sent": left, "heard": left}
            counted |= dict(zip(("bounces", "unsubscribes"), (int(n * left / MAILS_AN_HOUR) for n in lost), strict=True))
            where = next((amounts for hour, amounts in self._hours if hour == told.hour), None)
            if where is None:
                continue
            where["complaints"] += 1
            if judge([amounts for _, amounts in self._hours], CONTROLS, WELL, days=WINDOW_DAYS).trip:
                return left
        counted |= {"sent": MAILS_AN_HOUR, "heard": MAILS_AN_HOUR, "bounces": int(lost[0]), "unsubscribes": int(lost[1])}
        return None

    def closed_by_a_person(self) -> None:
        """What came before is judged."""
        self._hours.clear()
        self._waiting.clear()


def hours_of(day: int) -> Iterator[int]:
    """The hours of a day in which mail leaves."""
    return iter(range(24 * day, 24 * day + HOURS))


def false_days(rate: float, days: int, seed: int, *, lag_hours: float = 0.0) -> int:
    """Of so many days at this true rate in a row, those on which the breaker trips; a person closes it for the next morning."""
    stream = Judged(np.random.default_rng(seed), lag_hours=lag_hours)
    tripped = 0
    for day in range(days):
        for hour in hours_of(day):
            if stream.hour(hour, rate) is not None:
                tripped += 1
                stream.closed_by_a_person()
                break
    return tripped


def mails_to_catch(rate: float, runs: int, seed: int, *, before: float = 0.0003, lag_hours: float = 0.0) -> list[int]:
    """Mails that leave from the moment the rate rises until the breaker trips, after three days that were well."""
    rng = np.random.default_rng(seed)
    found: list[int] = []
    while len(found) < runs:
        stream = Judged(rng, lag_hours=lag_hours)
        if any(stream.hour(hour, before) is not None for day in range(WINDOW_DAYS) for hour in hours_of(day)):
            continue
        mails, day = 0, WINDOW_DAYS
        while True:
            left = next(
                ((n, left) for n, hour in enumerate(hours_of(day)) if (left := stream.hour(hour, rate)) is not None), None
            )
            if left is not None:
                found.append(mails + left[0] * MAILS_AN_HOUR + left[1])
                break
            mails, day = mails + MAILS_A_DAY, day + 1
    return found


# --- one bad offer among healthy ones ------------------------------------------------------------------------------------
OFFERS, VARIANTS = 10, ("standard", "soft", "urgency")
SEGMENTS = ("new", "clicker", "opener", "quiet", "silent")
PROVIDERS, PROVIDER_SHARE = ("gmail", "yahoo", "outlook", "icloud", "other"), (0.45, 0.2, 0.15, 0.1, 0.1)
HEALTHY = 0.0002
BAD = "1001"


@dataclass(frozen=True, slots=True)
class BadOffer:
    """What became of one week."""

    cut_after: int | None  # mails of the bad offer until it was stopped
    others_kept: float  # share of the other offers' mails that left
    tripped: bool
    wrongly: int  # causes stopped that were well


def a_week_with(rate: float, seed: int, *, days: int = 7) -> BadOffer:
    """Ten offers of equal volume; one has this true rate of complaints, of which only some mailbox providers tell.

    A trip stops everything until the week's end: nobody is there.
    """
    rng = np.random.default_rng(seed)
    hours: deque[tuple[int, Counter[str]]] = deque()
    stopped: dict[Cause, tuple[int, int]] = {}  # after how many mails of the bad offer, and in which hour
    bad, others, planned, tripped = 0, 0, 0, False
    begun = 0  # hours
    for hour in (hour for day in range(days) for hour in hours_of(day)):
        while hours and hours[0][0] <= hour - 24 * WINDOW_DAYS:
            hours.popleft()
        counted: Counter[str] = Counter()
        hours.append((hour, counted))
        begun += 1
        offer, variant = rng.integers(0, OFFERS, MAILS_AN_HOUR), rng.integers(0, len(VARIANTS), MAILS_AN_HOUR)
        segment = rng.integers(0, len(SEGMENTS), MAILS_AN_HOUR)
        provider = rng.choice(len(PROVIDERS), MAILS_AN_HOUR, p=PROVIDER_SHARE)
        complains = rng.random(MAILS_AN_HOUR) < np.where(offer == 0, rate, HEALTHY)
        for mail in range(MAILS_AN_HOUR):
            facts = {
                "offer": str(1_001 + offer[mail]),
                "variant": VARIANTS[variant[mail]],
                "segment": SEGMENTS[segment[mail]],
                "provider": PROVIDERS[provider[mail]],
            }
            added = sent_by_cause(facts)
            planned += int(offer[mail] != 0)
            if stopped and any(cause.counter("sent") in added for cause in stopped):
                continue
            counted.update({"sent": 1, **added})
            bad, others = bad + int(offer[mail] == 0), others + int(offer[mail] != 0)
            if not complains[mail] or "heard" not in added:
                continue
            counted.update({"complaints": 1, **counted_by_cause("complaints", facts)})
            out = {cause: sum(one <= at for one, _ in hours) for cause, (_, at) in stopped.items()}
            verdict = judge([amounts for _, amounts in hours], CONTROLS, WELL, days=WINDOW_DAYS, stopped=out, lately=len(stopped))
            tripped = verdict.trip
            if tripped:
                break
            for finding in verdict.stopping:
                assert finding.cause is not None
                stopped[finding.cause] = (bad, hour)
        if tripped:
            break
    mine = [mails for cause, (mails, _) in stopped.items() if cause == Cause("offer", BAD)]
    lost = (days * HOURS - begun) * MAILS_AN_HOUR * (OFFERS - 1) // OFFERS  # of the hours after a trip
    wrongly = sum(1 for cause in stopped if BAD not in cause.name)
    return BadOffer(mine[0] if mine else None, others / (planned + lost), tripped, wrongly)
