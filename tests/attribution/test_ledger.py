"""The books of one conversion: any order and any repetition, the same sums (M1, M2, M4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.attribution.ledger import (
    AlreadyBooked,
    Booked,
    Doubtful,
    Head,
    OtherConversion,
    Outcome,
    fold,
    key_for,
    on_arrival,
    unbalanced_models,
)
from revenue_engine.attribution.models import MODELS
from revenue_engine.records.controls import Controls
from revenue_engine.records.conversion import Arrival, Entry
from revenue_engine.records.send import Touch

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
CONTROLS = Controls()
TOUCHES = (
    Touch("click", AT - timedelta(days=1), "s1", True, 0.95),
    Touch("open", AT - timedelta(days=3), "s2", True, 0.7),
    Touch("click", AT - timedelta(days=8), "s3", True, 0.95),
)


def postback(amount: int = 32_500_000, **changes: object) -> Arrival:
    base = Arrival("main", "conversion", "t1", "0", "Base", amount, None, "7", "", "postback", None, AT, AT, "r1")
    return replace(base, **changes)  # type: ignore[arg-type]


def report(amount: int = 32_500_000, conversion_id: str = "c1", **changes: object) -> Arrival:
    return postback(
        amount, **{"source": "report", "conversion_id": conversion_id, "receipt_id": conversion_id, "currency": "USD", **changes}
    )


class Books:
    """The ledger as the service keeps it: heads and entries by key."""

    def __init__(self, *, send_id: str | None = "s1", touches: tuple[Touch, ...] = TOUCHES) -> None:
        self.send_id, self.touches = send_id, touches
        self.heads: dict[str, Head] = {}
        self.entries: dict[str, list[Entry]] = {}

    def take(self, arrival: Arrival, currency: str = "USD") -> Outcome:
        n = 0
        while True:
            key = key_for(arrival, n)
            outcome = on_arrival(
                self.heads.get(key),
                arrival,
                currency=currency,
                subscriber="p1" if self.send_id else None,
                send_id=self.send_id,
                touches=self.touches,
                controls=CONTROLS,
                booked_at=AT,
                first=next(iter(self.entries.get(key, [])), None),
            )
            if not isinstance(outcome, OtherConversion):
                break
            n += 1
        if isinstance(outcome, Booked):
            self.entries.setdefault(key, []).append(outcome.entry)
        if isinstance(outcome, Booked | Doubtful):
            self.heads[key] = outcome.head
        return outcome

    def totals(self) -> dict[str, tuple[int, int]]:
        """Arrival key → provisional and approved micros, over all conversions under it."""
        sums: dict[str, tuple[int, int]] = {}
        for key, head in self.heads.items():
            arrival_key = "#".join(key.split("#")[:4])
            before = sums.get(arrival_key, (0, 0))
            sums[arrival_key] = (before[0] + head.provisional_micros, before[1] + head.approved_micros)
        return sums

    def credit(self, model: str) -> dict[str, int]:
        """Mail → micros over all entries."""
        sums: dict[str, int] = {}
        for entries in self.entries.values():
            for entry in entries:
                for share in entry.attribution.get(model, ()):
                    sums[share.send_id] = sums.get(share.send_id, 0) + share.micros
        return sums

    def audit(self) -> None:
        """What must hold at every instant."""
        for key, entries in self.entries.items():
            assert fold(entries, self.heads[key].doubtful) == self.heads[key]
            assert all(unbalanced_models(entry) == () for entry in entries)
            assert sum(entry.delta_micros for entry in entries) == self.heads[key].total_micros
        assert all(micros >= 0 for model in ("primary", *MODELS) for micros in self.credit(model).values())


def test_a_postback_is_provisional_money() -> None:
    books = Books()
    outcome = books.take(postback())
    assert isinstance(outcome, Booked)
    assert (outcome.entry.entry_kind, outcome.entry.provisional_delta_micros, outcome.entry.approved_delta_micros) == (
        "provisional",
        32_500_000,
        0,
    )
    assert (outcome.head.state, outcome.head.total_micros, outcome.head.entries, outcome.conversions) == (
        "provisional",
        32_500_000,
        1,
        1,
    )
    assert (outcome.entry.subscriber, outcome.entry.send_id, outcome.entry.receipt_id) == ("p1", "s1", "r1")
    books.audit()


def test_the_same_postback_again_changes_nothing() -> None:
    books = Books()
    books.take(postback())
    assert isinstance(books.take(postback(receipt_id="r2")), AlreadyBooked)
    assert books.totals() == {"main#conversion#t1#0": (32_500_000, 0)}


def test_another_amount_is_kept_in_doubt_and_moves_no_money() -> None:
    books = Books()
    books.take(postback())
    outcome = books.take(postback(40_000_000))
    assert isinstance(outcome, Doubtful)
    assert (outcome.reason, len(outcome.head.doubtful), outcome.head.version) == ("amount_differs", 1, 2)
    again = books.take(postback(40_000_000, receipt_id="r9"))
    assert isinstance(again, Doubtful) and again.doubtful_id == outcome.doubtful_id and again.head == outcome.head
    assert books.totals() == {"main#conversion#t1#0": (32_500_000, 0)}
    books.audit()


def test_the_report_turns_provisional_money_into_approved_money_without_moving_credit() -> None:
    books = Books()
    books.take(postback())
    credit = {model: books.credit(model) for model in MODELS}
    outcome = books.take(report())
    assert isinstance(outcome, Booked)
    assert (outcome.entry.entry_kind, outcome.entry.delta_micros, outcome.conversions) == ("approved", 0, 0)
    assert (outcome.head.provisional_micros, outcome.head.approved_micros, outcome.head.state) == (0, 32_500_000, "approved")
    assert {model: books.credit(model) for model in MODELS} == credit
    books.audit()


@pytest.mark.parametrize("amount", [40_000_000, 1, 0, 32_499_999])
def test_the_report_decides_the_amount(amount: int) -> None:
    books = Books()
    books.take(postback())
    outcome = books.take(report(amount))
    assert isinstance(outcome, Booked) and outcome.entry.entry_kind == "adjusted"
    assert books.totals() == {"main#conversion#t1#0": (0, amount)}
    assert books.credit("primary") == {"s1": amount}
    assert all(sum(books.credit(model).values()) == amount for model in MODELS)
    books.audit()


def test_an_adjusted_amount_follows_the_first_shares_though_other_touches_are_known_by_now() -> None:
    books = Books()
    books.take(postback(30_000_000))
    before = books.credit("linear")
    books.touches = (*TOUCHES, Touch("click", AT - timedelta(days=2), "s9", True, 1.0))
    books.send_id = None
    books.take(report(15_000_000))
    assert books.credit("linear") == {send: micros // 2 for send, micros in before.items()}
    assert [entry.send_id for entry in books.entries["main#conversion#t1#0"]] == ["s1", "s1"]
    books.audit()


def test_a_payout_of_nothing_is_a_conversion_and_may_be_paid_after_all() -> None:
    books = Books()
    assert isinstance(books.take(postback(0)), Booked)
    assert books.credit("linear") == {"s1": 0, "s2": 0, "s3": 0}
    books.take(report(9_000_001))
    assert books.credit("linear") == {"s3": 3_000_001, "s2": 3_000_000, "s1": 3_000_000}
    books.audit()


def test_a_report_without_a_postback_is_approved_at_once_and_the_late_postback_adds_nothing() -> None:
    books = Books()
    outcome = books.take(report())
    assert isinstance(outcome, Booked) and outcome.entry.entry_kind == "approved" and outcome.conversions == 1
    assert books.credit("primary") == {"s1": 32_500_000}
    assert isinstance(books.take(postback()), AlreadyBooked)
    assert isinstance(books.take(postback(1)), AlreadyBooked)
    assert isinstance(books.take(report()), AlreadyBooked)
    assert books.totals() == {"main#conversion#t1#0": (0, 32_500_000)}
    books.audit()


def test_another_conversion_of_the_same_click_has_books_of_its_own() -> None:
    books = Books()
    for arrival in (postback(), report(), report(20_000_000, "c2"), report(20_000_000, "c2")):
        books.take(arrival)
    assert set(books.heads) == {"main#conversion#t1#0", "main#conversion#t1#0#1"}
    assert books.totals() == {"main#conversion#t1#0": (0, 52_500_000)}
    books.audit()


def test_an_amount_that_changes_after_approval_is_in_doubt() -> None:
    books = Books()
    books.take(report())
    outcome = books.take(report(1))
    assert isinstance(outcome, Doubtful) and outcome.reason == "amount_changed_after_approval"
    assert books.totals() == {"main#conversion#t1#0": (0, 32_500_000)}
    books.audit()


def test_currencies_are_never_mixed() -> None:
    books = Books()
    books.take(postback())
    outcome = books.take(report(currency="EUR"))
    assert isinstance(outcome, Doubtful) and outcome.reason == "currency_differs"
    assert books.heads["main#conversion#t1#0"].total_micros == 32_500_000
    with pytest.raises(ValueError, match="currencies"):
        entries = books.entries["main#conversion#t1#0"]
        fold([*entries, replace(entries[0], currency="EUR")])


def test_the_arrivals_own_currency_goes_before_the_offers() -> None:
    outcome = Books().take(postback(currency="EUR"), currency="USD")
    assert isinstance(outcome, Booked) and outcome.head.currency == "EUR"


def test_money_that_names_no_mail_is_kept_and_unattributed() -> None:
    books = Books(send_id=None)
    outcome = books.take(postback())
    assert isinstance(outcome, Booked)
    assert (outcome.entry.unattributed_micros, outcome.entry.send_id, outcome.entry.subscriber) == (32_500_000, None, None)
    books.take(report(30_000_000))
    assert sum(e.unattributed_micros for e in books.entries["main#conversion#t1#0"]) == 30_000_000
    assert books.credit("linear") == {}
    books.audit()


def test_the_click_the_money_proves_gets_credit_though_no_human_touch_of_it_is_known() -> None:
    machine = Touch("click", AT - timedelta(hours=1), "s1", False, 0.02)
    books = Books(touches=(machine,))
    books.take(postback(9))
    assert {model: books.credit(model) for model in MODELS} == {model: {"s1": 9} for model in MODELS}
    beside = Books(touches=(machine, TOUCHES[2]))
    beside.take(postback(10))
    assert beside.credit("linear") == {"s3": 5, "s1": 5}
    assert beside.credit("last_click") == {"s1": 10}


def test_the_first_touch_outside_the_window_is_forgotten() -> None:
    old = Touch("click", AT - timedelta(days=CONTROLS.attribution_window_days), "s8", True, 1.0)
    books = Books(touches=(*TOUCHES, old))
    books.take(postback())
    assert "s8" not in books.credit("linear")


def test_callers_mistakes_are_loud() -> None:
    head = fold([first_entry()])
    arguments = {"currency": "USD", "subscriber": None, "send_id": None, "touches": (), "controls": CONTROLS, "booked_at": AT}
    with pytest.raises(ValueError, match="first"):
        on_arrival(head, report(), **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="conversion_id"):
        on_arrival(None, report(conversion_id=""), **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="entries"):
        fold([])


def first_entry() -> Entry:
    outcome = Books().take(postback())
    assert isinstance(outcome, Booked)
    return outcome.entry


def test_an_entry_that_does_not_add_up_is_found() -> None:
    entry = first_entry()
    assert unbalanced_models(entry) == ()
    broken = replace(entry, attribution={**entry.attribution, "linear": entry.attribution["linear"][1:]})
    assert unbalanced_models(broken) == ("linear",)
    assert set(unbalanced_models(replace(entry, unattributed_micros=1))) == {"primary", *MODELS}


amounts = st.integers(min_value=0, max_value=10**12)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Arrival], list[Arrival]]:
    """Clicks with a base conversion and an event, postback and report rows of them, repeated; and the same in another order.

    Postbacks of one key agree on the amount, and so do rows of one conversion: nothing is in doubt.
    """
    facts: list[Arrival] = []
    for click in range(draw(st.integers(1, 3))):
        for kind, event_id, name in (("conversion", "0", "Base"), ("event", "77", "Upsell")):
            place = {"transaction_id": f"t{click}", "kind": kind, "event_id": event_id, "event_name": name}
            said = draw(amounts)
            if draw(st.booleans()):
                facts.append(postback(said, **place))
            for n in range(draw(st.integers(0, 3))):
                amount = draw(st.one_of(st.just(said), amounts))
                facts.append(report(amount, f"c{click}{kind}{n}", **place))
    repeats = [fact for fact in facts for _ in range(draw(st.integers(1, 3)))]
    return draw(st.permutations(repeats)), draw(st.permutations(facts))


@given(worlds(), st.sampled_from(["s1", "elsewhere", None]))
def test_any_order_and_any_repetition_give_the_same_books(
    world: tuple[list[Arrival], list[Arrival]], send_id: str | None
) -> None:
    repeated, once = (Books(send_id=send_id), Books(send_id=send_id))
    for books, arrivals in zip((repeated, once), world, strict=True):
        for arrival in arrivals:
            assert not isinstance(books.take(arrival), Doubtful)
            books.audit()
    assert repeated.totals() == once.totals()
    assert sum(repeated.credit("primary").values()) == sum(once.credit("primary").values())


@given(
    st.lists(
        st.one_of(st.builds(postback, st.integers(0, 9)), st.builds(report, st.integers(0, 9), st.sampled_from(["c1", "c2"]))),
        max_size=12,
    )
)
def test_whatever_comes_the_books_stay_sound_and_are_what_their_entries_sum_to(arrivals: list[Arrival]) -> None:
    books = Books()
    for arrival in arrivals:
        before = {key: list(entries) for key, entries in books.entries.items()}
        books.take(arrival)
        assert all(books.entries[key][: len(entries)] == entries for key, entries in before.items())
        books.audit()
