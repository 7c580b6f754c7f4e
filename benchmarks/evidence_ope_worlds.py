"""Logs whose truth is known: mails of which 99 in 100 bring nothing, and challengers that are better, no better or worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints
from revenue_engine.evaluation.gate import Challenge
from revenue_engine.evaluation.logs import Logged
from revenue_engine.evaluation.outcome import cell_means
from revenue_engine.evaluation.rewards import surrogate

SEGMENTS, ARMS, PER_PERSON = 8, 12, 4
EPSILON = 0.1
LIST_VALUE = 2.0  # of a subscriber
UNSUBSCRIBES, COMPLAINTS = 0.001, 0.0002  # per mail
PEAKEDNESS = 2.0  # standard deviation of log votes between arms
MODEL_ERROR = 0.05  # relative, of the conversions of an arm's clicks
SPREAD = 0.8  # of log payouts
CLICKINESS = 0.3  # standard deviation of log clicks between persons


@dataclass(frozen=True)
class Market:
    """What the engine would have to know: per segment and arm, (S, A); and both policies."""

    click: Floats
    conversion: Floats  # given a click
    payout: Floats  # (A,) mean
    believed: Floats  # p(conversion | click) as the engine's model has it
    logging: Floats
    target: Floats

    @property
    def value(self) -> Floats:
        """Expected revenue of a mail, (S, A)."""
        return np.asarray(self.click * self.conversion * self.payout)

    def revenue(self, policy: Floats) -> float:
        """Expected revenue per decision."""
        return float((policy * self.value).sum() / SEGMENTS)

    def worth(self, policy: Floats) -> float:
        """Expected surrogate per decision: what the engine believes a click is worth, less what exits cost."""
        believed = (policy * self.click * self.believed * self.payout).sum() / SEGMENTS
        return float(believed - (UNSUBSCRIBES + 2 * COMPLAINTS) * LIST_VALUE)


def market(lift: float, random: np.random.Generator, *, misleading: float = 0.0) -> Market:
    """A Thompson sampler's shares with its ε, and a challenger whose true revenue is `1 + lift` times as high, or for a lift of 0
    equal: moved towards the good arms for a gain, away for a loss, both ways at once for neither.

    `misleading` raises the clicks, and lowers the conversions, of the arms that the challenger moves to.
    """
    click = 0.07 * np.exp(0.5 * random.standard_normal((SEGMENTS, ARMS)))
    conversion = 0.12 * np.exp(0.3 * random.standard_normal((SEGMENTS, ARMS)))
    payout = 18.0 * np.exp(0.3 * random.standard_normal(ARMS))
    believed = conversion * (1 + MODEL_ERROR * random.standard_normal(ARMS))
    order = (click * conversion * payout).argsort(axis=1)
    noise = np.exp(PEAKEDNESS * random.standard_normal((SEGMENTS, ARMS)))
    shares = noise / noise.sum(axis=1, keepdims=True)
    logging = (1 - EPSILON) * shares + EPSILON / ARMS
    towards = {rank: np.eye(ARMS)[order[:, rank]] for rank in (0, -1)}
    known = Market(click, conversion, payout, believed, logging, logging)
    now = known.revenue(logging)
    best, worst = (known.revenue(towards[rank]) - now for rank in (-1, 0))
    if lift > 0:
        aim, gain = towards[-1], best
    else:
        # a half of the way each, so that nothing is left of either: then lift is a matter of the share of each
        even = best / (best - worst)
        aim, gain = (towards[0], worst) if lift < 0 else (even * towards[0] + (1 - even) * towards[-1], 1.0)
    moved = lift * now / gain if lift else 0.3
    target = logging + min(moved, 0.9) * (aim - logging)
    if misleading:
        preferred = np.where(target > logging, 1 + misleading, 1.0)
        click, conversion = click * preferred, conversion / preferred**2
    return Market(click, conversion, payout, believed, logging, target)


def challenge(known: Market, decisions: int, random: np.random.Generator) -> Challenge:
    """A log of so many decisions about a quarter as many persons, each with habits that no model knows."""
    person = np.repeat(np.arange(-(-decisions // PER_PERSON)), PER_PERSON)[:decisions]
    segment = random.integers(0, SEGMENTS, person[-1] + 1)[person]
    habit = np.exp(CLICKINESS * random.standard_normal(person[-1] + 1) - CLICKINESS**2 / 2)[person]
    logging = known.logging[segment]
    action: Ints = np.minimum((np.cumsum(logging, axis=1) < random.random(decisions)[:, None]).sum(axis=1), ARMS - 1).astype(
        np.int64
    )
    clicked = random.random(decisions) < np.minimum(known.click[segment, action] * habit, 1.0)
    converted = clicked & (random.random(decisions) < known.conversion[segment, action])
    amounts = known.payout[action] * np.exp(SPREAD * random.standard_normal(decisions) - SPREAD**2 / 2)
    exits = random.random(decisions)
    complained = exits < COMPLAINTS
    rewards = surrogate(
        clicked.astype(np.float64),
        known.believed[segment, action],
        known.payout[action],
        (exits >= COMPLAINTS) & (exits < COMPLAINTS + UNSUBSCRIBES),
        complained,
        np.full(decisions, LIST_VALUE),
        np.zeros(decisions),
    )
    predicted = cell_means(action, rewards.reward, segment, person, arms=ARMS, cells=SEGMENTS, strength=50.0)
    propensity = logging[np.arange(decisions), action]
    log = Logged(action, rewards.reward, propensity, known.target[segment], person, predicted, logging)
    return Challenge(
        log, rewards.expected_revenue, rewards.expected_square, np.where(converted, amounts, 0.0), complained.astype(np.float64)
    )
