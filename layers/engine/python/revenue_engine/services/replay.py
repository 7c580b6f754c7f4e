"""Decide a stored cycle again, and hold every receipt against the stored one, bit for bit (D1). Only read."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass, field

import orjson

from revenue_engine import audit, snapshot
from revenue_engine.aws.wiring import Wiring
from revenue_engine.errors import BadInput
from revenue_engine.services.cycle_inputs import send_ids
from revenue_engine.services.explain import receipt_keys
from revenue_engine.services.models import finder


@dataclass
class Replayed:
    """Of one cycle. Nothing differs where the bytes are equal."""

    pages: int = 0
    rows: int = 0  # decided again
    differing_rows: int = 0
    fields: Counter[str] = field(default_factory=Counter)  # rows in which each differs
    examples: dict[str, str] = field(default_factory=dict)  # of each field: decision, then and now
    missing: list[str] = field(default_factory=list)  # pages whose inputs or receipts are gone
    decided_by: dict[str, str] = field(default_factory=dict)  # NumPy and code, as the record has them: the first suspects

    @property
    def same(self) -> bool:
        """Whether everything is there and decided alike."""
        return not (self.differing_rows or self.missing)


def replay_cycle(w: Wiring, org: str, cycle_id: str) -> Replayed:
    """All pages of a cycle. Raises BadInput for a cycle of which no receipt is on record, Refused for inputs of another layout."""
    keys = receipt_keys(w, org, cycle_id)
    if not keys:
        raise BadInput("cycle", "unknown", f"{cycle_id} has no receipts")
    found = Replayed()
    decided = {key.rpartition("/")[2].partition(".")[0] for key in keys}
    for key in w.decisions.keys(f"cycles/{org}/{cycle_id}/page-"):  # inputs are written first, receipts once it was decided
        if key.rpartition("/")[2].partition(".")[0] not in decided:
            found.missing.append(key)
    for key in keys:
        _page(w, org, gzip.decompress(w.decisions.get(key) or b""), found)
    return found


def _page(w: Wiring, org: str, stored: bytes, found: Replayed) -> None:
    lines = stored.splitlines()
    found.pages += 1
    if not lines:
        return
    first = orjson.loads(lines[0])
    page, context = w.decisions.get(first["page"]), w.decisions.get(first["context"])
    if page is None or context is None:
        found.missing.append(first["page"] if page is None else first["context"])
        return
    found.decided_by = snapshot.decided_by(context)
    taken = audit.taken_of(first)
    decisions, batch, cycle = audit.replay(page, context, finder(w, org), granted=first["granted"], taken=taken)
    again = audit.receipts(
        decisions,
        batch,
        cycle,
        page_key=first["page"],
        context_key=first["context"],
        granted=first["granted"],
        taken=taken,
        send_id=send_ids(w, org) if decisions.mail.any() else None,
    )
    found.rows += len(decisions)
    if again != stored:
        compare(lines, again.splitlines(), found)


def compare(then: list[bytes], now: list[bytes], found: Replayed) -> None:
    """Counts what differs between two pages' lines, field by field."""
    if len(then) != len(now):
        found.differing_rows += abs(len(then) - len(now))
        found.fields["(number of rows)"] += 1
    for old, new in zip(then, now, strict=False):
        if old == new:
            continue
        found.differing_rows += 1
        before, after = orjson.loads(old), orjson.loads(new)
        names = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)] or ["(order of fields)"]
        for name in names:
            found.fields[name] += 1
            found.examples.setdefault(name, f"{before['decision_id']}: {before.get(name)!r}, now {after.get(name)!r}")
