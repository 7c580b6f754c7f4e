"""A log on disk as the evaluation functions take it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from revenue_engine.bundle import Bundle, Finder, load
from revenue_engine.clock import parse_iso
from revenue_engine.errors import BadInput, Refused
from revenue_engine.evaluation.ghosts import Events, WouldBe
from revenue_engine.evaluation.receipts import Became, Receipt
from workbench.logs.files import DECISIONS, MODELS, Log, read_decisions

_VERSION = re.compile(r"[0-9a-f]{32}")
_CONTEXT = re.compile(r"cycles/[a-z0-9-]+/[0-9A-Za-z:-]+/context\.json")


def read_receipts(folder: Path) -> Iterator[Receipt]:
    """Receipts one by one: a log has many millions. Raises BadInput naming the decision and the field."""
    for document in read_decisions(folder):
        try:
            yield Receipt.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "line"
            raise BadInput(f"{DECISIONS}: {document.get('decision_id')}: {field}", first["type"], first["msg"]) from None


@dataclass(frozen=True, slots=True)
class Known:
    """What a log is of."""

    until: float  # epoch seconds of its last decision: what it knows, it knows up to then
    currency: str  # of its predictions


def survey(folder: Path) -> Known:
    """Looks through all decisions. Raises BadInput for one without a time, and for two currencies: they are never added up (M1)."""
    last, currencies = "", set()
    for document in read_decisions(folder):
        if not isinstance(document, dict):
            raise BadInput(f"{DECISIONS}: line", "not_an_object")
        last = max(last, str(document.get("ts")))  # ISO texts sort as they run
        currencies.add(str(document.get("currency")))
    if len(currencies) != 1:
        raise BadInput(f"{DECISIONS}: currency", "not_one", ", ".join(sorted(currencies)))
    try:
        return Known(parse_iso(last).timestamp(), currencies.pop())
    except ValueError as error:
        raise BadInput(f"{DECISIONS}: ts", "not_a_time", str(error)) from None


def stored_in(folder: Path) -> Callable[[str], bytes | None]:
    """Finds a cycle's context by the name that its receipts have for it."""

    def find(name: str) -> bytes | None:
        path = folder / name
        return path.read_bytes() if _CONTEXT.fullmatch(name) and path.is_file() else None

    return find


def bundles_in(folder: Path) -> Finder:
    """Finds a bundle of the log by its version, reading each once. Raises Refused as `bundle.load`."""

    @cache
    def find(version: str) -> Bundle:
        place = folder / MODELS / version
        if not _VERSION.fullmatch(version) or not place.is_dir():
            raise Refused("bundle_missing", version)
        return load({path.name: path.read_bytes() for path in place.iterdir() if path.is_file()})

    return find


def became(log: Log, currency: str) -> dict[str, Became]:
    """What became of each mail, by decision. Money of another currency has no rate here, and is in no sum (M1)."""
    approved: Counter[str] = Counter()
    for sale in log.conversions:
        if sale.send_id and sale.currency == currency:
            approved[sale.send_id] += sale.approved_micros
    return {
        mail.decision_id: Became(
            sent_at=mail.sent_at,
            clicked_at=mail.first_human_click_at,
            unsubscribed_at=mail.unsubscribed_at,
            complained_at=mail.complained_at,
            approved_micros=approved[mail.send_id],
        )
        for mail in log.outcomes
    }


@dataclass(frozen=True, slots=True)
class GhostLog:
    """What `evaluation.ghosts.incremental` takes; subscribers are numbered alike."""

    decisions: WouldBe
    paid: Events
    exits: Events


def ghost_log(receipts: Iterable[Receipt], log: Log, currency: str) -> GhostLog:
    """Decisions to send that the switch let leave, and everything their people paid and did to leave, whichever mail it followed."""
    rows = [one for one in receipts if one.off_policy_support and one.played]
    paid = [sale for sale in log.conversions if sale.subscriber and sale.currency == currency]
    exits = [
        (mail.subscriber, at) for mail in log.outcomes for at in (mail.unsubscribed_at, mail.complained_at) if at is not None
    ]
    names = [one.subscriber for one in rows] + [sale.subscriber for sale in paid] + [who for who, _ in exits]
    numbers = np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
    of_rows, of_paid, of_exits = np.split(numbers, [len(rows), len(rows) + len(paid)])
    return GhostLog(
        WouldBe(
            of_rows,
            _ints(one.ts.timestamp() for one in rows),
            np.array([not one.ghost for one in rows], dtype=np.bool_),
            np.array([one.propensity_send for one in rows], dtype=np.float64),
        ),
        Events(of_paid, _ints(sale.converted_at for sale in paid), _ints(sale.approved_micros for sale in paid)),
        Events(of_exits, _ints(at for _, at in exits), np.ones(len(exits), dtype=np.int64)),
    )


def _ints(values: Iterable[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.fromiter((int(value) for value in values), dtype=np.int64)
