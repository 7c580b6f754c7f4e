"""A batch gives what its conversions give one by one, whatever the order and however they are cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from revenue_engine.attribution import journeys
from revenue_engine.attribution.journeys import credit, lay_out
from revenue_engine.attribution.models import MODELS, allocate_all
from revenue_engine.records.send import Touch
from tests.attribution.batches import Batch, drawn

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def one_by_one(batch: Batch, click_weight: float) -> dict[str, list[int]]:
    """Micros of each touch, from the function that books a single conversion."""
    got: dict[str, list[int]] = {model: [0] * int(batch.starts[-1]) for model in MODELS}
    for c, amount in enumerate(batch.amounts.tolist()):
        touches = [
            Touch(
                "click" if batch.clicked[i] else "open",
                EPOCH + timedelta(milliseconds=int(batch.at_millis[i])),
                str(i),
                True,
                1.0,
            )
            for i in range(batch.starts[c], batch.starts[c + 1])
        ]
        for model, shares in allocate_all(amount, touches, half_life_days=7, click_weight=click_weight).items():
            for share in shares:
                got[model][int(share.send_id)] = share.micros
    return got


@pytest.mark.parametrize("click_weight", [1.0, 2.0, 100.0])
def test_a_batch_gives_what_its_conversions_give_one_by_one(click_weight: float) -> None:
    batch = drawn(300, seed=5)
    got = batch.micros(click_weight=click_weight)
    assert {model: micros.tolist() for model, micros in got.items()} == one_by_one(batch, click_weight)


def test_pieces_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = drawn(2_000, seed=6)
    whole = batch.micros()
    for size in (1, 7, 1_000):
        monkeypatch.setattr(journeys, "_AT_A_TIME", size)
        for model, micros in batch.micros().items():
            assert np.array_equal(micros, whole[model])


def test_every_conversion_with_touches_is_laid_out_once() -> None:
    batch = drawn(500, seed=7)
    sides = lay_out(batch.starts, batch.at_millis, batch.clicked, np.arange(batch.starts[-1]))
    laid = np.concatenate([side.conversions for side in sides])
    assert sorted(laid.tolist()) == np.flatnonzero(np.diff(batch.starts)).tolist()
    for side in sides:
        assert np.array_equal(side.at_millis, batch.at_millis[side.channels])
        assert np.array_equal(side.clicked, batch.clicked[side.channels])
        assert np.array_equal(side.channels[0], batch.starts[side.conversions])


def test_credit_of_a_channel_is_that_of_its_touches() -> None:
    batch = drawn(1_000, seed=8, largest=10**9)
    channels = np.random.default_rng(9).integers(0, 5, batch.starts[-1]).astype(np.uint8)
    sides = lay_out(batch.starts, batch.at_millis, batch.clicked, channels)
    got = credit(sides, batch.amounts, n_channels=6, half_life_days=7, click_weight=2)
    for total, micros in zip(got, batch.micros().values(), strict=True):
        assert total.tolist() == [int(micros[channels == channel].sum()) for channel in range(6)]
        assert total.sum() == batch.amounts[np.diff(batch.starts) > 0].sum()


def test_a_batch_without_touches_credits_nobody() -> None:
    for starts in ([0], [0, 0, 0]):
        nothing = Batch(np.ones(len(starts) - 1, np.int64), np.array(starts), np.zeros(0, np.int64), np.zeros(0, np.bool_))
        sides = lay_out(nothing.starts, nothing.at_millis, nothing.clicked, np.zeros(0, np.int64))
        assert credit(sides, nothing.amounts, n_channels=3, half_life_days=7, click_weight=2).tolist() == [[0] * 3] * 4
