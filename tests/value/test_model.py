"""The value model: fitted from a log in one step, stored, and served as what was fitted says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pytest

from revenue_engine.errors import Refused
from revenue_engine.learning.revenue import fit_revenue
from revenue_engine.learning.value import MailLog, ValueFit, fit_value, served
from revenue_engine.prediction.features import BASE, WORTH
from revenue_engine.records.subscriber import topic_number
from revenue_engine.value import contact
from revenue_engine.value.model import (
    INTERVALS_DAYS,
    SURVIVAL_DAYS,
    People,
    dump,
    load,
    subscriber_ltv,
    survival,
    traits_of,
    value_at,
)
from revenue_engine.value.segments import SEGMENTS
from revenue_engine.value.survival import between
from revenue_engine.value.treatment import LEVELS
from revenue_engine.value.worth import mails_so_far, people_of, worth
from tests.core_cases import DAY, T, a_page, a_row
from tests.learning.value_windows import window

PEOPLE, DAYS = 900, 320
LIKES: dict[str, Any] = {
    "recent_clicks": (topic_number("finance"), *(0,) * 7),
    "price_sensitivity": 0.9,
    "conversions": 5.0,
    "last_conversion_at": T - DAY,
}
AT = {name: place for place, name in enumerate(BASE)}


@cache
def log() -> MailLog:
    """Two mails a week to people of whom each clicks at a rate of his own; every tenth click pays 30 dollars; more mail, more exits."""
    random = np.random.default_rng(2)
    rate = random.gamma(1.0, 0.08, PEOPLE)
    mailed = random.random((DAYS, PEOPLE)) < random.choice([1.0, 2.0, 4.0], PEOPLE) / 7
    sums: np.ndarray = np.cumsum(mailed, axis=0) - mailed
    week = sums - np.concatenate([np.zeros((7, PEOPLE)), sums[:-7]])
    exits = mailed & (random.random((DAYS, PEOPLE)) < 0.0015 * (1 + week))
    gone = (np.cumsum(exits, axis=0) - exits) > 0
    day, person = np.nonzero(mailed & ~gone)
    clicked = random.random(len(day)) < rate[person]
    sold = clicked & (random.random(len(day)) < 0.1)
    order = np.lexsort((day, person))
    before = np.zeros(len(day))
    hits: np.ndarray = np.cumsum(clicked[order]) - clicked[order]
    before[order] = hits - hits[np.searchsorted(person[order], person[order])]
    features = np.full((len(day), len(BASE)), np.nan, dtype=np.float32)
    features[:, AT["click_rate"]] = (before + 0.2) / (sums[day, person] + 10)
    features[:, AT["open_rate"]] = 0.2
    features[:, AT["mails_of_week"]] = week[day, person]
    features[:, AT["tenure_days"]] = day + 100
    features[:, AT["provider"]] = person % 5
    return MailLog(
        person=person,
        day=day,
        left=exits[day, person],
        clicked=clicked,
        paid_micros=np.where(sold, 30e6, 0.0),
        sales=sold.astype(np.int64),
        sent_before=np.zeros(len(day)),
        features=features,
    )


@cache
def fit() -> ValueFit:
    return fit_value(log(), last_day=DAYS - 1, horizon_days=60, embargo_days=14)


def people() -> People:
    last = np.unique(log().person[::-1], return_index=True)[1]
    features = log().features[::-1][last]
    n = len(features)
    sent = np.bincount(log().person)[np.unique(log().person)].astype(np.float64)
    return People(features, sent, np.zeros(n, dtype=np.int64), np.zeros((n, 8), dtype=np.int64))


def test_it_ranks_people_by_what_they_will_bring_and_more_mail_costs_more_of_them() -> None:
    model, who = fit().model, people()
    found = subscriber_ltv(model, who)
    assert np.corrcoef(found.remaining_micros, who.features[:, AT["click_rate"]])[0, 1] > 0.8
    assert (np.diff(found.survival, axis=1) <= 0).all() and found.survival.shape == (len(who.sent), len(SURVIVAL_DAYS))
    slow, fast = (survival(model, who, pace, 13)[:, -1].mean() for pace in (1.0, 4.0))
    assert fast > 3 * slow
    assert (found.remaining_micros >= 0).all() and (found.active_days <= 365).all()
    np.testing.assert_allclose(found.purchases.sum(), found.remaining_micros.sum() / model.conversion_micros, rtol=0.08)
    assert set(np.unique(found.segment)) <= set(range(len(SEGMENTS)))
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert found.offer_types.shape == (len(who.sent), 3)


def test_each_gets_the_cadence_that_leaves_him_most_valuable() -> None:
    model, who = fit().model, people()
    best = np.max([value_at(model, who, 7 / days)[0].remaining_micros for days in INTERVALS_DAYS], axis=0)
    np.testing.assert_array_equal(subscriber_ltv(model, who).remaining_micros, best)


def test_predicted_value_is_booked_and_remaining() -> None:
    who = people()
    richer = replace(who, booked_micros=who.booked_micros + 5_000_000)
    before, after = (subscriber_ltv(fit().model, some) for some in (who, richer))
    np.testing.assert_allclose(after.predicted_micros - before.predicted_micros, 5e6)
    np.testing.assert_array_equal(after.remaining_micros, before.remaining_micros)


def test_the_served_hazard_is_the_fitted_one() -> None:
    who = people()
    hazard = fit().model.hazard
    assert hazard is fit().hazard.hazard
    steady = contact.covariates(
        np.asarray(who.features[:, AT["mails_of_week"]], dtype=float),
        np.asarray(who.features[:, AT["tenure_days"]], dtype=float) + 3.5,
        traits_of(who.features),
    )
    first = survival(fit().model, replace(who, features=who.features), 2.0, 1)[:, 0]
    half = steady.copy()
    half[:, 0] = (half[:, 0] + 2.0) / 2
    np.testing.assert_allclose(first, between(hazard, half, who.sent, who.sent + 2.0), rtol=1e-12)


def test_revenue_is_served_as_lightgbm_says() -> None:
    model = fit_revenue([window(day) for day in (30, 60, 200)])
    tables = served(model, 1.0)
    asked = window(230)
    features = np.stack([asked.features[name] for name in model.names], axis=1)
    raw = lightgbm.Booster(model_str=model.trees).predict(features, raw_score=True)
    np.testing.assert_allclose(tables.per_mail(features, np.ones(len(features))), model.level * np.exp(raw), rtol=5e-6)


def test_the_same_log_gives_the_same_bytes_in_any_order_and_they_come_back() -> None:
    shuffled = log().where(np.random.default_rng(1).permutation(len(log().day)))
    one = dump(fit().model)
    assert dump(fit_value(shuffled, last_day=DAYS - 1, horizon_days=60, embargo_days=14).model) == one
    back = load(one)
    assert dump(back) == one
    np.testing.assert_array_equal(
        subscriber_ltv(back, people()).remaining_micros, subscriber_ltv(fit().model, people()).remaining_micros
    )
    with pytest.raises(Refused, match="archive_corrupt"):
        load(one[:100])


def test_a_young_log_is_refused() -> None:
    with pytest.raises(Refused, match="value_too_young"):
        fit_value(log(), last_day=150)


def test_worth_is_a_feature_and_the_same_for_a_row_alone() -> None:
    rows = [
        a_row(number, created_at=T - number * 20 * DAY, human_clicks=number / 2, sends=number + 1.0, **LIKES)
        for number in range(1, 12)
    ]
    told = worth(fit().model, a_page(rows), T)
    assert told.shape == (11, len(WORTH)) and np.isfinite(told).all()
    assert told[5].tobytes() == worth(fit().model, a_page(rows[5:6]), T)[0].tobytes()
    booked = np.array([row.revenue_micros / 1e6 for row in rows])
    np.testing.assert_allclose(told[:, 0] - told[:, 1], booked, atol=1e-4)
    assert ((told[:, 2] > 0) & (told[:, 2] < 1)).all()
    of_rows = subscriber_ltv(fit().model, people_of(a_page(rows), T))
    assert (of_rows.remaining_micros >= told[:, 1] * 0.99e6 - 1).all(), (
        "the best of six cadences, near one of which is the features'"
    )
    assert of_rows.offer_types.tolist() == [[topic_number("Finance"), 0, 0]] * 11
    assert (of_rows.price_sensitivity == LEVELS.index("high")).all(), "what they bought says nothing against what they declared"


def test_mails_of_a_steady_pace_are_counted_from_what_fades() -> None:
    half_life = 30.0
    counter = 0.5 * half_life / np.log(2) * (1 - 2 ** (-200 / half_life))  # one every second day for 200 days
    page = a_page([a_row(created_at=T - 200 * DAY, decayed_at=T, sends=counter)])
    assert mails_so_far(page, T)[0] == pytest.approx(100.0)
