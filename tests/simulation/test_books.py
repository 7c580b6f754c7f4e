"""The recount is of its own mind: whatever is wrong with the books, it says so."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from revenue_engine.attribution.models import MODELS, PRIMARY
from workbench.simulation.books import compare, counters_of, recount
from workbench.simulation.truth import Deal, Truth

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = "main#conversion#t1#0"


def _entry(n: int, provisional: int, approved: int, **changes: Any) -> dict[str, Any]:
    delta = provisional + approved
    shares = {model: [{"send_id": "s1", "weight": 1.0, "micros": delta}] for model in (PRIMARY, *MODELS)} if delta else {}
    item = {"pk": KEY, "sk": f"entry#{n:06d}", "currency": "USD", "provisional_delta_micros": provisional,
            "approved_delta_micros": approved, "unattributed_micros": 0, "send_id": "s1", "attribution": shares}  # fmt: skip
    return {**item, **changes}


def _head(provisional: int, approved: int, entries: int) -> dict[str, Any]:
    return {"pk": KEY, "sk": "head", "provisional_micros": provisional, "approved_micros": approved, "entries": entries}


def _truth() -> Truth:
    deal = Deal("conversion", "t1", "c1", "0", "Base", "1001", "USD", 20_000_000, "1s1", AT, AT)
    deal.posted_micros, deal.approved_micros, deal.reported = 20_000_000, 18_000_000, True
    return Truth(accepted=1, delivered=1, deals=[deal])


LEDGER = [_head(0, 18_000_000, 2), _entry(1, 20_000_000, 0), _entry(2, -20_000_000, 18_000_000)]
COUNTERS = {"approved_micros#USD": 18_000_000, "provisional_micros#USD": 0, "conversions": 1, "sent": 1, "delivered": 1}
SENDS = [{"pk": "s1", "state": "SENT", "revenue_micros#USD": 18_000_000}]


def _wrong(ledger: list[dict[str, Any]], counters: dict[str, int] = COUNTERS, truth: Truth | None = None) -> list[str]:
    found = compare(truth or _truth(), recount(ledger, "main"), counters, SENDS, [])
    # no packed rows here: what subscribers carry is another line of the comparison
    return [line for line in found if "subscribers" not in line]


def test_books_in_order_raise_no_word() -> None:
    assert _wrong(LEDGER) == []
    counted = recount(LEDGER, "main")
    assert (counted.kept("approved"), counted.kept("provisional"), counted.entries) == ({"USD": 18_000_000}, {}, 2)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"approved_delta_micros": 18_000_001}, "do not add up"),
        ({"attribution": {}}, "not attributed by every model"),
        ({"unattributed_micros": 5}, "do not add up"),
        ({"pk": "main#conversion#t9#0"}, "has entries and no head"),
    ],
)
def test_a_changed_entry_is_found(change: dict[str, Any], word: str) -> None:
    assert any(word in line for line in _wrong([LEDGER[0], LEDGER[1], _entry(2, -20_000_000, 18_000_000, **change)]))


def test_a_head_that_is_not_the_sum_of_its_entries_is_found() -> None:
    assert any("head of" in line for line in _wrong([_head(0, 17_000_000, 2), *LEDGER[1:]]))


def test_a_counter_off_by_one_micro_is_found() -> None:
    wrong = _wrong(LEDGER, COUNTERS | {"approved_micros#USD": 18_000_001})
    assert wrong == ["counters of approved money and the ledger: {'USD': 18000001}, should be {'USD': 18000000}"]


def test_two_errors_that_cancel_are_found_click_by_click() -> None:
    truth = _truth()
    for transaction, micros in (("t2", 5), ("t3", -5)):
        deal = Deal("conversion", transaction, transaction, "0", "Base", "1001", "USD", micros, "", AT, AT)
        deal.posted_micros = micros
        truth.deals.append(deal)
    wrong = _wrong(LEDGER, truth=truth)
    assert "transaction t2: 0 micros booked, 5 paid" in wrong
    assert "transaction t3: 0 micros booked, -5 paid" in wrong


def test_counters_of_all_hours_and_shards_are_one_sum() -> None:
    items = [
        {"pk": "main#counters", "sk": "counter#2026-03-02T12#0", "sent": 2, "expires_at": 9},
        {"pk": "main#counters", "sk": "counter#2026-03-02T13#3", "sent": 3, "conversions": 1},
        {"pk": "main", "sk": "budget#2026-03-02", "reserved": 7},
        {"pk": "other#counters", "sk": "counter#2026-03-02T12#0", "sent": 50},
    ]
    assert counters_of(items, "main") == Counter({"sent": 5, "conversions": 1})
