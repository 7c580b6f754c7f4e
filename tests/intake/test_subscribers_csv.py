"""Subscribers from CSV: right line numbers, named fields, nobody without consent, no opt-out lost."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.errors import BadInput
from revenue_engine.intake.subscribers_csv import Line, SubscriberRecord, ignored_columns, read_subscribers

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
CONSENT_AT = datetime(2026, 1, 2, tzinfo=UTC)


def read(
    text: str, mapping: dict[str, str] | None = None, *, source: str = "form", at: datetime | None = CONSENT_AT
) -> list[Line]:
    lines = io.StringIO(text, newline="")
    return list(read_subscribers(lines, mapping=mapping or {}, now=NOW, consent_source=source, consent_at=at))


def record(text: str, mapping: dict[str, str] | None = None) -> SubscriberRecord:
    (line,) = read(text, mapping)
    assert line.problem is None and line.record is not None
    return line.record


def problems(lines: list[Line]) -> list[tuple[int, str, str]]:
    return [(line.number, line.problem.field, line.problem.reason) for line in lines if line.problem]


def test_a_full_row_is_read() -> None:
    got = record(
        "email,consent_at,consent_source,zone,first_name,last_name,country,topics,price_sensitivity,peak_hour,purchases,last_purchase_at,"
        "created_at,status,"
        "profile.plan\n"
        " Pat@X.example ,2025-05-01T10:00:00+02:00,landing page,America/New_York,Pat,Ö,us,"
        "Health; Travel;health,0.25,20,7,2025-04-30,2024-12-31,ACTIVE,gold\n"
    )
    assert got == SubscriberRecord(
        email="pat@x.example",
        status="active",
        consent_source="landing page",
        consent_at=datetime(2025, 5, 1, 8, tzinfo=UTC),
        zone="America/New_York",
        first_name="Pat",
        last_name="Ö",
        country="US",
        topics=("health", "travel"),
        price_sensitivity=0.25,
        peak_hour=20,
        purchases=7,
        last_purchase_at=datetime(2025, 4, 30, tzinfo=UTC),
        created_at=datetime(2024, 12, 31, tzinfo=UTC),
        profile={"plan": "gold"},
    )


def test_an_address_alone_is_enough_under_the_consent_of_the_file() -> None:
    got = record("email\npat@x.example\n")
    assert (got.consent_source, got.consent_at, got.zone, got.price_sensitivity, got.peak_hour, got.profile) == (
        "form",
        CONSENT_AT,
        "",
        None,
        None,
        {},
    )


def test_columns_are_mapped_and_the_others_ignored() -> None:
    mapping = {"email": "E-Mail", "first_name": "Vorname", "profile.city": "Ort"}
    got = record("Ort,E-Mail,Vorname,Kundennummer\nUlm,pat@x.example,Pat,7\n", mapping)
    assert (got.email, got.first_name, got.profile) == ("pat@x.example", "Pat", {"city": "Ulm"})


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert record("\ufeffemail\npat@x.example\n").email == "pat@x.example"


def test_a_date_of_tomorrow_may_be_today_elsewhere() -> None:
    got = record("email,country,created_at,last_purchase_at\npat@x.example,xk,2026-03-05,2026-03-05T10:00:00Z\n")
    assert (got.country, got.created_at) == ("XK", datetime(2026, 3, 5, tzinfo=UTC))


def test_newlines_in_quotes_do_not_shift_the_line_numbers() -> None:
    lines = read('email,profile.note\r\na@x.example,"one\r\ntwo"\r\nbad,\r\n\r\nb@x.example,\r\n')
    assert problems(lines) == [(2, "profile.note", "control_character"), (4, "email", "not_an_address")]
    assert [(line.number, line.record.email) for line in lines if line.record] == [(6, "b@x.example")]


@pytest.mark.parametrize(
    ("text", "mapping", "field", "reason"),
    [
        ("", {}, "header", "empty_file"),
        ("name\n", {}, "email", "missing_column"),
        ("email\n", {"zone": "tz"}, "zone", "missing_column"),
        ("email\n", {"e_mail": "email"}, "mapping", "unknown_column"),
        ("email\n", {"profile.": "email"}, "mapping", "unknown_column"),
        ("email,zone,email\n", {}, "header", "duplicate_column"),
        ('"email" x\n', {}, "header", "malformed_quotes"),
    ],
)
def test_a_header_that_cannot_carry_the_import_stops_it_before_any_row(
    text: str, mapping: dict[str, str], field: str, reason: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read_subscribers(io.StringIO(text), mapping=mapping, now=NOW)
    assert (caught.value.field, caught.value.reason) == (field, reason)


@pytest.mark.parametrize(
    ("header", "row", "field", "reason"),
    [
        ("email", '""', "email", "not_an_address"),
        ("email", "nobody", "email", "not_an_address"),
        ("email", "a@x.example,7", "row", "ragged_row"),
        ("email,zone", "a@x.example", "row", "ragged_row"),
        ("email", '"a@x.example', "row", "malformed_quotes"),
        ("email", '"a"@x.example', "row", "malformed_quotes"),
        ("email", "a\0@x.example", "email", "nul_byte"),
        ("email", "x" * 321, "email", "too_long"),
        ("email", "x" * 140_000, "row", "too_long"),
        ("email,first_name", "a@x.example," + "x" * 101, "first_name", "too_long"),
        ("email,first_name", "a@x.example,P\x1bat", "first_name", "control_character"),
        ("email,zone", "a@x.example,Mars/Olympus", "zone", "unknown_time_zone"),
        ("email,status", "a@x.example,maybe", "status", "unknown_status"),
        ("email,status", "a@x.example,erased", "status", "unknown_status"),
        ("email,country", "a@x.example,Germany", "country", "not_a_country_code"),
        *(("email,country", f"a@x.example,{code}", "country", "not_a_country_code") for code in ("ZZ", "E1")),
        ("email,price_sensitivity", "a@x.example,high", "price_sensitivity", "not_a_number"),
        ("email,price_sensitivity", "a@x.example,1.1", "price_sensitivity", "out_of_range"),
        ("email,price_sensitivity", "a@x.example,nan", "price_sensitivity", "out_of_range"),
        ("email,peak_hour", "a@x.example,24", "peak_hour", "out_of_range"),
        ("email,purchases", "a@x.example,-1", "purchases", "out_of_range"),
        ("email,purchases", "a@x.example,65001", "purchases", "out_of_range"),
        ("email,last_purchase_at", "a@x.example,soon", "last_purchase_at", "not_a_time"),
        ("email,consent_at", "a@x.example,last year", "consent_at", "not_a_time"),
        ("email,created_at", "a@x.example,31.12.2024", "created_at", "not_a_time"),
        ("email,created_at", "a@x.example,1970-01-01", "created_at", "out_of_range"),
        *(
            (f"email,{name}", "a@x.example,2026-03-05T10:00:01Z", name, "in_the_future")
            for name in ("consent_at", "last_purchase_at", "created_at")
        ),
        ("email,consent_at", "a@x.example,9999-12-31T23:59-01:00", "consent_at", "out_of_range"),
        ("email,topics", "a@x.example," + ";".join(map(str, range(33))), "topics", "too_many"),
    ],
)
def test_a_bad_row_is_reported_by_line_and_field_and_the_next_is_read(header: str, row: str, field: str, reason: str) -> None:
    good = "z@x.example" + "," * header.count(",")
    lines = read(f"{header}\n{good}\n{row}\n")
    assert problems(lines) == [(3, field, reason)]
    if reason != "malformed_quotes":
        after = read(f"{header}\n{row}\n{good}\n")
        assert [line.number for line in after if line.record] == [3]


def test_no_problem_repeats_the_address() -> None:
    for line in read("email,first_name\nPat Miller <pat@x.example>,\na@x.example,x\na@x.example,x\n"):
        assert "x.example" not in str(line.problem or "")
        assert "x.example" not in repr(line.record)


@pytest.mark.parametrize(
    ("text", "source", "at", "field"),
    [
        ("email\na@x.example\n", "", CONSENT_AT, "consent_source"),
        ("email\na@x.example\n", "form", None, "consent_at"),
        ("email,consent_source\na@x.example,  \n", "", CONSENT_AT, "consent_source"),
        ("email,consent_source\na@x.example,form\n", "", None, "consent_at"),
    ],
)
def test_nobody_becomes_active_without_a_recorded_consent(text: str, source: str, at: datetime | None, field: str) -> None:
    assert problems(read(text, source=source, at=at)) == [(2, field, "no_recorded_consent")]


def test_an_opt_out_needs_no_consent() -> None:
    (line,) = read("email,status\na@x.example,unsubscribed\n", source="", at=None)
    assert line.record is not None and line.record.status == "unsubscribed"


def test_the_second_row_of_one_address_is_a_duplicate_whatever_its_spelling() -> None:
    lines = read("email\na@x.example\nb@x.example\n A@X.example\n")
    assert problems(lines) == [(4, "email", "duplicate_in_file")]
    assert lines[-1].problem is not None and lines[-1].problem.detail == "first in line 2"


def test_an_opt_out_further_down_is_never_lost_as_a_duplicate() -> None:
    lines = read("email,status\na@x.example,active\na@x.example,unsubscribed\na@x.example,active\n")
    assert [(line.number, line.record.status) for line in lines if line.record] == [(2, "active"), (3, "unsubscribed")]
    assert problems(lines) == [(4, "email", "duplicate_in_file")]


def test_a_bad_row_does_not_make_a_duplicate_of_the_good_one_after_it() -> None:
    assert problems(read("email,zone\na@x.example,Nowhere\na@x.example,UTC\n")) == [(2, "zone", "unknown_time_zone")]


@given(st.text(max_size=200))
def test_any_text_at_all_is_read_to_its_end(text: str) -> None:
    for line in read("email,first_name\n" + text):
        assert (line.record is None) != (line.problem is None)
        assert line.number >= 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        *((yes, None) for yes in ("yes", "TRUE", "1", "y", " granted ")),
        *((no, "no_consent") for no in ("no", "False", "0", "N")),
        *((what, "not_yes_or_no") for what in ("", "maybe", "2026-01-01")),
    ],
)
def test_a_consent_column_must_say_yes(answer: str, reason: str | None) -> None:
    (line,) = read(f"email,consent\na@x.example,{answer}\n")
    assert (line.problem and (line.problem.field, line.problem.reason)) == (reason and ("consent", reason))


def test_an_opt_out_comes_through_whatever_its_consent_says() -> None:
    (line,) = read("email,status,consent\na@x.example,unsubscribed,no\n")
    assert line.record is not None and line.record.status == "unsubscribed"


def test_names_of_countries_that_are_in_use_beside_iso_codes_are_read_as_these() -> None:
    lines = read("email,country\na@x.example,uk\nb@x.example,EL\n")
    assert [line.record and line.record.country for line in lines] == ["GB", "GR"]


@pytest.mark.parametrize("status", ["unsubscribed", " Complained ", "bounced"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("country", code) for code in ("EN", "Germany")),
        *((name, at) for name in ("consent_at", "last_purchase_at", "created_at") for at in ("2027-01-01", "31.12.2024")),
        *(("zone", "Mars/Olympus"), ("price_sensitivity", "high"), ("peak_hour", "24"), ("purchases", "-1")),
        *(("topics", ";".join(map(str, range(33)))), ("first_name", "x" * 101), ("profile.note", "a\tb"), ("consent", "x" * 101)),
    ],
)
def test_an_opt_out_is_never_refused_for_a_fact_that_cannot_be_read(status: str, column: str, value: str) -> None:
    header = f"email,status,last_name,{column}\n"
    (line,) = read(f"{header}a@x.example,{status},Miller,{value}\n")
    (without,) = read(f"{header}a@x.example,{status},Miller,\n", at=None if column == "consent_at" else CONSENT_AT)
    assert line.record is not None and line.record == without.record
    assert (line.record.status, line.record.last_name) == (status.strip().lower(), "Miller")


def test_of_an_opt_out_every_fact_may_be_unreadable_but_the_address() -> None:
    header = "email,status,country,zone,created_at,purchases\n"
    first, second = read(f"{header}a@x.example,unsubscribed,EN,Nowhere,soon,many\nnobody,unsubscribed,EN,Nowhere,soon,many\n")
    assert first.record is not None
    assert (first.record.country, first.record.zone, first.record.created_at, first.record.purchases) == ("", "", None, None)
    assert problems([second]) == [(3, "email", "not_an_address")]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("email,status,country", "q1@example.com,unsubscribed"),  # cut short
        ("email,status,country,profile.friend,zone", "q1@example.com, Unsubscribed ,DE,other@example.com"),
        ("email,status,country", "q1@example.com,unsubscribed,DE,"),
        ("email,status,country", "q1@example.com,unsubscribed,,,DE"),
        ("email,last_name,status", "q1@example.com,Miller, Jr.,unsubscribed"),  # a comma that should have been quoted
        ("email,last_name,first_name,status", "q1@example.com,Miller,unsubscribed"),  # a cell lost on the way
        ("last_name,email,status", "Miller, Jr.,q1@example.com,unsubscribed"),
        ("status,email,country", "q1@example.com,unsubscribed"),
        ("email,status,plan,city", "q1@example.com,unsubscribed,active"),  # the plan is
        ("status,first_name,email,country", "unsubscribed,q1@example.com,DE"),  # lost between the status and the address
    ],
)
def test_an_opt_out_with_too_few_or_too_many_cells_comes_through_with_nothing_else(header: str, row: str) -> None:
    (line,) = read(f"{header}\n{row}\n")
    (plain,) = read("email,status\nq1@example.com,unsubscribed\n")
    assert line.record is not None and line.record == plain.record
    cells = f"{row.count(',') + 1} cells instead of {header.count(',') + 1}, taken as unsubscribed"
    assert str(line.warning) == f"row: ragged_opt_out ({cells})"
    assert plain.warning is None


@pytest.mark.parametrize(
    ("header", "row", "field", "reason"),
    [
        ("email,status,country", "a@x.example,active", "row", "ragged_row"),
        ("email,country,note", "a@x.example,unsubscribed", "row", "ragged_row"),  # no column of statuses
        ("email,status", "a@x.example,active,b@x.example,unsubscribed", "row", "ragged_row"),  # which of the two?
        ("status,first_name,email,referrer", "unsubscribed,a@x.example,b@x.example", "row", "ragged_row"),  # the same
        ("email,status,country", "nobody,unsubscribed", "email", "not_an_address"),
        ("email,status", "nobody,unsubscribed,DE", "row", "ragged_row"),
        ("email,status,name,last_event", "a@x.example,Active,Smith, Anna,bounced", "row", "ragged_row"),  # of a mail, once
        ("email,status,last_event", "1,a@x.example,active,bounced", "row", "ragged_row"),
        ("email,first_name,status,last_event,note", "a@x.example,active,bounced,new", "row", "ragged_row"),
    ],
)
def test_a_line_with_too_few_or_too_many_cells_that_says_no_clear_opt_out_is_bad(
    header: str, row: str, field: str, reason: str
) -> None:
    (line,) = read(f"{header}\n{row}\n")
    assert (problems([line]), line.warning) == ([(2, field, reason)], None)


def test_columns_nobody_reads_are_known_by_name() -> None:
    lines = ["\ufeffOrt,E-Mail,zone,profile.plan, Note \n"]
    assert ignored_columns(lines, mapping={"email": "E-Mail"}) == ("Ort", "Note")
