"""The randomised arms as people and money: who was given which, what is approved of them by now, and what that shows (D4).

By intention to treat: the index of lots holds everybody for ever, opted out or not, and whoever has been erased is still in the counters
and in the books, and is put back from there. People were given their arm at import, before any mail, so nobody has revenue or clicks of
the time before; what is known of it is how long ago they consented, and their provider.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date, datetime
from math import isfinite, log1p
from typing import Any

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.aws.items import Item
from revenue_engine.aws.subscribers import ACTIVE
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, from_epoch, iso_millis
from revenue_engine.evaluation.anytime import Bounds
from revenue_engine.evaluation.lift import Lift, People, Report, Settings, report
from revenue_engine.evaluation.power import Unknown
from revenue_engine.records.lots import due_shares, lot_of
from revenue_engine.records.subscriber import ARMS, PROVIDERS
from revenue_engine.services.books import controls_in_books_currency

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the people of the lot in force."""

    org: str
    currency: str  # of the org: what all micros are
    as_of: datetime
    shares: tuple[float, float, float]  # due, in the order of ARMS
    days: float  # since people were given their arm, on average
    other_lots: int  # people who were given theirs by other shares: of other ages, and left out
    report: Report


def look(w: Wiring, org: str, *, now: datetime) -> Look:
    """Reads everybody of the lot, and all bookings since its first. Raises Refused when the controls are unreadable."""
    controls = controls_in_books_currency(w, org)
    lots, lot = w.counters.lots(org), lot_of(controls)
    approved = _approved(w, org, _first_day(w, org, list(lots), controls.zone), day_in(now, controls.zone))
    people = _people(w, org, lot, lots, approved, now=epoch_seconds(now))
    return Look(
        org=org,
        currency=controls.currency,
        as_of=now,
        shares=due_shares(controls),
        days=people.days,
        other_lots=sum(sum(given.values()) for name, given in lots.items() if name != lot),
        report=report(people, due_shares(controls), Settings()),
    )


def look_and_keep(w: Wiring, org: str, *, now: datetime) -> dict[str, Any]:
    """The daily look, kept for the console; what it showed."""
    shown = document(look(w, org, now=now))
    w.control.keep_look(org, json.dumps(shown), at=now)
    return shown


def document(seen: Look) -> dict[str, Any]:
    """The look as JSON has it: whole micros, shares of one; a bound that there is not is null. Of what is null, `why` says the reason."""
    found = seen.report
    arms = {
        name: arm and {**asdict(arm), **_micros(asdict(arm), "plain", "adjusted", "error")} for name, arm in _arms(found).items()
    }
    shown: dict[str, Any] = {
        "org": seen.org,
        "currency": seen.currency,
        "as_of": iso_millis(seen.as_of),
        "days": round(seen.days, 2),
        "shares": dict(zip(ARMS, seen.shares, strict=True)),
        "health": {name: asdict(health) for name, health in found.health.items()},
        "people_of_other_shares": seen.other_lots,
        "mismatch_p": found.mismatch_p,
        "arms": arms,
        "lift": None,
        "more_days": None,
        "effect_waited_for": Settings().effect,
        "why": {},
    }
    if isinstance(found.lift, Lift):
        money = {name: _bounds(getattr(found.lift, name), whole=True) for name in ("per_person_micros", "incremental_micros")}
        shown["lift"] = money | {"relative": _bounds(found.lift.relative)}
    else:
        shown["why"]["lift"] = asdict(found.lift)
    if isinstance(found.more_days, Unknown):
        shown["why"]["more_days"] = asdict(found.more_days)
    else:
        shown["more_days"] = round(found.more_days, 1)
    return shown


def _arms(found: Report) -> dict[str, Any]:
    return {"engine": found.engine, "fixed": found.fixed}


def _micros(figures: dict[str, Any], *names: str) -> dict[str, int]:
    return {name: round(figures[name]) for name in names}


def _bounds(bounds: Bounds, *, whole: bool = False) -> dict[str, float | None]:
    return {name: (round(x) if whole else x) if isfinite(x) else None for name, x in asdict(bounds).items()}


# --- reading ----------------------------------------------------------------------------------------------------------------
def _first_day(w: Wiring, org: str, lots: list[str], zone: str) -> date | None:
    """The org day on which the first person came."""
    first = [item["created_at"] for lot in lots for item in [next(w.subscribers.of_lot(org, lot), None)] if item]
    return day_in(from_epoch(min(first)), zone) if first else None


def _approved(w: Wiring, org: str, first: date | None, last: date) -> Counter[tuple[str, str]]:
    """Approved micros by (subscriber, arm of the mail), reversals taken out: the sum of all that was booked since the first day."""
    approved: Counter[tuple[str, str]] = Counter()
    for day in range(first.toordinal(), last.toordinal() + 1) if first else ():
        for _, entry in w.ledger.booked_on(org, date.fromordinal(day).isoformat()):
            place, micros = entry.position.place, entry.position.amounts.reported_approved_micros
            if place.subscriber and place.policy and micros:
                approved[place.subscriber, place.policy] += micros
    return approved


def _people(
    w: Wiring, org: str, lot: str, lots: dict[str, dict[str, int]], approved: Counter[tuple[str, str]], *, now: int
) -> People:
    arm, micros, reachable, born, before = [], [], [], [], []
    for each in lots:
        for item in w.subscribers.of_lot(org, each):
            paid = approved.pop((item["subscriber"], item["arm"]), 0)
            if each == lot:
                arm.append(ARMS.index(item["arm"]))
                micros.append(paid)
                reachable.append(item["status"] == ACTIVE)
                born.append(item["created_at"])
                before.append(_before(item))
    covariates: Floats = np.array(before, dtype=np.float64).reshape(len(before), _COVARIATES)
    found = len(arm)
    for number, name in enumerate(ARMS):
        # who is in no lot's index has been erased: the counters know how many, the books what they paid
        gone = max(lots.get(lot, {}).get(name, 0) - arm[:found].count(number), 0)
        paid_by_gone = sorted((n for (_, of), n in approved.items() if of == name), reverse=True)[:gone]
        arm += [number] * gone
        micros += paid_by_gone + [0] * (gone - len(paid_by_gone))
        reachable += [False] * gone
    average = covariates.mean(axis=0) if found else np.zeros(_COVARIATES)
    return People(
        arm=np.array(arm, dtype=np.uint8),
        approved_micros=np.array(micros, dtype=np.int64),
        reachable=np.array(reachable, dtype=np.bool_),
        covariates=np.concatenate([covariates, np.tile(average, (len(arm) - found, 1))]),
        days=(now - float(np.mean(born))) / _DAY if found else 0.0,
    )


_COVARIATES = 2 + len(PROVIDERS) - 1


def _before(item: Item) -> list[float]:
    """What was known of a person before the arm: days since consent, by their logarithm; whether these are known; the provider."""
    at = item.get("consent_at")
    days = 0.0 if at is None else log1p(max(item["created_at"] - at, 0) / _DAY)
    return [days, float(at is not None), *(float(item["provider"] == name) for name in PROVIDERS[1:])]
