"""Advertisers' opt-out files in the forms vendors give."""

from __future__ import annotations

import pytest

from revenue_engine.ids import advertiser_hashes
from revenue_engine.intake.suppression_list import read_suppression_list, refresh_due, refusal

MD5, SHA512 = advertiser_hashes("pat@x.example")


def hashes(*lines: str) -> list[tuple[str, ...]]:
    return [line.hashes for line in read_suppression_list(lines)]


def test_plain_addresses_md5_and_sha512_lead_to_the_same_person() -> None:
    assert hashes("Pat@X.example\n", MD5.removeprefix("md5:").upper() + "\r\n", SHA512.removeprefix("sha512:")) == [
        (MD5, SHA512),
        (MD5,),
        (SHA512,),
    ]


def test_headings_marks_quotes_and_blank_lines_are_passed_over() -> None:
    assert hashes("\ufeffEmail\n", "\n", '"pat@x.example",\n', "   \n") == [(MD5, SHA512)]


def test_a_heading_further_down_is_a_bad_line() -> None:
    assert [line.problem is None for line in read_suppression_list(["pat@x.example", "email"])] == [True, False]


def test_bad_lines_are_reported_by_number_and_never_by_content() -> None:
    lines = list(read_suppression_list(["pat@x.example", "@x.example", "", "abc123", "x" * 500, "jörg@x.example"]))
    bad = [(line.number, line.problem.reason) for line in lines if line.problem]
    assert bad == [(2, "not_an_address"), (4, "neither_address_nor_hash"), (5, "too_long"), (6, "not_an_address")]
    assert all("x.example" not in str(line.problem) and "abc123" not in str(line.problem) for line in lines if line.problem)
    assert all(line.hashes == () for line in lines if line.problem)


@pytest.mark.parametrize(
    ("good", "bad", "known", "why"),
    [
        (1, 0, 0, None),
        (0, 0, 0, "empty"),
        (0, 9, 0, "empty"),
        (5, 1, 0, None),  # a heading of an unknown form
        (5, 2, 0, "too_many_bad_lines"),
        (990, 10, 0, None),
        (985, 12, 0, "too_many_bad_lines"),
        (50, 0, 100, None),
        (49, 0, 100, "shrunk"),
        (10_000, 0, 100, None),
    ],
)
def test_a_file_is_the_list_unless_something_speaks_against_it(good: int, bad: int, known: int, why: str | None) -> None:
    assert refusal(good=good, bad=bad, known=known) == why


def test_a_list_is_fetched_anew_at_half_its_time() -> None:
    day = 86_400
    assert [refresh_due(0, now=at, max_age_days=7) for at in (0, 3 * day, 7 * day // 2 - 1, 7 * day // 2, 8 * day)] == [
        False, False, False, True, True,
    ]  # fmt: skip
