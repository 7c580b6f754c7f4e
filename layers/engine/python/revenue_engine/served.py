"""Sends as they were served, read again from stored pages and receipts, and what became of them: the rows that models learn from.

Features come from the page's own rows and the cycle's own tables, by the function that serves them, so nothing that happened later can be
in them. A log is read page by page, and of a page only what is kept stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats, Ints
from revenue_engine.bundle import Finder
from revenue_engine.context import Cycle
from revenue_engine.learning.dataset import Arm, Dataset, Part, Plan, joined
from revenue_engine.learning.habits import WouldBe, hour_of
from revenue_engine.learning.outcomes import Outcomes
from revenue_engine.learning.people import MailPlan, Meant, Piece, mail_log, would_be
from revenue_engine.learning.rows import Rows
from revenue_engine.log_pages import Sent, Stored, opened
from revenue_engine.pacing.hours import local_seconds
from revenue_engine.prediction.features import BASE, CROSS, OFFER, SUBSCRIBER, base_features
from revenue_engine.prospects import features
from revenue_engine.records.batch import Batch
from revenue_engine.value.worth import mails_so_far

if TYPE_CHECKING:
    from revenue_engine.learning.value import MailLog


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the funnel is given of m sends."""

    features: npt.NDArray[np.float32]  # (m, F) of the person, then of the offer
    cross: npt.NDArray[np.float32]  # (m, 3)
    p_click: Floats  # (m,)
    p_sale: Floats
    payout_micros: Floats


def inputs(page: Batch, cycle: Cycle, rows: Ints, arm: Ints, segment: Ints) -> Inputs:
    """Of these rows (m,) of a page, each with the arm it was sent and the segment it was in."""
    people, cross = features(Batch(page.subscriber[rows], page.rows[rows], page.decided_at[rows]), cycle)
    return Inputs(
        features=np.concatenate([people, cycle.arms[arm]], axis=1),
        cross=cross[np.arange(len(rows)), cycle.book.offer_of_arm[arm]],
        p_click=cycle.p_click[segment, arm],
        p_sale=cycle.p_conversion[segment, arm],
        payout_micros=cycle.book.payout_micros[arm].astype(np.float64),
    )


def dataset(
    pages: Iterable[Stored],
    bundle_of: Finder,
    outcomes: Outcomes,
    by: Plan,
    *,
    progress: Callable[[int], None] = lambda lines: None,
) -> Dataset:
    """The rows of a log's mails that were delivered, and how many were left out and why (`log_pages.opened`)."""
    left_out: Counter[str] = Counter()
    parts: list[Part] = [_nothing()]
    arms: list[Arm] = []
    for sent, page, cycle in opened(pages, bundle_of, left_out, progress=progress):
        part = _part(sent, page, cycle, outcomes, by, left_out)
        parts.append(replace(part, arm=part.arm + len(arms)))
        arms += _arms(cycle)
    return joined(parts, arms, by, left_out)


def mails_of_people(
    pages: Iterable[Stored],
    bundle_of: Finder,
    outcomes: Outcomes,
    by: MailPlan,
    *,
    progress: Callable[[int], None] = lambda lines: None,
) -> tuple[MailLog, WouldBe, Counter[str]]:
    """All delivered mails of the people that are kept, for the value model; all that were to be sent to them, for their habits; and how
    many mails were left out and why."""
    left_out: Counter[str] = Counter()
    pieces: list[Piece] = []
    meant: list[Meant] = []
    for sent, page, cycle in opened(pages, bundle_of, left_out, ghosts=True, progress=progress):
        place = outcomes.find(sent.key)
        left_out["not_delivered"] += int(((place < 0) & ~sent.ghost).sum())
        ours = np.flatnonzero(by.keep(sent.person))
        person, at, rows = sent.person[ours], place[ours], sent.row[ours]
        people = Batch(page.subscriber[rows], page.rows[rows], page.decided_at[rows])
        known, so_far = base_features(people, cycle.now), mails_so_far(people, cycle.now)
        hour = hour_of(*(known[:, BASE.index(name)].astype(np.float64) for name in ("hours_from_peak", "local_hour")))
        now = np.full(len(ours), cycle.now)
        meant.append(Meant(person, now, at, sent.ghost[ours], 1.0 - sent.propensity_send[ours], hour))
        kept = np.flatnonzero(at >= 0)
        pieces.append(Piece(person[kept], at[kept], known[kept], so_far[kept]))
    return mail_log(pieces, outcomes, by), would_be(meant, outcomes, by), left_out


def _part(sent: Sent, page: Batch, cycle: Cycle, outcomes: Outcomes, by: Plan, left_out: Counter[str]) -> Part:
    place = outcomes.find(sent.key)
    left_out["not_delivered"] += int((place < 0).sum())
    known = np.flatnonzero(place >= 0)
    at = place[known]
    kept, weight = by.keep(sent.key[known], outcomes.sent_at[at], outcomes.happened[at])
    left_out["not_matured"] += int((~by.closed(outcomes.sent_at[at])).sum())
    left_out["thinned"] += int((~kept).sum())
    chosen, at = known[kept], at[kept]
    given = inputs(page, cycle, sent.row[chosen], sent.arm[chosen], sent.segment[chosen])
    rows = Rows(
        features=given.features,
        cross=given.cross,
        p_click=given.p_click,
        p_sale=given.p_sale,
        clicked=outcomes.clicked[at],
        sold=outcomes.sales[at] > 0,
        propensity=sent.propensity[chosen],
        weight=weight[kept],
    )
    return Part(
        rows=rows,
        key=sent.key[chosen],
        person=sent.person[chosen],
        sent_at=outcomes.sent_at[at],
        hour=local_seconds(page.rows["zone"][sent.row[chosen]], outcomes.sent_at[at].astype(np.int64)[:, None])[:, 0] // 3_600,
        segment=sent.segment[chosen],
        arm=sent.arm[chosen],
        payout_micros=given.payout_micros,
        paid_micros=outcomes.micros[at].astype(np.float64),
    )


def _arms(cycle: Cycle) -> list[Arm]:
    book = cycle.book
    return [
        (offer, variant, book.offers[o].category)
        for (offer, variant), o in zip(book.arms, book.offer_of_arm.tolist(), strict=True)
    ]


def _nothing() -> Part:
    none, keys, numbers = np.zeros(0), np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    features, cross = (np.zeros((0, width), dtype=np.float32) for width in (len(SUBSCRIBER) + len(OFFER), len(CROSS)))
    never = np.zeros(0, dtype=np.bool_)
    return Part(
        Rows(features, cross, none, none, never, never, none, none), keys, keys, none, numbers, numbers, numbers, none, none
    )
