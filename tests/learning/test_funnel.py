"""The funnel finds who clicks and who buys, is right about chosen sends, and does not mind rows that were thinned."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from revenue_engine.evaluation.calibration import auc, calibration
from revenue_engine.learning.funnel import Funnel, fit_funnel, thinned
from revenue_engine.learning.rows import Rows
from revenue_engine.prediction.cross_line import CrossLine, fit_cross_line
from revenue_engine.prediction.features import CROSS, OFFER, SUBSCRIBER
from revenue_engine.prediction.funnel import Served
from revenue_engine.prediction.platt import logistic, logit

NAMES = ("click_rate", "open_rate", "payout_dollars")


def _rows(n: int, seed: int) -> Rows:
    """Interest (+0.8), another's category (−0.4), earlier clicks and a keen kind of reader move clicks; payers are another kind, and
    interest moves them too."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, 3)).astype(np.float32)
    kind = rng.integers(0, 3, n)
    since = np.where(rng.random(n) < 0.3, np.nan, rng.integers(1, 60, n))
    clicks, others = rng.integers(0, 4, (2, n))
    cross = np.stack([kind == 0, kind == 1, since, clicks, others], axis=1).astype(np.float32)
    p_click, p_sale = np.full(n, 0.03), np.full(n, 0.08)
    click = logistic(
        logit(p_click) + 0.8 * (kind == 0) - 0.4 * (kind == 1) + 0.5 * np.log1p(clicks) + 1.0 * (features[:, 0] > 0.5)
    )
    clicked = rng.random(n) < click
    sold = clicked & (rng.random(n) < logistic(logit(p_sale) + 0.6 * (kind == 0) + 1.2 * (features[:, 1] > 0)))
    return Rows(features, cross, p_click, p_sale, clicked, sold, np.ones(n), np.ones(n))


@cache
def _fitted() -> Funnel:
    return fit_funnel(_rows(80_000, 1), names=NAMES)


def test_the_cross_line_finds_what_interest_is_worth_and_needs_no_trees_for_it() -> None:
    rows = _rows(80_000, 1)
    line = fit_cross_line(rows.cross, rows.clicked, logit(rows.p_click), rows.weight, ridge_events=10.0, free_level=True)
    _, declared, other, since, clicks, others = line.coefficients
    assert declared == pytest.approx(0.8, abs=0.12) and other == pytest.approx(-0.4, abs=0.12) and abs(since) < 0.08
    assert clicks == pytest.approx(0.5, abs=0.08) and abs(others) < 0.08
    assert _fitted().sale_cross.coefficients[1] == pytest.approx(0.6, abs=0.3)
    assert CrossLine()(rows.cross[:5]).tolist() == [0.0] * 5


def test_chances_of_new_sends_mean_what_they_say() -> None:
    new = _rows(80_000, 2)
    told = _fitted().chances(new)
    clicks, sales = calibration(new.clicked, told.click), calibration(new.sold, told.sale)
    assert 0.85 < clicks.slope < 1.15 and 0.8 < sales.slope < 1.25
    assert told.sale.sum() == pytest.approx(new.sold.sum(), rel=0.12)
    assert auc(new.clicked, told.click) > 0.66 and auc(new.sold, told.sale) > 0.70
    assert (told.click >= 0).all() and (told.sale <= told.click).mean() > 0.99


def test_thinned_rows_give_the_chances_of_all_rows() -> None:
    rows, new = _rows(80_000, 1), _rows(40_000, 3)
    kept, weight = thinned(rows.clicked, 0.25, np.random.default_rng(4))
    assert kept[rows.clicked].all() and kept[~rows.clicked].mean() == pytest.approx(0.25, abs=0.01)
    some = fit_funnel(replace(rows, weight=weight).where(kept), names=NAMES)
    every, few = (funnel.chances(new).click for funnel in (_fitted(), some))
    assert few.mean() == pytest.approx(every.mean(), rel=0.05)
    assert np.corrcoef(every, few)[0, 1] > 0.97


def test_a_small_list_keeps_what_rates_and_posteriors_say() -> None:
    few = _rows(400, 5)
    funnel = fit_funnel(few, names=NAMES)
    assert funnel.click.booster is None and funnel.sale.booster is None
    told = funnel.chances(few)
    assert told.sale / told.click == pytest.approx(few.p_sale, rel=0.3)


def test_tables_say_of_every_pair_what_the_funnel_says_of_it_as_a_send() -> None:
    rng = np.random.default_rng(6)
    people, arms = (rng.standard_normal((n, len(names))).astype(np.float32) for n, names in ((200, SUBSCRIBER), (7, OFFER)))
    people[::9, SUBSCRIBER.index("open_rate")] = np.nan
    cross = rng.integers(0, 2, (200, 7, len(CROSS))).astype(np.float32)
    p_click, p_sale = rng.uniform(0.01, 0.05, (200, 7)), rng.uniform(0.02, 0.2, (200, 7))
    got = Served(_fitted().tables(), arms).chances(people, cross, p_click=p_click, p_sale=p_sale)
    columns = [people[:, SUBSCRIBER.index(name)][:, None].repeat(7, axis=1) for name in NAMES[:2]]
    columns.append(arms[:, OFFER.index("payout_dollars")][None, :].repeat(200, axis=0))
    sends = Rows(
        np.stack(columns, axis=2).reshape(-1, 3),
        cross.reshape(-1, len(CROSS)),
        p_click.ravel(),
        p_sale.ravel(),
        *(np.zeros(1_400, dtype=bool) for _ in range(2)),
        *(np.ones(1_400) for _ in range(2)),
    )
    wanted = _fitted().chances(sends)
    for name in ("click", "sale"):
        assert getattr(got, name).ravel() == pytest.approx(getattr(wanted, name), rel=2e-5)
    assert _fitted().click.booster is not None and _fitted().sale.booster is not None


def test_a_funnel_without_trees_is_served_as_rates_and_posteriors() -> None:
    tables = fit_funnel(_rows(400, 5), names=NAMES).tables()
    assert tables.click.trees is None and tables.sale.trees is None
