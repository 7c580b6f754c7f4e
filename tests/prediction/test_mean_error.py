"""Two intervals of a mail: of what is expected, and of what it brings."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.errors import Refused
from revenue_engine.prediction.mean_error import MeanError, dump, fit_mean_error, largest_revenue, load, of_mean
from revenue_engine.prediction.platt import fit_platt, logistic


def test_bounds_of_the_mean_cover_it_as_often_as_they_say() -> None:
    """Worlds whose true line is drawn from the prior of the fit: the truth lies inside in nine of ten."""
    random, inside = np.random.default_rng(3), []
    for _ in range(300):
        score = random.normal(-3.0, 0.8, 4_000)
        # the prior: level and slope at the events' mean score, as firm as 400 events
        middle = float(np.average(score, weights=logistic(score)))
        spread = float(np.average((score - middle) ** 2, weights=logistic(score)))
        level, slope = 0.05 * random.standard_normal(), 1 + random.standard_normal() / np.sqrt(400 * spread)
        truth = logistic(middle + level + slope * (score - middle))
        happened = random.random(4_000) < truth
        line = fit_platt(score, happened)
        error = fit_mean_error(score, line(score), np.ones(4_000))
        asked = np.array([-5.0, -3.0, -1.5])
        bounds = of_mean(error, asked, line(asked), np.ones(3), 0.0)
        true = logistic(middle + level + slope * (asked - middle))
        inside.append((bounds.low <= true) & (true <= bounds.high))
    np.testing.assert_allclose(np.mean(inside, axis=0), 0.9, atol=0.045)


def test_more_data_narrows_the_mean_and_never_the_revenue() -> None:
    score = np.full(10, -4.0)
    few, many = MeanError(-3.0, 1 / 100, 1 / 100), MeanError(-3.0, 1 / 10_000, 1 / 10_000)
    p, payout = logistic(score), np.full(10, 20e6)
    wide, narrow = of_mean(few, score, p, payout, 0.1), of_mean(many, score, p, payout, 0.1)
    assert (narrow.high - narrow.low < wide.high - wide.low).all()
    assert ((narrow.low < p * payout) & (p * payout < narrow.high)).all()
    assert (largest_revenue(p, payout, 1.64 * payout**2) == 0).all()


def test_the_largest_revenue_is_a_quantile_of_a_mail_that_often_sells() -> None:
    random = np.random.default_rng(4)
    shape, mean, p = 4.0, 20e6, 0.5
    drawn = np.where(random.random(400_000) < p, random.gamma(shape, mean / shape, 400_000), 0.0)
    told = largest_revenue(np.array([p]), np.array([mean]), np.array([mean**2 * (1 + 1 / shape)]))
    assert told[0] == pytest.approx(np.quantile(drawn, 0.95), rel=0.02)


def test_nothing_fitted_is_the_prior() -> None:
    assert fit_mean_error(np.zeros(0), np.zeros(0), np.zeros(0)) == MeanError()
    with pytest.raises(ValueError, match="above zero"):
        MeanError(level=0.0)


def test_it_is_stored_and_what_is_none_of_it_is_refused() -> None:
    error = MeanError(-4.25, 0.001, 0.002)
    assert load(dump(error)) == error and dump(load(dump(error))) == dump(error)
    for bad in (b"{", b'{"middle":1}{', b'{"level":-1}', b'{"other":1}', b"[]"):
        with pytest.raises(Refused, match="mean_error_corrupt"):
            load(bad)
