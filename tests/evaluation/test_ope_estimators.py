"""Estimators: Open Bandit Pipeline's values, exact expectations, and what must not move them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.evidence_ope import by_label
from benchmarks.evidence_ope_data import OBP_CASES, golden, obp_case
from revenue_engine.evaluation import estimators
from revenue_engine.evaluation.estimators import METHODS, Estimate, Method, difference, estimate
from revenue_engine.evaluation.intervals import interval_of
from revenue_engine.evaluation.logs import Logged

CASES = st.tuples(st.integers(20, 200), st.integers(2, 7), st.integers(1, 10_000), st.floats(0.5, 6.0))


def standard_error(log: Logged, of: Estimate) -> float:
    return interval_of(of.value, of.influence, log.cluster, of.least_error).standard_error


@pytest.mark.parametrize("case", range(len(OBP_CASES)))
def test_values_are_those_of_open_bandit_pipeline(case: int) -> None:
    log = obp_case(*OBP_CASES[case])
    theirs = golden("ope_obp")[case]
    assert {label.partition(" ")[0] for label in theirs} == set(get_args(Method))
    for label, value in theirs.items():
        assert by_label(log, label).value == pytest.approx(value, rel=1e-9, abs=1e-12), label


def complete() -> tuple[Logged, float]:
    """Every context and arm as often as its probabilities have it, so that means over the log are expectations; the true value."""
    logging = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    target = np.array([[0.7, 0.1, 0.2], [0.0, 0.5, 0.5]])
    truth = np.array([[1.0, 4.0, -2.0], [0.5, 0.0, 9.0]])
    rows = [(x, a) for x, a in product(range(2), range(3)) for _ in range(round(10 * logging[x, a]))]
    x, a = (np.array(column) for column in zip(*rows, strict=True))
    log = Logged(a, truth[x, a], logging[x, a], target[x], np.arange(len(x)), np.zeros((len(x), 3)), logging[x])
    return log, float((target * truth).sum() / 2)


def test_without_chance_ips_is_exact_and_dr_needs_no_right_model() -> None:
    log, truth = complete()
    assert estimators.ips(log).value == pytest.approx(truth)
    assert estimators.snips(log).value == pytest.approx(truth)
    wrong = np.random.default_rng(1).normal(size=log.target.shape)
    by_context = np.where(log.target[:, [0]] > 0, wrong[0], wrong[1])  # a model knows the context alone
    assert estimators.dr(replace(log, predicted=by_context)).value == pytest.approx(truth)
    assert estimators.dm(replace(log, predicted=by_context)).value != pytest.approx(truth)


def test_a_right_model_leaves_dr_no_noise() -> None:
    log, truth = complete()
    right = np.where(log.target[:, [0]] > 0, np.array([1.0, 4.0, -2.0]), np.array([0.5, 0.0, 9.0]))
    some = replace(log, predicted=right).only(np.arange(len(log)) % 3 > 0)
    got = estimators.dr(some)
    assert got.value == pytest.approx(estimators.dm(some).value)
    assert got.least_error == 0
    assert truth == pytest.approx(estimators.dm(replace(log, predicted=right)).value)


@given(CASES)
def test_limits_of_the_parameters_are_their_relatives(case: tuple[int, int, int, float]) -> None:
    log = obp_case(*case)
    most = float(log.weights.max())
    assert estimators.clipped_ips(log, most).value == pytest.approx(estimators.ips(log).value)
    assert estimators.switch_dr(log, most).value == pytest.approx(estimators.dr(log).value)
    assert estimators.dr(log, most).value == pytest.approx(estimators.dr(log).value)
    assert estimators.dros(log, 1e15).value == pytest.approx(estimators.dr(log).value, abs=1e-6)
    for none in (estimators.switch_dr(log, -1.0), estimators.dros(log, 0.0), estimators.dr(log, 0.0)):
        assert none.value == pytest.approx(estimators.dm(log).value)


@given(CASES, st.sampled_from(METHODS))
def test_neither_order_nor_names_matter_and_influence_sums_to_nothing(case: tuple[int, int, int, float], method: Method) -> None:
    log = obp_case(*case)
    order = np.random.default_rng(case[2]).permutation(len(log))
    moved = Logged(
        log.action[order],
        log.reward[order],
        log.propensity[order],
        log.target[order],
        -7 * log.subscriber[order],
        log.predicted[order],
    )
    one, other = estimate(log, method), estimate(moved, method)
    assert one.value == pytest.approx(other.value, rel=1e-9, abs=1e-12)
    assert one.parameter == other.parameter
    assert standard_error(log, one) == pytest.approx(standard_error(moved, other), rel=1e-6)
    assert abs(one.influence.sum()) < 1e-6 * (1 + np.abs(one.influence).sum())


@given(CASES, st.sampled_from(("ips", "snips", "dr")), st.integers(2, 4))
def test_the_same_decision_told_twice_is_no_more_evidence(case: tuple[int, int, int, float], method: Method, times: int) -> None:
    log = obp_case(*case)
    again = np.repeat(np.arange(len(log)), times)
    told = Logged(
        log.action[again],
        log.reward[again],
        log.propensity[again],
        log.target[again],
        log.subscriber[again],
        log.predicted[again],
    )
    one, other = ((e := estimate(x, method), interval_of(e.value, e.influence, x.cluster))[1] for x in (log, told))
    assert other.value == pytest.approx(one.value, rel=1e-9, abs=1e-12)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-6)


@given(CASES)
def test_a_difference_is_dr_less_dr(case: tuple[int, int, int, float]) -> None:
    log = obp_case(*case)
    assert log.logging is not None
    base = log.logging
    assert difference(log, base).value == pytest.approx(
        estimators.dr(log).value - estimators.dr(replace(log, target=base)).value, rel=1e-9, abs=1e-9
    )
    assert difference(log, log.target).value == pytest.approx(0, abs=1e-12)
    cut = difference(log, base, 2.0)
    assert standard_error(log, cut) >= abs(cut.value - difference(log, base).value)


def test_a_constant_reward_is_found_by_the_self_normalised_and_the_modelled() -> None:
    log = obp_case(300, 4, 9, 3.0)
    flat = log.rewarded(np.full(300, 2.5))
    assert estimators.snips(flat).value == pytest.approx(2.5)
    assert standard_error(flat, estimators.snips(flat)) == pytest.approx(0, abs=1e-12)
    assert estimators.dr(log.rewarded(np.full(300, 2.5), np.full((300, 4), 2.5))).value == pytest.approx(2.5)


def test_a_chosen_parameter_is_one_only_where_it_helps() -> None:
    # one decision in 1,000 weighs 300: the unbiased estimate hangs on it, and cutting it costs next to nothing
    n = 4_000
    rare = np.arange(n) % 1_000 == 0
    propensity = np.where(rare, 0.001, 0.999)
    target = np.where(rare[:, None], [0.3, 0.7], [0.7, 0.3])
    reward = np.random.default_rng(3).normal(1.0, 0.1, n)
    log = Logged(np.zeros(n, dtype=np.int64), reward, propensity, target, np.arange(n), np.ones((n, 2)))
    assert (got := estimate(log, "switch_dr")).parameter is not None and got.parameter < 1
    assert abs(got.value - 1.0) < 0.01
    even = obp_case(2_000, 3, 8, 1.0)
    assert standard_error(log, got) == standard_error(log, estimators.dr(log))  # better, but not known to be
    assert estimate(replace(even, propensity=even.played(even.target)), "clipped_ips").parameter is None


def test_the_direct_method_does_not_pretend_to_know_its_model() -> None:
    log = obp_case(3_000, 4, 12, 2.0)
    far = replace(log, predicted=np.full_like(log.predicted, 5.0))
    error = standard_error(far, estimate(far, "dm"))
    assert error >= 5.0 - estimators.dr(far).value - 1e-9
    assert interval_of(5.0, estimators.dm(far).influence, far.cluster).standard_error == pytest.approx(0)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("action", np.array([0, 2]), "no such arm"),
        ("action", np.array([0]), "different lengths"),
        ("reward", np.array([0.0, np.nan]), "not a number"),
        ("target", np.array([[0.5, 0.4], [1.0, 0.0]]), "not a distribution"),
        ("target", np.array([[1.5, -0.5], [1.0, 0.0]]), "not a distribution"),
        ("predicted", np.zeros((2, 3)), "target's shape"),
        ("logging", np.zeros((2, 3)), "target's shape"),
    ],
)
def test_columns_that_fit_nothing_are_an_error(field: str, value: object, says: str) -> None:
    columns = {
        "action": np.array([0, 1]),
        "reward": np.zeros(2),
        "propensity": np.full(2, 0.5),
        "target": np.full((2, 2), 0.5),
        "subscriber": np.arange(2),
        "predicted": np.zeros((2, 2)),
        "logging": None,
    }
    with pytest.raises(ValueError, match=says):
        Logged(**(columns | {field: value}))  # type: ignore[arg-type]
