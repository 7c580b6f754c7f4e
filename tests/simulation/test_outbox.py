"""Whoever was mailed wrongly is found from the mails themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from revenue_engine import ids
from workbench.simulation.outbox import Letter, faults, read_outbox
from workbench.simulation.truth import Truth

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = b"k" * 32
FIRST = Letter("a.eml", AT, "pat@example.com", "p" * 26, "s1", "c:1001-standard:main:revenue-engine", True)


def _faults(*letters: Letter, truth: Truth | None = None, **changes: object) -> list[str]:
    told = truth or Truth(accepted=len(letters))
    given = {
        "gap": DAY,
        "per_week": 2,
        "most_per_day": 10,
        "zone": "America/New_York",
        "never": frozenset(),
        "forbidden": frozenset(),
    } | changes
    return faults(list(letters), told, **given)  # type: ignore[arg-type]


def _after(letter: Letter, waited: timedelta, **changes: object) -> Letter:
    at = letter.at + waited
    return replace(letter, file=f"{at:%d%H}.eml", at=at, send_id=f"s{at:%d%H}", **changes)  # type: ignore[arg-type]


def test_two_mails_a_day_apart_are_fine() -> None:
    assert _faults(FIRST, _after(FIRST, DAY)) == []


def test_a_mail_too_soon_after_another_is_found() -> None:
    assert _faults(FIRST, _after(FIRST, DAY - timedelta(seconds=1))) == [
        "0311.eml: 23:59:59 after the mail before, 1 day, 0:00:00 is promised"
    ]


def test_a_third_mail_in_a_week_of_two_is_found() -> None:
    second = _after(FIRST, DAY)
    assert _faults(FIRST, second, _after(second, DAY)) == ["0412.eml: more than 2 mails in a week"]


def test_a_mail_after_an_opt_out_is_found_and_one_before_it_is_not() -> None:
    late = Truth(accepted=1, opted_out_at={FIRST.address: AT - timedelta(seconds=1)})
    assert _faults(FIRST, truth=late) == ["a.eml: mailed after an opt-out"]
    assert _faults(FIRST, truth=Truth(accepted=1, opted_out_at={FIRST.address: AT + DAY})) == []
    assert _faults(FIRST, never={FIRST.address}) == ["a.eml: mailed although opted out before the import"]


def test_a_reader_whom_the_advertiser_forbids_is_found() -> None:
    assert _faults(FIRST, forbidden={(FIRST.address, "1001")}) == ["a.eml: the advertiser of offer 1001 forbids this reader"]
    assert _faults(FIRST, forbidden={(FIRST.address, "1002")}) == []


def test_a_send_mailed_twice_and_a_cap_overrun_are_found() -> None:
    other = replace(FIRST, address="kim@example.com")
    assert _faults(FIRST, other) == ["a send was mailed twice"]
    second = replace(other, send_id="s2")
    assert _faults(FIRST, second, most_per_day=1) == ["2 mails left on 2026-03-02, the day's cap allows 1"]
    next_day = replace(second, at=AT + timedelta(hours=17))  # 12:00 UTC is seven in New York, 05:00 UTC is midnight there
    assert _faults(FIRST, next_day, most_per_day=1) == []


def test_a_mail_missing_from_the_outbox_is_found() -> None:
    assert _faults(FIRST, truth=Truth(accepted=2)) == ["1 mails in the outbox, 2 accepted"]


def test_the_outbox_is_read_from_its_files(tmp_path: Path) -> None:
    person, send = ids.new_subscriber_key(), ids.new_subscriber_key()
    token = ids.unsubscribe_token(KEY, org="main", subscriber=person, send_id=send)
    mail = (
        f"List-Unsubscribe: <https://u.example.com/u/main/{token}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        "To: pat@example.com\r\nFeedback-ID: c:1001-standard:main:revenue-engine\r\n\r\nhello"
    )
    (tmp_path / "20260302T120000Z-m1.eml").write_bytes(mail.encode())
    (letter,) = read_outbox(tmp_path, org="main", tracking_key=KEY)
    assert (letter.at, letter.address, letter.subscriber, letter.send_id, letter.one_click) == (
        AT,
        "pat@example.com",
        person,
        send,
        True,
    )
    with pytest.raises(ValueError, match="opt-out link"):
        read_outbox(tmp_path, org="main", tracking_key=b"another")
