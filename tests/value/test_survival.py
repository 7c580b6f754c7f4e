"""Served hazards: known answers, clocks that count mails, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.arrays import Floats
from revenue_engine.value.survival import Baseline, Hazard, between, relative, stratum, survival, under_cadence

PLAIN = Baseline(np.array([0.0, 10.0, 20.0]), np.array([0.0, 0.1, 0.4]), 0.02)
STEEP = Baseline(np.array([0.0, 10.0]), np.array([0.0, 1.0]), 0.05)
HAZARD = Hazard(("tired", "new"), np.array([np.log(2.0), np.log(3.0)]), np.array([1.0, 0.5]), (), (PLAIN,))
STRATIFIED = Hazard(("tired", "new"), np.array([np.log(2.0), 0.0]), np.array([1.0, 0.5]), (1,), (PLAIN, STEEP))


def one(*values: float) -> Floats:
    return np.array([values])


def test_between_the_clocks_of_exits_the_baseline_is_straight_and_beyond_them_it_goes_on() -> None:
    assert PLAIN.at(np.array([0.0, 5.0, 10.0, 15.0, 20.0, 30.0])) == pytest.approx([0.0, 0.05, 0.1, 0.25, 0.4, 0.6])


def test_survival_is_that_of_the_clock_gone_through_times_the_relative_hazard() -> None:
    person = one(2.0, 0.5)  # one unit more tired than the mean
    assert relative(HAZARD, person) == pytest.approx([2.0])
    assert survival(HAZARD, person, np.array([10.0]), np.array([20.0])) == pytest.approx([np.exp(-2 * 0.3)])


def test_who_has_survived_more_starts_later_on_the_clock() -> None:
    people = np.repeat(one(1.0, 0.5), 3, axis=0)
    gained = between(HAZARD, people, np.array([0.0, 10.0, 20.0]), np.array([10.0, 20.0, 30.0]))
    assert gained == pytest.approx([0.1, 0.3, 0.2])


def test_a_stratum_has_a_baseline_instead_of_a_coefficient() -> None:
    people = np.array([[1.0, 0.0], [1.0, 1.0]])
    assert stratum(STRATIFIED, people).tolist() == [0, 1]
    assert between(STRATIFIED, people, np.zeros(2), np.full(2, 20.0)) == pytest.approx([0.4, 1.5])


def test_half_the_cadence_goes_through_the_same_clock_in_twice_the_time() -> None:
    people = np.broadcast_to(np.array([1.0, 0.5]), (1, 8, 2))
    sent = np.array([3.0])
    often = under_cadence(HAZARD, people, sent, np.full((1, 8), 2.0))
    seldom = under_cadence(HAZARD, people, sent, np.full((1, 8), 1.0))
    assert seldom[0, 1::2] == pytest.approx(often[0, :4])
    assert often[0, -1] == pytest.approx(PLAIN.at(np.array(19.0)) - PLAIN.at(np.array(3.0)))


def test_nobody_leaves_without_mail() -> None:
    people = np.broadcast_to(np.array([5.0, 1.0]), (2, 4, 2))
    assert not under_cadence(HAZARD, people, np.array([0.0, 50.0]), np.zeros((2, 4))).any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="3 covariates, not the 2"):
        relative(HAZARD, one(1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="below zero"):
        under_cadence(HAZARD, np.zeros((1, 1, 2)), np.zeros(1), np.array([[-1.0]]))
    with pytest.raises(ValueError, match="every stratum"):
        Hazard(("new",), np.zeros(1), np.zeros(1), (0,), (PLAIN,))
    with pytest.raises(ValueError, match="every covariate"):
        Hazard(("new",), np.zeros(2), np.zeros(1), (), (PLAIN,))
