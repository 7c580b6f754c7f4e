"""What could not be understood, and what contradicts the books, is kept, listed and replayed (M3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from revenue_engine.aws import names, observe
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.errors import Refused
from revenue_engine.intake.everflow import RawPostback
from revenue_engine.records.conversion import Arrival
from revenue_engine.services.receipts import queue_message
from revenue_engine.services.receipts import raw_key as key_of

PAGE = 500
READ_AT_ONCE = 2_000  # by one page: what was replayed lies among what waits
SEARCHED = 20_000  # a receipt alone does not say when it came
_MOST_DETAIL = 500
_OF_REPLAY = ("sk", "receipt_id", "state", "field", "reason", "raw_key")


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, newest first. `more`: how many the same reading saw after them; without `before` there are no others."""

    entries: list[Item]
    more: int
    before: str  # what the next page is asked with


def keep(w: Wiring, raw: RawPostback, *, raw_key: str, field: str, reason: str, detail: str, now: datetime) -> None:
    """One entry per receipt: keeping the same receipt again changes its reason, not their number."""
    facts: Item = {"field": field, "reason": reason, "detail": detail, "raw_key": raw_key, "state": "open"}
    _keep(w, raw.org, raw.receipt_id, raw.received_at, facts, now)


def keep_arrival(
    w: Wiring, arrival: Arrival, *, field: str, reason: str, detail: str, now: datetime, state: str = "open"
) -> None:
    """The same for what was understood and waits for a person all the same. A row of the report has no raw object."""
    report = arrival.source == "report"
    facts: Item = {
        "field": field,
        "reason": reason,
        "detail": detail,
        "raw_key": "" if report else key_of(arrival),
        "state": state,
        "source": arrival.source,
    }
    _keep(w, arrival.org, arrival.receipt_id, arrival.converted_at if report else arrival.received_at, facts, now)


def _keep(w: Wiring, org: str, receipt_id: str, received_at: datetime, facts: Item, now: datetime) -> None:
    # what could not be understood may hold lone surrogates, which DynamoDB cannot
    text = {name: value.encode("utf-8", "replace").decode() for name, value in facts.items()}
    text["detail"] = text["detail"][:_MOST_DETAIL]
    w.quarantine.put(org, receipt_id=receipt_id, received_at=received_at, facts={**text, "kept_at": int(now.timestamp())})
    observe.count(names.METRIC_QUARANTINED, org)


def page(w: Wiring, org: str, *, replayed: bool = False, before: str = "") -> Page:
    """PAGE entries at most that wait (`open`, or `doubtful`: they contradict the books), or that a replay has settled.

    Reads READ_AT_ONCE items at most, so that a page may hold few entries and still not be the last.
    """
    entries: list[Item] = []
    read, more, last = 0, 0, ""
    for item in w.quarantine.newest_first(org, before=before, most=READ_AT_ONCE):
        read += 1
        wanted = (item["state"] == "replayed") == replayed
        if len(entries) == PAGE:
            more += wanted
            continue
        last = item["sk"]
        if wanted:
            entries.append(item)
    return Page(entries, more, last if more or read == READ_AT_ONCE else "")


def listed(w: Wiring, org: str, *, replayed: bool = False) -> list[Item]:
    """All pages' entries, newest first."""
    return [item for item in w.quarantine.newest_first(org) if (item["state"] == "replayed") == replayed]


def can_replay(entry: Item) -> bool:
    """Whether the whole postback is there to look at again.

    A row of the report has no raw object: the next reconciliation reads it again. Of an oversized request only the beginning was
    kept, and money is not booked on the half of a message.
    """
    return bool(entry["raw_key"]) and not _is_cut(entry)


def replay(w: Wiring, org: str, receipt_id: str) -> bool:
    """Queues one entry again, as if it had just come with a good token. False when none by that id waits.

    The entry closes only when the replay has been booked; what fails or contradicts again stays, with its new reason.
    Raises Refused: "too_long" for a request that was cut, "not_among_newest" when SEARCHED entries were looked through in vain.
    """
    entry = _waiting(w, org, receipt_id)
    if entry is None:
        return False
    if _is_cut(entry):
        raise Refused("too_long", "only the beginning of this request was kept; the report books what it meant")
    return _queue(w, org, [entry]) == 1


def replay_all(w: Wiring, org: str) -> int:
    """The same with every entry that can be replayed; how many they are."""
    return _queue(w, org, listed(w, org))


def _queue(w: Wiring, org: str, entries: Iterable[Item]) -> int:
    whole = [entry for entry in entries if can_replay(entry)]
    w.postbacks_queue.send(
        [queue_message(org, entry["receipt_id"], entry["raw_key"], token_state="ok", replay=True) for entry in whole]
    )
    return len(whole)


def _waiting(w: Wiring, org: str, receipt_id: str) -> Item | None:
    read = 0
    for item in w.quarantine.newest_first(org, most=SEARCHED, only=_OF_REPLAY):
        read += 1
        if item["receipt_id"] == receipt_id:
            return None if item["state"] == "replayed" else item
    if read == SEARCHED:
        raise Refused("not_among_newest", f"looked through {SEARCHED} entries: replay all of them")
    return None


def _is_cut(entry: Item) -> bool:
    return (entry["field"], entry["reason"]) == ("request", "too_long")
