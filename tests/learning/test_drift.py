"""A shift is seen, its absence is not taken for one, and what cannot be told is not told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from revenue_engine.arrays import Floats
from revenue_engine.learning.dataset import Dataset, Part
from revenue_engine.learning.drift import SHIFTED, drift, stability
from revenue_engine.learning.rows import Rows
from revenue_engine.prediction.features import OFFER, SUBSCRIBER
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.records.evidence import SEGMENTS

WIDTH = len(SUBSCRIBER) + len(OFFER)


def test_the_index_of_a_case_counted_by_hand() -> None:
    """Halves at 1 and 2 become a quarter and three quarters: 0.25 ln(0.75/0.5) − 0.25 ln(0.25/0.5) = 0.25 ln 3."""
    before, after = np.repeat([1.0, 2.0], 50_000), np.repeat([1.0, 2.0], [25_000, 75_000])
    assert stability(before, np.ones(100_000), after) == pytest.approx(0.25 * np.log(3), abs=2e-4)


def test_the_same_distribution_has_no_index_to_speak_of() -> None:
    random = np.random.default_rng(0)
    found = [stability(random.standard_normal(2_000), np.ones(2_000), random.standard_normal(1_000)) for _ in range(50)]
    assert np.mean(found) < 0.01 and max(found) < 0.05


def test_weights_stand_for_rows() -> None:
    random = np.random.default_rng(1)
    values, after = random.integers(0, 9, 4_000).astype(float), random.integers(0, 7, 4_000).astype(float)
    weight = random.integers(1, 4, 4_000).astype(float)
    spread_out = np.repeat(values, weight.astype(int))
    assert stability(values, weight, after) == pytest.approx(stability(spread_out, np.ones(len(spread_out)), after), abs=0.01)


def test_what_went_missing_is_a_shift() -> None:
    before = np.random.default_rng(2).standard_normal(5_000)
    after = np.where(np.arange(5_000) % 2, np.nan, before)
    assert stability(before, np.ones(5_000), after) > 1
    nothing = np.full(100, np.nan)
    assert stability(nothing, np.ones(100), nothing) == 0


def _part(n: int, seed: int, *, segments: tuple[int, ...] = (0, 1, 2, 3, 4), factor: float = 1.0) -> Part:
    random = np.random.default_rng(seed)
    segment = random.choice(segments, n).astype(np.int64)
    rate = np.array([PRIOR_RATES.click_level[name] for name in SEGMENTS])[segment]
    clicked = random.random(n) < factor * rate
    p_sale: Floats = np.full(n, 0.1)
    sold = clicked & (random.random(n) < p_sale)
    features = random.standard_normal((n, WIDTH)).astype(np.float32)
    rows = Rows(features, np.zeros((n, 3), dtype=np.float32), rate, p_sale, clicked, sold, np.ones(n), np.ones(n))
    keys = np.arange(n, dtype=np.uint64)
    return Part(
        rows, keys, keys, np.ones(n), np.zeros(n, dtype=np.int64), segment, np.zeros(n, dtype=np.int64), np.ones(n), np.ones(n)
    )


def _data(**parts: Part) -> Dataset:
    plain = {"old": _part(8_000, 1), "test": _part(20_000, 2), "young": _part(3_000, 3)} | parts
    return Dataset(**plain, arms=(("101", "soft", "finance"),), left_out={}, fingerprint="")


def test_a_world_that_stays_raises_no_alarm() -> None:
    found = drift(_data(), PRIOR_RATES, None)
    assert found.alarms == ()
    assert set(found.features) == {*SUBSCRIBER, *OFFER} and max(found.features.values()) < 0.05
    assert found.meant["click"].level == pytest.approx(1, abs=0.15)


def test_other_people_shift_the_predictions() -> None:
    found = drift(_data(young=_part(3_000, 3, segments=(1,))), PRIOR_RATES, None)
    assert found.predictions["click"] > SHIFTED
    assert "click_predictions_shifted" in found.alarms


def test_a_shifted_feature_alone_is_shown_and_no_alarm() -> None:
    young = _part(3_000, 3)
    moved = young.rows.features.copy()
    moved[:, SUBSCRIBER.index("tenure_days")] += 3
    found = drift(_data(young=replace(young, rows=replace(young.rows, features=moved))), PRIOR_RATES, None)
    assert found.features["tenure_days"] > SHIFTED and found.alarms == ()


def test_a_level_that_is_off_raises_an_alarm() -> None:
    assert "click_level_off" in drift(_data(test=_part(20_000, 2, factor=0.4)), PRIOR_RATES, None).alarms


def test_too_little_says_nothing() -> None:
    found = drift(_data(old=_part(20, 1), test=_part(0, 2), young=_part(20, 3)), PRIOR_RATES, None)
    assert (found.features, found.predictions, found.meant, found.alarms) == ({}, {}, {}, ())
