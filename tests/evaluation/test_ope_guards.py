"""What cannot be judged is refused, with the reason; what can is judged on what was left to chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.evidence_ope_data import obp_case
from revenue_engine.evaluation.evaluate import Evaluation, compare, evaluate
from revenue_engine.evaluation.logs import Logged
from revenue_engine.evaluation.overlap import Guards, Reason, Refusal, overlap

GUARDS = Guards(fewest_effective=300.0)


def log(n: int = 2_000) -> Logged:
    """Two arms, played evenly; the target prefers the second, which brings more."""
    random = np.random.default_rng(n)
    action = random.integers(0, 2, n)
    reward = (random.random(n) < np.where(action == 1, 0.3, 0.2)).astype(np.float64)
    logging = np.full((n, 2), 0.5)
    return Logged(action, reward, np.full(n, 0.5), np.tile([0.2, 0.8], (n, 1)), np.arange(n), np.zeros((n, 2)), logging)


def refused(of: Logged, guards: Guards = GUARDS) -> Refusal:
    got = evaluate(of, "dr", guards)
    assert isinstance(got, Refusal)
    return got


def test_a_good_log_is_judged() -> None:
    got = evaluate(log(), "ips", GUARDS)
    assert isinstance(got, Evaluation)
    low, high = got.interval.both()
    assert low < 0.2 * 0.2 + 0.8 * 0.3 < high
    assert got.overlap.decisions == got.overlap.subscribers == 2_000
    assert got.overlap.effective == pytest.approx(2_000 / (0.5 * (0.4**2 + 1.6**2)), rel=0.02)
    assert got.overlap.left_out == 0


def test_certain_decisions_are_left_out_and_counted() -> None:
    free = log()
    certain = np.arange(2_000) % 4 == 0
    logging = np.where(certain[:, None], np.eye(2)[free.action], 0.5)
    mixed = replace(free, propensity=np.where(certain, 1.0, 0.5), logging=logging, reward=np.where(certain, 99.0, free.reward))
    got = evaluate(mixed, "dr", GUARDS)
    alone = evaluate(free.only(~certain), "dr", GUARDS)
    assert isinstance(got, Evaluation) and isinstance(alone, Evaluation)
    assert got.overlap.left_out == 500
    assert got.value == alone.value


REFUSED: list[tuple[Reason, Logged]] = [
    ("nothing_left_to_chance", replace(log(), propensity=np.ones(2_000))),
    ("nothing_left_to_chance", log().only(np.zeros(2_000, np.bool_))),
    ("too_few_subscribers", log(150)),
    ("too_few_subscribers", replace(log(), subscriber=np.arange(2_000) % 150)),
    ("unsupported_actions", replace(log(), propensity=np.where(np.arange(2_000) == 7, 0.0, 0.5))),
    ("unsupported_actions", replace(log(), propensity=np.where(np.arange(2_000) == 7, np.nan, 0.5))),
    ("unsupported_actions", replace(log(), propensity=np.where(np.arange(2_000) == 7, -0.5, 0.5))),
    # it never was played, so no row shows it: only the whole policy does
    ("unsupported_actions", replace(log(), logging=np.tile([1.0, 0.0], (2_000, 1)))),
    ("unsupported_actions", replace(log(), action=np.zeros(2_000, np.int64), target=np.tile([0.0, 1.0], (2_000, 1)))),
    # the target's arm was hardly ever played
    ("too_few_effective_samples", obp_case(5_000, 60, 4, 40.0)),
    # one subscriber was decided for fifty-one times
    ("weights_too_large", replace(log(), subscriber=np.maximum(np.arange(2_000), 50))),
    # the log was not drawn with these propensities
    ("weights_do_not_average_one", replace(log(), propensity=np.full(2_000, 0.4))),
    # where the target wants only an arm that was not played, weights are missing
    ("weights_do_not_average_one", replace(log(), action=np.zeros(2_000, np.int64), logging=None)),
    # what was rewarded is nothing that the target would do
    (
        "too_few_rewards",
        replace(log(), target=np.tile([0.0, 1.0], (2_000, 1)), reward=np.where(log().action == 0, 1.0, 0.0)),
    ),
    ("too_few_rewards", replace(log(), reward=np.where(np.arange(2_000) < 30, log().reward, 0.0))),
]


@pytest.mark.parametrize(("reason", "given"), REFUSED, ids=[f"{i}-{reason}" for i, (reason, _) in enumerate(REFUSED)])
def test_each_reason(reason: Reason, given: Logged) -> None:
    got = refused(given)
    assert got.reason == reason, got
    assert any(digit.isdigit() for digit in got.detail)


def test_an_acting_gate_asks_for_more_than_two_thousand_decisions_can_give() -> None:
    got = evaluate(log())
    assert isinstance(got, Refusal) and got.reason == "too_few_effective_samples"


def test_a_comparison_needs_both_policies_covered() -> None:
    known = log()
    uniform = np.full((2_000, 2), 0.5)
    got = compare(known, uniform, GUARDS)
    assert isinstance(got, Evaluation)
    assert got.interval.both()[0] < 0.3 * 0.1 < got.interval.both()[1]
    assert got.parameter is None
    cut = compare(known, uniform, GUARDS, most=1.2)
    assert isinstance(cut, Evaluation) and cut.parameter == 1.2
    lost = replace(known, logging=np.tile([1.0 - 1e-7, 1e-7], (2_000, 1)), target=np.tile([1.0, 0.0], (2_000, 1)))
    other = compare(lost, np.tile([0.0, 1.0], (2_000, 1)), GUARDS)
    assert isinstance(other, Refusal) and other.reason == "unsupported_actions"


def test_correlated_weights_of_a_person_count_as_one() -> None:
    # four decisions each, always the same arm: the effective number is of people
    people = log(1_000)
    four = people.only(np.ones(1_000, np.bool_))
    again = np.repeat(np.arange(1_000), 4)
    told = Logged(
        four.action[again],
        four.reward[again],
        four.propensity[again],
        four.target[again],
        four.subscriber[again],
        four.predicted[again],
    )
    one, other = overlap(people, GUARDS), overlap(told, GUARDS)
    assert not isinstance(one, Refusal) and not isinstance(other, Refusal)
    assert other[1].effective == pytest.approx(one[1].effective)
    assert other[1].mean_error == pytest.approx(one[1].mean_error)
