"""Hours of the week are believed when the newest mails bear them out, and only then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from revenue_engine.bundle import dump, load, prior_bundle
from revenue_engine.learning.dataset import Dataset
from revenue_engine.learning.hours import fit_hours
from tests.core_cases import NOW
from tests.learning.train_cases import a_dataset, a_list, trained

MAILS = 30_000


def with_taste(taste: float, strength: float, seed: int = 4) -> Dataset:
    """A list that clicks more around an hour of its day, on mails spread over the week."""
    part, random = a_list(MAILS, seed), np.random.default_rng([seed, 1])
    hour = random.integers(0, 168, MAILS)
    chance = part.rows.p_click * 2 * (1 + strength * np.cos(2 * np.pi * (hour % 24 - taste) / 24))
    return a_dataset(replace(part, hour=hour, rows=replace(part.rows, clicked=random.random(MAILS) < chance)))


def test_a_taste_of_the_list_is_learned_stored_and_served() -> None:
    data, prior = with_taste(20.0, 0.8), prior_bundle(NOW)
    for served, funnel in ((None, None), (prior.parts.hours, prior.funnel)):
        curve, figures = fit_hours(data, served, funnel)
        assert curve is not None
        assert curve.reshape(7, 24).mean(axis=0).argmax() in (19, 20, 21)
        assert figures["hours_gain"] > 3 * figures["hours_gain_error"]
    for candidate in trained(data.old, data, champion=prior):
        assert curve is not None
        assert candidate.bundle.hours.tolist() == curve.tolist()
        assert load(dump(candidate.bundle)).hours.tobytes() == curve.tobytes()


def test_a_list_without_a_taste_is_seldom_said_to_have_one_and_then_a_slight_one() -> None:
    found = [curve for curve, _ in (fit_hours(with_taste(0.0, 0.0, seed), None, None) for seed in range(20)) if curve is not None]
    assert len(found) <= 3  # one in twenty by the test's own level
    assert all(np.abs(curve - 1).max() < 0.15 for curve in found)


def test_a_taste_that_is_over_is_not_believed() -> None:
    data, other = with_taste(20.0, 0.8), with_taste(8.0, 0.8)
    assert fit_hours(replace(data, test=other.test), None, None)[0] is None


def test_a_served_curve_stays_until_the_newest_mails_speak_against_it() -> None:
    data, flat, other = with_taste(20.0, 0.8), with_taste(0.0, 0.0), with_taste(8.0, 0.8)
    curve, _ = fit_hours(data, None, None)
    assert curve is not None
    assert (
        fit_hours(replace(flat, test=flat.test.where(np.arange(len(flat.test)) < 20)), curve, None)[0] is curve
    )  # too few to tell
    assert fit_hours(replace(other, old=data.old), curve, None)[0] is None


def test_good_readers_who_are_mailed_at_their_own_hours_make_no_taste() -> None:
    """Everybody has an hour of his own, and some click ten times as often as others: of forty lists at most the test's own share, and a
    little, sees a taste there, where clicks taken one by one do so in a fifth."""
    found = 0
    for seed in range(40):
        part, random = a_list(MAILS, seed), np.random.default_rng([seed, 2])
        who = random.integers(0, 400, MAILS)
        own, keen = random.integers(0, 168, 400), random.gamma(1.0, 1.0, 400)
        clicked = random.random(MAILS) < np.minimum(part.rows.p_click * keen[who], 1.0)
        data = a_dataset(replace(part, person=who.astype(np.uint64), hour=own[who], rows=replace(part.rows, clicked=clicked)))
        found += fit_hours(data, None, None)[0] is not None
    assert found <= 6


def test_no_mails_teach_nothing() -> None:
    data = with_taste(20.0, 0.8)
    none = np.zeros(len(data.test), dtype=np.bool_)
    assert fit_hours(replace(data, test=data.test.where(none)), None, None)[0] is None
    assert fit_hours(replace(data, old=data.old.where(np.zeros(len(data.old), dtype=np.bool_))), None, None)[0] is None
