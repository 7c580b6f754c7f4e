"""The recount is of its own mind: whatever is wrong with the books, it says so."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from revenue_engine.attribution.models import MODELS, PRIMARY
from workbench.simulation.books import compare, counters_of
from workbench.simulation.recount import Recount, disagreements, recount
from workbench.simulation.truth import Deal, Truth

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = "main#conversion#t1#0"
ZERO = dict.fromkeys(
    (
        "provisional_micros", "approved_micros", "reported_provisional_micros", "reported_approved_micros", "unattributed_micros",
        "held_micros", "conversions", "held_conversions", "learned_conversions",
        "reversed_conversions", "learned_micros", "reward_micros",
    ),
    0,
)  # fmt: skip
PLACE = {
    "currency": "USD", "offer": "1001", "hour": "2026-03-02T12", "day": "2026-03-02", "send_id": "s1", "subscriber": "p1",
    "campaign": "k", "policy": "engine",
    "cell": {"day": "2026-03-01", "offer": "1001", "variant": "standard", "segment": "new", "took": "day"},
}  # fmt: skip


def _amounts(provisional: int, approved: int, conversions: int = 0) -> dict[str, int]:
    total = provisional + approved
    return ZERO | {
        "provisional_micros": provisional, "approved_micros": approved, "reported_provisional_micros": provisional,
        "reported_approved_micros": approved, "conversions": conversions, "learned_conversions": conversions,
        "learned_micros": total, "reward_micros": total,
    }  # fmt: skip


def _entry(n: int, provisional: int, approved: int, conversions: int = 0) -> dict[str, Any]:
    shares = {model: [{"send_id": "s1", "weight": 1.0, "micros": provisional + approved}] for model in (PRIMARY, *MODELS)}
    amounts = _amounts(provisional, approved, conversions)
    return {"pk": KEY, "sk": f"entry#{n:06d}", "position": {"place": deepcopy(PLACE), "amounts": amounts, "attribution": shares}}


def _head(provisional: int, approved: int, entries: int) -> dict[str, Any]:
    return {
        "pk": KEY,
        "sk": "head",
        "entries": entries,
        "facts": {"claims": [{}]},
        "position": {"amounts": _amounts(provisional, approved, 1)},
    }


def _truth() -> Truth:
    deal = Deal("conversion", "t1", "c1", "0", "Base", "1001", "USD", 20_000_000, "1s1", AT, AT)
    deal.posted_micros, deal.approved_micros, deal.reported = 20_000_000, 18_000_000, True
    return Truth(accepted=1, delivered=1, deals=[deal])


LEDGER = [_head(0, 18_000_000, 2), _entry(1, 20_000_000, 0, 1), _entry(2, -20_000_000, 18_000_000)]
MONEY = {
    "approved_micros#USD": 18_000_000,
    "provisional_micros#USD": 0,
    "reported_approved_micros": 18_000_000,
    "conversions": 1,
    "base_conversions": 1,
}
DAY = {
    "pk": "main#counters", "sk": "day#2026-03-02#0", "sent": 1, **MONEY, "reported_approved_micros@1001": 18_000_000,
    "conversions@1001": 1, "base_conversions@1001": 1, "base_conversions%engine": 1,
    "reported_approved_micros%engine": 18_000_000, "conversions%engine": 1,
    "capped_conversions@1001": 1, "capped_micros@1001": 18_000_000,
}  # fmt: skip
ELSEWHERE: dict[str, list[dict[str, Any]]] = {
    "control": [
        DAY,
        {
            "pk": "main#counters",
            "sk": "counter#2026-03-02T12#3",
            "expires_at": 9,
            **MONEY,
            "mailed_conversions": 1,
            "reported_approved_micros@1001": 18_000_000,
            "conversions@1001": 1,
            "base_conversions@1001": 1,
        },
        {"pk": "main#counters", "sk": "capped#1001#3", "capped_conversions@1001": 1, "capped_micros@1001": 18_000_000},
        {
            "pk": "main#campaigns",
            "sk": "2026-03-02#k",
            "reported_approved_micros": 18_000_000,
            "conversions": 1,
            "base_conversions": 1,
        },
    ],
    "sends": [{"pk": "s1", "revenue_micros#USD": 18_000_000, "reward_micros#USD": 18_000_000, "conversions": 1}],
    "offers": [
        {
            "pk": "main",
            "sk": "evidence#2026-03-01#1001#standard#new",
            "conversions": 1,
            "conversion_micros": 18_000_000,
            "took_day": 1,
        }
    ],
    "subscribers": [],
}


def _wrong(ledger: list[dict[str, Any]], **elsewhere: list[dict[str, Any]]) -> list[str]:
    return disagreements(recount(ledger, "main"), **{**ELSEWHERE, **elsewhere}, org="main")


def test_books_in_order_raise_no_word() -> None:
    assert _wrong(LEDGER) == []
    counted = recount(LEDGER, "main")
    assert (counted.kept("approved"), counted.kept("provisional"), counted.entries) == ({"USD": 18_000_000}, {}, 2)


def _changed(change: str) -> dict[str, Any]:
    entry = _entry(2, -20_000_000, 18_000_000)
    position = entry["position"]
    if change == "amount":
        position["amounts"]["approved_micros"] += 1
    elif change == "models":
        del position["attribution"]["linear"]
    elif change == "unattributed":
        position["amounts"]["unattributed_micros"] = 5
    else:
        entry["pk"] = "main#conversion#t9#0"
    return entry


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("amount", "do not add up"),
        ("models", "not attributed by every model"),
        ("unattributed", "do not add up"),
        ("key", "has entries and no head"),
    ],
)
def test_a_changed_entry_is_found(change: str, word: str) -> None:
    assert any(word in line for line in _wrong([LEDGER[0], LEDGER[1], _changed(change)]))


def test_a_head_that_is_not_the_sum_of_its_entries_is_found() -> None:
    assert any("head of" in line for line in _wrong([_head(0, 17_000_000, 2), *LEDGER[1:]]))


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("control", "days 2026-03-02 approved_micros#USD: 18000001, the ledger says 18000000"),
        ("sends", "sends s1 conversions: 2, the ledger says 1"),
        ("offers", "evidence 2026-03-01#1001#standard#new conversion_micros: 18000001, the ledger says 18000000"),
    ],
)
def test_a_sum_off_by_one_is_found(where: str, line: str) -> None:
    name = {"control": "approved_micros#USD", "sends": "conversions", "offers": "conversion_micros"}[where]
    first, *rest = deepcopy(ELSEWHERE[where])
    first[name] += 1
    assert _wrong(LEDGER, **{where: [first, *rest]}) == [line]


def test_two_errors_that_cancel_are_found_click_by_click() -> None:
    truth = _truth()
    for transaction, micros in (("t2", 5), ("t3", -5)):
        deal = Deal("conversion", transaction, transaction, "0", "Base", "1001", "USD", micros, "", AT, AT)
        deal.posted_micros = micros
        truth.deals.append(deal)
    wrong = compare(truth, recount(LEDGER, "main"), {"sent": 1, "delivered": 1}, [{"state": "SENT"}])
    assert "transaction t2: 0 micros booked, 5 paid" in wrong
    assert "transaction t3: 0 micros booked, -5 paid" in wrong


def test_the_world_and_books_in_order_agree() -> None:
    assert compare(_truth(), recount(LEDGER, "main"), {"sent": 1, "delivered": 1}, [{"state": "SENT"}]) == []
    assert compare(_truth(), Recount(), {"sent": 1, "delivered": 1}, [{"state": "SENT"}]) != []


def test_counters_of_all_days_and_shards_are_one_sum() -> None:
    items = [
        {"pk": "main#counters", "sk": "day#2026-03-02#0", "sent": 2, "expires_at": 9},
        {"pk": "main#counters", "sk": "day#2026-03-03#3", "sent": 3, "conversions": 1},
        {"pk": "main", "sk": "budget#2026-03-02", "reserved": 7},
        {"pk": "other#counters", "sk": "day#2026-03-02#0", "sent": 50},
    ]
    assert counters_of(items, "main") == Counter({"sent": 5, "conversions": 1})


@pytest.mark.parametrize(("human", "machine", "agrees"), [(4, 5, True), (5, 4, False), (4, 6, False)])
def test_clicks_of_people_and_of_machines_are_each_as_many_as_there_were(human: int, machine: int, agrees: bool) -> None:
    truth = replace(_truth(), human_clicks=4, machine_clicks=5)
    counters = {"sent": 1, "delivered": 1, "human_clicks": human, "machine_clicks": machine}
    assert (compare(truth, recount(LEDGER, "main"), counters, [{"state": "SENT"}]) == []) == agrees
