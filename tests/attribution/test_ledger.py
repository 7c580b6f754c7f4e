"""The books of one conversion: entries are differences, any order and any repetition give the same sums (M1, M2, M4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.attribution.facts import Credit, Facts, arrived, unlisted
from revenue_engine.attribution.ledger import Change, Entry, Head, fold, is_other_conversion, key_for, settle
from revenue_engine.attribution.models import MODELS, PRIMARY
from revenue_engine.attribution.position import rules_of
from revenue_engine.records.controls import Controls
from revenue_engine.records.conversion import Arrival
from revenue_engine.records.send import Touch

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
CONTROLS = Controls()
RULES = rules_of(CONTROLS, "USD")
CREDIT = Credit("s1", "p1", "7", "standard", "new", "20260303-7-standard", "engine", "USD", AT - timedelta(days=2), None)
TOUCHES = (
    Touch("click", AT - timedelta(days=1), "s1", True, 0.95),
    Touch("open", AT - timedelta(days=3), "s2", True, 0.7),
    Touch("click", AT - timedelta(days=8), "s3", True, 0.95),
)
KEY = "main#conversion#t1#0"


def postback(amount: int = 32_500_000, **changes: object) -> Arrival:
    base = Arrival("main", "conversion", "t1", "0", "Base", amount, None, "7", "", "postback", None, AT, AT, "r1")
    return replace(base, **changes)  # type: ignore[arg-type]


def report(amount: int = 32_500_000, conversion_id: str = "c1", read: int = 1, **changes: object) -> Arrival:
    facts = {"source": "report", "conversion_id": conversion_id, "receipt_id": conversion_id, "currency": "USD"}
    return postback(amount, **{**facts, "received_at": AT + timedelta(days=read), **changes})


class Books:
    """The ledger as the service keeps it: heads and entries by key."""

    def __init__(self, *, credit: Credit | None = CREDIT, touches: tuple[Touch, ...] = TOUCHES) -> None:
        self.known = Facts(credit=credit, touches=touches if credit else (), fx_rates=(("EUR", "1.1"), ("USD", "1")))
        self.heads: dict[str, Head] = {}
        self.entries: dict[str, list[Entry]] = {}

    def take(self, arrival: Arrival, currency: str = "USD") -> Change | None:
        n = 0
        while is_other_conversion(self.heads.get(key_for(arrival, n)), arrival):
            n += 1
        said = replace(
            arrived(arrival, currency=currency),
            credit=self.known.credit,
            touches=self.known.touches,
            fx_rates=self.known.fx_rates,
        )
        return self.learn(said, key_for(arrival, n), source=arrival.source, receipt_id=arrival.receipt_id)

    def learn(self, facts: Facts, key: str = KEY, *, source: str = "touch", receipt_id: str = "") -> Change | None:
        head = self.heads.get(key)
        change = settle(head, facts, rules=RULES, source=source, receipt_id=receipt_id, booked_at=AT)
        if change is not None:
            self.heads[key] = change.head
            self.entries.setdefault(key, []).extend(change.entries)
        return change

    def withdraw(self, key: str = KEY, day: int = 9) -> None:
        reported = self.heads[key].facts.reported
        assert reported is not None
        self.learn(Facts(reported=unlisted(reported, read_at=AT + timedelta(days=day)).reported), key)

    def kinds(self, key: str = KEY) -> list[str]:
        return [entry.entry_kind for entry in self.entries[key]]

    def totals(self) -> tuple[int, int, int]:
        """Provisional and approved micros and net conversions, over all keys."""
        amounts = [head.position.amounts for head in self.heads.values()]
        return (
            sum(a.provisional_micros for a in amounts),
            sum(a.approved_micros for a in amounts),
            sum(a.conversions for a in amounts),
        )

    def credit(self, model: str) -> dict[str, int]:
        """Mail → micros over all entries."""
        sums: dict[str, int] = {}
        for entries in self.entries.values():
            for mail, micros in fold(entries)[1][model].items():
                sums[mail] = sums.get(mail, 0) + micros
        return sums

    def audit(self) -> None:
        """What must hold at every instant."""
        for key, entries in self.entries.items():
            head = self.heads[key]
            amounts, credited = fold(entries)
            assert amounts == head.position.amounts
            assert head.entries == len(entries)
            shares = {
                model: {s.send_id: s.micros for s in given if s.micros} for model, given in head.position.attribution.items()
            }
            assert credited == {model: shares.get(model, {}) for model in (PRIMARY, *MODELS)}
            for entry in entries:  # M1
                given, rest = entry.position.attribution, entry.position.amounts.unattributed_micros
                sums = {model: sum(share.micros for share in given[model]) + rest for model in (PRIMARY, *MODELS)}
                assert set(sums.values()) == {entry.delta_micros}
        assert all(micros >= 0 for model in (PRIMARY, *MODELS) for micros in self.credit(model).values())


def test_a_postback_is_provisional_money() -> None:
    books = Books()
    change = books.take(postback())
    assert change is not None
    (entry,) = change.entries
    assert (entry.entry_kind, entry.position.amounts.provisional_micros, entry.delta_micros) == (
        "provisional",
        32_500_000,
        32_500_000,
    )
    assert (entry.position.place.subscriber, entry.position.place.send_id) == ("p1", "s1")
    assert (entry.position.place.day, entry.position.place.hour) == ("2026-03-04", "2026-03-04T12")
    assert books.totals() == (32_500_000, 0, 1)
    books.audit()


def test_the_same_postback_again_is_no_news() -> None:
    books = Books()
    books.take(postback())
    assert books.take(postback()) is None
    later = books.take(postback(receipt_id="r2", received_at=AT + timedelta(hours=1)))
    assert later is None
    assert books.totals() == (32_500_000, 0, 1)


def test_another_amount_is_kept_in_doubt_and_moves_no_money() -> None:
    books = Books()
    books.take(postback())
    change = books.take(postback(40_000_000, receipt_id="r2"))
    assert change is not None and change.entries == ()
    assert [claim.amount_micros for claim in change.head.facts.doubtful] == [40_000_000]
    assert books.totals() == (32_500_000, 0, 1)
    books.audit()


def test_the_earlier_postback_stands_though_it_is_read_later() -> None:
    books = Books()
    books.take(postback(40_000_000, received_at=AT + timedelta(seconds=9), receipt_id="r2"))
    books.take(postback())
    assert (books.totals(), books.kinds()) == ((32_500_000, 0, 1), ["provisional", "adjusted"])
    books.audit()


def test_the_report_turns_provisional_money_into_approved_money_without_moving_credit() -> None:
    books = Books()
    books.take(postback())
    credit = {model: books.credit(model) for model in MODELS}
    books.take(report())
    assert (books.totals(), books.kinds()) == ((0, 32_500_000, 1), ["provisional", "approved"])
    assert {model: books.credit(model) for model in MODELS} == credit
    books.audit()


@pytest.mark.parametrize("amount", [40_000_000, 1, 0, 32_499_999])
def test_the_report_decides_the_amount(amount: int) -> None:
    books = Books()
    books.take(postback())
    books.take(report(amount))
    assert (books.totals(), books.kinds()[-1]) == ((0, amount, 1), "adjusted")
    assert books.credit(PRIMARY) == ({"s1": amount} if amount else {})
    assert all(sum(books.credit(model).values()) == amount for model in MODELS)
    books.audit()


def test_a_report_without_a_postback_is_approved_at_once_and_the_late_postback_moves_nothing() -> None:
    books = Books()
    books.take(report())
    for late in (postback(), postback(1, receipt_id="r2"), report()):
        change = books.take(late)
        assert change is None or change.entries == ()
    assert (books.totals(), books.kinds()) == ((0, 32_500_000, 1), ["approved"])
    books.audit()


def test_a_later_reading_with_another_amount_adjusts_and_an_older_one_does_not() -> None:
    books = Books()
    books.take(report(30_000_000, read=1))
    books.take(report(20_000_000, read=3))
    books.take(report(25_000_000, read=2))
    assert (books.totals(), books.kinds()) == ((0, 20_000_000, 1), ["approved", "adjusted"])
    books.audit()


def test_a_reversal_takes_back_exactly_what_was_given_and_a_return_gives_it_again() -> None:
    books = Books()
    books.take(postback(10_000_001))
    books.take(report(10_000_001))
    given = {model: books.credit(model) for model in (PRIMARY, *MODELS)}
    books.withdraw()
    assert (books.totals(), books.kinds()[-1]) == ((0, 0, 0), "reversed")
    assert all(books.credit(model) == {} for model in MODELS)
    books.audit()
    books.take(report(10_000_001, read=11))
    assert (books.totals(), books.kinds()[-1]) == ((0, 10_000_001, 1), "approved")
    assert {model: books.credit(model) for model in (PRIMARY, *MODELS)} == given
    books.audit()


def test_provisional_money_that_is_given_up_comes_back_when_the_report_has_it() -> None:
    books = Books()
    books.take(postback())
    books.learn(Facts(rejected_at=AT + timedelta(days=40)))
    assert (books.totals(), books.kinds()) == ((0, 0, 0), ["provisional", "rejected"])
    books.take(report(read=50))
    assert (books.totals(), books.kinds()[-1]) == ((0, 32_500_000, 1), "approved")
    books.audit()


def test_a_payout_of_nothing_is_a_conversion_and_may_be_paid_after_all() -> None:
    books = Books()
    books.take(postback(0))
    assert (books.totals(), books.kinds()) == ((0, 0, 1), ["provisional"])
    books.take(report(9_000_001))
    assert sum(books.credit("linear").values()) == 9_000_001
    assert {mail: micros // 10 for mail, micros in books.credit("linear").items()} == dict.fromkeys(("s1", "s2", "s3"), 300_000)
    books.audit()


def test_a_late_touch_moves_credit_and_no_money() -> None:
    books = Books()
    books.take(postback(30_000_000))
    books.learn(Facts(touches=(Touch("click", AT - timedelta(days=2), "s9", True, 1.0),)))
    assert (books.totals(), books.kinds()) == ((30_000_000, 0, 1), ["provisional", "reattributed"])
    assert books.credit("linear") == dict.fromkeys(("s1", "s2", "s3", "s9"), 7_500_000)
    assert books.credit(PRIMARY) == {"s1": 30_000_000}
    assert [share.weight for share in books.heads[KEY].position.attribution["linear"]] == [0.25] * 4
    books.audit()


def test_a_touch_after_the_reported_time_of_the_conversion_loses_its_share() -> None:
    books = Books(touches=(*TOUCHES, Touch("click", AT - timedelta(minutes=10), "s9", True, 1.0)))
    books.take(postback(8))
    books.take(report(8, converted_at=AT - timedelta(minutes=30)))
    assert "s9" not in books.credit("linear")
    books.audit()


def test_another_conversion_of_the_same_click_has_books_of_its_own() -> None:
    books = Books()
    for arrival in (postback(), report(), report(20_000_000, "c2"), report(20_000_000, "c2")):
        books.take(arrival)
    assert set(books.heads) == {KEY, f"{KEY}#1"}
    assert books.totals() == (0, 52_500_000, 2)
    books.audit()


def test_money_that_turns_out_to_be_of_another_currency_is_taken_out_of_the_first() -> None:
    books = Books()
    books.take(postback())
    change = books.take(report(currency="EUR"))
    assert change is not None
    moved = [(e.position.place.currency, e.delta_micros, e.position.amounts.reported_approved_micros) for e in change.entries]
    assert moved == [("USD", -32_500_000, 0), ("EUR", 32_500_000, 35_750_000)]
    books.audit()


def test_a_conversion_that_moves_to_another_day_is_taken_out_of_the_first() -> None:
    books = Books()
    books.take(postback())
    change = books.take(report(converted_at=AT - timedelta(days=1)))
    assert change is not None
    days = [(e.position.place.day, e.position.amounts.conversions, e.delta_micros) for e in change.entries]
    assert days == [("2026-03-04", -1, -32_500_000), ("2026-03-03", 1, 32_500_000)]
    books.audit()


def test_without_a_rate_money_is_booked_and_left_out_of_reports_until_there_is_one() -> None:
    books = Books()
    books.take(postback(currency="GBP"))
    amounts = books.heads[KEY].position.amounts
    assert (amounts.provisional_micros, amounts.reported_provisional_micros) == (32_500_000, 0)
    books.learn(Facts(fx_rates=(("GBP", "1.25"),)))
    assert books.heads[KEY].position.amounts.reported_provisional_micros == 40_625_000
    books.learn(Facts(fx_rates=(("GBP", "9"),)))
    assert books.heads[KEY].position.amounts.reported_provisional_micros == 40_625_000  # frozen
    books.audit()


def test_the_arrivals_own_currency_goes_before_the_offers() -> None:
    books = Books()
    books.take(postback(currency="EUR"), currency="USD")
    assert books.heads[KEY].position.place.currency == "EUR"


def test_money_that_names_no_mail_is_unattributed_until_something_names_it() -> None:
    books = Books(credit=None)
    books.take(postback())
    amounts = books.heads[KEY].position.amounts
    assert (amounts.unattributed_micros, amounts.learned_conversions, books.credit("linear")) == (32_500_000, 0, {})
    books.audit()
    books.known = Books().known
    books.take(report())
    amounts = books.heads[KEY].position.amounts
    assert (amounts.unattributed_micros, amounts.learned_conversions, books.credit(PRIMARY)) == (0, 1, {"s1": 32_500_000})
    books.audit()


def test_a_held_conversion_is_money_but_nothing_is_learned_until_it_is_released() -> None:
    books = Books()
    books.learn(replace(arrived(postback(), currency="USD"), credit=CREDIT, held_for=("too_fast",)))
    held = books.heads[KEY].position.amounts
    assert (held.total_micros, held.held_micros, held.conversions) == (32_500_000, 32_500_000, 1)
    assert (held.learned_conversions, held.learned_micros, held.reward_micros) == (0, 0, 0)
    books.learn(Facts(released=("too_fast",)))
    free = books.heads[KEY].position.amounts
    assert (free.held_micros, free.learned_conversions, free.learned_micros, free.reward_micros) == (0, 1, 32_500_000, 32_500_000)
    books.learn(Facts(held_for=("payout_outlier",)))
    assert books.kinds() == ["provisional", "released", "held"]
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


def test_evidence_stands_on_the_day_of_the_click_once_it_is_known() -> None:
    books = Books()
    books.take(postback())
    cell = books.heads[KEY].position.place.cell
    assert cell is not None and cell.day == "2026-03-02"
    change = books.learn(Facts(credit=replace(CREDIT, click_at=AT - timedelta(days=1))))
    assert change is not None
    learned = [
        (e.position.place.cell.day, e.position.amounts.learned_conversions) for e in change.entries if e.position.place.cell
    ]
    assert learned == [("2026-03-02", -1), ("2026-03-03", 1)]
    assert [e.position.place.cell.took for e in change.entries if e.position.place.cell] == ["", "day"]
    books.audit()


def test_the_first_touch_outside_the_window_is_forgotten() -> None:
    old = Touch("click", AT - timedelta(days=CONTROLS.attribution_window_days), "s8", True, 1.0)
    books = Books(touches=(*TOUCHES, old))
    books.take(postback())
    assert "s8" not in books.credit("linear")


codes = st.sampled_from(["USD", "EUR"])
seconds = st.integers(0, 5).map(lambda n: AT + timedelta(seconds=n))
arrivals = st.one_of(
    st.builds(postback, st.integers(0, 3), currency=codes, received_at=seconds, receipt_id=st.sampled_from(["r1", "r2"])),
    st.builds(report, st.integers(0, 3), st.just("c1"), st.integers(0, 4), currency=codes, converted_at=seconds),
)
late = st.builds(
    Touch,
    st.sampled_from(["open", "click"]),
    st.integers(-3, 40).map(lambda n: AT - timedelta(days=n)),
    st.sampled_from(["s1", "s4", "s5"]),
    st.booleans(),
    st.just(0.9),
)
others = st.one_of(
    st.builds(lambda t: Facts(touches=(t,)), late),
    st.just(Facts(rejected_at=AT)),
    st.builds(lambda s: Facts(held_for=(s,)), st.sampled_from("xy")),
    st.builds(lambda s: Facts(released=(s,)), st.sampled_from("xy")),
    st.builds(lambda d: Facts(credit=replace(CREDIT, click_at=AT - timedelta(hours=1))), st.none()),
)


@given(st.lists(st.one_of(arrivals, others), max_size=8), st.data())
def test_any_order_and_any_repetition_give_the_same_books(said: list[Arrival | Facts], data: st.DataObject) -> None:
    """One conversion, whatever is said of it: the head, and the sums of its entries, do not depend on how it came."""
    first = postback()
    again = data.draw(st.permutations([first, *said, *said[:2]]))
    books = []
    for order in ([first, *said], sorted(again, key=lambda fact: isinstance(fact, Facts))):
        made = Books()
        for fact in order:
            made.learn(fact) if isinstance(fact, Facts) else made.take(fact)
            made.audit()
        books.append(made)
    one, other = (each.heads[KEY] for each in books)
    assert (one.facts, one.position) == (other.facts, other.position)


@given(st.lists(st.builds(report, st.integers(0, 9), st.sampled_from(["c1", "c2", "c3"])), max_size=8), st.data())
def test_conversions_of_one_click_sum_up_the_same_in_any_order(rows: list[Arrival], data: st.DataObject) -> None:
    by_id = {row.conversion_id: row for row in rows}
    facts = [postback(4), *by_id.values()]
    sums = []
    for order in (facts, data.draw(st.permutations([*facts, *facts]))):
        books = Books()
        for fact in order:
            books.take(fact)
        books.audit()
        sums.append((books.totals(), {model: sum(books.credit(model).values()) for model in MODELS}))
    assert sums[0] == sums[1]
