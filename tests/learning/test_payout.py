"""The payout stage: learned from conversions, served from tables."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.errors import Refused
from revenue_engine.learning.payout import fit_payout
from revenue_engine.money import MICROS
from revenue_engine.prediction.features import OFFER, SUBSCRIBER
from revenue_engine.prediction.payout import PayoutTables, dump, load, payouts


def conversions(m: int, *, effect: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """m conversions, whose payout grows with `revenue_dollars` where there is an effect."""
    random = np.random.default_rng(7)
    features = random.random((m, len(SUBSCRIBER) + len(OFFER)), dtype=np.float32)
    features[::17, 3] = np.nan
    expected = random.choice([10.0, 30.0, 60.0], m) * MICROS
    factor = np.exp(effect * (features[:, SUBSCRIBER.index("revenue_dollars")] - 0.5))
    return features, expected, expected * factor * random.gamma(5.0, 1 / 5.0, m)


def test_a_factor_that_is_there_is_found_and_served_from_tables_as_lightgbm_says() -> None:
    features, expected, paid = conversions(6_000, effect=1.5)
    stage = fit_payout(features, expected, paid)
    told = stage.predict(features, expected)
    assert told.mean.sum() == pytest.approx(paid.sum(), rel=0.03)
    assert np.corrcoef(told.mean / expected, features[:, SUBSCRIBER.index("revenue_dollars")])[0, 1] > 0.9
    assert (told.square / told.mean**2).mean() == pytest.approx(1.2, abs=0.08)  # 1 + 1/5
    people, arms = features[:40, : len(SUBSCRIBER)], features[:6, len(SUBSCRIBER) :]
    served = payouts(stage.tables(), people, arms, np.full(6, 20e6))
    pairs = np.concatenate([np.repeat(people, 6, axis=0), np.tile(arms, (40, 1))], axis=1)
    direct = stage.predict(pairs, np.full(240, 20e6))
    np.testing.assert_allclose(served.mean.ravel(), direct.mean, rtol=5e-6)
    np.testing.assert_allclose(served.square.ravel(), direct.square, rtol=1e-5)


def test_few_conversions_or_no_effect_keep_the_expectation() -> None:
    features, expected, paid = conversions(60, effect=1.5)
    assert fit_payout(features, expected, paid).booster is None
    none = fit_payout(features[:0], expected[:0], paid[:0])
    assert none.booster is None and none.level == pytest.approx(1.0)
    features, expected, paid = conversions(3_000, effect=0.0)
    told = fit_payout(features, expected, paid).predict(features, expected)
    np.testing.assert_allclose(told.mean / expected, 1.0, atol=0.15)


def test_the_same_conversions_give_the_same_bytes() -> None:
    given = conversions(2_000, effect=1.5)
    one, other = (dump(fit_payout(*given).tables()) for _ in range(2))
    assert one == other
    back = load(one)
    assert dump(back) == one
    assert load(dump(PayoutTables(None))) == PayoutTables(None)
    with pytest.raises(Refused, match="archive_corrupt"):
        load(b"nothing of the kind")


def test_a_conversion_that_pays_nothing_is_refused() -> None:
    features, expected, paid = conversions(10, effect=0.0)
    with pytest.raises(ValueError, match="pay something"):
        fit_payout(features, expected, paid * 0)
