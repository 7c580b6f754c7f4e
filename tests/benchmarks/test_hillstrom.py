"""Hillstrom's mails replayed: everybody decided once a split, by others' mails alone; not below the best fixed mail beyond noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import hillstrom
from benchmarks.evidence_ope_data import MENS, WOMENS
from revenue_engine.arrays import Bools
from revenue_engine.context import Cycle
from tests.shared_data import shared_path


@pytest.fixture(scope="module")
def known() -> hillstrom.Customers:
    shared_path("data/hillstrom/hillstrom_dev.csv.gz")
    return hillstrom.customers()


def test_the_engine_is_not_below_always_mens_beyond_noise_and_claims_no_gain(known: hillstrom.Customers) -> None:
    done = hillstrom.replay(known, splits=1, folds=2)
    mean, low, high = done.interval
    half = 1.96 * hillstrom.deviation(known, samples=8, folds=2)
    # what is learned from half of them hangs on who they are: wider than customers alone, narrower than the mails' worth
    assert low < mean < high and 0.3 * (high - low) < 2 * half < 2.0
    assert mean + half >= 0 >= mean - half, "neither below beyond noise nor a gain"
    assert (done.chosen == MENS).mean() > 0.5
    # by hand: what the men's mail brought those who got it, within the noise of a third of the customers
    assert done.spend.mean() - mean == pytest.approx(3 * known.spend[known.action == MENS].sum() / len(known.action))
    again = hillstrom.replay(known, splits=1, folds=2)
    assert np.array_equal(done.chosen, again.chosen)


def test_what_a_customer_did_himself_changes_nothing_of_his_decision(known: hillstrom.Customers) -> None:
    """With the evidence of one half fixed, the other half may have spent whatever it likes."""
    half = np.arange(len(known.action)) % 2 == 0
    cycle = hillstrom._trained(known, half, "x")
    spend, visit = known.spend.copy(), known.visit.copy()
    spend[~half], visit[~half] = 400.0, 1
    rich = replace(known, spend=spend, visit=visit)
    other = hillstrom._trained(rich, half, "x")
    rows = np.flatnonzero(~half)[:2_000]
    assert np.array_equal(hillstrom._decided(known.batch, rows, cycle), hillstrom._decided(rich.batch, rows, other))


def test_where_the_womens_mail_alone_sells_it_is_what_everybody_gets(known: hillstrom.Customers) -> None:
    few = known.take(np.flatnonzero(np.arange(len(known)) % 8 == 0))
    few = replace(few, person=np.arange(len(few)), visit=np.where(few.action == WOMENS, few.visit, 0))
    few = replace(few, spend=np.where(few.visit > 0, 50.0, 0.0))
    done = hillstrom.replay(few, splits=1, folds=2)
    assert (done.chosen == WOMENS).mean() > 0.9
    assert done.interval[1] > 0


def test_copies_of_a_customer_are_never_on_both_sides(known: hillstrom.Customers) -> None:
    drawn = known.take(np.repeat(np.arange(600), 2))
    seen: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patched:
        trained = hillstrom._trained

        def noted(of: hillstrom.Customers, who: Bools, name: str) -> Cycle:
            seen.append(who)
            return trained(of, who, name)

        patched.setattr(hillstrom, "_trained", noted)
        hillstrom.replay(drawn, splits=1, folds=3)
    assert len(seen) == 3 and all(np.array_equal(who[::2], who[1::2]) for who in seen)
