"""Thompson choice with its exact propensity. Shapes: S segments, M joint draws, A arms, n rows.

Every joint posterior draw votes for its best eligible arm. The votes, mixed with an ε share spread evenly over the eligible
offers and then over their variants, *are* the policy: the arm is sampled from them, so the logged propensity is the sampling
probability, no estimate of it (D2). Draws are shared by a segment in a cycle, values are each row's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints

Positions = npt.NDArray[np.intp]
Tables = npt.NDArray[np.float32]
_CELLS = 1 << 17  # scores looked at at once


def tally(worth: Floats, factors: Tables, segment: Positions, eligible: Bools) -> Ints:
    """Votes of the M draws for each row's arms, (n, A).

    Parameters
    ----------
    worth
        (n, A) micros that each arm is expected to bring.
    factors
        (S, A, M) what the joint draws make of that, shared by everybody of a segment; mean 1.
    segment, eligible
        (n,) and (n, A). A draw in which no eligible arm is worth more than nothing does not vote.
    """
    rows, arms = eligible.shape
    votes = np.zeros((rows, arms), dtype=np.int64)
    value = np.where(eligible, worth, 0.0).astype(np.float32)
    draws = factors.shape[2]
    step = max(1, _CELLS // (draws * max(arms, 1)))
    for s in np.unique(segment):
        members = np.flatnonzero(segment == s)
        for begin in range(0, len(members), step):
            part = members[begin : begin + step]
            votes[part] = _votes(value[part], factors[s])
    return votes


def _votes(value: Tables, factors: Tables) -> Ints:
    """Of some rows (r, A) of one segment, whose factors are (A, M): so few that their scores stay in the cache."""
    score = value[:, :, None] * factors
    best = np.fmax.reduce(score, axis=1, initial=0.0)  # a score that is no number wins nothing
    wins = score == np.where(best > 0, best, np.inf)[:, None, :]
    votes = _counted(wins)
    # where two arms score the same to the last bit, the first of them has the vote
    tied = np.flatnonzero(votes.sum(axis=1) > (best > 0).sum(axis=1))
    if len(tied):
        votes[tied] = _counted(wins[tied] & (np.cumsum(wins[tied], axis=1) == 1))
    return votes


def _counted(wins: Bools) -> Ints:
    """(r, A) of (r, A, M)."""
    return np.asarray(wins.view(np.uint8).sum(axis=2, dtype=np.uint16).astype(np.int64))


def even_shares(eligible: Bools, offer_of_arm: Positions) -> Floats:
    """Uniform over eligible offers, then over an offer's eligible variants, (n, A): many variants buy an offer no extra
    exploration."""
    if not eligible.shape[1]:
        return np.zeros(eligible.shape)
    member = offer_of_arm[:, None] == np.arange(offer_of_arm.max() + 1)  # (A, O)
    variants = eligible.astype(np.float64) @ member  # (P, O)
    offers = np.maximum((variants > 0).sum(axis=1), 1)
    return np.asarray(eligible / np.maximum(variants[:, offer_of_arm], 1.0) / offers[:, None])


def exploration_budget(epsilon_per_day: float, *, now: int, decided_at: Ints) -> Floats:
    """ε of this decision, (n,): at most a budget per subscriber and day, so deciding often does not explore often; what a decision that
    mailed nobody would have had is not saved up. A first decision has a whole day; none has less than an hour's worth, so that every
    eligible arm keeps a probability above zero."""
    days = np.where(decided_at > 0, (now - decided_at) / 86_400, 1.0)
    return epsilon_per_day * np.clip(days, 1 / 24, 1.0)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was picked, (n,): and how probable that was."""

    arm: Positions
    explored: Bools  # it came from the ε share
    propensity_offer: Floats
    propensity_content: Floats  # given the offer


def choose(
    votes: Ints,
    even: Floats,
    offer_of_arm: Positions,
    *,
    epsilon: Floats,
    explore: Floats,
    pick_voted: Floats,
    pick_even: Floats,
) -> Choice:
    """Sample each row's arm from its mixture. Every row must have a vote.

    Parameters
    ----------
    votes, even
        (n, A).
    epsilon, explore, pick_voted, pick_even
        (n,): the row's ε, and three keyed uniforms.
    """
    cast = votes.sum(axis=1)
    if (cast == 0).any():
        raise ValueError("votes: nothing to choose from")
    last = votes.shape[1] - 1
    ticket = np.minimum((pick_voted * cast).astype(np.int64), cast - 1)
    voted = (np.cumsum(votes, axis=1) <= ticket[:, None]).sum(axis=1)
    last_even = last - np.argmax((even > 0)[:, ::-1], axis=1)  # rounding must not lead beyond the last eligible arm
    spread = np.minimum((np.cumsum(even, axis=1) <= pick_even[:, None]).sum(axis=1), last_even)
    explored = explore < epsilon
    arm = np.where(explored, spread, voted)
    mixture = mixed(votes, even, epsilon)
    rows = np.arange(len(votes))
    same_offer = offer_of_arm[None, :] == offer_of_arm[arm][:, None]
    offer = np.where(same_offer, mixture, 0.0).sum(axis=1)
    return Choice(arm, explored, offer, mixture[rows, arm] / offer)


def mixed(votes: Ints, even: Floats, epsilon: Floats) -> Floats:
    """The policy as played, (n, A): each row sums to 1 over its eligible arms, and none of them is below its ε share (D2)."""
    share: Floats = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    return np.asarray((1.0 - epsilon)[:, None] * share + epsilon[:, None] * even)
