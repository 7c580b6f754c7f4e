"""The benchmark's streams bring what they should, and its figures are named."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import velocity
from benchmarks.velocity import DAYS, FIRST, INNOCENT, PER_CLICK, QUARTERS, _buckets, fitted, landing, played, stream


def test_streams_bring_what_was_predicted_times_their_level_and_what_happens_to_them() -> None:
    shares = landing()
    usual = [stream(100, seed, shares) for seed in range(12)]
    ratio = np.mean([of.came[FIRST * QUARTERS :].sum() / of.predicted[FIRST * QUARTERS :].sum() for of in usual])
    assert ratio == pytest.approx(1.0, abs=0.15)
    clicks = np.mean([of.clicks.sum() / of.came.sum() for of in usual]) * PER_CLICK
    assert clicks == pytest.approx(1.0, abs=0.15)  # conversions of the last days are still to come
    broken = stream(100, 0, shares, factor=0.0, since=FIRST * QUARTERS, page=True)
    assert (broken.clicks == stream(100, 0, shares).clicks).mean() > 0.5
    assert broken.came[-QUARTERS:].sum() < 0.3 * usual[0].came[-QUARTERS:].sum()


def test_deliveries_are_innocent_and_weekends_bring_what_they_should() -> None:
    of = stream(100, 3, landing(), brings=(1, 1, 1, 1, 1, 0.5, 0.5))
    counts = of.counts(0, DAYS * QUARTERS)
    for name, rate in INNOCENT.items():
        mails = counts["heard" if name == "complaints" else "sent"]
        assert counts[name] / mails == pytest.approx(rate, rel=0.2)
    by_day = of.clicks[: 49 * QUARTERS].reshape(7, 7, QUARTERS).sum(axis=(0, 2))
    assert by_day[5:].mean() / by_day[1:5].mean() == pytest.approx(0.6, abs=0.1)  # some of Friday's come on Saturday


def test_steps_are_taken_and_no_evidence_is_used_twice() -> None:
    drop = FIRST * QUARTERS + 6 * 4
    found = played(stream(100, 1, landing(), factor=0.3, since=drop), fitted(1), 4, (FIRST, DAYS))
    assert found.lowest < 75
    assert all(at < 0 for at in found.moved[:2])
    assert len({abs(at) // QUARTERS for at in found.moved}) == len(found.moved)  # one step a day


def test_buckets_hold_every_mail_once() -> None:
    predicted = np.random.default_rng(1).random(DAYS * QUARTERS)
    for now in (FIRST * QUARTERS, FIRST * QUARTERS + 3, DAYS * QUARTERS - 1):
        of = _buckets(predicted, now)
        first = round(of.start_days[0] * QUARTERS)
        assert of.conversions.sum() == pytest.approx(predicted[first:now].sum())
        assert (of.end_days > of.start_days).all()


def test_the_table_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(velocity, "QUICK_SEEDS", 1)
    monkeypatch.setattr(velocity, "VOLUMES", (30,))
    monkeypatch.setattr(velocity, "DAYS", FIRST + 5)
    days = {0: (0, 3), FIRST: (FIRST, FIRST + 5)}
    monkeypatch.setattr(velocity, "NULLS", [(kind, days[of[0]], brings, mailed) for kind, of, brings, mailed in velocity.NULLS])
    result = velocity.measure(quick=True)
    assert {
        "false_actuations",
        "false_mean",
        "lowest_velocity",
        "drop_found_24h",
        "page_found_72h",
        "gain_found_72h",
        "wrong_way",
    } <= set(result.figures)
    assert fitted(3).tail_days > 1.0
