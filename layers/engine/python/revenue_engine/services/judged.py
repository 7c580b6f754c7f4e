"""What the judge looks at: the hours of mails that it has not judged before, as the counters tell of them now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, from_epoch, utc_hour
from revenue_engine.records.causes import Cause
from revenue_engine.records.controls import Controls
from revenue_engine.records.send import CONTENT_INCOMPLETE

WINDOW = timedelta(hours=72)  # a mild rise shows in no single day
GMAIL_DAYS = 7
_EVENTS = ("complaints", "bounces", "unsubscribes")
_OF_MAILS = ("sent", "heard", *_EVENTS)
_JUDGED = (*_OF_MAILS, CONTENT_INCOMPLETE, "reported_", "conversions", "clicked_mails")


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """Hours of mails (oldest first), how many days they span, and hours whose money is held against their mails."""

    hours: list[dict[str, int]]
    names: tuple[str, ...]  # of the hours
    days: float
    earned: list[dict[str, int]]

    def after(self, at: int) -> int:
        """The position of the first hour that began after this time, epoch seconds."""
        return sum(name <= utc_hour(from_epoch(at)) for name in self.names)


def judged_window(w: Wiring, org: str, seen: Item, now: datetime) -> JudgedWindow:
    """The window as of `now`.

    It begins where a person closed the breaker, or a trickle began: what came before is judged. Of that hour itself what it had by
    then (`judged_before`) is left out. When a person lets a cause go, its mails before that hour are judged; and since counters know
    causes one by one, all causes begin anew.
    """
    floor = now - WINDOW
    begin = max(floor, from_epoch(seen.get("judge_from", 0)))
    counted = w.counters.settled_hours(org, since=floor, until=now)
    first, before = utc_hour(begin), seen.get("judged_before", {}) if begin > floor else {}
    hours = {
        hour: _less(amounts, before) if hour == first else dict(amounts) for hour, amounts in counted.items() if hour >= first
    }
    for freed in w.safety.freed(org, now=epoch_seconds(now)):
        let_go = utc_hour(from_epoch(freed.at))
        begun = {name for name in hours if name < let_go or name == let_go == utc_hour(from_epoch(freed.since))}
        if freed.reason == CONTENT_INCOMPLETE:  # nothing that came of mails was held against it
            for name in begun:
                hours[name].pop(freed.cause.counter(CONTENT_INCOMPLETE), None)
        else:
            _forget([hours[name] for name in begun], freed.cause)
    mails = list(hours.values())
    # Money counts when it comes, for mails of days before: what is judged of it is held against older mails too.
    older = [_sent_only(amounts) for hour, amounts in counted.items() if hour < first]
    return JudgedWindow(mails, tuple(hours), max((now - begin) / timedelta(days=1), 1.0), [*older, *mails])


def counted_by_now(w: Wiring, org: str, now: datetime) -> dict[str, int]:
    """What the running hour has so far, of what the judge reads: to be left out when its window begins now."""
    counted = w.counters.hour_counters(org, since=now, until=now)
    return {name: n for name, n in counted.items() if n and name.startswith(_JUDGED)}


@dataclass(frozen=True, slots=True)
class GmailFacts:
    """What Postmaster Tools told of the days since a person last judged."""

    days: list[tuple[float, float]]  # mails, complaints
    variants: dict[Cause, float]  # the worst share of spam reports, where Gmail saw enough


def gmail_facts(w: Wiring, org: str, seen: Item, controls: Controls, now: datetime) -> GmailFacts:
    """As of `now`: at most a week back."""
    since = day_in(max(now - timedelta(days=GMAIL_DAYS), from_epoch(seen.get("closed_by_hand_at", 0))), controls.zone)
    told = [day for day in w.safety.postmaster(org, since=since) if day.day > since]
    if not told:
        return GmailFacts([], {})
    let_go = {
        freed.cause: day_in(from_epoch(freed.at), controls.zone)
        for freed in w.safety.freed(org, now=epoch_seconds(now))
        if freed.reason != CONTENT_INCOMPLETE
    }
    ratios: dict[date, float] = {}
    variants: dict[Cause, float] = {}
    for day in told:  # of several domains the worst
        if day.day > let_go.get(Cause("provider", "gmail"), since):
            ratios[day.day] = max(ratios.get(day.day, 0.0), day.spam_ratio)
        for identifier, ratio in day.loops.items():
            offer, dash, variant = identifier.partition("-")
            cause = Cause("variant", f"{offer}/{variant}")  # as content.mime names a mail's Feedback-ID
            if dash and day.day > let_go.get(cause, since):
                variants[cause] = max(variants.get(cause, 0.0), float(ratio))
    counted = w.counters.day_counters(org, since, day_in(now, controls.zone), only=["delivered#gmail"])
    mails = {day: amounts.get("delivered#gmail", 0) for day, amounts in counted.items()}
    return GmailFacts([(n, n * ratios[day]) for day, n in sorted(mails.items()) if day in ratios and n], variants)


def _less(amounts: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: max(n - before.get(name, 0), 0) for name, n in amounts.items()}


def _sent_only(amounts: Mapping[str, int]) -> dict[str, int]:
    return {name: n for name, n in amounts.items() if name == "sent" or name.startswith("sent@")}


def _forget(hours: Iterable[dict[str, int]], cause: Cause) -> None:
    """What a cause had before it was let go goes out of the sums, and no cause is blamed for what those hours brought."""
    for amounts in hours:
        for name in _OF_MAILS:
            amounts[name] = max(amounts.get(name, 0) - amounts.get(cause.counter(name), 0), 0)
        for name in [name for name in amounts if name.startswith(_EVENTS) and name not in _EVENTS]:
            del amounts[name]
