"""Thompson choice with its exact propensity. Shapes: S segments, M joint draws, P patterns, A arms, n rows.

Every joint posterior draw votes for its best eligible arm. The votes, mixed with an ε share spread evenly over the eligible
offers and then over their variants, *are* the policy: the arm is sampled from them, so the logged propensity is the sampling
probability, no estimate of it (D2).
Rows of one segment with the same eligible set share a pattern, hence a tally.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints

Positions = npt.NDArray[np.intp]
_CHUNK = 4_000_000  # booleans looked at at once


def preference(scores: Floats, ties: Floats) -> Positions:
    """Arms from best to worst in each draw, (…, M, A); equal scores in the random order of `ties`, never in list order."""
    return np.lexsort((ties, -scores), axis=-1)


def tally(order: Positions, scores: Floats, segment: Positions, eligible: Bools) -> Ints:
    """Votes of the M draws for each pattern's arms, (P, A).

    Parameters
    ----------
    order, scores
        (S, M, A): preferences and values of each segment's draws.
    segment, eligible
        (P,) and (P, A): the patterns. A draw in which no eligible arm is worth more than nothing does not vote.
    """
    patterns, arms = eligible.shape
    votes = np.zeros((patterns, arms), dtype=np.int64)
    if not arms:
        return votes
    for s in np.unique(segment):
        sequence, draw = order[s], np.arange(order.shape[1])
        worth = np.take_along_axis(scores[s], sequence, axis=1) > 0
        members = np.flatnonzero(segment == s)
        step = max(1, _CHUNK // sequence.size)
        for begin in range(0, len(members), step):
            part = members[begin : begin + step]
            allowed = eligible[part][:, sequence] & worth  # (p, M, A) in order of preference
            first = allowed.argmax(axis=2)
            voted = np.take_along_axis(allowed, first[..., None], axis=2)[..., 0]
            winner = sequence[draw, first]
            row = np.broadcast_to(part[:, None], winner.shape)
            np.add.at(votes, (row[voted], winner[voted]), 1)
    return votes


def even_shares(eligible: Bools, offer_of_arm: Positions) -> Floats:
    """Uniform over eligible offers, then over an offer's eligible variants, (P, A): many variants buy an offer no extra
    exploration."""
    if not eligible.shape[1]:
        return np.zeros(eligible.shape)
    member = offer_of_arm[:, None] == np.arange(offer_of_arm.max() + 1)  # (A, O)
    variants = eligible.astype(np.float64) @ member  # (P, O)
    offers = np.maximum((variants > 0).sum(axis=1), 1)
    return np.asarray(eligible / np.maximum(variants[:, offer_of_arm], 1.0) / offers[:, None])


def exploration_budget(epsilon_per_day: float, *, now: int, decided_at: Ints) -> Floats:
    """ε of this decision, (n,): a budget per subscriber and day, so deciding often does not explore often. A first decision has a
    whole day; none has less than an hour's worth, so that every eligible arm keeps a probability above zero."""
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
    pattern: Positions,
    epsilon: Floats,
    explore: Floats,
    pick_voted: Floats,
    pick_even: Floats,
) -> Choice:
    """Sample each row's arm from its mixture. Every pattern used must have a vote.

    Parameters
    ----------
    votes, even
        (P, A).
    pattern, epsilon, explore, pick_voted, pick_even
        (n,): the row's pattern, its ε, and three keyed uniforms.
    """
    cast = votes.sum(axis=1)
    if (cast[pattern] == 0).any():
        raise ValueError("pattern: nothing to choose from")
    last = votes.shape[1] - 1
    ticket = np.minimum((pick_voted * cast[pattern]).astype(np.int64), cast[pattern] - 1)
    voted = (np.cumsum(votes, axis=1)[pattern] <= ticket[:, None]).sum(axis=1)
    heights = np.cumsum(even, axis=1)
    last_even = last - np.argmax((even > 0)[:, ::-1], axis=1)  # rounding must not lead beyond the last eligible arm
    spread = np.minimum((heights[pattern] <= pick_even[:, None]).sum(axis=1), last_even[pattern])
    explored = explore < epsilon
    arm = np.where(explored, spread, voted)
    mixture = mixed(votes, even, pattern, epsilon)
    rows = np.arange(len(pattern))
    same_offer = offer_of_arm[None, :] == offer_of_arm[arm][:, None]
    offer = np.where(same_offer, mixture, 0.0).sum(axis=1)
    return Choice(arm, explored, offer, mixture[rows, arm] / offer)


def mixed(votes: Ints, even: Floats, pattern: Positions, epsilon: Floats) -> Floats:
    """The policy as played, (n, A): each row sums to 1 over its eligible arms, and none of them is below its ε share (D2)."""
    share: Floats = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    return np.asarray((1.0 - epsilon)[:, None] * share[pattern] + epsilon[:, None] * even[pattern])
