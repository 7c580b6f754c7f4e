"""Logged decisions as off-policy evaluation reads them. Shapes: n decisions, A arms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints

CERTAIN = 1.0 - 1e-12  # of a propensity: nothing was left to chance
_SUM = 1e-6  # how far from 1 the target's probabilities may add up


@dataclass(frozen=True)
class Logged:
    """What one policy did, and what another, the target, would have done there. A skip is an arm like another.

    Raises ValueError for shapes that do not fit, arms that do not exist, targets that are no distributions and rewards that are
    no numbers. A propensity that cannot be right is no error but a reason to refuse (`overlap.refusal`).
    """

    action: Ints  # (n,) the arm that was played
    reward: Floats  # (n,) what it brought, in any one unit
    propensity: Floats  # (n,) of that arm under the policy as played (D2)
    target: Floats  # (n, A)
    subscriber: Ints  # (n,) any labels: decisions about one person are no independent evidence
    predicted: Floats  # (n, A) rewards by a model that has not seen the row's subscriber; zeros for none
    logging: Floats | None = None  # (n, A) the whole policy as played, where it is known: then support is seen, not inferred

    def __post_init__(self) -> None:
        n, arms = self.target.shape
        if any(len(column) != n for column in (self.action, self.reward, self.propensity, self.subscriber)):
            raise ValueError("logged decisions: columns of different lengths")
        if self.predicted.shape != (n, arms) or (self.logging is not None and self.logging.shape != (n, arms)):
            raise ValueError("predicted, logging: not of the target's shape")
        if n and not (self.action.min() >= 0 and self.action.max() < arms):
            raise ValueError("action: no such arm")
        if not (np.isfinite(self.reward).all() and np.isfinite(self.predicted).all()):
            raise ValueError("reward, predicted: not a number")
        if not ((self.target >= 0).all() and (np.abs(self.target.sum(axis=1) - 1.0) <= _SUM).all()):
            raise ValueError("target: not a distribution over the arms")

    def __len__(self) -> int:
        return len(self.action)

    @cached_property
    def cluster(self) -> Ints:
        """The subscribers numbered from 0, (n,)."""
        return np.unique(self.subscriber, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def weights(self) -> Floats:
        """Target's probability of the arm played over its propensity, (n,); infinite where the log says it could not be played."""
        wanted = self.played(self.target)
        possible = self.propensity > 0
        return np.where(possible, wanted / np.where(possible, self.propensity, 1.0), np.where(wanted > 0, np.inf, 0.0))

    @cached_property
    def predicted_of_target(self) -> Floats:
        """The model's reward of the target policy, (n,)."""
        return np.asarray((self.target * self.predicted).sum(axis=1))

    def played(self, table: Floats) -> Floats:
        """The played arm's entry of each row of (n, A), (n,)."""
        return np.asarray(table[np.arange(len(self)), self.action], dtype=np.float64)

    def only(self, rows: Bools) -> Logged:
        """The decisions of a mask, (n,)."""
        return Logged(
            self.action[rows],
            self.reward[rows],
            self.propensity[rows],
            self.target[rows],
            self.subscriber[rows],
            self.predicted[rows],
            None if self.logging is None else self.logging[rows],
        )

    def rewarded(self, reward: Floats, predicted: Floats | None = None) -> Logged:
        """The same decisions seen by another reward, (n,), and its model; without one, none is used."""
        return replace(self, reward=reward, predicted=np.zeros_like(self.target) if predicted is None else predicted)


def left_to_chance(log: Logged) -> Bools:
    """Decisions that could have gone another way, (n,). The others lie outside the support of off-policy evaluation (D2)."""
    return np.asarray(~(log.propensity >= CERTAIN))
