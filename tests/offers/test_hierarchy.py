"""Pools: known truths come back, small lists lean on what is above, and nobody's own counts are his prior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from revenue_engine.offers.hierarchy import CATEGORY_STRENGTH, CELL_VARIANCE, OFFER_VARIANCE, Pooled, pool

S, O = 5, 12  # noqa: E741 shapes have their names
ARMS = np.arange(O)
CATEGORY = ARMS % 4


def pooled(conversions: np.ndarray, clicks: np.ndarray, *, prior: float = 0.02) -> Pooled:
    n = conversions.shape[1]
    return pool(
        conversions.astype(np.float64),
        clicks.astype(np.float64),
        offer_of_arm=ARMS[:n],
        category_of_offer=CATEGORY[:n],
        prior_mean=np.full(n, prior),
    )


def test_without_evidence_a_cell_varies_as_category_offer_and_cell_do_together() -> None:
    """Relative variances of independent factors of mean 1: Var = (1 + 1/4)(1 + 1)(1 + 1/20) - 1, and a Gamma's shape is its inverse."""
    found = pooled(np.zeros((S, O)), np.zeros((S, O)))
    conversions = 1.0 / ((1.0 + 1.0 / CATEGORY_STRENGTH) * (1.0 + OFFER_VARIANCE) * (1.0 + CELL_VARIANCE) - 1.0)
    assert conversions == pytest.approx(1.0 / 1.625)
    assert found.shape == pytest.approx(np.full((S, O), conversions))
    assert found.rate == pytest.approx(np.full((S, O), conversions / 0.02))


def test_how_much_offers_and_cells_differ_is_read_from_the_counts() -> None:
    random = np.random.default_rng(1)
    seen: dict[float, list[float]] = {0.0: [], 0.6: []}
    for spread, found in seen.items():
        for _ in range(10):
            rate = 0.02 * np.exp(spread * random.standard_normal(O) - spread**2 / 2)
            found.append(pooled(random.poisson(2_000 * np.tile(rate, (S, 1))), np.full((S, O), 2_000)).offer_variance)
    assert np.mean(seen[0.0]) < 0.03
    assert np.mean(seen[0.6]) == pytest.approx(np.exp(0.36) - 1, rel=0.3)


def test_segments_ratios_come_back_although_they_get_different_offers() -> None:
    ratio = np.array([0.5, 1.0, 1.0, 1.5, 2.0])
    rate = np.where(ARMS < 6, 0.01, 0.04)
    clicks = np.where((ARMS < 6) == (np.arange(S) < 2)[:, None], 20_000, 2_000)
    found = pooled(np.rint(clicks * rate * ratio[:, None]), clicks)
    assert found.segment_ratio / found.segment_ratio[1] == pytest.approx(ratio, rel=0.06)
    assert found.shape / found.rate == pytest.approx(rate * ratio[:, None], rel=0.06)


def test_a_newcomer_is_promised_the_mean_of_offers_and_not_that_of_clicks() -> None:
    """One offer of ten is three times as good and gets nearly all clicks, as a chooser would have it."""
    clicks = np.full((S, O), 300)
    clicks[:, 0] = 30_000
    clicks[:, 4:] = 0
    clicks[:, 4:O:4] = 300
    clicks[:, 8] = 0  # the newcomer, of the first one's category
    rate = np.full(O, 0.02)
    rate[0] = 0.06
    found = pooled(np.rint(clicks * rate), clicks)
    newcomer = found.shape[0, 8] / found.rate[0, 8]
    of_clicks = (clicks * rate)[:, CATEGORY == 0].sum() / clicks[:, CATEGORY == 0].sum()
    assert of_clicks > 0.059
    assert 0.02 < newcomer < 0.045


def test_posteriors_cover_what_they_say_on_small_lists() -> None:
    """Cells of ten to forty clicks: nine of ten truths lie in the 90 % intervals, and the pooled means are nearer than alone."""
    random = np.random.default_rng(7)
    inside, pooled_error, alone_error = [], [], []
    for _ in range(60):
        level = 0.05 * np.exp(0.5 * random.standard_normal(O))
        truth = level * np.exp(0.15 * random.standard_normal((S, O)))
        clicks = random.integers(10, 41, (S, O))
        came = random.binomial(clicks, np.minimum(truth, 0.9))
        found = pooled(came, clicks, prior=0.05)
        low, high = (stats.beta.ppf(q, found.shape, found.rate - found.shape) for q in (0.05, 0.95))
        inside.append(((low <= truth) & (truth <= high)).mean())
        pooled_error.append(((found.shape / found.rate - truth) ** 2).mean())
        alone_error.append((((came + 12 * 0.05) / (clicks + 12) - truth) ** 2).mean())
    assert 0.85 <= np.mean(inside) <= 0.96
    assert np.mean(pooled_error) < 0.6 * np.mean(alone_error)


def test_more_conversions_than_clicks_and_reversals_keep_a_distribution() -> None:
    conversions, clicks = np.zeros((S, 2)), np.full((S, 2), 3.0)
    conversions[:, 0], conversions[:, 1] = 9.0, -2.0
    found = pooled(conversions, clicks)
    assert (found.shape > 0).all()
    assert (found.rate - found.shape > 0).all()


@pytest.mark.parametrize(("came", "counted", "misses"), [(0.0, 0.0, 0.0), (2.0, 10.0, 8.0), (5.0, 4.0, 0.0), (40.0, 4.0, 0.0)])
def test_conversions_that_come_sooner_than_due_take_nothing_of_the_prior_s_misses(
    came: float, counted: float, misses: float
) -> None:
    """Beta(a0 + S, b0 + max(E - S, 0)), in a catalogue known so well that one cell more moves no pool."""
    clicks = np.full((S, O), 1e9)
    clicks[1, 3] = 0.0
    prior = pooled(0.02 * clicks, clicks)
    conversions, clicks = 0.02 * clicks, clicks.copy()
    conversions[1, 3], clicks[1, 3] = came, counted
    found = pooled(conversions, clicks)
    assert found.shape[1, 3] - prior.shape[1, 3] == pytest.approx(came, abs=0.01)
    assert (found.rate - found.shape - prior.rate + prior.shape)[1, 3] == pytest.approx(misses, abs=0.01)
