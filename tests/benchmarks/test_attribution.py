"""The benchmark's parts agree with each other on a few conversions; its speeds are not judged here."""

from __future__ import annotations

import numpy as np

from benchmarks.attribution import Batch, drawn, engine, loop, measure, within_a_micro_a_touch


def test_a_small_run_gives_all_figures_and_equal_totals() -> None:
    result = measure(quick=True, conversions=300)
    assert result.figures["totals_equal"] == 1
    assert {"ratio_vs_python_loop", "ratio_vs_marketing_attribution_models"} <= set(result.figures)
    assert all(value > 0 for value in result.figures.values())
    assert all(len(row) == len(result.columns) for row in result.rows)


def test_unequal_totals_would_be_noticed() -> None:
    batch = drawn(200, seed=1)
    exact = engine(batch.laid_out(), batch.amounts)
    assert exact.tolist() == loop(*batch.lists)
    other = Batch(batch.amounts + 1, batch.starts, batch.at_millis, batch.clicked, batch.arms)
    assert loop(*other.lists) != exact.tolist()
    assert within_a_micro_a_touch(exact, exact.astype(np.float64).tolist(), batch)
    assert not within_a_micro_a_touch(exact, (exact * 1.001).tolist(), batch)


def test_touches_are_drawn_oldest_first_inside_the_window() -> None:
    batch = drawn(500, seed=2)
    within = np.ones(len(batch.at_millis), np.bool_)
    within[batch.starts[:-1]] = False
    assert (np.diff(batch.at_millis, prepend=0)[within] >= 0).all()
    assert set(np.diff(batch.starts).tolist()) == set(range(1, 21))
