"""What a mail brings that would not have come without it: people who were mailed against people who would have been, and by lot were not.

Attributed revenue counts a sale for the mail that was clicked, though the next mail might have made it as well. So the whole revenue of
the following days is compared, after a send and after a ghost: what one mail takes from another is then in both. Comparing with everybody
who was not mailed would compare good customers with bad ones; would-be recipients differ by the lot alone (Johnson, Lewis and Nubbemeyer,
"Ghost ads", Journal of Marketing Research 54, 2017). Means are weighted by the inverse of the logged propensity and normalised by their
weights (Hájek); a person's decisions are one piece of evidence, for their following days overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.evaluation.intervals import Interval, interval_of
from revenue_engine.evaluation.logs import CERTAIN
from revenue_engine.evaluation.overlap import Reason, Refusal

HORIZON_DAYS = 30
FEWEST_PEOPLE = 200  # of either side: with fewer the intervals are not what they say
FEWEST_REWARDED = 20  # people of either side with any revenue, or exits
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class WouldBe:
    """Decisions to send, (n,): those by chance kept back among them."""

    subscriber: Ints  # any labels
    at: Ints  # epoch seconds
    sent: Bools
    propensity_send: Floats  # as logged, also of those kept back


@dataclass(frozen=True, slots=True)
class Events:
    """What people did, (m,), whichever mail it followed."""

    subscriber: Ints  # the same labels
    at: Ints  # epoch seconds
    amount: Ints  # micros as approved by now, 0 for what was taken back; or 1 for an exit


@dataclass(frozen=True, slots=True)
class Effect:
    """Means per decision and what the send adds, (micros or exits); its interval is by subscriber."""

    after_send: float
    after_ghost: float
    added: Interval


@dataclass(frozen=True, slots=True)
class Incremental:
    """The effect of a send, the policy going on as played afterwards; and what the estimate rests on."""

    sends: int
    ghosts: int
    certain: int  # decisions that no lot was drawn for: left out
    not_matured: int  # decisions whose days are not over: left out
    revenue_micros: Effect | Refusal
    exits: Effect | Refusal


def incremental(decisions: WouldBe, paid: Events, exits: Events, *, as_of: int, days: int = HORIZON_DAYS) -> Incremental:
    """Of the `days` after each decision. `as_of`: epoch seconds up to which events are known."""
    drawn = (decisions.propensity_send > 0) & (decisions.propensity_send < CERTAIN)
    over = decisions.at <= as_of - days * _DAY
    kept = drawn & over
    subscriber, at, sent = decisions.subscriber[kept], decisions.at[kept], decisions.sent[kept]
    share = decisions.propensity_send[kept]
    weights = np.where(sent, 1.0 / share, 1.0 / (1.0 - share))
    brought = _following(subscriber, at, paid, days * _DAY)
    left = np.minimum(_following(subscriber, at, exits, days * _DAY), 1)
    return Incremental(
        sends=int(sent.sum()),
        ghosts=int((~sent).sum()),
        certain=int((~drawn).sum()),
        not_matured=int((drawn & ~over).sum()),
        revenue_micros=_effect(subscriber, sent, weights, brought),
        exits=_effect(subscriber, sent, weights, left),
    )


def _following(subscriber: Ints, at: Ints, events: Events, seconds: int) -> Ints:
    """Sum of the subscriber's amounts in (at, at + seconds], (n,)."""
    if not len(subscriber) or not len(events.subscriber):
        return np.zeros(len(subscriber), dtype=np.int64)
    who = np.unique(np.concatenate([subscriber, events.subscriber]), return_inverse=True)[1].astype(np.int64)
    first = min(int(at.min()), int(events.at.min()))
    span = max(int(at.max()), int(events.at.max())) + seconds + 1 - first
    of_decision, of_event = (labels * span for labels in np.split(who, [len(subscriber)]))
    moments = of_event + (events.at - first)
    order = np.argsort(moments, kind="stable")
    sums = np.concatenate([[0], np.cumsum(events.amount[order])])
    begin, end = (np.searchsorted(moments[order], of_decision + (at - first) + later, side="right") for later in (0, seconds))
    return np.asarray(sums[end] - sums[begin], dtype=np.int64)


def _effect(subscriber: Ints, sent: Bools, weights: Floats, amounts: Ints) -> Effect | Refusal:
    """Weighted mean after sends less that after ghosts."""
    checks: tuple[tuple[int, Reason, str, Bools], ...] = (
        (FEWEST_PEOPLE, "too_few_subscribers", "people", np.ones(len(sent), dtype=np.bool_)),
        (FEWEST_REWARDED, "too_few_rewards", "people with any", amounts != 0),
    )
    for needed, reason, what, rows in checks:
        mailed, kept_back = (len(np.unique(subscriber[rows & side])) for side in (sent, ~sent))
        if min(mailed, kept_back) < needed:
            return Refusal(reason, f"{mailed} {what} after sends, {kept_back} after ghosts, {needed} needed of either")
    value = amounts.astype(np.float64)
    cluster = np.unique(subscriber, return_inverse=True)[1].astype(np.int64)
    of_send, of_ghost = np.where(sent, weights, 0.0), np.where(sent, 0.0, weights)
    after_send, after_ghost = float(np.average(value, weights=of_send)), float(np.average(value, weights=of_ghost))
    residual = value - np.where(sent, after_send, after_ghost)
    influence = len(value) * residual * (of_send / of_send.sum() - of_ghost / of_ghost.sum())
    # few ghosts pay, and may by chance pay alike: what amounts scatter after sends, they scatter after ghosts too
    least = float(np.sqrt((of_ghost**2).sum() * np.average(residual**2, weights=of_send)) / of_ghost.sum())
    return Effect(after_send, after_ghost, interval_of(after_send - after_ghost, influence, cluster, least))
