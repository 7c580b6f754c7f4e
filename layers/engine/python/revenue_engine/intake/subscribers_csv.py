"""Subscribers from a CSV file: line by line, each either a record or a problem with its line number and field."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib.resources import files

from revenue_engine.errors import BadInput
from revenue_engine.ids import normalise_address
from revenue_engine.intake.cells import count_of, share_of, time_of
from revenue_engine.intake.countries import country_code
from revenue_engine.records.zones import zone_number

COLUMNS = (
    "email", "consent_at", "consent_source", "zone", "first_name", "last_name", "country", "topics", "price_sensitivity",
    "peak_hour", "purchases", "last_purchase_at", "created_at", "status", "consent",
)  # fmt: skip
PROFILE = "profile."
OPTED_OUT = ("unsubscribed", "complained", "bounced")
STATUSES = ("active", *OPTED_OUT)
CONSENTED = ("yes", "true", "1", "y", "granted")
NOT_CONSENTED = ("no", "false", "0", "n")
MOST_PURCHASES = 65_000
MAX_TOPICS = 32  # a bit each in the packed row
_MAX = {"email": 320, "topics": 1_000, PROFILE: 500}
_MAX_OTHER = 100


@dataclass(frozen=True, slots=True)
class SubscriberRecord:
    """One person of the file. "" and None mean: not given. The address and names stay out of `repr` and so out of logs (P4)."""

    email: str = field(repr=False)  # normalised
    status: str
    consent_source: str  # "" only when the person is not active
    consent_at: datetime | None  # None only when the person is not active
    zone: str
    first_name: str = field(repr=False)
    last_name: str = field(repr=False)
    country: str  # ISO 3166 alpha-2, upper case
    topics: tuple[str, ...]
    price_sensitivity: float | None  # 0..1
    peak_hour: int | None  # 0..23
    purchases: int | None  # so far, anywhere with this publisher
    last_purchase_at: datetime | None
    created_at: datetime | None
    profile: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Line:
    """What one data row became: `record` or `problem`. `number` is the line of the file the row starts on, from 1.

    A record may come with a warning: what was not said in so many cells.
    """

    number: int
    record: SubscriberRecord | None
    problem: BadInput | None
    warning: BadInput | None = None


def read_subscribers(
    text_lines: Iterable[str],
    *,
    mapping: Mapping[str, str],
    now: datetime,
    consent_source: str = "",
    consent_at: datetime | None = None,
) -> Iterator[Line]:
    """The rows of a CSV file opened with `newline=""`.

    Parameters
    ----------
    mapping
        Our column → the file's, where names differ. `profile.x` columns become `profile["x"]`.
    now
        What is told of was before it, give or take a day.
    consent_source, consent_at
        For rows that do not say: the consent the whole file was collected under. Nobody becomes active without a recorded
        consent (P1), nor where a `consent` column does not say yes.

    A second row of one address is the problem `duplicate_in_file`, except an opt-out: that always comes through, and the
    importer lets it win whatever row came first (P3). Nor is an opt-out refused for a fact that cannot be read, which is left out, or
    for too few or too many cells, of which nothing but the address and the status is read, with the warning `ragged_opt_out`.

    Raises BadInput, before any row, when the header cannot carry the import.
    """
    numbered = _Counted(text_lines)
    reader = csv.reader(numbered, strict=True)
    header = _header(reader)
    return _rows(reader, numbered, len(header), _columns(header, mapping), now, consent_source.strip(), consent_at)


def ignored_columns(text_lines: Iterable[str], *, mapping: Mapping[str, str]) -> tuple[str, ...]:
    """The file's columns that an import does not read, in their order. Raises BadInput as `read_subscribers` does."""
    header = _header(csv.reader(_Counted(text_lines), strict=True))
    read = set(_columns(header, mapping).values())
    return tuple(name.strip() for place, name in enumerate(header) if place not in read)


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        return next(reader)
    except StopIteration:
        raise BadInput("header", "empty_file") from None
    except csv.Error:
        raise BadInput("header", "malformed_quotes") from None


class _Counted:
    """Lines with a count of those handed out, so that a row broken by newlines inside quotes still knows where it began."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.count = 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.count += 1
        return line.removeprefix("\ufeff") if self.count == 1 else line


def _columns(header: list[str], mapping: Mapping[str, str]) -> dict[str, int]:
    """Our column → its place. Raises BadInput on duplicates, unknown names in the mapping, and what is missing."""
    names = [name.strip() for name in header]
    for name in names:
        if name and names.count(name) > 1:
            raise BadInput("header", "duplicate_column", name[:40])
    columns: dict[str, int] = {}
    for ours, theirs in mapping.items():
        if ours not in COLUMNS and not (ours.startswith(PROFILE) and len(ours) > len(PROFILE)):
            raise BadInput("mapping", "unknown_column", ours[:40])
        if theirs not in names:
            raise BadInput(ours, "missing_column", theirs[:40])
        columns[ours] = names.index(theirs)
    for place, name in enumerate(names):
        if name in COLUMNS or (name.startswith(PROFILE) and len(name) > len(PROFILE)):
            columns.setdefault(name, place)
    if "email" not in columns:
        raise BadInput("email", "missing_column", mapping.get("email", "email"))
    return columns


def _rows(
    reader: Iterator[list[str]],
    numbered: _Counted,
    width: int,
    columns: dict[str, int],
    now: datetime,
    consent_source: str,
    consent_at: datetime | None,
) -> Iterator[Line]:
    first_line: dict[str, int] = {}  # address → line of its first good row
    while True:
        number = numbered.count + 1
        try:
            cells = next(reader)
            if not cells:
                continue
            warning = None
            if len(cells) == width:
                named = {name: cells[place] for name, place in columns.items()}
            else:
                named = _opt_out_of(cells, width, columns)
                warning = BadInput("row", "ragged_opt_out", f"{_ragged(cells, width)}, taken as {named['status'].lower()}")
            record = _record(named, now, consent_source, consent_at)
            earlier = first_line.setdefault(record.email, number)
            if earlier != number and record.status == "active":
                raise BadInput("email", "duplicate_in_file", f"first in line {earlier}")
        except StopIteration:
            return
        except csv.Error as error:
            too_long = "field larger" in str(error)
            yield Line(number, None, BadInput("row", "too_long" if too_long else "malformed_quotes"))
        except BadInput as bad:
            yield Line(number, None, bad)
        else:
            yield Line(number, record, None, warning)


def _opt_out_of(cells: list[str], width: int, columns: Mapping[str, int]) -> dict[str, str]:
    """Address and status of a line with too few or too many cells that says an opt-out (P3); nothing else of it stands where it should.

    Too few are missing at the end if the status is in its place and behind the address, which then is in its own, and nothing before it
    says `active`. Otherwise cells have moved: the opt-out may stand anywhere, and so may the address if the line has only one; but then
    one that says `active` as well says no opt-out.
    Raises BadInput("row", "ragged_row") on any other line.
    """
    cells, email, status = [cell.strip() for cell in cells], columns["email"], columns.get("status")
    if status is not None:
        active = [place for place, cell in enumerate(cells) if cell.lower() == "active"]
        if email < status < len(cells) < width and cells[status].lower() in OPTED_OUT and not any(p < status for p in active):
            return {"email": cells[email], "status": cells[status]}
        said = [cell for cell in cells if cell.lower() in OPTED_OUT]
        addresses = {address for cell in cells if (address := _address(cell))}
        if said and len(addresses) == 1 and not active:
            return {"email": addresses.pop(), "status": said[0]}
    raise BadInput("row", "ragged_row", _ragged(cells, width))


def _ragged(cells: list[str], width: int) -> str:
    return f"{len(cells)} cells instead of {width}"


def _address(cell: str) -> str:
    try:
        return normalise_address(cell)
    except BadInput:
        return ""


def _record(cells: Mapping[str, str], now: datetime, consent_source: str, consent_at: datetime | None) -> SubscriberRecord:
    """Of an opt-out the address and the status must be right; anything else that cannot be read is left out (P3)."""
    text = {name: cell.strip() for name, cell in cells.items()}
    while True:
        try:
            return _read(text, now, consent_source, consent_at)
        except BadInput as bad:
            if text.get("status", "").lower() not in OPTED_OUT or bad.field == "email":
                raise
            text[bad.field] = ""
            if bad.field == "consent_at":
                consent_at = None  # the row has said another time than the file's


def _read(text: Mapping[str, str], now: datetime, consent_source: str, consent_at: datetime | None) -> SubscriberRecord:
    for name, value in text.items():
        if len(value) > _MAX.get(PROFILE if name.startswith(PROFILE) else name, _MAX_OTHER):
            raise BadInput(name, "too_long", f"{len(value)} characters")
        if not value.isprintable():
            raise BadInput(name, "nul_byte" if "\0" in value else "control_character")
    given = {name: text.get(name, "") for name in COLUMNS}
    email = normalise_address(given["email"])
    status = given["status"].lower() or "active"
    if status not in STATUSES:
        raise BadInput("status", "unknown_status", status[:20])
    source = given["consent_source"] or consent_source
    since = time_of(given["consent_at"], field="consent_at", now=now) or consent_at
    if status == "active" and "consent" in text:
        _check_consent(text["consent"].lower())
    if status == "active" and (not source or since is None):
        raise BadInput("consent_source" if not source else "consent_at", "no_recorded_consent")
    country = country_code(given["country"])
    if country and country not in _countries():
        raise BadInput("country", "not_a_country_code", country[:20])
    if given["zone"]:
        zone_number(given["zone"])
    return SubscriberRecord(
        email=email,
        status=status,
        consent_source=source,
        consent_at=since,
        zone=given["zone"],
        first_name=given["first_name"],
        last_name=given["last_name"],
        country=country,
        topics=_topics(given["topics"]),
        price_sensitivity=share_of(given["price_sensitivity"], field="price_sensitivity"),
        peak_hour=count_of(given["peak_hour"], field="peak_hour", most=23),
        purchases=count_of(given["purchases"], field="purchases", most=MOST_PURCHASES),
        last_purchase_at=time_of(given["last_purchase_at"], field="last_purchase_at", now=now),
        created_at=time_of(given["created_at"], field="created_at", now=now),
        profile={name.removeprefix(PROFILE): value for name, value in text.items() if name.startswith(PROFILE) and value},
    )


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    """ISO 3166's alpha-2 codes, from the table that comes with the time zones; and Kosovo's, which is in use without being one of them."""
    lines = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text("utf-8").splitlines()
    return frozenset(line[:2] for line in lines if not line.startswith("#")) | {"XK"}


def _topics(text: str) -> tuple[str, ...]:
    topics = tuple(dict.fromkeys(topic.strip().lower() for topic in text.split(";") if topic.strip()))
    if len(topics) > MAX_TOPICS:
        raise BadInput("topics", "too_many", f"{len(topics)}, at most {MAX_TOPICS}")
    return topics


def _check_consent(answer: str) -> None:
    """P1: an empty cell is no yes."""
    if answer in NOT_CONSENTED:
        raise BadInput("consent", "no_consent")
    if answer not in CONSENTED:
        raise BadInput("consent", "not_yes_or_no", answer[:20])
