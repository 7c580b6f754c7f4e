"""Trials of the same worlds beside each other: means, paired differences, regret, and whether an engine did too well to be honest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.evaluation.intervals import t_quantile
from workbench.simulation.study.registry import LEARNERS, ORACLE, UNCAPPED
from workbench.simulation.study.trial import BOUND, Trial

LEAK_ABOVE = (
    0.85  # of the oracle's cash: no engine learns that much of people, so something told it (decision-quality: 57 % was reached)
)
_FEWEST_SEEDS = 5  # below it t's quantile is not what it says


@dataclass(frozen=True, slots=True)
class Mean:
    """Over seeds, with the half-width of its 95 % interval; NaN with too few seeds."""

    value: float
    half_width: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        return self.value - self.half_width, self.value + self.half_width


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one policy in one world."""

    policy: str
    seeds: int
    cash: Mean
    kept: float
    list_value: Mean
    oracle_list_value: Mean
    own_list_value: Mean
    net: Mean
    mails: float
    complaints_rate: float  # of mails
    exits: float
    alive: float
    of_oracle: float | None  # its cash as a share of the oracle's; regret is what is missing
    of_bound: float | None


def mean(values: Sequence[float] | Floats) -> Mean:
    """Student's t."""
    found = np.asarray(values, dtype=np.float64)
    if len(found) < _FEWEST_SEEDS:
        return Mean(float(found.mean()), float("nan"))
    error = float(found.std(ddof=1)) / len(found) ** 0.5
    return Mean(float(found.mean()), t_quantile(0.975, len(found) - 1) * error)


def summaries(trials: Iterable[Trial], world: str) -> list[Summary]:
    """Of every policy tried in this world, in the order of their trials; each over the seeds that all of them have."""
    by_policy = _paired(trials, world)
    oracle, bound = (sum(t.cash for t in by_policy[name]) if name in by_policy else None for name in (ORACLE, BOUND))
    found = []
    for name, rows in by_policy.items():
        cash, mails = sum(t.cash for t in rows), sum(t.mails for t in rows)
        found.append(
            Summary(
                policy=name,
                seeds=len(rows),
                cash=mean([t.cash for t in rows]),
                kept=float(np.mean([t.kept for t in rows])),
                list_value=mean([t.list_value for t in rows]),
                oracle_list_value=mean([t.oracle_list_value for t in rows]),
                own_list_value=mean([t.own_list_value for t in rows]),
                net=mean([t.net for t in rows]),
                mails=mails / len(rows),
                complaints_rate=sum(t.complaints for t in rows) / mails if mails else 0.0,
                exits=sum(t.exits for t in rows) / len(rows),
                alive=float(np.mean([t.alive for t in rows])),
                of_oracle=cash / oracle if oracle else None,
                of_bound=cash / bound if bound and name not in UNCAPPED else None,  # a bound of those who keep to the cap
            )
        )
    return found


def difference(trials: Iterable[Trial], world: str, one: str, other: str, *, net: bool) -> Mean | None:
    """Dollars that one policy brings more than another in the same worlds; None where either was not tried."""
    by_policy = _paired(trials, world)
    if one not in by_policy or other not in by_policy:
        return None
    pairs = zip(by_policy[one], by_policy[other], strict=True)
    return mean([(a.net - b.net) if net else (a.cash - b.cash) for a, b in pairs])


def ratio(trials: Iterable[Trial], world: str, one: str, other: str, *, net: bool) -> Mean | None:
    """The ratio of the sums over seeds, with the interval of a ratio of paired means (delta method)."""
    by_policy = _paired(trials, world)
    if one not in by_policy or other not in by_policy:
        return None
    above, below = (np.array([t.net if net else t.cash for t in by_policy[name]]) for name in (one, other))
    value = float(above.sum() / below.sum())
    return Mean(value, mean((above - value * below) / below.mean()).half_width)


def gap(trials: Iterable[Trial], world: str, one: str, other: str) -> Mean | None:
    """The share of the list's worth that one policy keeps more than another, in percentage points; None where either was not tried."""
    by_policy = _paired(trials, world)
    if one not in by_policy or other not in by_policy:
        return None
    return mean([100 * (a.kept - b.kept) for a, b in zip(by_policy[one], by_policy[other], strict=True)])


def leaks(found: Iterable[Summary]) -> list[str]:
    """Engines that earned more of the oracle's cash than can honestly be learned."""
    return [
        f"{s.policy} earned {s.of_oracle:.0%} of the clairvoyant's cash: more than {LEAK_ABOVE:.0%} cannot be learned, the world leaks"
        for s in found
        if s.policy in LEARNERS and s.of_oracle is not None and s.of_oracle > LEAK_ABOVE
    ]


def _paired(trials: Iterable[Trial], world: str) -> dict[str, list[Trial]]:
    by_policy: dict[str, dict[int, Trial]] = {}
    for trial in trials:
        if trial.world == world:
            by_policy.setdefault(trial.policy, {})[trial.seed] = trial
    common = set.intersection(*(set(rows) for rows in by_policy.values())) if by_policy else set()
    return {name: [rows[seed] for seed in sorted(common)] for name, rows in by_policy.items()}
