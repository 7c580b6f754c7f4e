"""Credit from who converts and who does not: Markov removal effects and Shapley values, labelled views for reports.

Both read associations, not effects: a channel shown to people who would have bought anyway earns credit. What a mail causes is
measured by the ghosts and the holdout, and belongs beside these numbers. Nothing is booked by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from revenue_engine.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Paths:
    """Journeys counted by their path, those that end in nothing included. A path has one step at least."""

    starts: Ints  # (paths + 1,) where each path's steps begin, and where the last one's end
    channels: Ints  # (steps,) 0 ... n_channels - 1: an arm, a segment ...
    conversions: Floats  # (paths,)
    value: Floats  # (paths,) what the conversions brought
    nulls: Floats  # (paths,) journeys along the path without a conversion
    n_channels: int


@dataclass(frozen=True, slots=True)
class Credits:
    """By channel, (n_channels,): sums are those of the paths."""

    conversions: Floats
    value: Floats


def removal_effects(paths: Paths) -> Floats:
    """Share of the conversions lost without each channel, in the first-order Markov chain of the paths, (n_channels,).

    1 - P(conversion | a removed channel's visitors go to nothing) / P(conversion) (Anderl et al. 2016), solved exactly. What is lost
    is P(ever in c) x P(conversion from c); by the fundamental matrix N = (I - Q)^-1 the former is N[start, c] / N[c, c]. Steps from
    a channel to itself change nothing. All are 0 when nothing converts.
    """
    start, converted, nothing = paths.n_channels, paths.n_channels + 1, paths.n_channels + 2
    begins, ends = paths.starts[:-1], paths.starts[1:] - 1
    journeys = paths.conversions + paths.nulls
    goes_on = np.delete(np.arange(len(paths.channels)), ends)
    came = np.concatenate([np.full(len(begins), start), paths.channels[goes_on], paths.channels[ends], paths.channels[ends]])
    went = np.concatenate(
        [paths.channels[begins], paths.channels[goes_on + 1], np.full(len(ends), converted), np.full(len(ends), nothing)]
    )
    times = np.concatenate([journeys, np.repeat(journeys, np.diff(paths.starts))[goes_on], paths.conversions, paths.nulls])
    shape = (start + 1, nothing + 1)
    taken = np.bincount(np.ravel_multi_index((came, went), shape), times, shape[0] * shape[1]).reshape(shape)
    left = taken.sum(axis=1, keepdims=True)
    steps = np.divide(taken, left, out=np.zeros_like(taken), where=left > 0)
    visits = np.linalg.inv(np.eye(start + 1) - steps[:, : start + 1])
    conversion = visits @ steps[:, converted]
    if conversion[start] <= 0:
        return np.zeros(start)
    ever = visits[start, :start] / np.diagonal(visits)[:start]
    effects: Floats = ever * conversion[:start] / conversion[start]
    return effects


def markov(paths: Paths) -> Credits:
    """Conversions and value in proportion to the removal effects; 0 for all when nothing converts."""
    effects = removal_effects(paths)
    shares = effects / effects.sum() if effects.any() else effects
    return Credits(shares * paths.conversions.sum(), shares * paths.value.sum())


def shapley(paths: Paths) -> Credits:
    """Each path's conversions and value by the Shapley values of its own channels.

    The worth of a set is its conversion rate: of the journeys that met exactly these channels, the share that converted. By
    efficiency the values of a set's channels sum to its rate, so the credits sum to the conversions. (With the usual worth, the
    conversions of all paths within the set, Shapley is an equal split over a path's distinct channels and adds nothing.)

    Read with caution: a set that nobody met counts as one that never converts; the rates of rarely met sets are noise; a channel
    whose presence goes with fewer conversions gets a negative credit; order and repetition do not matter.
    Time and memory grow with the square of the number of distinct sets that convert.
    """
    members = np.zeros((len(paths.conversions), paths.n_channels))
    members[np.repeat(np.arange(len(members)), np.diff(paths.starts)), paths.channels] = 1
    sets, which = np.unique(members, axis=0, return_inverse=True)
    conversions, value, nulls = (
        np.bincount(which.ravel(), amounts, len(sets)) for amounts in (paths.conversions, paths.value, paths.nulls)
    )
    converts = conversions > 0  # the others are worth nothing, and have nothing to share
    sets, conversions, value, nulls = sets[converts], conversions[converts], value[converts], nulls[converts]
    worth = conversions / (conversions + nulls)
    sizes = sets.sum(axis=1).astype(np.int64)
    chances = _chances(int(sizes.max(initial=0)))
    worth_within = np.where((1 - sets) @ sets.T == 0, worth, 0)  # [set, subset]
    # what the sets that a channel is in are worth, less what those without it are: a channel adds the difference
    with_it = (worth_within * chances[sizes[:, None], sizes - 1]) @ sets
    without = (worth_within * chances[sizes[:, None], sizes]) @ (1 - sets)
    share = sets * (with_it - without) / worth[:, None]
    return Credits(conversions @ share, value @ share)


def _chances(most: int) -> Floats:
    """Chance that in an order of n players just the k of a given set come before a given other, [n, k]: k! (n - k - 1)! / n!."""
    chances = np.zeros((most + 1, most + 1))
    for n in range(1, most + 1):
        chances[n, :n] = [1 / (n * comb(n - 1, k)) for k in range(n)]
    return chances
