"""The cycle benchmark in small: its figures, and that its peers are about the same pairs; speeds are not judged."""

from __future__ import annotations

import json

import numpy as np

from benchmarks import cycle_scene as scene
from benchmarks.cycle import Run, dollars, measure, play, predicted_alone, write_calls
from revenue_engine.cycle import decide_batch
from revenue_engine.prediction.scorer import Scorer
from revenue_engine.prospects import features
from revenue_engine.records.batch import decode


def test_tables_score_what_the_boosters_score() -> None:
    models = scene.models(3_000)
    at_work = scene.cycle(models.bundle, 200)
    batch = decode(*scene.page(0, 200))
    matrix = scene.pairs_of(batch, at_work)
    assert matrix.shape == (200 * scene.OFFERS, len(features(batch, at_work)[0][0]) + len(at_work.arms[0]))
    funnel = models.bundle.funnel
    assert funnel is not None and funnel.click.trees is not None
    ours = Scorer(funnel.click.trees, at_work.arms).raw(features(batch, at_work)[0])
    theirs = models.boosters[0].predict(matrix, raw_score=True).reshape(ours.shape)
    assert np.abs(ours - theirs).max() < 5e-6


def test_a_cycle_sends_what_it_decides() -> None:
    models = scene.models(3_000)
    run = play(models.bundle, 700)
    batch = decode(*scene.page(0, 700))
    decisions = decide_batch(batch, scene.cycle(models.bundle, 700))
    assert run.mails == int(decisions.mail.sum()) > 100
    assert run.pairs % scene.OFFERS == 0 and 500 * scene.OFFERS < run.pairs <= 700 * scene.OFFERS
    assert run.message_count >= 1 and run.message_bytes > 100 * run.mails
    assert 0 < run.tally < run.cycle


def test_all_figures_come_of_a_tiny_run() -> None:
    result = measure(quick=True, sizes=(300, 600))
    assert set(result.figures) >= {
        "ratio_vs_lightgbm_predict_alone",
        "ratio_vs_lightgbm_predict_alone_without_tally",
        "ratio_vs_spec_loop",
        "cpu_per_pair_1m_over_10k",
        "peak_mb_1m",
        "write_cpu_s_per_million",
        "dollars_per_million_decisions",
    }
    assert all(len(row) == len(result.columns) for row in result.rows)
    json.dumps(dict(result.figures))


def test_money_is_what_the_price_list_says() -> None:
    run = Run(people=1_000_000, cycle=10.0, message_count=100, message_bytes=100, put_count=0)
    paid = dollars(run, 0.0)
    assert abs(paid["Lambda"] - 10 * 1.769 * 0.0000133334) < 1e-9
    assert paid["table writes"] == 4 * 0.625


def test_calls_are_made_up_in_the_client_and_predict_is_timed() -> None:
    assert write_calls(Run(people=10, message_count=1, message_bytes=500)) > 0
    seconds, matrix = predicted_alone(scene.models(3_000))
    assert seconds > 0 and len(matrix) == scene.PAGE_ROWS // 2 * scene.OFFERS
