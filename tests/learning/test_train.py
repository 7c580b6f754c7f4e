"""A run makes what the mails teach, judges it on mails it has not seen, and makes the same of the same."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from revenue_engine.bundle import Bundle, Parts, dump, load, prior_bundle, seal
from revenue_engine.learning.train import Candidate, first_passed
from revenue_engine.pacing.index import Habits
from revenue_engine.pacing.solve import solve
from revenue_engine.prediction.prior import PRIOR_RATES
from tests.core_cases import NOW
from tests.learning.train_cases import a_dataset, a_list, trained

MAILS = 30_000


@cache
def _run() -> tuple[Candidate, ...]:
    part = a_list(MAILS)
    return trained(part, a_dataset(part))


def _by_name(found: tuple[Candidate, ...]) -> dict[str, Candidate]:
    return {one.name: one for one in found}


def _versions(found: tuple[Candidate, ...]) -> list[str]:
    return [one.bundle.version for one in found]


def test_what_predicts_better_becomes_champion() -> None:
    champion = first_passed(_run())
    assert champion is not None and champion.name == "learned", [one.verdict for one in _run()]
    assert champion.bundle.funnel is not None and champion.bundle.funnel.click.trees is not None
    assert not champion.bundle.manifest.prior
    figures = champion.bundle.manifest.metrics
    assert figures["log_loss_gain"] > 1.645 * figures["log_loss_gain_error"] > 0
    assert 0.8 < figures["click_slope"] < 1.2
    assert load(dump(champion.bundle)) == champion.bundle


def test_it_is_judged_on_mails_that_it_has_not_seen() -> None:
    """Labels of the test turned over change the verdict and not a byte of what was fitted."""
    part = a_list(MAILS)
    data = a_dataset(part)
    rows = data.test.rows
    before = _by_name(_run())["learned"]
    rows.clicked[:] = np.random.default_rng(1).permutation(rows.clicked)
    after = _by_name(trained(part, data))["learned"]
    assert dump(after.bundle)["funnel.npz"] == dump(before.bundle)["funnel.npz"]
    assert not after.verdict.passed and before.verdict.passed


def test_where_there_is_nothing_to_learn_the_champion_stays_or_gets_newer_rates() -> None:
    part = a_list(MAILS, 1, told=0.0)
    rates = seal(
        Parts(PRIOR_RATES, solve(Habits())), trained_at=NOW, code_version="1", prior=True, data_fingerprint="", metrics={}
    )
    plain = _by_name(trained(part, a_dataset(part), champion=rates))["kept"]
    assert plain.verdict.passed
    again = trained(part, a_dataset(part), champion=plain.bundle)
    assert "not_better" in _by_name(again)["learned"].verdict.reasons


def test_a_champion_that_knows_as_much_is_not_replaced_by_the_next_one() -> None:
    champion = _by_name(_run())["learned"].bundle
    part = a_list(MAILS, 7)
    found = _by_name(trained(part, a_dataset(part), champion=champion))
    assert "not_better" in found["learned"].verdict.reasons
    assert found["kept"].bundle.funnel is champion.funnel


def test_a_champion_is_judged_by_rates_that_have_not_seen_the_test() -> None:
    """Last night's rates know the test; whoever beats them only by not having seen it would never be let through."""
    part = a_list(MAILS)
    data = a_dataset(part)
    knowing = PRIOR_RATES.model_copy(update={"click_level": dict.fromkeys(PRIOR_RATES.click_level, 0.9)})
    yesterday, long_ago = (
        seal(Parts(knowing, solve(Habits())), trained_at=at, code_version="1", prior=False, data_fingerprint="", metrics={})
        for at in (NOW, NOW - timedelta(days=400))
    )
    gains = [
        _by_name(trained(part, data, champion=one))["learned"].verdict.figures["log_loss_gain"] for one in (yesterday, long_ago)
    ]
    assert gains[0] < 0.1 < gains[1]


def test_a_small_list_keeps_the_rates() -> None:
    part = a_list(5_500)
    (only,) = trained(part, a_dataset(part))
    assert only.name == "kept" and only.verdict.passed
    (smaller,) = trained(part := a_list(2_500), a_dataset(part))
    assert smaller.verdict.reasons == ("rates_off",)  # the prior still pulls them off
    assert only.bundle.funnel is prior_bundle(NOW).funnel


def test_an_empty_log_makes_the_prior_s_rates_and_promotes_nothing() -> None:
    part = a_list(0)
    (only,) = trained(part, a_dataset(part))
    assert only.verdict.reasons == ("too_few_clicks",)


def test_another_order_and_other_pages_are_the_same_bundle() -> None:
    part = a_list(MAILS)
    pages = np.array_split(np.random.default_rng(3).permutation(MAILS), 9)
    assert _versions(trained(part, a_dataset(part, pages=pages))) == _versions(_run())
    (less,) = {one.bundle.version for one in trained(part.where(np.arange(MAILS - 1)), a_dataset(part)) if one.name == "kept"}
    assert less != _by_name(_run())["kept"].bundle.version


def test_two_processes_make_the_same_bundles() -> None:
    """Also with other threads and another hash seed."""
    found = []
    for environment in ({"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"}, {"PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "2"}):
        said = subprocess.run(
            [sys.executable, "-m", "tests.learning.train_cases", str(MAILS)],
            capture_output=True,
            text=True,
            check=True,
            env={**environment, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )
        found.append(said.stdout)
    assert found[0] == found[1] == f"{_versions(_run())}\n"


def test_the_seed_is_on_record() -> None:
    part = a_list(4_000)
    (only,) = trained(part, a_dataset(part), seed=5)
    assert only.bundle.manifest.seed == 5


@pytest.mark.parametrize("bundle", [prior_bundle(NOW)])
def test_the_prior_is_marked(bundle: Bundle) -> None:
    assert bundle.manifest.prior
