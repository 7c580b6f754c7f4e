"""The report's views stand side by side, and none invents money."""

from __future__ import annotations

import pytest

from revenue_engine.attribution.arms_report import OLDER, MailFacts, arm_credits, paths_of
from tests.attribution.test_ledger import KEY, Books, postback, report

MAILS = (
    MailFacts("s1", "p1", "7/standard", 30, 1),
    MailFacts("s2", "p1", "8/soft", 10, 0),
    MailFacts("s5", "p2", "8/soft", 5, 0),
    MailFacts("s6", "p3", "7/standard", None, 0),
)


def test_journeys_are_each_readers_touched_mails_in_order() -> None:
    arms, paths = paths_of(MAILS)
    assert arms == ("7/standard", "8/soft")
    assert (paths.starts.tolist(), paths.channels.tolist()) == ([0, 2, 3], [1, 0, 1])
    assert (paths.conversions.tolist(), paths.nulls.tolist()) == ([1.0, 0.0], [0.0, 1.0])


def test_every_view_shares_out_the_same_money_and_the_same_conversions() -> None:
    books = Books()
    for arrival in (postback(30_000_000), report(27_000_000)):
        books.take(arrival)
    rows = {row.arm: row for row in arm_credits(MAILS, books.entries[KEY], currency="USD")}
    assert list(rows) == ["7/standard", "8/soft", OLDER]
    for model in rows[OLDER].micros:
        assert sum(row.micros[model] for row in rows.values()) == 27_000_000
    assert rows["7/standard"].micros["primary"] == 27_000_000
    assert {arm: row.micros["linear"] for arm, row in rows.items()} == dict.fromkeys(rows, 9_000_000)
    assert (rows["7/standard"].mails, rows["7/standard"].touched) == (2, 1)
    assert sum(row.markov_conversions for row in rows.values()) == pytest.approx(1)
    assert sum(row.shapley_conversions for row in rows.values()) == pytest.approx(1)


def test_without_mails_or_money_there_is_nothing_to_share() -> None:
    assert arm_credits((), (), currency="USD") == ()
