"""What a cycle asks for a complaint: from the evidence of weeks, and from where complaints are told of at all."""

from __future__ import annotations

from datetime import timedelta

from revenue_engine.aws.dynamo import commit
from revenue_engine.pacing.complaints import complaint_price
from revenue_engine.records.evidence import parse_evidence
from revenue_engine.services.cycle_inputs import known_context
from revenue_engine.services.status import status
from tests.e2e.house import ORG, START, House, house

ARM = {"offer": "1001", "variant": "standard", "segment": "clicker"}


def was_mailed(made: House, days_ago: int, *, complaints: int, conversion_micros: int, **by_provider: int) -> None:
    """Mails of a day, by mailbox provider, as engage counts them."""
    at = START - timedelta(days=days_ago)
    counters = {f"delivered#{provider}": n for provider, n in by_provider.items()}
    amounts = {"deliveries": sum(by_provider.values()), "complaints": complaints, "conversion_micros": conversion_micros}
    evidence = made.w.offers.adding_evidence(ORG, day=f"{at:%Y-%m-%d}", amounts=amounts, **ARM)
    commit([evidence, *made.w.counters.counting(ORG, at, counters, zone="UTC", shard_by=str(days_ago))])


def asked(made: House, cycle_id: str) -> int:
    context = known_context(made.w, ORG, cycle_id)
    assert context is not None
    return context.price.kappa_micros


def test_a_list_beyond_its_budget_pays_for_complaints_and_says_what() -> None:
    with house(1, by_hand=True) as made:
        for days_ago in (3, 10, 17):
            was_mailed(made, days_ago, complaints=60, conversion_micros=2_000_000_000, gmail=40_000, icloud=10_000, yahoo=50_000)
        report = made.cycle()
        evidence = [parse_evidence(item) for item in made.w.offers.evidence(ORG, since_day="2025-09-01")]
        price = complaint_price(evidence, START.date(), 0.5)
        assert price > 0
        assert (asked(made, report["cycle_id"]), report["kappa_micros"]) == (price, price)
        item = made.w.control.cycle(ORG, report["cycle_id"])
        assert item is not None and item["report"]["kappa_micros"] == price
        assert {receipt["kappa_micros"] for receipt in made.receipts()} == {price}
        assert status(made.w, ORG, now=made.now)["prices"] == {"lambda_micros": report["lambda_micros"], "kappa_micros": price}


def test_the_same_complaints_among_mails_that_all_can_be_complained_about_are_within_it() -> None:
    with house(1, by_hand=True) as made:
        was_mailed(made, 3, complaints=45, conversion_micros=2_000_000_000, yahoo=100_000)
        assert made.cycle()["kappa_micros"] == 0
        was_mailed(made, 4, complaints=0, conversion_micros=0, gmail=100_000)
        assert made.cycle()["kappa_micros"] == 0, "45 of 100,000 that are heard of"


def test_after_a_pause_the_mails_before_it_still_say_who_tells_of_complaints() -> None:
    with house(1, by_hand=True) as made:
        for days_ago in (60, 67):
            was_mailed(made, days_ago, complaints=60, conversion_micros=2_000_000_000, gmail=90_000, yahoo=10_000)
        evidence = [parse_evidence(item) for item in made.w.offers.evidence(ORG, since_day="2025-09-01")]
        assert made.cycle()["kappa_micros"] == complaint_price(evidence, START.date(), 0.1) > 0


def test_a_first_cycle_has_no_price_of_complaints() -> None:
    with house(1, by_hand=True) as made:
        assert made.cycle()["kappa_micros"] == 0
