"""What a whole report concludes, by rule: absences, age, and what is too much at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from revenue_engine.attribution.reconciliation import (
    Absence,
    Booked,
    absence_after,
    booked_of,
    is_known,
    too_many,
    unconfirmed,
    unlisted_in,
)
from tests.attribution.test_ledger import AT, KEY, Books, postback, report

END = datetime(2026, 3, 20, tzinfo=UTC)
START = END - timedelta(days=35)


def one(conversion_id: str | None = "c1", *, conversions: int = 1, at: datetime = AT, credited: bool = True) -> Booked:
    return Booked(conversion_id, 0, 10, True, conversions, "USD", at, credited)


def test_entries_add_up_to_what_a_row_is_compared_with() -> None:
    books = Books()
    for arrival in (postback(10), report(10), report(7, read=2)):
        books.take(arrival)
    booked = booked_of((KEY, entry) for entry in books.entries[KEY])
    assert is_known(report(7), booked[KEY])
    assert not is_known(report(10), booked[KEY])
    assert not is_known(report(7, currency="EUR"), booked[KEY])
    assert not is_known(report(7, converted_at=AT + timedelta(hours=1)), booked[KEY])
    assert not is_known(report(7), None)
    books.withdraw()
    assert not is_known(report(7), booked_of((KEY, entry) for entry in books.entries[KEY])[KEY])


def test_money_that_moved_to_another_currency_is_compared_in_that_one() -> None:
    books = Books()
    for arrival in (postback(10), report(10, currency="EUR")):
        books.take(arrival)
    booked = booked_of((KEY, entry) for entry in books.entries[KEY])
    assert is_known(report(10, currency="EUR"), booked[KEY])


def test_only_what_lies_well_inside_the_window_can_be_missed() -> None:
    booked = {
        "in": one("c1"),
        "listed": one("c2"),
        "postback": one(None),
        "reversed": one("c3", conversions=0),
        "edge": one("c4", at=START + timedelta(hours=23)),
        "new": one("c5", at=END - timedelta(hours=1)),
    }
    assert unlisted_in(booked, {"c2"}, start=START, end=END) == {"c1": "in"}


def test_absences_are_counted_half_a_day_apart() -> None:
    first = absence_after(None, "k", read_at=AT)
    assert first == Absence("k", 1, AT)
    assert absence_after(first, "k", read_at=AT + timedelta(hours=11)) == first
    assert absence_after(first, "k", read_at=AT + timedelta(hours=12)).times == 2
    assert absence_after(Absence("k", 0, AT), "k", read_at=AT + timedelta(days=9)).times == 1


def test_five_or_a_twentieth_may_go_at_once() -> None:
    few, many = {str(n): one(f"c{n}") for n in range(20)}, {str(n): one(f"c{n}") for n in range(200)}
    assert [too_many(5, few), too_many(6, few), too_many(10, many), too_many(11, many)] == [False, True, False, True]


def test_only_what_no_report_has_spoken_of_is_given_up() -> None:
    booked = {"old": one(None), "told": one("c1"), "young": one(None, at=AT + timedelta(days=5))}
    assert unconfirmed(booked, before=AT + timedelta(days=1)) == ["old"]
