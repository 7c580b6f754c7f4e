"""Sends of a log as the campaign predictor takes them: what was expected of each, at the level that older sends have shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from revenue_engine.arrays import Floats, Ints
from revenue_engine.errors import BadInput
from revenue_engine.prediction.campaign import Campaigns, campaigns
from revenue_engine.prediction.level import Level, day_error, of_weekdays, payout_level, track
from revenue_engine.prediction.payout import PRIOR_SQUARE
from workbench.logs.files import DECISIONS, Log, read_decisions, read_waiting

KEYS = ("cycle", "day", "offer", "content", "segment")
MATURED_DAYS = 14  # whose sales are told
FADING = 0.9  # a day
SEED = 1  # draws of small groups: the same log gives the same table
_DAY = 86_400
_Chance = Annotated[float, Field(ge=0, le=1)]


class Planned(BaseModel):
    """A receipt of a send, as far as a forecast needs it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    decision_id: str
    cycle_id: str
    page: str  # key of the rows it was decided from
    ts: AwareDatetime
    action: Literal["send"]
    mailed: bool
    offer: str
    content: str
    segment: str
    p_click: _Chance
    p_conversion: _Chance
    payout_micros: int
    expected_revenue_micros: int
    currency: str

    @property
    def plan(self) -> str:
        """The id of its page's plan, where it waited for a person."""
        return f"{self.cycle_id}-{Path(self.page).stem.removeprefix('page-')}"

    @property
    def p_sale(self) -> float:
        """Chance of an approved conversion."""
        return self.p_click * self.p_conversion

    @property
    def payout(self) -> float:
        """Micros of one, with what is expected to be taken back off."""
        return self.expected_revenue_micros / self.p_sale if self.p_sale > 0 else float(self.payout_micros)

    def key(self, name: str) -> str:
        """What places it, by a name of KEYS."""
        if name == "day":
            return f"{self.ts:%Y-%m-%d}"
        return str(self.cycle_id if name == "cycle" else getattr(self, name))


def read_planned(folder: Path, *, waiting: bool) -> list[Planned]:
    """Sends that left, or with `waiting` those of plans that waited for a person when the log was exported. Raises BadInput naming the
    decision and the field."""
    plans = read_waiting(folder) if waiting else frozenset()
    found: list[Planned] = []
    for document in read_decisions(folder):
        if document.get("action") != "send" or not document.get("awaits_approval" if waiting else "mailed"):
            continue
        try:
            one = Planned.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise BadInput(f"{DECISIONS}: {document.get('decision_id')}: {field}", first["type"], first["msg"]) from None
        if not waiting or one.plan in plans:
            found.append(one)
    if len({one.currency for one in found}) > 1:
        raise BadInput(f"{DECISIONS}: currency", "not_one")  # two currencies are never added up (M1)
    return found


@dataclass(frozen=True, slots=True)
class Forecast:
    """Groups of sends, and what they have brought by now, (G,) micros approved or provisional."""

    found: Campaigns
    came_micros: Ints
    learned_days: int  # days of sends that were old enough to read a level from


def forecast_of(planned: Sequence[Planned], left: Sequence[Planned], log: Log, by: Sequence[str], *, as_of: float) -> Forecast:
    """The forecast of `planned`, each group one value of `by` (names of KEYS).

    Parameters
    ----------
    left
        Sends that left: those of them whose sales are told by `as_of` (epoch seconds) set the level.
    """
    offers = sorted({one.offer for one in (*planned, *left)})
    sold, came = _sales(log, {one.decision_id for one in (*planned, *left)}, planned[0].currency if planned else "")
    old = [one for one in left if one.ts.timestamp() <= as_of - MATURED_DAYS * _DAY]
    level, week, error, days = _level(old, offers, sold)
    bought = [one for one in old if sold[one.decision_id]]
    payout = _floats(one.payout for one in planned)
    payout *= payout_level(_floats(came[one.decision_id] for one in bought), _floats(one.payout for one in bought))
    found = campaigns(
        [tuple(one.key(name) for name in by) for one in planned],
        np.array([offers.index(one.offer) for one in planned], dtype=np.int64),
        _floats(one.p_sale * week[one.ts.weekday()] for one in planned),
        payout,
        PRIOR_SQUARE * payout**2,
        level=level,
        day_error=error,
        random=np.random.default_rng(SEED),
    )
    brought = _floats(came[one.decision_id] for one in planned)
    return Forecast(found, np.rint(np.bincount(found.group, brought, len(found.labels))).astype(np.int64), days)


def _sales(log: Log, decisions: set[str], currency: str) -> tuple[Counter[str], Counter[str]]:
    """Conversions that stand, and their micros, by decision."""
    of_send = {mail.send_id: mail.decision_id for mail in log.outcomes if mail.decision_id in decisions}
    sold: Counter[str] = Counter()
    came: Counter[str] = Counter()
    for sale in log.conversions:
        decision = of_send.get(sale.send_id)
        if decision and sale.currency == currency and sale.state in ("approved", "provisional"):
            sold[decision] += 1
            came[decision] += sale.approved_micros or sale.provisional_micros
    return sold, came


def _level(old: Sequence[Planned], offers: Sequence[str], sold: Counter[str]) -> tuple[Level, Floats, float, int]:
    days = sorted({one.key("day") for one in old})
    events, expected = np.zeros((2, len(days), len(offers)))
    place = {day: number for number, day in enumerate(days)}
    for one in old:
        cell = place[one.key("day")], offers.index(one.offer)
        events[cell] += sold[one.decision_id] > 0
        expected[cell] += one.p_sale
    weekday = np.array([date.fromisoformat(day).weekday() for day in days], dtype=np.int64)
    week = of_weekdays(events.sum(axis=1), expected.sum(axis=1), weekday)
    expected *= week[weekday][:, None]
    level = track(events, expected, fading=FADING, own_fading=FADING)
    return level, week, day_error(events.sum(axis=1), (expected * level.factor).sum(axis=1)), len(days)


def _floats(values: Iterable[Any]) -> Floats:
    return np.fromiter(values, dtype=np.float64)
