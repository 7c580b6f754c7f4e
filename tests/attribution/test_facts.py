"""Facts are a join: any order, any grouping and any repetition say the same (M2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.attribution.facts import MAX_CLAIMS, Claim, Credit, Facts, Reported, arrived, merge, unlisted
from revenue_engine.records.conversion import Arrival
from revenue_engine.records.send import Touch

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
minutes = st.integers(0, 5).map(lambda n: AT + timedelta(minutes=n))
claims = st.builds(
    Claim, st.integers(0, 3), st.sampled_from(["USD", "EUR"]), st.just("7"), minutes, st.sampled_from("ab"), minutes
)
reports = st.builds(
    Reported, minutes, st.just("c1"), st.integers(0, 3), st.just("USD"), st.just("7"), minutes, st.none(), st.booleans()
)
touches = st.builds(
    Touch, st.sampled_from(["open", "click"]), minutes, st.sampled_from(["s1", "s2"]), st.booleans(), st.sampled_from([0.3, 0.5])
)
CREDIT = Credit("s1", "p1", "7", "standard", "new", "k", "engine", "USD", AT, None)


def facts() -> st.SearchStrategy[Facts]:
    return st.builds(
        Facts,
        claims=st.lists(claims, max_size=1).map(tuple),
        reported=st.none() | reports,
        credit=st.sampled_from([None, CREDIT, replace(CREDIT, click_at=AT, click_revision=1), replace(CREDIT, click_revision=2)]),
        touches=st.lists(touches, max_size=2).map(tuple),
        rejected_at=st.none() | minutes,
        held_for=st.lists(st.sampled_from("xyz"), max_size=2, unique=True).map(lambda s: tuple(sorted(s))),
        released=st.lists(st.sampled_from("xyz"), max_size=2, unique=True).map(lambda s: tuple(sorted(s))),
    )


@given(st.lists(facts(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_say_the_same(said: list[Facts], chance: object) -> None:
    once = reduce(merge, said, Facts())
    again = [*said, *said[:2]]
    chance.shuffle(again)  # type: ignore[attr-defined]
    assert reduce(merge, again, Facts()) == once


@given(facts(), facts(), facts())
def test_any_grouping_says_the_same(a: Facts, b: Facts, c: Facts) -> None:
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


def postback(amount: int, minute: int = 0, **changes: object) -> Facts:
    at = AT + timedelta(minutes=minute)
    base = Arrival("main", "conversion", "t1", "0", "Base", amount, None, "7", "", "postback", None, at, at, f"r{minute}")
    return arrived(replace(base, **changes), currency="USD")  # type: ignore[arg-type]


def test_the_postback_that_arrived_first_stands_whenever_it_is_read() -> None:
    both = merge(postback(20, 5), postback(10, 1))
    assert both.standing is not None and both.standing.amount_micros == 10
    assert [claim.amount_micros for claim in both.doubtful] == [20]
    thrice = merge(both, postback(20, 0))
    assert thrice.standing is not None and (thrice.standing.amount_micros, len(thrice.claims)) == (20, 2)


def test_a_report_leaves_no_doubt() -> None:
    row = postback(30, source="report", conversion_id="c1")
    assert reduce(merge, [postback(20, 5), row, postback(10, 1)]).doubtful == ()


def test_the_latest_reading_of_the_report_counts() -> None:
    rows = [postback(n, n, source="report", conversion_id="c1") for n in (1, 3, 2)]
    known = reduce(merge, rows)
    assert known.reported is not None and known.reported.amount_micros == 3
    gone = merge(known, unlisted(known.reported, read_at=AT + timedelta(minutes=4)))
    assert gone.reported is not None and not gone.reported.listed
    back = merge(gone, postback(3, 5, source="report", conversion_id="c1"))
    assert back.reported is not None and back.reported.listed
    assert merge(back, gone) == back


def test_only_a_signal_that_nobody_overruled_holds() -> None:
    held = Facts(held_for=("fast",))
    assert held.held
    released = merge(held, Facts(released=("fast",)))
    assert not released.held
    assert not merge(released, held).held
    assert merge(released, Facts(held_for=("payout",))).held


def test_a_shouting_feed_is_not_kept_whole() -> None:
    assert len(reduce(merge, [postback(n, n) for n in range(MAX_CLAIMS + 5)]).claims) == MAX_CLAIMS


def test_facts_of_two_conversions_or_two_mails_are_refused() -> None:
    one = postback(1, source="report", conversion_id="c1")
    with pytest.raises(ValueError, match="conversion_id"):
        merge(one, postback(1, source="report", conversion_id="c2"))
    with pytest.raises(ValueError, match="send_id"):
        merge(Facts(credit=CREDIT), Facts(credit=replace(CREDIT, send_id="s2")))
    with pytest.raises(ValueError, match="conversion_id"):
        postback(1, source="report", conversion_id="")
    with pytest.raises(ValueError, match="neither"):
        _ = Facts().converted_at


def test_times_are_kept_as_they_are_read_back() -> None:
    said = postback(1, received_at=AT + timedelta(microseconds=1_234), converted_at=AT + timedelta(microseconds=999))
    assert said.standing is not None
    assert (said.standing.received_at, said.standing.converted_at) == (AT + timedelta(milliseconds=1), AT)


def test_a_touch_that_turned_out_a_machines_stays_one() -> None:
    person, machine = Touch("click", AT, "s1", True, 0.95), Touch("click", AT, "s1", False, 0.02)
    for order in ((person, machine), (machine, person)):
        assert reduce(merge, [Facts(touches=(one,)) for one in order]).touches == (machine,)


def test_the_later_reading_of_a_mails_first_click_counts() -> None:
    """It was a scanner's; then there was none; then a person's."""
    readings = [
        Facts(credit=replace(CREDIT, click_at=AT, click_revision=1)),
        Facts(credit=replace(CREDIT, click_revision=2)),
        Facts(credit=replace(CREDIT, click_at=AT + timedelta(hours=2), click_revision=3)),
    ]
    assert reduce(merge, readings[:2]).credit == readings[1].credit
    assert reduce(merge, reversed(readings)).credit == readings[2].credit
