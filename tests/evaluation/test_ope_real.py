"""Off-policy evaluation of other people's logs: the Open Bandit sample and Hillstrom's mails, in ../shared."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks import evidence_ope as study
from benchmarks.evidence_ope_data import (
    ARMS,
    CAMPAIGNS,
    MENS,
    NONE,
    POSITIONS,
    WOMENS,
    Mails,
    mails,
    naive_choices,
    shop,
    shop_log,
    thompson,
)
from revenue_engine.evaluation.deviation import safe_arms
from revenue_engine.evaluation.estimators import METHODS, Method, ips
from revenue_engine.evaluation.evaluate import Evaluation, evaluate
from revenue_engine.evaluation.logs import Logged
from revenue_engine.evaluation.overlap import Guards, Refusal
from tests.shared_data import shared_path

# mean and standard error of spend in the publisher's 64,000 rows
PUBLISHED = {NONE: (0.6528, 11.59 / 21_306**0.5), MENS: (1.4226, 17.75 / 21_307**0.5), WOMENS: (1.0772, 15.10 / 21_387**0.5)}


def looked_at(campaign: str, writer: str) -> tuple[Logged, float]:
    """The log seen by the other policy, and that policy's own click rate."""
    shared_path(f"data/obd/{campaign}_{writer}.csv.gz")
    arms = CAMPAIGNS[campaign]
    target = thompson(campaign) if writer == "random" else np.full((POSITIONS, arms), 1 / arms)
    return shop_log(shop(campaign, writer), target), float(shop(campaign, "bts" if writer == "random" else "random").click.mean())


@cache
def sent() -> Mails:
    shared_path("data/hillstrom/hillstrom_dev.csv.gz")
    return mails()


def test_the_published_ratio_of_open_bandit() -> None:
    log, _ = looked_at("all", "random")
    assert ips(log).value / log.reward.mean() == pytest.approx(1.198126, abs=1e-6)


@pytest.mark.parametrize(("campaign", "writer"), [("men", "random"), ("men", "bts"), ("women", "random"), ("all", "random")])
@pytest.mark.parametrize("method", METHODS)
def test_the_other_policys_own_click_rate_lies_inside(campaign: str, writer: str, method: Method) -> None:
    log, truth = looked_at(campaign, writer)
    got = evaluate(log, method, study.LOOKING)
    assert isinstance(got, Evaluation)
    low, high = got.interval.both()
    assert low < truth < high


@pytest.mark.parametrize("guards", [Guards(), study.LOOKING, Guards(fewest_effective=100.0)])
def test_two_effective_decisions_are_refused(guards: Guards) -> None:
    log, _ = looked_at("women", "bts")
    got = evaluate(log, "dr", guards)
    assert isinstance(got, Refusal) and got.reason == "too_few_effective_samples"
    assert got.detail.startswith("2 of 10000")


def test_the_gate_would_act_on_one_of_the_six_only() -> None:
    verdicts = {(c, w): evaluate(looked_at(c, w)[0]) for c in CAMPAIGNS for w in ("random", "bts")}
    assert {which for which, got in verdicts.items() if isinstance(got, Evaluation)} == {("men", "random")}


@pytest.mark.parametrize("method", ["ips", "snips", "dr", "switch_dr", "dros", "clipped_ips"])
def test_constant_mails_come_out_as_published_and_in_order(method: Method) -> None:
    customers = sent()
    got = {}
    for arm in range(len(ARMS)):
        evaluated = evaluate(study.mail_log(customers, study.always(arm, len(customers.action))), method)
        assert isinstance(evaluated, Evaluation)
        mean, error = PUBLISHED[arm]
        assert abs(evaluated.value - mean) < 1.96 * error
        low, high = evaluated.interval.both()
        assert low < mean < high
        got[arm] = evaluated.value
    assert got[MENS] > got[WOMENS] > got[NONE]


def test_the_naive_learner_is_not_called_better_than_always_mens() -> None:
    for choice in naive_choices(len(sent().action)):
        assert 0.05 < (choice != MENS).mean()  # it does personalise
        got = study.against_mens(sent(), choice)
        assert isinstance(got, Evaluation)
        assert got.interval.lower() <= 0
        assert got.value < 0.1


def test_the_safe_rule_loses_nothing() -> None:
    got = [study.against_mens(sent(), study.safe_choice(sent(), split)) for split in range(5)]
    gains = [e.value for e in got if isinstance(e, Evaluation)]
    assert len(gains) == 5
    assert np.mean(gains) >= -0.015
    assert np.mean([e.interval.lower() for e in got if isinstance(e, Evaluation)]) >= -0.04


def test_the_safe_rule_is_not_deaf() -> None:
    # nobody was mailed only what the best arm is: against no mail, the men's and women's mails are shown to be better
    customers = sent()
    arms = safe_arms(
        customers.action,
        customers.spend,
        customers.propensity,
        np.zeros(len(customers.action), np.int64),
        arms=3,
        segments=1,
        base=NONE,
    )
    assert arms.tolist() == [MENS]
