"""Markov and Shapley against their definitions, computed another way."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.attribution.data_driven import Paths, markov, removal_effects, shapley

Row = tuple[list[int], int, int, int]
CHANNELS = 4

rows = st.lists(
    st.tuples(st.lists(st.integers(0, CHANNELS - 1), min_size=1, max_size=6), st.integers(0, 9), st.integers(0, 99), st.integers(0, 90)),
    min_size=1,
    max_size=12,
)  # fmt: skip


def paths_of(some: list[Row]) -> Paths:
    starts = np.concatenate([[0], np.cumsum([len(path) for path, *_ in some])])
    conversions, value, nulls = (np.array([row[i] for row in some], np.float64) for i in (1, 2, 3))
    return Paths(starts, np.array([c for path, *_ in some for c in path]), conversions, value, nulls, CHANNELS)


def conversion_probability(some: list[Row], removed: int | None) -> float:
    """By iterating the chain until nobody is under way any more; whoever comes to the removed channel is gone."""
    start, converted, nothing = CHANNELS, CHANNELS + 1, CHANNELS + 2
    steps = np.zeros((CHANNELS + 3, CHANNELS + 3))
    for path, conversions, _, nulls in some:
        for before, after in zip([start, *path], path, strict=False):
            steps[before, after] += conversions + nulls
        steps[path[-1], converted] += conversions
        steps[path[-1], nothing] += nulls
    total = steps.sum(axis=1, keepdims=True)
    steps = np.divide(steps, total, out=np.zeros_like(steps), where=total > 0)
    steps[converted, converted] = steps[nothing, nothing] = 1
    if removed is not None:
        steps[removed] = 0
        steps[removed, nothing] = 1
    return float(np.linalg.matrix_power(steps, 2**14)[start, converted])


@given(rows)
def test_a_removal_effect_is_what_the_chain_loses_without_the_channel(some: list[Row]) -> None:
    base = conversion_probability(some, None)
    want = [1 - conversion_probability(some, c) / base if base else 0 for c in range(CHANNELS)]
    assert removal_effects(paths_of(some)) == pytest.approx(want, abs=1e-9)


@given(rows)
def test_a_step_to_the_same_channel_changes_no_effect(some: list[Row]) -> None:
    once = [([c for i, c in enumerate(path) if i == 0 or path[i - 1] != c], *counts) for path, *counts in some]
    assert removal_effects(paths_of(some)) == pytest.approx(removal_effects(paths_of(once)), abs=1e-9)  # type: ignore[arg-type]


@given(rows)
def test_credits_sum_to_the_conversions_and_their_value(some: list[Row]) -> None:
    some = [(path, conversions, value if conversions else 0, nulls) for path, conversions, value, nulls in some]
    for credits_ in (markov(paths_of(some)), shapley(paths_of(some))):
        assert credits_.conversions.sum() == pytest.approx(sum(row[1] for row in some), abs=1e-9)
        assert credits_.value.sum() == pytest.approx(sum(row[2] for row in some), abs=1e-9)


def exact_shapley(some: list[Row]) -> list[Fraction]:
    """By the definition: the mean, over all orders in which a path's channels could have come, of what each adds to the rate."""
    met: dict[frozenset[int], list[int]] = defaultdict(lambda: [0, 0])
    for path, conversions, _, nulls in some:
        met[frozenset(path)][0] += conversions
        met[frozenset(path)][1] += conversions + nulls

    def rate(channels: frozenset[int]) -> Fraction:
        conversions, journeys = met.get(channels, (0, 0))
        return Fraction(conversions, journeys) if journeys else Fraction(0)

    credit = [Fraction(0)] * CHANNELS
    for channels, (conversions, journeys) in list(met.items()):
        orders = list(permutations(channels)) if conversions else []
        for order in orders:
            for i, channel in enumerate(order):
                added = rate(frozenset(order[: i + 1])) - rate(frozenset(order[:i]))
                credit[channel] += added * journeys / len(orders)
    return credit


@given(rows)
def test_shapley_is_the_mean_of_what_a_channel_adds_over_all_orders(some: list[Row]) -> None:
    want = [float(credit) for credit in exact_shapley(some)]
    assert shapley(paths_of(some)).conversions == pytest.approx(want, abs=1e-9)


def test_a_channel_that_goes_with_fewer_conversions_gets_a_negative_credit() -> None:
    got = shapley(paths_of([([0], 50, 500, 50), ([0, 1], 10, 100, 90), ([1], 0, 0, 100)]))
    assert got.conversions.tolist() == pytest.approx([50 + 30, -20, 0, 0])
    assert got.value.tolist() == pytest.approx([500 + 300, -200, 0, 0])


def test_nothing_is_credited_when_nothing_converts() -> None:
    nobody = paths_of([([0, 1], 0, 0, 90)])
    assert removal_effects(nobody).tolist() == [0] * CHANNELS
    for credits_ in (markov(nobody), shapley(nobody)):
        assert credits_.conversions.tolist() == credits_.value.tolist() == [0] * CHANNELS
