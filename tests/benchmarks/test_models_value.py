"""The benchmark of value on little: its log is what a sender knew, a leak shows, and its parts say what they measure."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks import models, models_value, models_value_world
from benchmarks.models_value_cdnow import cdnow_figures
from benchmarks.models_value_data import CALIBRATION_ENDS, HOLDOUT_ENDS, cdnow
from benchmarks.models_value_hazard import errors_of, hazard_figures
from benchmarks.models_value_log import TRAITS, Log, traits
from benchmarks.models_value_telco import telco_figures
from benchmarks.models_value_world import Ranking, rank, true_value
from revenue_engine.evaluation.ranking import is_leak, spearman
from tests.shared_data import shared_path
from workbench.simulation.worlds import World, named

PEOPLE, DAY, LAST = 600, 40, 69


@cache
def played() -> tuple[Log, World]:
    """70 days of a small world; the morning after day 40 was kept."""
    world, log = World(named("fatigued"), 4, PEOPLE), Log(PEOPLE)
    log.play(world, LAST + 1, 5.0, np.random.default_rng(4), keep=(DAY,))
    return log, world


def to_day(day: int) -> Log:
    """The same world, played no further than this day."""
    world, log = World(named("fatigued"), 4, PEOPLE), Log(PEOPLE)
    luck = np.random.default_rng(4)
    log.play(world, day + 1, 5.0, luck)
    log.mornings[day] = world.observables(world.day)
    return log


# --- leaks ---------------------------------------------------------------------------------------------------------------
def test_features_are_of_their_day_whatever_happened_later() -> None:
    late, _ = played()
    for name, values in to_day(DAY).features(DAY).items():
        assert np.array_equal(values, late.features(DAY)[name]), name


def test_a_leak_is_only_there_when_asked_for() -> None:
    log, _ = played()
    honest, leaking = log.features(DAY), log.features(DAY, known=DAY + 20)
    assert (leaking["clicks"] >= honest["clicks"]).all() and leaking["clicks"].sum() > honest["clicks"].sum()
    assert np.array_equal(leaking["tenure"], honest["tenure"])


def test_the_hazards_rows_know_nothing_later_than_their_day() -> None:
    late, _ = played()
    everybody = np.ones(PEOPLE, dtype=bool)
    early, known = to_day(DAY).exposures(DAY, everybody), late.exposures(DAY, everybody)
    for name in ("start", "stop", "left", "covariates"):
        assert np.array_equal(getattr(early, name), getattr(known, name)), name
    assert known.left.sum() > 10


def test_revenue_is_of_mails_sent_in_the_window_alone() -> None:
    """A conversion told in the window whose click was before belongs to nobody's future; one told too late is not known yet."""
    log = Log(3)
    rows = [
        (0, 12, 8, 5_000_000),
        (0, 15, 11, 7_000_000),
        (1, 21, 12, 9_000_000),
        (1, 40, 12, 1_000_000),
        (2, 14, 11, -3_000_000),
    ]
    person, told, sent, micros = (np.array(column) for column in zip(*rows, strict=True))
    log.money.parts.append((person, told, sent, micros))
    assert log.revenue(10, 20, 30).tolist() == [7e6, 9e6, 0.0]
    assert log.revenue(10, 20, 45).tolist() == [7e6, 10e6, 0.0]


def test_no_feature_is_an_outcome_or_a_prediction() -> None:
    log, _ = played()
    names = (*log.features(DAY), *TRAITS)
    assert not [name for name in names for word in ("exit", "unsub", "left", "ltv", "segment", "alive") if word in name]


def test_seeing_a_month_of_the_future_scores_higher_and_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_value_world, "NOW", 224)
    monkeypatch.setattr(models_value_world, "HAZARD_PEOPLE", 1_500)
    one = rank(2, 5_000)
    assert one.buyers > 100 and one.ceiling > 0.4
    assert one.leaking > one.model
    assert is_leak(one.leaking, one.ceiling)
    assert not is_leak(one.model, one.ceiling)


# --- the log and the truth -----------------------------------------------------------------------------------------------
def test_the_log_adds_up_to_what_the_world_told() -> None:
    log, world = played()
    mails = log.totals(log.mails, -1, LAST)
    assert mails.mean() == pytest.approx(5 / 7 * 70, rel=0.1)
    gone = np.unique(log.exits.columns()[0])
    assert np.array_equal(np.flatnonzero(~world.observables(world.day).mailable), gone)
    rows = log.exposures(LAST, np.ones(PEOPLE, dtype=bool))
    assert 0.9 * len(gone) <= rows.left.sum() <= len(gone)  # the dead since before a mail and the like: every exit answers a mail
    assert log.features(DAY)["since_click"].max() <= DAY + 1


def test_traits_are_the_profiles() -> None:
    log, _ = played()
    seen = log.mornings[-1]
    table = dict(zip(TRAITS, traits(seen).T, strict=True))
    assert table["checkout"].tolist() == (seen.source == 1).tolist()
    assert table["outlook"].tolist() == (seen.provider == 2).tolist()
    assert table["purchases"].max() == 10.0


def test_the_true_value_is_what_people_are_worth_on_average() -> None:
    """Expectations of each mail at its moment, over 90 days, against the truth of the first morning; and nothing is changed by asking."""
    world, log = World(named("default"), 5, 4_000), Log(4_000)
    log.play(world, 30, 3.5, np.random.default_rng(5))
    before = copy.deepcopy(world.state)
    said = true_value(world)
    assert np.array_equal(before.fatigue, world.state.fatigue) and np.array_equal(before.lapsed, world.state.lapsed)
    came = np.zeros(4_000)
    for _ in range(90):
        log.play(world, 1, 3.5, np.random.default_rng(world.day))
        outcome = world.truth.outcome
        assert outcome is not None
        came += np.bincount(log.mails.parts[-1][0], outcome.expected_micros, minlength=4_000)
    assert said[world.truth.dead].sum() < 0.02 * said.sum()
    assert said.sum() == pytest.approx(came.sum(), rel=0.3)  # offers come and go, seasons change
    assert spearman(said, came) > 0.85


# --- the parts -----------------------------------------------------------------------------------------------------------
def test_a_hazard_is_asked_about_three_cadences() -> None:
    errors = errors_of("fatigued", 3, 2_000)
    assert errors.shape == (3,) and np.abs(errors).max() < 8.0


def test_figures_of_worlds_are_named_and_the_worst_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {("default", 1): (-0.5, 9.0, 0.25), ("fatigued", 1): (1.0, 9.0, -2.0)}
    monkeypatch.setattr("benchmarks.models_value_hazard.errors_of", lambda name, seed, people: np.array(made[name, seed]))
    rows, figures = hazard_figures([1])
    assert figures == {"hazard_error_points": 2.0, "hazard_error_points_default": 0.5}
    assert len(rows) == 6
    monkeypatch.setattr(models_value_world, "rank", lambda seed, people: Ranking(9, 0.6, 0.48 + 0.06 * seed, 0.3, 0.6))
    assert models_value_world.ltv_figures([1, 2])[1] == pytest.approx(
        {"ltv_world_gini": 0.95, "ltv_world_gini_simple": 0.5, "ltv_world_gini_leaking": 1.0, "ltv_world_leak_caught": 1.0}
    )


def test_cdnows_holdout_is_beaten_by_what_was_learned_before_it() -> None:
    shared_path("data/cdnow/cdnow_transactions.csv.gz")
    rows, figures = cdnow_figures(every=13)
    assert figures["cdnow_gini_bgnbd"] == pytest.approx(0.672, abs=1e-3)
    assert figures["cdnow_spearman_bgnbd"] == pytest.approx(0.421, abs=1e-3)
    assert figures["cdnow_top_tenth_bgnbd"] == pytest.approx(0.516, abs=1e-3)
    assert figures["cdnow_mae_bgnbd"] == pytest.approx(32.68, abs=0.01)
    assert figures["cdnow_gini"] >= 0.71 and figures["cdnow_spearman"] >= 0.44 and figures["cdnow_top_tenth"] >= 0.518
    assert figures["cdnow_bias_abs"] <= 0.08
    assert figures["cdnow_confidence_error"] < 0.02
    assert all(len(row) == 3 for row in rows)


def test_cdnow_is_the_published_cohort() -> None:
    shared_path("data/cdnow/cdnow_transactions.csv.gz")
    orders, sample = cdnow()
    assert orders.amount.sum() == pytest.approx(2_500_315.63)
    assert len(np.unique(orders.buyer)) == 23_570 and len(sample) == 2_357
    assert (CALIBRATION_ENDS, HOLDOUT_ENDS, orders.day.max()) == (272, 545, 545)


def test_telephone_customers_who_leave_are_put_in_front() -> None:
    shared_path("data/telco_churn/telco_churn.csv.gz")
    _, figures = telco_figures()
    assert figures["telco_concordance"] >= 0.85
    assert figures["hazard_max_difference_to_lifelines"] < 1e-9


def test_the_table_is_of_all_parts_and_says_what_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = ([("a", "b", "c")], {"x": 1.0})
    monkeypatch.setattr(models_value, "hazard_figures", lambda seeds: part)
    monkeypatch.setattr(models_value, "ltv_figures", lambda seeds: ([("d", "e", "f")], {"y": float(len(seeds))}))
    for name in ("funnel_figures", "world_figures"):
        monkeypatch.setattr(models, name, lambda quick: ([], {}))
    monkeypatch.setattr("benchmarks.models_value.DATA", tmp_path / "nowhere")
    result = models.measure(True)
    assert "left out" in result.rows[0]
    assert result.figures == {"x": 1.0, "y": 1.0}
