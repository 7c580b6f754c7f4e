"""Files that operators hand over, understood whole before anything is written: good records beside problems with their lines."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import Problem, parse_offers
from revenue_engine.intake.subscribers_csv import SubscriberRecord, ignored_columns, read_subscribers
from revenue_engine.intake.suppression_list import read_suppression_list
from revenue_engine.records.offer import Offer

_LIST_ID = re.compile(r"(offer-)?[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong, and where. `line` 0: the file as a whole."""

    line: int
    field: str
    reason: str
    detail: str = ""

    def text(self, path: Path) -> str:
        """`people.csv:12: email: not_an_address`; never the value of a person's field (P4)."""
        where = f"{path}:{self.line}" if self.line else str(path)
        return f"{where}: {self.field}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


def problem_of(line: int, bad: BadInput) -> FileProblem:
    """A BadInput with its place."""
    return FileProblem(line, bad.field, bad.reason, bad.detail)


@dataclass(frozen=True)
class Subscribers:
    """A subscribers file, understood. Warnings do not stand in the way of an import."""

    records: tuple[SubscriberRecord, ...]
    problems: tuple[FileProblem, ...]
    warnings: tuple[FileProblem, ...]


@dataclass(frozen=True)
class Catalogue:
    """An offers file, understood. Warnings do not stand in the way of an import."""

    offers: tuple[Offer, ...]
    problems: tuple[FileProblem, ...]
    warnings: tuple[FileProblem, ...]


@dataclass(frozen=True)
class OptOuts:
    """An advertiser's list, understood: the hashes its people are looked up by."""

    hashes: tuple[str, ...]
    people: int
    problems: tuple[FileProblem, ...]


def subscribers_of(
    path: Path, *, mapping: Mapping[str, str], now: datetime, consent_source: str = "", consent_at: datetime | None = None
) -> Subscribers:
    """Every line of a CSV file. A header that cannot carry the import is a problem of line 1."""
    text = _text(path)
    if isinstance(text, FileProblem):
        return Subscribers((), (text,), ())
    records: list[SubscriberRecord] = []
    problems: list[FileProblem] = []
    warnings: list[FileProblem] = []
    try:
        ignored = ignored_columns(io.StringIO(text, newline=""), mapping=mapping)
        if ignored:
            shown = ", ".join(repr(name[:40]) for name in ignored)
            warnings.append(FileProblem(1, "header", "columns_ignored", f"{shown}; --map reads a column under another name"))
        rows = io.StringIO(text, newline="")
        for line in read_subscribers(rows, mapping=mapping, now=now, consent_source=consent_source, consent_at=consent_at):
            if line.record is not None:
                records.append(line.record)
            elif line.problem is not None:
                problems.append(problem_of(line.number, line.problem))
            if line.warning is not None:
                warnings.append(problem_of(line.number, line.warning))
    except BadInput as bad:
        problems.append(problem_of(1, bad))
    return Subscribers(tuple(records), tuple(problems), tuple(warnings))


def catalogue_of(path: Path) -> Catalogue:
    """Every offer of a JSON file in Everflow's form; its line is where its id stands."""
    text = _text(path)
    if isinstance(text, FileProblem):
        return Catalogue((), (text,), ())
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return Catalogue((), (FileProblem(error.lineno, "document", "not_json", error.msg),), ())
    except (ValueError, RecursionError):
        pass  # a number too long or brackets too deep: of no one line, and told below
    try:
        found = parse_offers(text)
    except BadInput as bad:
        return Catalogue((), (problem_of(0, bad),), ())
    return Catalogue(found.offers, _located(found.problems, text), _located(found.warnings, text))


def opt_outs_of(path: Path) -> OptOuts:
    """Every line of an advertiser's list: plain addresses, MD5 or SHA-512."""
    text = _text(path)
    if isinstance(text, FileProblem):
        return OptOuts((), 0, (text,))
    hashes: dict[str, None] = {}
    people = 0
    problems: list[FileProblem] = []
    for line in read_suppression_list(io.StringIO(text)):
        if line.problem is not None:
            problems.append(problem_of(line.number, line.problem))
        else:
            people += 1
            hashes.update(dict.fromkeys(line.hashes))
    if not people and not problems:
        problems.append(FileProblem(0, "file", "empty"))  # it would make the list fresh; a sync refuses it by the same name
    return OptOuts(tuple(hashes), people, tuple(problems))


def check_list_id(list_id: str) -> str:
    """An Everflow suppression list id, or `offer-…` for a list that only one offer has. Raises BadInput."""
    if not _LIST_ID.fullmatch(list_id):
        raise BadInput("list_id", "not_a_list_id", list_id[:20])
    return list_id


def _text(path: Path) -> str | FileProblem:
    """The file as UTF-8 text. Raises OSError when it cannot be read."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return FileProblem(raw.count(b"\n", 0, error.start) + 1, "file", "not_utf8")


def _located(problems: Iterable[Problem], text: str) -> tuple[FileProblem, ...]:
    lines = text.splitlines()

    def line_of(where: str) -> int:
        number = re.fullmatch(r"offer (\d+)", where)
        if number is None:
            return 0
        stands = re.compile(rf'"network_offer_id"\s*:\s*{number[1]}\b')
        return next((n for n, line in enumerate(lines, start=1) if stands.search(line)), 0)

    return tuple(
        FileProblem(line_of(p.where), p.field, p.reason, f"{p.where}: {p.detail}" if p.detail else p.where) for p in problems
    )
