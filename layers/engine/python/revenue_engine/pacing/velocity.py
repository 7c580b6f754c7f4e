"""How many mails leave a minute: the specification's states, bounds and steps, moved by evidence instead of by noise.

The specification compares a quarter of an hour's revenue with its prediction and steps by a quarter beyond ±20 %. Revenue lags mails by
hours to days, and chance alone passes ±20 % in four of five windows with three conversions. So what came is held against what should
have come by now (`pacing.nowcast`), and the velocity steps only if chance and the usual scatter of days would not explain it:

    X ~ Poisson(expected · level · D),   D ~ Gamma(mean 1, variance DAY_VARIANCE + that of the level)

a negative binomial, two-sided at 2 · TAIL, and the ratio beyond the specification's ±20 %. `level` is what the predictions have been
worth over the weeks before: a model that always says a third too much must not brake for ever. Delivery brakes too: bounces, complaints
and deferrals, and clicks, of which there are fifty for a conversion and which come within the day, so that mails in the spam folder are
noticed before their money is missed. What that has taken is given back step by step when it is over; what money took comes back when
money outperforms, as in the specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from revenue_engine.records.controls import Controls
from revenue_engine.safety.sequential import poisson_at_least
from revenue_engine.safety.tails import negative_binomial_at_least, negative_binomial_at_most

LEAST, MOST = 10, 1_000  # a minute
RAISE, LOWER = 1.25, 0.75
OUTPERFORMING, UNDERPERFORMING = 1.2, 0.8
FEWEST, FEWEST_MAILS = 3, 100  # of complaints or bounces, and of mails in the window: fewer say nothing
TAIL = 0.0025  # of each side, every quarter of an hour anew on windows that overlap
DAY_VARIANCE = 0.02  # relative: days differ by 14 % for reasons no prediction knows
WEEKDAY_VARIANCE = (
    0.03  # as much as weekdays of the prior's curve differ (`bundle.prior_hours`), while a list's own are not known
)
WEEKDAYS_KNOWN = 14  # days
LEVEL_EVENTS = 50.0  # what a level of 1 is worth against the weeks before
MIN_EXPECTED = 5.0  # below, nothing that can come says anything
DEFERRED = 0.05  # of the mails: above, a mailbox provider asks for patience

State = Literal[
    "outperforming_predictions", "underperforming_predictions", "delivery_trouble", "recovering", "on_track", "too_early"
]


@dataclass(frozen=True, slots=True)
class Flow:
    """Of clicked mails or of conversions: what should have come by the predictions of the mails, and what did."""

    expected: float  # in the window
    came: int
    past_expected: float  # in the weeks before
    past_came: int
    past_days: int  # of them, those on which mails left


@dataclass(frozen=True, slots=True)
class Delivery:
    """What mailbox providers said of the window's mails."""

    sent: int
    heard: int  # of them, those a complaint about which would be heard of (`records.causes`)
    complaints: int
    bounces: int
    deferred: int  # put off or returned because a provider wants less of us, each once


@dataclass(frozen=True, slots=True)
class Verdict:
    """The specification's VelocityState: what to do, and why."""

    sends_per_minute: int
    untroubled: int  # what it would be if delivery had never braked
    state: State
    ratio: float | None  # came / expected at the level of late; None where too little is expected
    expected: float  # conversions, at that level
    came: int
    tail: float | None  # chance of as few or as many
    trouble: str | None

    @property
    def acts(self) -> bool:
        """Whether the velocity steps because of what was seen."""
        return self.state in ("outperforming_predictions", "underperforming_predictions", "delivery_trouble")


def trouble(delivery: Delivery, controls: Controls) -> str | None:
    """What ails delivery, surely and not by chance: half a limit of the breaker's and of the same mails, so that slower comes before
    stopped."""
    if delivery.sent < FEWEST_MAILS:
        return None
    for name, events, mails, limit in (
        ("complaints", delivery.complaints, delivery.heard, controls.max_complaint_rate / 2),
        ("bounces", delivery.bounces, delivery.sent, controls.max_bounce_rate / 2),
        ("deferrals", delivery.deferred, delivery.sent, DEFERRED),
    ):
        if events >= FEWEST and poisson_at_least(events, limit * mails) < TAIL:
            return name
    return None


@dataclass(frozen=True, slots=True)
class _Held:
    """A flow held against its level."""

    mean: float
    ratio: float | None
    tail: float | None  # None: too little should have come to say anything

    def beyond(self, limit: float) -> bool:
        """Past the limit, away from 1, and no chance."""
        if self.ratio is None or self.tail is None or self.tail >= TAIL:
            return False
        return self.ratio > limit if limit > 1 else self.ratio < limit


def judge(
    conversions: Flow, clicks: Flow, *, trouble: str | None, current: int, untroubled: int, most: int, calm: bool
) -> Verdict:
    """One look.

    Parameters
    ----------
    trouble
        What ails delivery now, by name.
    current, untroubled, most
        Mails a minute: now, what they would be if delivery had never braked, and the most that the operator allows (at most `MOST`).
    calm
        Whether a whole org day has passed since delivery last braked: clicks of mails that left after it have been looked at.
    """
    money, attention = _held(conversions), _held(clicks)
    if trouble is None and attention.beyond(UNDERPERFORMING):
        trouble = "clicks_missing"
    state: State = "on_track" if money.tail is not None or attention.tail is not None else "too_early"
    if trouble is not None:
        state = "delivery_trouble"
    elif money.beyond(UNDERPERFORMING):
        state = "underperforming_predictions"
    elif money.beyond(OUTPERFORMING):
        state = "outperforming_predictions"
    elif current < untroubled and calm:
        state = "recovering"
    step = {"outperforming_predictions": RAISE, "underperforming_predictions": LOWER}.get(state, 1.0)
    untroubled = _within(untroubled * step, most)
    match state:
        case "delivery_trouble":
            target = current * LOWER
        case "recovering":
            target = min(current * RAISE, untroubled)
        case _:
            target = current * step
    return Verdict(_within(target, most), untroubled, state, money.ratio, money.mean, conversions.came, money.tail, trouble)


def _held(flow: Flow) -> _Held:
    variance = DAY_VARIANCE + (WEEKDAY_VARIANCE if flow.past_days < WEEKDAYS_KNOWN else 0.0)
    # a day is good or bad as a whole: however many its events are, it says no more of the level than 1 / variance of them
    weight = 1.0 / (1.0 + variance * flow.past_came / max(flow.past_days, 1))
    known = LEVEL_EVENTS + weight * flow.past_came
    mean = flow.expected * known / (LEVEL_EVENTS + weight * flow.past_expected)
    if mean < MIN_EXPECTED:
        return _Held(mean, None, None)
    ratio = flow.came / mean
    tail = negative_binomial_at_least if ratio > 1 else negative_binomial_at_most
    return _Held(mean, ratio, tail(flow.came, mean, variance + 1.0 / known))


def _within(a_minute: float, most: int) -> int:
    return max(LEAST, min(int(a_minute), most, MOST))
