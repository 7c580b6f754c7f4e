"""The mails of whole people, for models of what people do over months: some people with all their mails, never some mails of all.

p mails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Floats, Ints, Keys
from revenue_engine.draws import mix
from revenue_engine.learning.habits import WouldBe
from revenue_engine.learning.outcomes import CLICK_SECONDS, Outcomes
from revenue_engine.prediction.features import BASE

if TYPE_CHECKING:
    from revenue_engine.learning.value import MailLog

MAILS_DAYS = 400  # of the log: two windows of a quarter with their embargoes fit in
MOST_MAILS = 4_000_000
_DAY = 86_400
_SALT = np.uint64(0x9E09_1E5)


@dataclass(frozen=True, slots=True)
class MailPlan:
    """Who is kept, settled before the first page is read."""

    start: float  # epoch seconds of the log's first day
    last_day: int  # that is over
    share: float  # of people

    def keep(self, person: Keys) -> Bools:
        """(p,) a function of the person alone."""
        return np.asarray((mix(person ^ _SALT) >> np.uint64(11)).astype(np.float64) * 2.0**-53 < self.share)


def mail_plan(outcomes: Outcomes, *, as_of: float, most_mails: int = MOST_MAILS) -> MailPlan:
    """The plan of a log with these outcomes."""
    start = float(np.floor(outcomes.sent_at.min() / _DAY) * _DAY) if len(outcomes) else as_of
    return MailPlan(start, int((as_of - start) // _DAY) - 1, min(1.0, most_mails / max(len(outcomes), 1)))


@dataclass(frozen=True, slots=True)
class Piece:
    """Mails of a page, (p,) each."""

    person: Keys
    outcome: Ints  # positions in the outcomes
    features: npt.NDArray[Any]  # (p, F) as `features.BASE`
    so_far: Floats  # mails its reader had had by then


def mail_log(pieces: Sequence[Piece], outcomes: Outcomes, by: MailPlan) -> MailLog:
    """The log of these mails, in whatever order they were read."""
    from revenue_engine.learning.value import MailLog  # loads LightGBM and lifelines, which nobody needs who does not fit

    person = np.concatenate([np.zeros(0, dtype=np.uint64), *(one.person for one in pieces)])
    at = np.concatenate([np.zeros(0, dtype=np.int64), *(one.outcome for one in pieces)])
    features = np.concatenate([np.zeros((0, len(BASE)), dtype=np.float32), *(one.features for one in pieces)])
    so_far = np.concatenate([np.zeros(0), *(one.so_far for one in pieces)])
    order = np.lexsort((outcomes.key[at], outcomes.sent_at[at], person))
    person, at = person[order], at[order]
    first = np.flatnonzero(np.concatenate([[True], person[1:] != person[:-1]])[: len(person)])
    mails = np.diff(np.append(first, len(person)))
    return MailLog(
        person=np.repeat(np.arange(len(first)), mails),
        day=((outcomes.sent_at[at] - by.start) // _DAY).astype(np.int64),
        left=outcomes.left[at],
        clicked=outcomes.clicked[at],
        paid_micros=np.maximum(outcomes.micros[at], 0).astype(np.float64),
        sales=outcomes.sales[at],
        sent_before=np.repeat(so_far[order][first], mails),
        features=features[order],
    )


@dataclass(frozen=True, slots=True)
class Meant:
    """Mails of a page that were to be sent, (p,) each."""

    person: Keys
    at: Ints  # epoch seconds of the decision
    outcome: Ints  # positions in the outcomes, -1 where no mail was delivered
    ghost: Bools
    ghost_share: Floats
    hour: Ints  # `habits.hour_of` it


def would_be(pieces: Sequence[Meant], outcomes: Outcomes, by: MailPlan) -> WouldBe:
    """All of them, in whatever order they were read."""
    none = np.zeros(0, dtype=np.int64)
    nothing = Meant(none.astype(np.uint64), none, none, none.astype(np.bool_), np.zeros(0), none)
    whole = Meant(*(np.concatenate([getattr(one, name) for one in (nothing, *pieces)]) for name in Meant.__slots__))
    order = np.lexsort((whole.ghost, whole.at, whole.person))
    at, place = whole.at[order], whole.outcome[order]
    sent = place >= 0
    some = np.flatnonzero(sent)
    clicked, left = np.zeros(len(at), dtype=np.bool_), np.zeros(len(at), dtype=np.bool_)
    clicked[some], left[some] = outcomes.clicked[place[some]], outcomes.left[place[some]]
    days = (at - by.start) / _DAY
    return WouldBe(
        person=np.unique(whole.person[order], return_inverse=True)[1].reshape(-1).astype(np.int64),
        at=days,
        sent=sent,
        ghost=whole.ghost[order],
        ghost_share=whole.ghost_share[order],
        clicked=clicked,
        left=left,
        hour=whole.hour[order],
        closed=days < by.last_day + 1 - CLICK_SECONDS / _DAY,
    )
