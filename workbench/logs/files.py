"""Reading and writing the files of a log."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from revenue_engine.errors import BadInput
from revenue_engine.records.evidence import Evidence, parse_evidence
from workbench.logs.lines import Conversion, MailOutcome

OUTCOMES, CONVERSIONS, DECISIONS, MODELS = "outcomes.ndjson.gz", "conversions.ndjson.gz", "decisions", "models"
EVIDENCE, WAITING = "evidence.ndjson.gz", "waiting.json"
_Line = TypeVar("_Line", MailOutcome, Conversion)


@dataclass(frozen=True, slots=True)
class Log:
    """What became of the decisions; these themselves are read one by one (`read_decisions`), for there are many."""

    outcomes: list[MailOutcome]
    conversions: list[Conversion]


def write_outcomes(folder: Path, lines: Iterable[MailOutcome]) -> None:
    """Replaces the folder's outcomes."""
    _write(folder / OUTCOMES, lines)


def write_conversions(folder: Path, lines: Iterable[Conversion]) -> None:
    """Replaces the folder's conversions."""
    _write(folder / CONVERSIONS, lines)


def write_evidence(folder: Path, cells: Iterable[Evidence]) -> None:
    """Replaces the folder's evidence."""
    _write(folder / EVIDENCE, cells)


def read_evidence(folder: Path) -> list[Evidence]:
    """Raises BadInput naming the file and the line; a folder without evidence was exported without inputs."""
    path, found = folder / EVIDENCE, []
    if not path.exists():
        raise BadInput(EVIDENCE, "missing", "export the log with --inputs")
    for number, line in _lines(path):
        try:
            found.append(parse_evidence(orjson.loads(line)))
        except (orjson.JSONDecodeError, BadInput, TypeError, ValueError) as error:
            raise BadInput(f"{EVIDENCE}:{number}", "not_evidence", str(error)) from None
    return found


def write_waiting(folder: Path, plans: Sequence[str]) -> None:
    """Replaces the folder's list of plans that wait for a person."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WAITING).write_bytes(orjson.dumps(plans))


def read_waiting(folder: Path) -> frozenset[str]:
    """Ids of the plans that waited when the log was exported. Raises BadInput; receipts alone do not tell what became of a plan."""
    path = folder / WAITING
    if not path.exists():
        raise BadInput(WAITING, "missing", "export the log again")
    try:
        return frozenset(TypeAdapter(list[str]).validate_json(path.read_bytes(), strict=True))
    except ValidationError as error:
        raise BadInput(WAITING, "not_plans", error.errors()[0]["msg"]) from None


def read_log(folder: Path) -> Log:
    """Raises BadInput naming the file, the line and the field; a folder without outcomes or conversions is no log."""
    return Log(_read(folder / OUTCOMES, MailOutcome, "send_id"), _read(folder / CONVERSIONS, Conversion, "key"))


def read_decisions(folder: Path) -> Iterator[dict[str, Any]]:
    """Receipts, file by file in the order of their names. Raises BadInput as `read_log`."""
    files = sorted(path for path in (folder / DECISIONS).glob("**/*") if path.name.endswith((".ndjson", ".ndjson.gz")))
    if not files:
        raise BadInput(DECISIONS, "missing", str(folder))
    for path in files:
        for number, line in _lines(path):
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise BadInput(f"{path.name}:{number}", "not_json", str(error)) from None


def _write(path: Path, lines: Iterable[MailOutcome] | Iterable[Conversion] | Iterable[Evidence]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")  # a reader never sees half a file
    with gzip.open(partial, "wb", compresslevel=5) as file:
        for line in lines:
            file.write(orjson.dumps(line) + b"\n")
    partial.replace(path)


def _read(path: Path, kind: type[_Line], name: str) -> list[_Line]:
    """`name`: the field that no two lines share."""
    if not path.exists():
        raise BadInput(path.name, "missing", str(path.parent))
    adapter: TypeAdapter[_Line] = TypeAdapter(kind)
    found: list[_Line] = []
    first_at: dict[str, int] = {}
    for number, line in _lines(path):
        try:
            found.append(adapter.validate_json(line, strict=True))
            if first_at.setdefault(getattr(found[-1], name), number) != number:
                raise BadInput(f"{path.name}:{number}: {name}", "twice", f"as in line {first_at[getattr(found[-1], name)]}")
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "line"
            raise BadInput(f"{path.name}:{number}: {field}", first["type"], first["msg"]) from None
    return found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
        except (OSError, EOFError) as error:
            raise BadInput(path.name, "not_readable", str(error)) from None
