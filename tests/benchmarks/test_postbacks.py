"""The postback benchmark in small: its stream is what it says, its recount the books."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from benchmarks.postback_stream import Postback, recount, stream
from benchmarks.postbacks import result_of, through_a_plane

AT = datetime(2026, 3, 5, tzinfo=UTC)


def told(**changes: object) -> Postback:
    base = Postback("conversion", "t1", 5_000_000, "USD", "1042", 0, "s0", at=AT)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_hundred_postbacks_go_through_and_the_books_are_the_recounts() -> None:
    outcome = through_a_plane(120, 1, window=15)
    assert outcome.differences == ()
    assert (outcome.non_2xx, outcome.failures, outcome.lost, outcome.double_booked) == (0, 0, 0, 0)
    assert outcome.booked > 80
    assert {"transaction_of_another_mail", "contradicts_booked_amount", "unreplaced_macro"} <= set(outcome.listed)
    figures = result_of(120, [outcome], 1.0).figures
    assert figures == {
        "lost": 0,
        "double_booked": 0,
        "non_2xx": 0,
        "books_equal_replay": 1,
        "postbacks_per_second": 120 / outcome.seconds,
    }


def test_the_stream_has_its_shares_and_the_same_seed_gives_the_same() -> None:
    def made(seed: int) -> list[Postback]:
        return stream(1_000, seed=seed, sub1=[f"s{n}" for n in range(700)], start=AT, span=timedelta(days=1), late=50)

    one = made(1)
    assert len(one) == 1_000
    assert one == made(1) != made(2)
    assert sorted(one, key=lambda p: p.at) == one
    assert len({p.at for p in one}) == len({p.query for p in one}) == 1_000
    assert sum(bool(p.reason) for p in one) == 60
    told_again = Counter((p.key, p.micros, p.mail) for p in one if not p.reason)
    assert 90 < sum(count - 1 for count in told_again.values()) <= 100
    assert recount(one).listed["transaction_of_another_mail"] == 10


def test_the_recount_knows_the_rules() -> None:
    later = AT + timedelta(seconds=1)
    books = recount(
        [
            told(micros=7_000_000, at=later),
            told(),
            told(at=later),
            told(mail=1, at=later),
            told(kind="event", at=later),
            told(transaction="t2", mail=None),
            told(transaction="t3", reason="not_a_number"),
        ]
    )
    assert {key: p.micros for key, p in books.booked.items()} == {
        ("conversion", "t1"): 5_000_000,
        ("event", "t1"): 5_000_000,
        ("conversion", "t2"): 5_000_000,
    }
    assert books.listed == {"contradicts_booked_amount": 1, "transaction_of_another_mail": 1, "not_a_number": 1}
