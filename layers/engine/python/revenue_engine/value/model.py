"""The value model as it is served: hazard, revenue and spread in one, and what they say of subscribers. n people, F features.

Features are those of `prediction.features`, as of the moment that is asked about; the hazard's covariates are read from the same ones. So
nothing is known of a person here that was not known when the model was fitted (`learning/value`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats, Ints
from revenue_engine.errors import Refused
from revenue_engine.prediction import archive, tables
from revenue_engine.prediction.features import BASE, FATIGUE_HALF_LIFE_DAYS
from revenue_engine.records.subscriber import PROVIDERS
from revenue_engine.value import contact, segments, treatment
from revenue_engine.value.confidence import Spread
from revenue_engine.value.lifetime import Lifetime, lifetime
from revenue_engine.value.revenue import Revenue
from revenue_engine.value.survival import Baseline, Hazard, under_cadence

SCHEMA = 1
WEEK, WEEKS = 7.0, 52
YEARLY_DISCOUNT = 0.10
INTERVALS_DAYS = np.array(
    [1.75, 2.0, 3.0, 4.0, 7.0, 14.0]
)  # between mails, that are tried for each person; the shortest is the cap
SURVIVAL_DAYS = (30, 60, 90)
TRAITS = (*PROVIDERS[1:], "click_rate", "open_rate")
_AT = {name: place for place, name in enumerate(BASE)}
Table = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class ValueModel:
    """Three fitted models, and the mean payout of a conversion: what turns revenue into purchases."""

    hazard: Hazard
    revenue: Revenue
    spread: Spread
    conversion_micros: float


@dataclass(frozen=True, slots=True)
class People:
    """What is known of subscribers now."""

    features: Table  # (n, F) as `features.BASE`
    sent: Floats  # (n,) mails so far
    booked_micros: Ints  # (n,) net of what was taken back
    clicked: Ints  # (n, C) topics of the offers he clicked last (`topic_number`), newest first, 0 = none


@dataclass(frozen=True, slots=True)
class SubscriberLtv:
    """The specification's columns, (n,) each unless said otherwise. Expectations are under the cadence of `contact_interval_days` as
    it was chosen for value alone."""

    booked_micros: Ints
    predicted_micros: Floats  # booked and remaining
    remaining_micros: Floats
    purchases: Floats
    active_days: Floats
    survival: Floats  # (n, 3) after SURVIVAL_DAYS
    confidence: Floats
    segment: Ints  # position in segments.SEGMENTS
    contact_interval_days: Floats
    offer_types: Ints  # (n, 3) topics, best first, 0 = none
    price_sensitivity: Ints  # position in treatment.LEVELS


def traits_of(features: Table) -> Floats:
    """(…, len(TRAITS)) what the hazard knows of a person, beside his mails."""
    provider = features[..., _AT["provider"]]
    known = [provider == number for number in range(1, len(PROVIDERS))]
    return np.stack([*known, features[..., _AT["click_rate"]], features[..., _AT["open_rate"]]], axis=-1).astype(np.float64)


def at_cadence(features: Table, per_week: float) -> Table:
    """The same people once they are mailed so often a week: mails of the week and fatigue have settled there."""
    settled = np.array(features, dtype=np.float64)
    settled[:, _AT["mails_of_week"]] = per_week
    settled[:, _AT["fatigue"]] = per_week / WEEK * FATIGUE_HALF_LIFE_DAYS / math.log(2.0)
    settled[:, _AT["days_since_send"]] = WEEK / per_week
    return settled


def survival(model: ValueModel, people: People, per_week: float, weeks: int) -> Floats:
    """(n, weeks) cumulative hazard of exits at the end of each week to come."""
    features = np.asarray(people.features, dtype=np.float64)
    ahead = contact.plan(
        np.full(len(features), per_week),
        weeks,
        mails_of_week=features[:, _AT["mails_of_week"]],
        tenure_days=features[:, _AT["tenure_days"]],
        traits=traits_of(features),
    )
    return under_cadence(model.hazard, ahead.covariates, people.sent, ahead.mails)


def value_at(model: ValueModel, people: People, per_week: float) -> tuple[Lifetime, Floats]:
    """Lifetime value of everybody under one cadence, and the cumulative hazards (n, WEEKS) it rests on."""
    hazard = survival(model, people, per_week, WEEKS)
    settled = at_cadence(people.features, per_week)
    per_mail = model.revenue.per_mail(settled, settled[:, _AT["click_rate"]])
    revenue = np.repeat((per_mail * per_week)[:, None], WEEKS, axis=1)
    found = lifetime(
        hazard,
        revenue,
        revenue / model.conversion_micros,
        people.booked_micros,
        period_days=WEEK,
        yearly_discount=YEARLY_DISCOUNT,
    )
    return found, hazard


def subscriber_ltv(model: ValueModel, people: People) -> SubscriberLtv:
    """What is predicted of these people, each under the cadence that leaves most value."""
    tried = [value_at(model, people, WEEK / days) for days in INTERVALS_DAYS.tolist()]
    remaining = np.stack([found.remaining_micros for found, _ in tried], axis=1)
    base = treatment.best_interval(INTERVALS_DAYS, remaining)
    place, row = np.searchsorted(INTERVALS_DAYS, base), np.arange(len(base))

    def chosen(columns: list[Floats]) -> Floats:
        return np.asarray(np.stack(columns, axis=1)[row, place])

    best = Lifetime(*(chosen([getattr(found, name) for found, _ in tried]) for name in Lifetime.__slots__))
    hazard = chosen([of for _, of in tried])
    after = [np.interp(days / WEEK, np.arange(WEEKS + 1), one) for days in SURVIVAL_DAYS for one in _from_zero(hazard)]
    declared = np.asarray(people.features[:, _AT["price_sensitivity"]], dtype=np.float64)
    return SubscriberLtv(
        booked_micros=people.booked_micros,
        predicted_micros=best.predicted_micros,
        remaining_micros=best.remaining_micros,
        purchases=best.purchases,
        active_days=best.active_days,
        survival=np.exp(-np.array(after).reshape(len(SURVIVAL_DAYS), -1).T),
        confidence=segments.confidence(best, model.spread),
        segment=segments.segments(best),
        contact_interval_days=treatment.contact_interval_days(
            base, segments.bands(best.predicted_micros), segments.at_risk(best)
        ),
        offer_types=treatment.preferred_offers(people.clicked),
        price_sensitivity=treatment.price_sensitivity(declared),
    )


def _from_zero(hazard: Floats) -> Floats:
    return np.concatenate([np.zeros((len(hazard), 1)), hazard], axis=1)


def dump(model: ValueModel) -> bytes:
    """An npz archive, the same bytes for the same model."""
    hazard, spread = model.hazard, model.spread
    head = {
        "schema": SCHEMA,
        "names": hazard.names,
        "strata": hazard.strata,
        "tails": [baseline.tail for baseline in hazard.baselines],
        "level": model.revenue.level,
        "micros_per_click": model.revenue.micros_per_click,
        "horizon_days": spread.horizon_days,
        "conversion_micros": model.conversion_micros,
    }
    arrays = {f"trees_{name}": values for name, values in tables.to_arrays(model.revenue.trees).items()}
    arrays |= {f"clock_{number}": one.clock for number, one in enumerate(hazard.baselines)}
    arrays |= {f"cumulative_{number}": one.cumulative for number, one in enumerate(hazard.baselines)}
    arrays |= {"coefficients": hazard.coefficients, "means": hazard.means}
    arrays |= {"predicted": spread.predicted, "amounts": spread.amounts, "below": spread.below}
    return archive.dump({"value": archive.text(head), **arrays})


def load(data: bytes) -> ValueModel:
    """The reverse. Raises Refused (D5): `archive_corrupt`, `value_corrupt`, or `value_schema` when written for another version."""
    arrays = archive.load(data)
    try:
        head = archive.document(arrays["value"])
        if head["schema"] != SCHEMA:
            raise Refused("value_schema")
        trees = {name.removeprefix("trees_"): values for name, values in arrays.items() if name.startswith("trees_")}
        baselines = tuple(
            Baseline(arrays[f"clock_{number}"], arrays[f"cumulative_{number}"], tail) for number, tail in enumerate(head["tails"])
        )
        names, strata = tuple(head["names"]), tuple(head["strata"])
        return ValueModel(
            Hazard(names, arrays["coefficients"], arrays["means"], strata, baselines),
            Revenue(tables.from_arrays(trees), head["level"], head["micros_per_click"]),
            Spread(head["horizon_days"], arrays["predicted"], arrays["amounts"], arrays["below"]),
            head["conversion_micros"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("value_corrupt", repr(error)[:300]) from None
