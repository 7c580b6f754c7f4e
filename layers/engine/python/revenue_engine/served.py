"""Sends as they were served, read again from stored pages and receipts, and what became of them: the rows that models learn from.

Features come from the page's own rows and the cycle's own tables, by the function that serves them, so nothing that happened later can be
in them; what was chosen, and with which chance, from the receipt. A log is read page by page, and of a page only what is kept stays.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import orjson

from revenue_engine.arrays import Floats, Ints
from revenue_engine.bundle import Finder
from revenue_engine.context import Cycle, prepare
from revenue_engine.errors import Refused
from revenue_engine.ids import stable_hash
from revenue_engine.learning.dataset import Arm, Dataset, Part, Plan, joined
from revenue_engine.learning.outcomes import Outcomes, key_of
from revenue_engine.learning.rows import Rows
from revenue_engine.prediction.features import CROSS, OFFER, SUBSCRIBER, cross_features, offer_features, subscriber_features
from revenue_engine.records.batch import Batch
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.snapshot import load_context, load_page

_SENT = b'"action":"send"'  # as orjson writes it: most lines are skips, and need not be understood


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
    book, people = cycle.book, Batch(page.subscriber[rows], page.rows[rows], page.decided_at[rows])
    cross = cross_features(people, cycle.now, book.numbers, [offer.category for offer in book.offers])
    of_arms = offer_features(
        book.payout_micros.astype(np.float64),
        (cycle.p_click / cycle.p_click.mean(axis=1, keepdims=True)).mean(axis=0),
        cycle.context.posteriors.segment_share @ cycle.p_conversion,
        [variant for _, variant in book.arms],
        [book.offers[o].category for o in book.offer_of_arm.tolist()],
        list(book.creatives),
    )
    return Inputs(
        features=np.concatenate([subscriber_features(people, cycle.now), of_arms[arm]], axis=1),
        cross=cross[np.arange(len(rows)), book.offer_of_arm[arm]],
        p_click=cycle.p_click[segment, arm],
        p_sale=cycle.p_conversion[segment, arm],
        payout_micros=book.payout_micros[arm].astype(np.float64),
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """A page of the log as it lies there: three files."""

    receipts: bytes  # gzip NDJSON
    page: bytes
    context: bytes


@dataclass(frozen=True, slots=True)
class _Sent:
    """The sends of a page's receipts, (m,) each."""

    row: Ints
    arm: Ints
    segment: Ints
    propensity: Floats
    key: npt.NDArray[np.uint64]
    person: npt.NDArray[np.uint64]


def dataset(
    pages: Iterable[Stored],
    bundle_of: Finder,
    outcomes: Outcomes,
    by: Plan,
    *,
    progress: Callable[[int], None] = lambda rows: None,
) -> Dataset:
    """The rows of a log's mails that were delivered, and how many were left out and why.

    Parameters
    ----------
    pages
        In any order; pages of one cycle one after another are read fastest.
    progress
        Told the lines of each page.

    Nothing that cannot be read is guessed: mails of such a page are counted as `inputs_unreadable`, or as `inputs_missing` when its bundle
    is gone, and pages whose receipts cannot be read as `pages_unreadable`.
    """
    left_out: Counter[str] = Counter()
    parts: list[Part] = [_nothing()]
    arms: list[Arm] = []
    last: tuple[bytes, Cycle] | None = None
    for stored in pages:
        sent: list[bytes] = []
        try:
            lines = _lines(stored.receipts)
            progress(len(lines))
            sent = [line for line in lines if _SENT in line]
            if not sent:
                continue
            if last is None or last[0] != stored.context:
                last = stored.context, prepare(load_context(stored.context, bundle_of))
            page, cycle = load_page(stored.page), last[1]
            part = _part(_understood(sent, cycle), page, cycle, outcomes, by, left_out)
        except Refused as refused:
            if refused.reason == "log_unreadable":
                left_out["pages_unreadable"] += 1
            else:
                left_out["inputs_missing" if refused.reason == "bundle_missing" else "inputs_unreadable"] += len(sent)
            continue
        parts.append(replace(part, arm=part.arm + len(arms)))
        arms += _arms(cycle)
    return joined(parts, arms, by, left_out)


def _part(sent: _Sent, page: Batch, cycle: Cycle, outcomes: Outcomes, by: Plan, left_out: Counter[str]) -> Part:
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
        segment=sent.segment[chosen],
        arm=sent.arm[chosen],
        payout_micros=given.payout_micros,
        paid_micros=outcomes.micros[at].astype(np.float64),
    )


def _lines(receipts: bytes) -> list[bytes]:
    try:
        return gzip.decompress(receipts).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise Refused("log_unreadable", str(error)[:200]) from None


def _understood(lines: Sequence[bytes], cycle: Cycle) -> _Sent:
    """Raises Refused("log_unreadable") for lines that are no receipts of this cycle."""
    place = {arm: number for number, arm in enumerate(cycle.book.arms)}
    try:
        records = [orjson.loads(line) for line in lines]
        return _Sent(
            row=np.array([record["row"] for record in records], dtype=np.int64),
            arm=np.array([place[record["offer"], record["content"]] for record in records], dtype=np.int64),
            segment=np.array([SEGMENTS.index(record["segment"]) for record in records], dtype=np.int64),
            propensity=np.array([record["propensity_joint"] for record in records], dtype=np.float64),
            key=np.array([key_of(record["decision_id"]) for record in records], dtype=np.uint64),
            person=np.array([stable_hash("person", record["subscriber"]) for record in records], dtype=np.uint64),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Refused("log_unreadable", repr(error)[:200]) from None


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
    return Part(Rows(features, cross, none, none, never, never, none, none), keys, keys, none, numbers, numbers, none, none)
