"""What another policy would have earned: an estimate with its interval and what it rests on, or a refusal with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from revenue_engine.arrays import Floats
from revenue_engine.evaluation.estimators import Method, difference, estimate
from revenue_engine.evaluation.intervals import Interval, interval_of
from revenue_engine.evaluation.logs import Logged, left_to_chance
from revenue_engine.evaluation.overlap import Guards, Overlap, Refusal, overlap, refusal

GATE = Guards()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Mean reward per decision that was left to chance: of the target, or of the target less another policy."""

    interval: Interval
    parameter: float | None  # of the estimator as chosen; None where no weight was cut
    overlap: Overlap

    @property
    def value(self) -> float:
        return self.interval.value


def evaluate(log: Logged, method: Method = "dr", guards: Guards = GATE) -> Evaluation | Refusal:
    """The target's value by one of `METHODS`."""
    covered = overlap(log, guards)
    if isinstance(covered, Refusal):
        return covered
    inside, seen = covered
    refused = refusal(seen, guards)
    if refused is not None:
        return refused
    got = estimate(inside, method)
    return Evaluation(interval_of(got.value, got.influence, inside.cluster, got.least_error), got.parameter, seen)


def compare(log: Logged, base: Floats, guards: Guards = GATE, *, most: float = float("inf")) -> Evaluation | Refusal:
    """The target's value less that of another policy, (n, A), by doubly robust; both must be covered. The overlap is the target's.

    With `most`, no weight is above it; the guards look at the weights as they are.
    """
    free = left_to_chance(log)
    covered = overlap(log, guards)
    other = overlap(replace(log, target=base), guards)
    for side in (covered, other):
        refused = side if isinstance(side, Refusal) else refusal(side[1], guards)
        if refused is not None:
            return refused
    assert not isinstance(covered, Refusal)
    inside, seen = covered
    got = difference(inside, base[free], most)
    return Evaluation(interval_of(got.value, got.influence, inside.cluster, got.least_error), got.parameter, seen)
