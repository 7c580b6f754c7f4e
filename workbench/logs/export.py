"""From a running stack to a log on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from revenue_engine.attribution.ledger import Head
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_millis
from revenue_engine.errors import BadInput, Refused
from revenue_engine.learning.dataset import EVIDENCE_DAYS
from revenue_engine.records.evidence import parse_evidence
from revenue_engine.services import export_log
from revenue_engine.snapshot import bundle_version
from workbench.logs.files import DECISIONS, MODELS, write_conversions, write_evidence, write_outcomes, write_waiting
from workbench.logs.lines import Conversion, MailOutcome


def export(
    w: Wiring,
    org: str,
    folder: Path,
    *,
    days: int,
    now: datetime,
    inputs: bool = False,
    progress: Callable[[str], None] = lambda what: None,
) -> Counter[str]:
    """Writes the org's log of the last `days` UTC days into an empty folder; how many of each thing there were. With `inputs` also what
    training needs beside them: the evidence of a year.

    Raises BadInput for a folder that holds anything: two exports would be mixed. `progress` is told each page, day and conversion.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadInput("folder", "not_empty", str(folder))
    counts: Counter[str] = Counter(pages=0, contexts=0, bundles=0, mails=0, conversions=0)
    span = export_log.span(w, org, days=days, now=now)
    for day in span.decided:
        for key, raw in export_log.receipts(w, org, day):
            cycle_id, page = key.split("/")[3:]
            _put(folder / DECISIONS / day.isoformat() / f"{cycle_id}-{page}", raw)
            counts["pages"] += 1
            rows_key, rows = export_log.inputs(w, org, key)
            if rows is not None:
                _put(folder / rows_key, rows)
        for key, raw in export_log.contexts(w, org, day):
            _put(folder / key, raw)
            counts["contexts"] += 1
            counts.update(_bundle(w, org, folder, raw))
        progress(f"decisions of {day}")

    def outcomes() -> Iterator[MailOutcome]:
        for day in span.booked:
            for row in export_log.mails(w, org, day):
                counts["mails"] += 1
                yield outcome_of(row)
            progress(f"mails of {day}")

    def sales() -> Iterator[Conversion]:
        for key, head in export_log.conversions(w, org, span.booked):
            counts["conversions"] += 1
            yield conversion_of(key, head)
        progress("conversions")

    if inputs:
        since_day = f"{now - timedelta(days=EVIDENCE_DAYS):%Y-%m-%d}"
        write_evidence(folder, [parse_evidence(item) for item in w.offers.evidence(org, since_day=since_day)])
    write_waiting(folder, export_log.waiting(w, org, now=now))
    write_outcomes(folder, outcomes())
    write_conversions(folder, sales())
    return counts


def _bundle(w: Wiring, org: str, folder: Path, context: bytes) -> tuple[str, ...]:
    """The bundle that a context names, once. What cannot be had is counted, and whoever reads the log leaves its decisions out by name."""
    try:
        place = folder / MODELS / bundle_version(context)
        if place.exists():
            return ()
        files = w.bundles.files(org, place.name)
    except Refused:
        return ("contexts without a bundle",)
    for name, body in files.items():
        _put(place / name, body)
    return ("bundles",)


def outcome_of(row: Item) -> MailOutcome:
    """A line of an outbox row."""
    return MailOutcome(
        decision_id=row["decision_id"],
        send_id=row["pk"],
        subscriber=row["subscriber"],
        policy=row["policy"],
        offer=row["offer"],
        variant=row["variant"],
        segment=row["segment"],
        provider=row["provider"],
        sent_at=float(row["sent_at"]),
        delivered="delivered_at" in row,
        hard_bounced=row["hard_bounced"],
        human_opens=row.get("human_opens", 0),
        human_clicks=row.get("human_clicks", 0),
        first_human_click_at=_time(row, "first_human_click_at"),
        unsubscribed_at=_time(row, "unsubscribed_at"),
        complained_at=_time(row, "complained_at"),
    )


def conversion_of(key: str, head: Head) -> Conversion:
    """A line of the books of one key."""
    position = head.position
    return Conversion(
        key=key,
        send_id=position.place.send_id or "",
        subscriber=position.place.subscriber or "",
        offer=position.place.offer,
        converted_at=epoch_millis(position.converted_at) / 1_000,
        state=position.state,
        provisional_micros=position.amounts.provisional_micros,
        approved_micros=position.amounts.approved_micros,
        currency=position.place.currency,
        held=position.amounts.held_conversions > 0,
    )


def _time(row: Item, name: str) -> float | None:
    return float(row[name]) if name in row else None


def _put(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
