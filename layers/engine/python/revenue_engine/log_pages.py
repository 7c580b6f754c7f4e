"""The stored decision log, read page by page: what was sent or kept back by lot, the rows it was decided from, and the cycle's tables.

What was chosen, and with which chance, comes from the receipt: a replay may differ in a last digit on another processor.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from revenue_engine.arrays import Bools, Floats, Ints, Keys
from revenue_engine.bundle import Finder
from revenue_engine.context import Cycle, prepare
from revenue_engine.errors import Refused
from revenue_engine.ids import stable_hash
from revenue_engine.learning.outcomes import key_of
from revenue_engine.records.batch import Batch
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.snapshot import load_context, load_page

_SENT, _GHOST = b'"action":"send"', b'"action":"ghost"'  # as orjson writes it: most lines are skips, and need not be understood


@dataclass(frozen=True, slots=True)
class Stored:
    """A page of the log as it lies there: three files."""

    receipts: bytes  # gzip NDJSON
    page: bytes
    context: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """The sends of a page's receipts, and its ghosts where they are asked for, (m,) each."""

    row: Ints
    arm: Ints
    segment: Ints
    propensity: Floats
    propensity_send: Floats
    ghost: Bools  # kept back by lot
    key: Keys
    person: Keys


def opened(
    pages: Iterable[Stored],
    bundle_of: Finder,
    left_out: Counter[str],
    *,
    ghosts: bool = False,
    progress: Callable[[int], None] = lambda lines: None,
) -> Iterator[tuple[Sent, Batch, Cycle]]:
    """Pages with sends, in the order they come in; pages of one cycle one after another are read fastest. `progress` is told the lines of
    each.

    Nothing that cannot be read is guessed: mails of such a page are counted as `inputs_unreadable`, or as `inputs_missing` when its bundle
    is gone, and pages whose receipts cannot be read as `pages_unreadable`.
    """
    last: tuple[bytes, Cycle] | None = None
    for stored in pages:
        sent: list[bytes] = []
        try:
            lines = _lines(stored.receipts)
            progress(len(lines))
            sent = [line for line in lines if _SENT in line or (ghosts and _GHOST in line)]
            if not sent:
                continue
            if last is None or last[0] != stored.context:
                last = stored.context, prepare(load_context(stored.context, bundle_of))
            page, cycle = load_page(stored.page), last[1]
            found = _understood(sent, cycle)
        except Refused as refused:
            if refused.reason == "log_unreadable":
                left_out["pages_unreadable"] += 1
            else:
                left_out["inputs_missing" if refused.reason == "bundle_missing" else "inputs_unreadable"] += len(sent)
            continue
        yield found, page, cycle


def _lines(receipts: bytes) -> list[bytes]:
    try:
        return gzip.decompress(receipts).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise Refused("log_unreadable", str(error)[:200]) from None


def _understood(lines: Sequence[bytes], cycle: Cycle) -> Sent:
    """Raises Refused("log_unreadable") for lines that are no receipts of this cycle."""
    place = {arm: number for number, arm in enumerate(cycle.book.arms)}
    try:
        records = [orjson.loads(line) for line in lines]
        return Sent(
            row=np.array([record["row"] for record in records], dtype=np.int64),
            arm=np.array([place[record["offer"], record["content"]] for record in records], dtype=np.int64),
            segment=np.array([SEGMENTS.index(record["segment"]) for record in records], dtype=np.int64),
            propensity=np.array([record["propensity_joint"] for record in records], dtype=np.float64),
            propensity_send=np.array([record["propensity_send"] for record in records], dtype=np.float64),
            ghost=np.array([record["ghost"] for record in records], dtype=np.bool_),
            key=np.array([key_of(record["decision_id"]) for record in records], dtype=np.uint64),
            person=np.array([stable_hash("person", record["subscriber"]) for record in records], dtype=np.uint64),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Refused("log_unreadable", repr(error)[:200]) from None
