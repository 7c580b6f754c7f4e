"""What another policy would have earned: an estimate with its interval and what it rests on, or a refusal with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from revenue_engine.arrays import Floats
from revenue_engine.evaluation.estimators import Estimate, Method, difference, estimate
from revenue_engine.evaluation.intervals import Interval, interval_of
from revenue_engine.evaluation.logs import Logged
from revenue_engine.evaluation.overlap import Guards, Overlap, Refusal, admitted

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
    covered = admitted(log, guards)
    return covered if isinstance(covered, Refusal) else _evaluation(estimate(covered[0], method), *covered)


def compare(log: Logged, base: Floats, guards: Guards = GATE, *, most: float = float("inf")) -> Evaluation | Refusal:
    """The target's value less that of another policy, (n, A), by doubly robust; both must be covered. The overlap is the target's.

    With `most`, no weight is above it; the guards look at the weights as they are.
    """
    covered, other = admitted(log, guards), admitted(replace(log, target=base), guards)
    if isinstance(covered, Refusal):
        return covered
    if isinstance(other, Refusal):
        return other
    return _evaluation(difference(covered[0], other[0].target, most), *covered)


def _evaluation(got: Estimate, log: Logged, seen: Overlap) -> Evaluation:
    return Evaluation(interval_of(got.value, got.influence, log.cluster, got.least_error), got.parameter, seen)
