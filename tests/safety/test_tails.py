"""Negative-binomial tails against scipy's."""

from __future__ import annotations

import pytest
from scipy import stats

from revenue_engine.safety.sequential import poisson_at_least
from revenue_engine.safety.tails import negative_binomial_at_least, negative_binomial_at_most


def counts_around(mean: float) -> list[int]:
    return sorted({0, 1, 2, *(round(mean * f) for f in (0.2, 0.5, 0.9, 1.0, 1.1, 1.5, 3.0, 10.0))})


@pytest.mark.parametrize("dispersion", [1e-4, 0.01, 0.15, 1.0, 5.0])
@pytest.mark.parametrize("mean", [1e-4, 0.05, 0.5, 3.0, 50.0, 5_000.0])
def test_both_tails_are_the_negative_binomials(mean: float, dispersion: float) -> None:
    exact = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    for events in counts_around(mean):
        assert negative_binomial_at_least(events, mean, dispersion) == pytest.approx(exact.sf(events - 1), rel=1e-8, abs=1e-15)
        assert negative_binomial_at_most(events, mean, dispersion) == pytest.approx(exact.cdf(events), rel=1e-8, abs=1e-15)


@pytest.mark.parametrize("mean", [0.05, 3.0, 50.0])
def test_without_dispersion_it_is_poissons(mean: float) -> None:
    for events in counts_around(mean):
        assert negative_binomial_at_least(events, mean, 0.0) == pytest.approx(poisson_at_least(events, mean), rel=1e-3, abs=1e-15)


def test_of_nothing_nothing_comes() -> None:
    assert negative_binomial_at_least(0, 0.0, 0.1) == 1.0
    assert negative_binomial_at_least(1, 0.0, 0.1) == 0.0
    assert negative_binomial_at_most(0, 0.0, 0.1) == 1.0
    assert negative_binomial_at_most(-1, 3.0, 0.1) == 0.0
