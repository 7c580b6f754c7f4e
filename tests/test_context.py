"""What is believed of clicks before any were seen, read back from an assembled context's joint draws (decisions/0032, 0033)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.core_cases import a_context, a_cycle, an_offer

# what is known of sales is known for certain here, so that draws differ by clicks alone
_CERTAIN = 1e9


@pytest.mark.parametrize(
    ("clicks", "offers", "assets"),
    [
        (0.0, 0.5, 0.2),  # offers' clicks per mail are known to a half, those of an offer's assets to a fifth
        (75.0, (4 + 10 * 75) ** -0.5, 0.1),  # clicks end it: a half is worth 4 of them, a fifth 25, and 75 more make a tenth
    ],
)
def test_offers_clicks_are_believed_to_differ_by_a_half_and_their_assets_by_a_fifth_of_that(
    clicks: float, offers: float, assets: float
) -> None:
    """Factors of mean 1 multiply: two of an offer's assets have covariance offers², and E[(f - g)²] / 2 = assets² (1 + offers²)."""
    catalogue = [an_offer(100 + n, variants=[f"v{k}" for k in range(10)]) for n in range(40)]
    before = a_context(offers=catalogue).posteriors
    sure = replace(
        before,
        shape=before.shape * _CERTAIN,
        rate=before.rate * _CERTAIN,
        clicks=np.full(len(before.arms), clicks),
    )
    cycle = a_cycle(offers=catalogue, posteriors=sure)
    drawn = cycle.factors[0].reshape(40, 10, -1).astype(np.float64)  # offer, asset, draw
    assert cycle.book.offer_of_arm.reshape(40, 10).std(axis=1).max() == 0
    first, second = drawn[:, :5], drawn[:, 5:]
    together = float(np.cov(first.mean(axis=1).ravel(), second.mean(axis=1).ravel())[0, 1])
    apart = float(((first - second) ** 2).mean()) / 2
    assert drawn.mean() == pytest.approx(1.0, abs=0.02)
    assert together == pytest.approx(offers**2, rel=0.1)
    assert (apart / (1 + together)) ** 0.5 == pytest.approx(assets, rel=0.02)
