"""The stored record of a decision, found by a mail or by its person, and explained. Only read."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import cycle_id_at, from_epoch
from revenue_engine.context import CycleContext
from revenue_engine.errors import BadInput, Refused
from revenue_engine.explanation import Step, explain
from revenue_engine.flips import nearest_flip
from revenue_engine.records.batch import Batch
from revenue_engine.records.subscriber import unpack
from revenue_engine.services.models import finder
from revenue_engine.snapshot import load_context, load_page

_LONGEST_NAME = 100  # ours have 26 characters; none, or a book, is no key that a table could be asked for


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision, its steps, the outbox row of its mail, if there is one, and what it was decided by."""

    record: dict[str, Any]
    steps: tuple[Step, ...]
    send: Item | None
    alone: Batch  # the reader's row, as the cycle saw it
    context: CycleContext


def explain_decisions(w: Wiring, org: str, name: str, *, last: int) -> list[Explained]:
    """Of a send its decision; of a subscriber the last few, newest first.

    Raises BadInput for a name that is neither, Refused("snapshot_unreadable") where the record is there and its inputs are not.
    """
    if not 0 < len(name) <= _LONGEST_NAME:
        raise BadInput("name", "unknown", "neither a send nor a subscriber of this org")
    send = w.sends.get(name)
    if send is not None and send["org"] == org:
        found = _decided(w, org, send["cycle_id"], send["subscriber"])
        if found is None:
            raise BadInput("send", "no_receipt", f"cycle {send['cycle_id']} has none of it")
        return [found[0]]
    person = w.subscribers.get(org, name)
    if person is None:
        raise BadInput("name", "unknown", "neither a send nor a subscriber of this org")
    return list(_history(w, org, name, decided_at=int(person.get("decided_at", 0)), last=last))


def _history(w: Wiring, org: str, subscriber: str, *, decided_at: int, last: int) -> Iterator[Explained]:
    """A page keeps when each of its rows was decided before: decisions are a chain, and no index of them is needed."""
    for _ in range(last):
        found = _decided(w, org, cycle_id_at(from_epoch(decided_at)), subscriber) if decided_at else None
        if found is None:
            return
        explained, decided_at = found
        yield explained


def _decided(w: Wiring, org: str, cycle_id: str, subscriber: str) -> tuple[Explained, int] | None:
    """A subscriber's decision in a cycle, and when the one before was made (0 = never)."""
    found = _receipt(w, org, cycle_id, subscriber)
    if found is None:
        return None
    record, lines = found
    page, context = (w.decisions.get(record[kind]) for kind in ("page", "context"))
    if page is None or context is None:
        raise Refused("snapshot_unreadable", f"{record['page']} or {record['context']} is not there")
    batch, decided_by = load_page(page), load_context(context, finder(w, org))
    own = [record["row"]]
    row = unpack(batch.rows[record["row"]].tobytes())
    alone = Batch(batch.subscriber[own], batch.rows[own], batch.decided_at[own])
    steps = explain(record, row, decided_by, lambda: nearest_flip(alone, decided_by), page=map(orjson.loads, lines))
    send = w.sends.get(record["send_id"]) if record["send_id"] else None
    return Explained(record, steps, send, alone, decided_by), int(batch.decided_at[record["row"]])


def _receipt(w: Wiring, org: str, cycle_id: str, subscriber: str) -> tuple[dict[str, Any], list[bytes]] | None:
    """A subscriber's receipt in a cycle, and all lines of its page."""
    for key in receipt_keys(w, org, cycle_id):
        lines = gzip.decompress(w.decisions.get(key) or b"").splitlines()
        for record in map(orjson.loads, lines):
            if record["subscriber"] == subscriber:
                return record, lines
    return None


def receipt_keys(w: Wiring, org: str, cycle_id: str) -> list[str]:
    """Where a cycle's receipts lie: under the UTC day that its name begins with."""
    day = f"{cycle_id[:4]}-{cycle_id[4:6]}-{cycle_id[6:8]}"
    return w.decisions.keys(f"decisions/{org}/{day}/{cycle_id}/")
