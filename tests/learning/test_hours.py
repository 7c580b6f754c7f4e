"""Hours of the week are believed when the newest mails bear them out, and only then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from revenue_engine.arrays import Floats, Ints
from revenue_engine.bundle import dump, load, prior_bundle
from revenue_engine.learning import told
from revenue_engine.learning.dataset import Dataset
from revenue_engine.learning.funnel import fit_funnel
from revenue_engine.learning.hours import fit_hours
from revenue_engine.learning.rows import Rows
from revenue_engine.learning.told import clicks_at_any_hour
from revenue_engine.pacing.curve import week
from revenue_engine.prediction.features import SUBSCRIBER, subscriber_features
from revenue_engine.prediction.funnel import chances_of_sends
from tests.core_cases import NOW, T, a_page, a_row
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
    for start, funnel in ((None, None), (prior.parts.hours, prior.funnel)):
        curve, figures = fit_hours(data, start, funnel)
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


def test_the_same_mails_night_after_night_move_the_curve_once() -> None:
    data, champion = with_taste(20.0, 0.8), prior_bundle(NOW)
    once = trained(data.old, data, champion=champion)[-1].bundle
    again = trained(data.old, data, champion=once)[-1].bundle
    assert again.hours.tobytes() == once.hours.tobytes() != champion.hours.tobytes()
    # and a taste that is over is forgotten with its mails
    flat = with_taste(0.0, 0.0)
    after, never = (trained(flat.old, flat, champion=one)[-1].bundle for one in (once, champion))
    assert after.hours.tobytes() == never.hours.tobytes() != once.hours.tobytes()


def test_a_taste_that_is_over_is_not_believed() -> None:
    data, other = with_taste(20.0, 0.8), with_taste(8.0, 0.8)
    assert fit_hours(replace(data, test=other.test), None, None)[0] is None


def test_the_curve_of_the_start_stays_until_the_newest_mails_speak_against_it() -> None:
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


# --- weekdays ------------------------------------------------------------------------------------------------------------
FUNNEL = fit_funnel(a_list(MAILS, 77).rows, seed=0).tables()  # has seen other mails of such readers, all days alike


def by_weekday(seed: int, days: Sequence[float], n: int = MAILS) -> Dataset:
    """Of Monday's mails nearly all go to those who seldom click, of other days' mails half; clicks come as often as `days` say."""
    part, random = a_list(n, seed), np.random.default_rng([seed, 3])
    keen = part.rows.features[:, SUBSCRIBER.index("click_rate")] > 0.5
    weekday = np.where(random.random(n) < np.where(keen, 0.02, 0.3), 0, random.integers(1, 7, n))
    hour = 24 * weekday + random.integers(0, 24, n)
    features = part.rows.features.copy()
    features[:, SUBSCRIBER.index("local_weekday")], features[:, SUBSCRIBER.index("local_hour")] = weekday, hour % 24
    clicked = part.rows.clicked & (random.random(n) < np.array(days)[weekday] / max(days))
    return a_dataset(replace(part, hour=hour, rows=replace(part.rows, features=features, clicked=clicked)))


def test_a_day_whose_mails_went_to_poorer_readers_is_no_poorer_day() -> None:
    found = [fit_hours(by_weekday(seed, [1.0] * 7), None, FUNNEL)[0] for seed in range(8)]
    assert [curve for curve in found if curve is not None] == []
    # whoever does not know the readers takes them for the day
    fooled, _ = fit_hours(by_weekday(0, [1.0] * 7), None, None)
    assert fooled is not None and week(fooled).days[0] < 0.75


@pytest.mark.parametrize("seed", range(3))
def test_a_poor_weekday_is_found_whoever_was_mailed_on_it(seed: int) -> None:
    days = np.array([0.6, 1.0, 1.3, 1.2, 1.1, 1.0, 0.8])
    curve, figures = fit_hours(by_weekday(seed, days.tolist(), 4 * MAILS), None, FUNNEL)
    assert curve is not None and figures["hours_gain"] > 3 * figures["hours_gain_error"]
    # some 700 clicks a day: chance moves each by a twenty-fifth
    assert week(curve).days == pytest.approx(days / days.mean(), abs=3 / 25)
    # who starts from it learns nothing new from the same mails, and keeps it
    assert fit_hours(by_weekday(seed, days.tolist(), 4 * MAILS), curve, FUNNEL)[0] is curve


def test_clicks_at_any_hour_are_those_of_wednesday_s_noon_whenever_a_mail_left(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = a_list(3_000, 5).rows
    random = np.random.default_rng(8)
    weekday, hour = (SUBSCRIBER.index(name) for name in ("local_weekday", "local_hour"))

    def left_at(days: Ints, hours: Ints) -> Rows:
        features = rows.features.copy()
        features[:, weekday], features[:, hour] = days, hours
        return replace(rows, features=features)

    # a list that clicks more on Wednesdays and in the evening, and a funnel that knows it
    days, hours = random.integers(0, 7, 3_000), random.integers(0, 24, 3_000)
    clicked = random.random(3_000) < 0.1 + 0.3 * (days == 2) + 0.3 * (hours > 16)
    funnel = fit_funnel(replace(left_at(days, hours), clicked=clicked), seed=0).tables()

    def asked(some: Rows) -> Floats:
        return chances_of_sends(funnel, some.features, some.cross, p_click=some.p_click, p_sale=some.p_sale).click

    noon = asked(left_at(np.full(3_000, 2), np.full(3_000, 12)))
    assert asked(left_at(np.full(3_000, 0), np.full(3_000, 20))).mean() != pytest.approx(noon.mean(), rel=0.05)
    for moments in ((days, hours), (np.full(3_000, 6), np.full(3_000, 3)), (days[::-1], hours)):
        assert clicks_at_any_hour(funnel, left_at(*moments)).tobytes() == noon.tobytes()
    # that is Wednesday's noon as features have it, and no more at once than memory holds
    at_noon = subscriber_features(a_page([a_row()]), T)[0]
    assert (NOW.weekday(), NOW.hour) == (2, 12) == (at_noon[weekday], at_noon[hour])
    monkeypatch.setattr(told, "_CHUNK", 700)
    assert clicks_at_any_hour(funnel, left_at(days, hours)).tobytes() == noon.tobytes()
    assert clicks_at_any_hour(None, rows) is rows.p_click
