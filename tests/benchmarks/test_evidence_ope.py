"""Off-policy evaluation's part of the evidence: named figures from a small run, and worlds that are what they claim."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import evidence_ope
from benchmarks.evidence_ope_data import GOLDEN, naive_choices, pack
from benchmarks.evidence_ope_worlds import challenge, market
from revenue_engine.evaluation.estimators import ips
from tests.shared_data import shared_path


@pytest.mark.parametrize("lift", [0.13, 0.0, -0.11])
def test_a_challengers_lift_is_as_said(lift: float) -> None:
    known = market(lift, np.random.default_rng(8))
    assert known.revenue(known.target) / known.revenue(known.logging) - 1 == pytest.approx(lift, abs=1e-9)
    for policy in (known.target, known.logging):
        assert policy.sum(axis=1) == pytest.approx(1.0)
        assert policy.min() > 0


def test_logs_are_sparse_and_agree_with_the_truth_they_were_drawn_from() -> None:
    random = np.random.default_rng(9)
    known = market(0.13, random)
    drawn = challenge(known, 400_000, random)
    assert (drawn.revenue > 0).mean() < 0.02
    revenue = drawn.log.rewarded(drawn.revenue)
    for seen, truth in ((drawn.revenue, known.revenue(known.logging)), (drawn.log.reward, known.worth(known.logging))):
        assert seen.mean() == pytest.approx(truth, abs=5 * seen.std() / 400_000**0.5)
    assert ips(revenue).value == pytest.approx(known.revenue(known.target), rel=0.1)
    assert len(np.unique(drawn.log.subscriber)) == 100_000


def test_clickbait_pays_more_clicks_than_money() -> None:
    bait = market(0.13, np.random.default_rng(8), misleading=2.0)
    assert bait.worth(bait.target) / bait.worth(bait.logging) > 1.1
    assert bait.revenue(bait.target) / bait.revenue(bait.logging) < 1.05


def test_packed_choices_come_back() -> None:
    for choice in naive_choices(44_800):
        assert set(np.unique(choice)) == {0, 1, 2}
    first = naive_choices(44_800)[0]
    assert pack(first) in GOLDEN.joinpath("hillstrom_t_learner.json").read_text()


def test_a_few_worlds_give_the_gates_figures() -> None:
    rows, figures = evidence_ope.gate(2)
    assert set(figures) == {"gate_power", "gate_takeover_no_gain", "gate_false_takeover", "gate_misled_takeover", "gate_coverage"}
    assert all(0 <= value <= 1 for value in figures.values())
    assert all(len(row) == 3 for row in rows)


def test_real_logs_give_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    shared_path("data/hillstrom/hillstrom_dev.csv.gz")
    monkeypatch.setattr(evidence_ope, "gate", lambda worlds: ([("gate", "", "")], {}))
    rows, figures = evidence_ope.ope_figures(quick=True)
    assert figures["ope_max_difference_to_obp"] < 1e-9
    assert figures["obd_all_ips_ratio"] == pytest.approx(1.1981, abs=5e-5)
    assert figures["obd_women_uniform_refused"] == 1
    assert figures["hillstrom_naive_accepted"] == 0
    assert figures["obd_inside"] == figures["obd_judged"] == 4
    assert len(rows) > 10


def test_without_the_data_the_rest_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_ope, "DATA", GOLDEN / "nowhere")
    monkeypatch.setattr(evidence_ope, "gate", lambda worlds: ([], {}))
    rows, figures = evidence_ope.ope_figures(quick=True)
    assert set(figures) == {"ope_max_difference_to_obp"}
    assert "left out" in rows[-1]
