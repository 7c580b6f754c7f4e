"""Mis-split arms: p-values against SciPy, looks every day, and headline tests of which a part was not randomised properly."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from revenue_engine.evaluation.srm import CONCENTRATION, anytime_p, chi_square_p
from tests.shared_data import shared_path

DUE = (0.95, 0.04, 0.01)


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 50)), min_size=2, max_size=9).filter(
        lambda arms: any(n for n, _ in arms)
    )
)
def test_both_are_as_in_scipy(arms: list[tuple[int, int]]) -> None:
    counts = np.array([count for count, _ in arms])
    shares = np.array([share for _, share in arms], dtype=float)
    shares /= shares.sum()
    expected = stats.chisquare(counts, counts.sum() * shares)
    assert chi_square_p(counts.tolist(), shares.tolist()) == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    total = int(counts.sum())
    mixed = stats.dirichlet_multinomial.logpmf(counts, CONCENTRATION * shares, total)
    plain = stats.multinomial.logpmf(counts, total, shares)
    assert anytime_p(counts.tolist(), shares.tolist()) == pytest.approx(min(1.0, exp(plain - mixed)), rel=1e-4, abs=1e-12)


def test_daily_looks_at_arms_as_due_rarely_call_them_mis_split_and_daily_chi_squares_often() -> None:
    random = np.random.default_rng(8)
    days = random.multinomial(400, DUE, (600, 60)).cumsum(axis=1)
    anytime = [any(anytime_p(day, DUE) < 0.01 for day in world) for world in days.tolist()]
    plain = [any(chi_square_p(day, DUE) < 0.01 for day in world) for world in days.tolist()]
    assert np.mean(anytime) <= 0.01 + 0.008
    assert np.mean(plain) > 0.03


def test_two_of_a_hundred_people_in_the_wrong_arm_are_noticed() -> None:
    random = np.random.default_rng(9)
    found = [anytime_p(random.multinomial(5_000, (0.93, 0.06, 0.01)).tolist(), DUE) < 0.01 for _ in range(100)]
    assert np.mean(found) > 0.99


def test_people_in_an_arm_that_nobody_was_due_are_a_mismatch_at_once() -> None:
    assert anytime_p((950, 40, 1), (0.96, 0.04, 0.0)) == 0.0
    assert chi_square_p((950, 40, 1), (0.96, 0.04, 0.0)) == 0.0
    assert anytime_p((960, 40, 0), (0.96, 0.04, 0.0)) == 1.0


def test_nobody_yet_is_no_mismatch() -> None:
    assert anytime_p((0, 0, 0), DUE) == chi_square_p((0, 0, 0), DUE) == 1.0


@pytest.mark.parametrize(
    ("counts", "shares"), [((1, 2), DUE), ((1, 2), (0.5, 0.4)), ((-1, 2), (0.5, 0.5)), ((1, 2), (1.5, -0.5))]
)
def test_shares_that_are_none_are_refused(counts: tuple[int, ...], shares: tuple[float, ...]) -> None:
    for p in (anytime_p, chi_square_p):
        with pytest.raises(ValueError, match="counts, shares"):
            p(counts, shares)


def test_three_of_four_flagged_headline_tests_fail_and_few_of_the_others() -> None:
    tests: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    with gzip.open(shared_path("data/upworthy/upworthy_dev.csv.gz"), "rt") as lines:
        for row in csv.DictReader(lines):
            tests[row["randomisation_risk"], row["test_id"]].append(int(row["impressions"]))
    called: defaultdict[str, list[bool]] = defaultdict(list)
    surely: defaultdict[str, list[bool]] = defaultdict(list)
    for (flagged, _), counts in tests.items():
        even = [1 / len(counts)] * len(counts)
        called[flagged].append(chi_square_p(counts, even) < 0.01)
        surely[flagged].append(anytime_p(counts, even) < 0.01)
    assert len(called["1"]) == 771
    assert 0.72 <= np.mean(called["1"]) <= 0.78
    assert 0.01 <= np.mean(called["0"]) <= 0.03
    # the price of looking at any time
    assert np.mean(surely["1"]) > 0.55
    assert np.mean(surely["0"]) < 0.01
