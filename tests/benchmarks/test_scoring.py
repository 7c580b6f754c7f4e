"""The scoring benchmark in small: its figures, and that it would notice another score, choice or bit; its speeds are not judged."""

from __future__ import annotations

import numpy as np

from benchmarks import scoring
from benchmarks.scoring import OFFERS, Size, agreement, batches_agree, measure, offers_drawn, pairs_of, subscribers_drawn
from revenue_engine.arrays import Floats
from revenue_engine.prediction.scorer import Features

TINY = Size(rows=2_000, subscribers=60, runs=1, looped=5, trees={"click": 6, "value": 4})


def test_a_tiny_run_gives_all_figures() -> None:
    result = measure(quick=True, size=TINY)
    assert set(result.figures) >= {"ratio_numpy_vs_lightgbm_batched", "ratio_numpy_vs_row_loop"}
    assert result.figures["max_raw_difference"] < 5e-6
    assert result.figures["chosen_equal"] == result.figures["bits_equal_across_batches"] == 1
    assert all(len(row) == len(result.columns) for row in result.rows)
    assert result.title.startswith(f"{60 * OFFERS:,} pairs")


def test_pairs_are_every_subscriber_with_every_offer() -> None:
    luck = np.random.default_rng(1)
    subscribers, offers = subscribers_drawn(3, luck), offers_drawn(2, luck)
    pairs = pairs_of(subscribers, offers)
    assert pairs.shape == (6, 26)
    assert np.array_equal(pairs[3], [*subscribers[1], *offers[1]], equal_nan=True)


def test_other_choices_are_noticed_and_close_ones_set_apart() -> None:
    theirs = np.array([[1.0, 2.0], [1.0, 1.0 + 1e-6], [3.0, 2.0]])
    assert agreement(theirs, theirs) == (2, 2, 3)
    assert agreement(theirs[:, ::-1], theirs) == (2, 0, 0)


def test_other_bits_in_a_batch_are_noticed() -> None:
    class Centred:
        def raw(self, subscribers: Features) -> Floats:
            return np.asarray(subscribers - subscribers.mean(axis=0), dtype=np.float64)

    rows = np.arange(40.0).reshape(20, 2)
    assert not batches_agree(Centred(), rows, Centred().raw(rows))  # type: ignore[arg-type]


def test_a_models_work_is_measured_without_its_result() -> None:
    class Wasteful:
        def raw(self, subscribers: Features) -> Floats:
            return np.ones(10_000_000)[: len(subscribers)].copy()

    assert 79 < scoring.held(Wasteful(), np.zeros((10, 1), np.float32)) < 81  # type: ignore[arg-type]
