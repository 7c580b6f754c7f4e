"""What a log says of a target: its value by two estimators, what it would have earned more than was earned, and how far to trust that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.evaluation.decided import Decided, Policy, logged
from revenue_engine.evaluation.evaluate import GATE, Evaluation, compare, evaluate
from revenue_engine.evaluation.intervals import Interval, interval_of
from revenue_engine.evaluation.overlap import Overlap, Refusal, overlap
from revenue_engine.evaluation.rewards import Agreement, agreement

MOST_WEIGHT = 10.0  # of a decision, where revenue is held against the surrogate: as the gate does


@dataclass(frozen=True, slots=True)
class Answer:
    """Micros of surrogate reward per decision left to chance. Each part is there or says why it is not."""

    played: Interval | None  # what the policy that wrote the log earned; None where nothing can be said at all
    dr: Evaluation | Refusal
    snips: Evaluation | Refusal
    gain: Evaluation | Refusal  # the target's value less that of the policy as played
    overlap: Overlap | None
    agreement: Agreement | None  # of revenue with the surrogate, under the target; None before any predicted revenue


def answer(log: Decided, policy: Policy, target: Floats) -> Answer:
    """Of decisions with their whole policy. A refusal is an answer."""
    asked = logged(log, target)
    covered = overlap(asked, GATE)
    dr, snips = evaluate(asked, "dr"), evaluate(asked, "snips")
    gain = compare(asked, policy.logging)
    if isinstance(covered, Refusal):
        return Answer(None, dr, snips, gain, None, None)
    mean = float(asked.reward.mean())
    played = interval_of(mean, asked.reward - mean, asked.cluster)
    if isinstance(dr, Refusal):
        return Answer(played, dr, snips, gain, covered[1], None)
    rewards, revenue = log.rewards, log.revenue_micros.astype(np.float64)
    agreed = agreement(asked, rewards.expected_revenue, rewards.expected_square, revenue, most=MOST_WEIGHT)
    return Answer(played, dr, snips, gain, covered[1], agreed)
