"""The books under any order, repetition and concurrency: ledger = counters = allocations (M1, M2, M4)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from revenue_engine import ids
from revenue_engine.attribution.ledger import Head, fold
from revenue_engine.aws import names
from revenue_engine.aws.items import Item
from revenue_engine.aws.ledger import Ledger
from revenue_engine.errors import BadInput
from revenue_engine.records.conversion import Arrival
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import quarantine
from revenue_engine.services.attribute import book
from revenue_engine.services.books import check_currency
from revenue_engine.services.engage import engage_message
from revenue_engine.services.metrics import revenue
from tests.builders import DAY, NOW, Org, an_offer
from tests.ses_events import ses_event
from workbench.local.plane import Plane
from workbench.simulation.recount import disagreements, recount

_orgs = itertools.count(1)
LATER = NOW + timedelta(hours=4)


def arrival(org: Org, plan: PlannedSend | None = None, **changes: object) -> Arrival:
    sub1 = "" if plan is None else ids.tracking_id(org.key, org=org.name, send_id=plan.send_id)
    base = Arrival(
        org=org.name,
        kind="conversion",
        transaction_id="t1",
        event_id="0",
        event_name="Base",
        payout_micros=10_000_001,
        currency="USD",
        offer="1042",
        sub1=sub1,
        source="postback",
        conversion_id=None,
        converted_at=LATER,
        received_at=LATER,
        receipt_id="r1",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def report(org: Org, plan: PlannedSend | None, conversion_id: str, **changes: object) -> Arrival:
    return arrival(org, plan, source="report", conversion_id=conversion_id, receipt_id=conversion_id, **changes)


def upsell(org: Org, plan: PlannedSend | None) -> tuple[Arrival, Arrival]:
    """One event as the postback knows it, by its id, and as the report does, by its name."""
    facts = {"kind": "event", "event_name": "Upsell", "payout_micros": 4_250_000}
    return arrival(org, plan, event_id="77", receipt_id="r2", **facts), report(org, plan, "e1", event_id="", **facts)


def booked(org: Org, *arrivals: Arrival) -> list[str]:
    controls = org.w.parameters.controls(org.name)
    return [book(org.w, each, controls=controls, now=LATER) for each in arrivals]


def totals(org: Org) -> dict[str, int]:
    counted = org.counters()
    return {n: counted.get(f"{n}_micros#USD", 0) for n in ("provisional", "approved", "unattributed")} | {
        "conversions": counted.get("conversions", 0)
    }


def check(org: Org) -> None:
    """Heads, counters, campaigns, mails, evidence and rows are the sums of the ledger's entries."""
    for message in org.drained(names.ENGAGEMENT_QUEUE_URL):
        engage_message(org.w, message, now=LATER)
    for name, head in heads(org).items():
        entries = org.w.ledger.entries(name)
        assert fold(entries)[0] == head.position.amounts
    assert (
        disagreements(
            recount(org.items(names.LEDGER_TABLE), org.name),
            control=org.items(names.CONTROL_TABLE),
            sends=sends(org),
            offers=org.items(names.OFFERS_TABLE),
            subscribers=org.items(names.SUBSCRIBERS_TABLE),
            org=org.name,
        )
        == []
    )


def heads(org: Org) -> dict[str, Head]:
    keys = [item["pk"] for item in org.items(names.LEDGER_TABLE) if item["sk"] == "head"]
    return {key: head for key in keys if (head := org.w.ledger.head(key))}


def sends(org: Org) -> list[Item]:
    return list(org.w.sends.on_day(org.name, DAY))


def test_a_report_after_its_postback_turns_provisional_money_into_approved(org: Org) -> None:
    plan = org.mailed()
    assert booked(org, arrival(org, plan), report(org, plan, "c1"), report(org, plan, "c1")) == [
        "booked",
        "booked",
        "already_booked",
    ]
    assert totals(org) == {"provisional": 0, "approved": 10_000_001, "unattributed": 0, "conversions": 1}
    check(org)


def test_a_postback_after_its_report_says_nothing_new(org: Org) -> None:
    plan = org.mailed()
    assert booked(org, report(org, plan, "c1"), arrival(org, plan)) == ["booked", "already_booked"]
    assert totals(org)["approved"] == 10_000_001
    check(org)


def test_a_report_with_another_amount_corrects_the_postbacks_and_every_share(org: Org) -> None:
    plan = org.mailed()
    booked(org, arrival(org, plan), report(org, plan, "c1", payout_micros=7_000_000))
    assert totals(org) == {"provisional": 0, "approved": 7_000_000, "unattributed": 0, "conversions": 1}
    check(org)
    assert org.row(plan.subscriber).conversions == 1.0


def test_a_rebill_in_the_report_is_a_conversion_of_its_own(org: Org) -> None:
    plan = org.mailed()
    rows = [arrival(org, plan), report(org, plan, "c1"), report(org, plan, "c2")]
    assert booked(org, *rows, *rows) == ["booked"] * 3 + ["already_booked"] * 3
    assert totals(org) == {"provisional": 0, "approved": 20_000_002, "unattributed": 0, "conversions": 2}
    check(org)


@pytest.mark.parametrize("order", ["postback first", "report first"])
def test_an_event_known_by_id_here_and_by_name_there_is_booked_once(org: Org, order: str) -> None:
    plan = org.mailed()
    pair = upsell(org, plan)
    booked(org, *(pair if order == "postback first" else reversed(pair)))
    assert totals(org) == {"provisional": 0, "approved": 4_250_000, "unattributed": 0, "conversions": 1}
    assert booked(org, *pair) == ["already_booked", "already_booked"]
    check(org)


def test_two_events_of_one_name_by_their_ids_are_two(org: Org) -> None:
    first, _ = upsell(org, None)
    assert booked(org, first, replace(first, event_id="78"), first) == ["booked", "booked", "already_booked"]
    assert totals(org)["provisional"] == 8_500_000
    check(org)


class Interrupted(Ledger):
    """Something is booked between attribute's read of the head and its own booking."""

    def __init__(self, org: Org, meanwhile: Callable[[], object]) -> None:
        super().__init__(org.w.ledger.table)
        object.__setattr__(self, "left", [meanwhile])

    def head(self, key: str) -> Head | None:
        read = super().head(key)
        left: list[Callable[[], object]] = vars(self)["left"]
        if left:
            left.pop()()
        return read


def test_a_doubtful_arrival_kept_meanwhile_is_not_written_over(org: Org) -> None:
    plan = org.mailed()
    booked(org, arrival(org, plan))
    other = arrival(org, plan, payout_micros=12_000_000)
    vars(org.w)["ledger"] = Interrupted(org, lambda: booked(org, other))
    assert booked(org, report(org, plan, "c1")) == ["booked"]
    head = org.w.ledger.head(arrival(org, plan).key)
    assert head is not None
    assert (head.position.amounts.approved_micros, len(head.facts.claims), head.version) == (10_000_001, 2, 3)
    check(org)


CHOICES = st.lists(
    st.sampled_from(["base", "again", "other", "c1", "c2", "c1 less", "event", "event row", "nobody's"]), max_size=9
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choices=CHOICES)
def test_the_books_balance_after_any_interleaving(system: Plane, choices: list[str]) -> None:
    org = Org.open(system, f"i{next(_orgs)}")
    plan = org.mailed()
    event, event_row = upsell(org, plan)
    arrivals = {
        "base": arrival(org, plan),
        "again": arrival(org, plan, receipt_id="r9"),
        "other": arrival(org, plan, payout_micros=12_000_000),
        "c1": report(org, plan, "c1"),
        "c2": report(org, plan, "c2"),
        "c1 less": report(org, plan, "c1", payout_micros=1_000_000),
        "event": event,
        "event row": event_row,
        "nobody's": arrival(org, None, transaction_id="t2"),
    }
    booked(org, *(arrivals[choice] for choice in choices))
    check(org)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(["base", "c1", "c2", "event", "event row", "nobody's"] * 2))
def test_what_does_not_contradict_itself_gives_the_same_totals_in_any_order(system: Plane, order: list[str]) -> None:
    org = Org.open(system, f"o{next(_orgs)}")
    plan = org.mailed()
    event, event_row = upsell(org, plan)
    arrivals = {
        "base": arrival(org, plan),
        "c1": report(org, plan, "c1"),
        "c2": report(org, plan, "c2"),
        "event": event,
        "event row": event_row,
        "nobody's": arrival(org, None, transaction_id="t2"),
    }
    booked(org, *(arrivals[name] for name in order))
    assert totals(org) == {"provisional": 10_000_001, "approved": 24_250_002, "unattributed": 10_000_001, "conversions": 4}
    check(org)


def test_workers_at_once_on_one_key_book_it_once(org: Org) -> None:
    plan = org.mailed()
    rows = [arrival(org, plan)] * 4 + [report(org, plan, "c1")] * 4
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda each: booked(org, each)[0], rows))
    assert said.count("booked") in (1, 2)  # the report alone, or after the postback
    assert totals(org) == {"provisional": 0, "approved": 10_000_001, "unattributed": 0, "conversions": 1}
    check(org)


def test_workers_at_once_on_an_event_by_id_and_by_name_book_it_once(org: Org) -> None:
    plan = org.mailed()
    event, event_row = upsell(org, plan)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: booked(org, each), [event, event_row] * 4))
    assert totals(org) == {"provisional": 0, "approved": 4_250_000, "unattributed": 0, "conversions": 1}
    check(org)


def test_workers_at_once_on_many_keys_of_one_mail_lose_nothing(org: Org) -> None:
    plan = org.mailed()
    rows = [arrival(org, plan, transaction_id=f"t{n % 4}", kind="event", event_id=str(n), event_name="") for n in range(1, 13)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda each: booked(org, each)[0], rows)) == ["booked"] * 12
    assert totals(org)["provisional"] == 12 * 10_000_001
    check(org)
    assert org.row(plan.subscriber).conversions == 12.0


def test_money_of_two_currencies_is_never_added_up(org: Org) -> None:
    plan = org.mailed()
    euros = arrival(org, plan, transaction_id="t2", currency="EUR", payout_micros=7_000_000)
    settled = report(org, plan, "c2", transaction_id="t2", currency="EUR", payout_micros=8_000_000)
    assert booked(org, arrival(org, plan), euros, settled) == ["booked"] * 3
    for message in org.drained(names.ENGAGEMENT_QUEUE_URL):
        engage_message(org.w, message, now=LATER)
    row, send, counted = org.row(plan.subscriber), org.send(plan), org.counters()
    assert (row.revenue_micros, row.conversions) == (10_000_001, 2.0)  # the org's currency alone, and both conversions
    assert (send["revenue_micros#USD"], send["revenue_micros#EUR"]) == (10_000_001, 8_000_000)
    assert (counted["provisional_micros#USD"], counted["approved_micros#EUR"]) == (10_000_001, 8_000_000)
    (evidence,) = org.evidence().values()
    assert (evidence["conversions"], evidence["conversion_micros"]) == (2, 10_000_001)


def test_an_offer_in_another_currency_has_its_evidence_in_that_one(org: Org) -> None:
    plan = org.mailed()
    org.w.offers.put(org.name, an_offer(currency="EUR"))
    booked(org, arrival(org, plan, currency=None), arrival(org, plan, transaction_id="t2", currency="USD", payout_micros=3))
    for message in org.drained(names.ENGAGEMENT_QUEUE_URL):
        engage_message(org.w, message, now=LATER)
    assert org.row(plan.subscriber).revenue_micros == 3
    (evidence,) = org.evidence().values()
    assert (evidence["conversions"], evidence["conversion_micros"]) == (2, 10_000_001)


def test_a_contradicting_amount_is_listed_once_with_both_amounts(org: Org) -> None:
    plan = org.mailed()
    later = arrival(org, plan, payout_micros=12_000_000, receipt_id="r2")
    assert booked(org, arrival(org, plan), later, later) == ["booked", "doubtful", "doubtful"]
    (entry,) = quarantine.listed(org.w, org.name)
    assert (entry["receipt_id"], entry["state"], entry["field"], entry["reason"]) == (
        "r2",
        "doubtful",
        "payout",
        "contradicts_booked_amount",
    )
    assert entry["detail"] == "12000000 micros USD, booked are 10000001 micros USD"
    assert quarantine.replay(org.w, org.name, "r2")
    (message,) = org.drained(names.POSTBACKS_QUEUE_URL)
    assert json.loads(message)["raw_key"] == f"raw/{org.name}/2026-03-04/r2.json"


def test_an_amount_that_stood_until_an_earlier_one_was_processed_is_listed(org: Org) -> None:
    plan = org.mailed()
    earlier = arrival(org, plan, payout_micros=12_000_000, receipt_id="r0", received_at=LATER - timedelta(seconds=1))
    assert booked(org, arrival(org, plan), earlier) == ["booked", "booked"]
    (entry,) = quarantine.listed(org.w, org.name)
    assert (entry["receipt_id"], entry["state"]) == ("r1", "doubtful")
    assert entry["detail"] == "10000001 micros USD, booked are 12000000 micros USD"
    check(org)


def test_money_in_another_currency_than_the_booked_contradicts_it(org: Org) -> None:
    booked(org, arrival(org), arrival(org, currency="EUR", receipt_id="r2"))
    (entry,) = quarantine.listed(org.w, org.name)
    assert (entry["field"], entry["detail"]) == ("currency", "10000001 micros EUR, booked are 10000001 micros USD")


def test_sums_stay_in_the_currency_the_books_were_opened_in(org: Org) -> None:
    plan = org.mailed()
    booked(org, arrival(org, plan))
    org.set_controls(currency="EUR", fx_rates={"USD": {"rate": "0.9", "as_of": "2026-03-01"}})
    org.w.parameters.forget()
    euros = arrival(org, plan, transaction_id="t2", currency="EUR", payout_micros=7_000_000)
    booked(org, euros)
    check(org)
    counted = org.counters()
    assert (counted["reported_provisional_micros"], counted["provisional_micros#EUR"]) == (10_000_001, 7_000_000)
    told = revenue(org.w, org.name, now=LATER)
    assert (told.currency, told.today.revenue.provisional_micros) == ("USD", 10_000_001)
    with pytest.raises(BadInput, match="books_are_kept_in"):
        check_currency(org.w, org.name, org.w.parameters.controls(org.name))


def test_a_name_with_the_separator_in_it_is_no_other_key(org: Org) -> None:
    plan = org.mailed()
    rows = [
        report(org, plan, f"e{n}", kind="event", event_id="", event_name=name, payout_micros=1_000_000)
        for n, name in enumerate(("Rebill", "Rebill", "Rebill#1", "Re%23bill"))
    ]
    booked(org, *rows)
    assert totals(org)["conversions"] == 4
    check(org)


@pytest.mark.parametrize("order", ["row, 77, 78", "77, row, 78", "77, 78, row"])
def test_two_ids_of_one_name_are_two_events_whenever_the_row_comes(org: Org, order: str) -> None:
    plan = org.mailed()
    first, row = upsell(org, plan)
    facts = {"row": row, "77": first, "78": replace(first, event_id="78", receipt_id="r78")}
    booked(org, *(facts[name] for name in order.split(", ")))
    assert totals(org) == {"provisional": 4_250_000, "approved": 4_250_000, "unattributed": 0, "conversions": 2}
    check(org)


def test_a_name_that_is_told_with_a_repetition_is_remembered(org: Org) -> None:
    plan = org.mailed()
    named, row = upsell(org, plan)
    assert booked(org, replace(named, event_name=""), named, row) == ["booked", "already_booked", "booked"]
    assert totals(org) == {"provisional": 0, "approved": 4_250_000, "unattributed": 0, "conversions": 1}
    check(org)


def test_the_click_after_the_purchase_is_not_where_it_came_from(org: Org) -> None:
    plan = org.mailed()
    booked(org, arrival(org, plan))
    event = json.loads(ses_event("ses-event-click.json", plan))
    event["click"]["timestamp"] = "2026-03-05T09:00:00.000Z"
    engage_message(org.w, json.dumps(event), now=LATER)
    booked(org, arrival(org, plan, receipt_id="r9"))
    assert org.evidence()["2026-03-04"]["conversions"] == 1
    check(org)
