"""The prior funnel: made again byte for byte, small, worth something where it was not learned, and no more sure than it may be."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from revenue_engine.bundle import PRIOR_FOLDER, prior_bundle
from revenue_engine.prediction.features import CROSS, OFFER, SUBSCRIBER
from revenue_engine.prediction.funnel import Served
from tests.core_cases import NOW
from workbench.simulation import prior


@cache
def _tiny() -> dict[str, bytes]:
    return prior.files(*prior.learned(2, 250, 8, unseen=()))


def test_the_same_worlds_make_the_same_bytes() -> None:
    again = prior.files(*prior.learned(2, 250, 8, unseen=()))
    assert again == _tiny()
    assert set(again) == {path.name for path in PRIOR_FOLDER.iterdir()}


def test_it_is_small_and_says_what_it_is_worth_in_worlds_it_has_not_seen() -> None:
    assert sum(path.stat().st_size for path in PRIOR_FOLDER.iterdir()) < 300_000
    metrics = json.loads((PRIOR_FOLDER / "about.json").read_bytes())["metrics"]
    for world in prior.UNSEEN:
        assert metrics[f"{world}_log_loss_gain"] > 3 * metrics[f"{world}_log_loss_gain_error"]
        assert metrics[f"{world}_auc"] > metrics[f"{world}_auc_of_rates"] + 0.03
        assert metrics[f"{world}_slope"] == pytest.approx(1, abs=0.1)
        assert metrics[f"{world}_level"] == pytest.approx(1, abs=0.1)
    assert prior_bundle(NOW).manifest.metrics == metrics


def test_it_starts_from_the_rates_and_follows_them() -> None:
    """An org's own rates move every chance, whatever the trees say of a person: half the rate, about half the chance."""
    funnel = prior_bundle(NOW).funnel
    assert funnel is not None
    random = np.random.default_rng(0)
    people, arms = (
        np.abs(random.normal(size=(n, len(names)))).astype(np.float32) for n, names in ((300, SUBSCRIBER), (4, OFFER))
    )
    cross = np.zeros((300, 4, len(CROSS)), dtype=np.float32)
    told, half = (
        Served(funnel, arms).chances(people, cross, p_click=np.full((300, 4), rate), p_sale=np.full((300, 4), 0.05))
        for rate in (0.02, 0.01)
    )
    assert half.click.sum() / told.click.sum() == pytest.approx(0.5, abs=0.06)
    assert told.click.max() < 0.5
    assert (told.sale <= told.click).all()


def test_no_category_of_a_world_is_learned() -> None:
    funnel = prior_bundle(NOW).funnel
    assert funnel is not None and funnel.click.trees is not None
    ends = np.diff(funnel.click.trees.offer.ends, prepend=0)
    assert ends[OFFER.index("category")] == 0
