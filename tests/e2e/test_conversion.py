"""One conversion, from the mail it came from to the cycle that knows it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import httpx
import pytest

from revenue_engine import audit
from revenue_engine.aws.subscribers import row_of
from revenue_engine.clock import epoch_seconds
from revenue_engine.services.cycle_inputs import send_ids
from revenue_engine.services.models import finder
from tests.e2e.house import MINUTE, ORG, START, House, house

PAYOUT = "20.123456"
MICROS = 20_123_456
CYCLE = "20260302T1415"


def in_process(house: House, path: str) -> int:
    return house.plane.http("GET", path).status


def over_localhost(house: House, path: str) -> int:
    with house.plane.serve() as origin:
        return httpx.get(origin + path).status_code


@pytest.fixture(scope="module", params=[in_process, over_localhost])
def converted(request: pytest.FixtureRequest) -> Iterator[House]:
    """One person, mailed, has clicked and bought; the postback came by the parametrised way."""
    reach: Callable[[House, str], int] = request.param
    with house(by_hand=True) as made:
        made.run(15)
        made.cycle()
        (mail,) = made.mails
        made.delivered(mail)
        made.run(5)
        assert made.clicked(mail) == 1
        made.run(2)
        assert reach(made, made.postback(mail, payout=PAYOUT)) == 200
        made.plane.settle()
        assert made.plane.executor.failures == []
        assert made.plane.permissions.denials == []
        yield made


def test_every_book_shows_the_same_micros(converted: House) -> None:
    (mail,) = converted.mails
    w, send = converted.w, converted.send(mail)
    head = w.ledger.head(f"{ORG}#conversion#tx1#0")
    assert head is not None
    held = head.position.amounts
    assert (held.provisional_micros, held.approved_micros, head.position.place.currency, head.entries) == (MICROS, 0, "USD", 1)
    (entry,) = w.ledger.entries(f"{ORG}#conversion#tx1#0")
    amounts, place = entry.position.amounts, entry.position.place
    assert (amounts.provisional_micros, amounts.approved_micros, amounts.unattributed_micros) == (MICROS, 0, 0)
    assert (place.offer, place.send_id, place.subscriber, entry.source) == (
        mail.offer,
        mail.send_id,
        send["subscriber"],
        "postback",
    )
    assert set(entry.position.attribution) >= {"primary", "time_decay"}
    for model, shares in entry.position.attribution.items():  # M1: each model's split adds up
        assert sum(share.micros for share in shares) == MICROS, model
        assert {share.send_id for share in shares} == {mail.send_id}, model
    assert [found for _, found in w.ledger.booked_on(ORG, "2026-03-02")] == [entry]

    counted = converted.counters()
    for name, value in {
        "provisional_micros#USD": MICROS,
        f"reported_provisional_micros@{mail.offer}": MICROS,
        "conversions": 1,
        f"conversions@{mail.offer}": 1,
        "sent": 1,
        "delivered": 1,
        "human_clicks": 1,
        "clicked_mails": 1,
    }.items():
        assert counted[name] == value, name
    assert not [name for name in counted if name.startswith(("approved", "unattributed"))]

    assert send["state"] == "SENT"
    assert (send["conversions"], send["revenue_micros#USD"]) == (1, MICROS)
    assert send["first_human_click_at"] == epoch_seconds(mail.at + 4 * MINUTE)


def test_the_person_knows_it(converted: House) -> None:
    (mail,) = converted.mails
    subscriber = converted.send(mail)["subscriber"]
    row = row_of(converted.person(subscriber))
    assert row.revenue_micros == MICROS
    assert row.conversions == pytest.approx(1.0)
    assert row.human_clicks == pytest.approx(1.0, abs=1e-3)
    assert row.last_conversion_at == epoch_seconds(converted.now)
    assert row.last_send_at == epoch_seconds(mail.at)
    happened = converted.w.timeline.between(ORG, subscriber, start=START, end=converted.now + MINUTE)
    assert [item["kind"] for item in happened] == ["delivery", "click", "conversion", "row_conversion"]
    assert happened[1]["human"] is True
    assert (happened[2]["delta_micros"], happened[2]["send_id"], happened[2]["offer"]) == (MICROS, mail.send_id, mail.offer)


def test_the_arm_has_the_evidence(converted: House) -> None:
    (mail,) = converted.mails
    (row,) = converted.w.offers.evidence(ORG, since_day="2026-03-01")
    evidence = {name: value for name, value in row.items() if name not in ("pk", "sk")}
    assert evidence == {
        "day": "2026-03-02",
        "offer": mail.offer,
        "variant": mail.variant,
        "segment": converted.send(mail)["segment"],
        "deliveries": 1,
        "clicks": 1,
        "conversions": 1,
        "conversion_micros": MICROS,
        "took_hour": 1,
    }


def test_the_decision_is_on_record_and_replays_to_the_byte(converted: House) -> None:
    (mail,) = converted.mails
    send = converted.send(mail)
    (receipt,) = converted.receipts()
    assert receipt["decision_id"] == send["decision_id"] == audit.decision_id(CYCLE, send["subscriber"])
    assert receipt["propensity_joint"] == send["propensity"]
    assert 0 < receipt["propensity_joint"] < 1
    assert (receipt["action"], receipt["mailed"], receipt["offer"], receipt["content"]) == (
        "send",
        True,
        mail.offer,
        mail.variant,
    )
    assert receipt["expected_revenue_micros"] == send["predicted_revenue_micros"]

    stored = converted.object(f"decisions/{ORG}/2026-03-02/{CYCLE}/page-0000.ndjson.gz")
    page, context = converted.object(receipt["page"]), converted.object(receipt["context"])
    again = audit.replay(page, context, finder(converted.w, ORG), granted=receipt["granted"])
    keys = {"page_key": receipt["page"], "context_key": receipt["context"], "send_id": send_ids(converted.w, ORG)}
    assert audit.receipts(*again, granted=receipt["granted"], **keys) == gzip.decompress(stored)


def test_the_same_postback_again_changes_nothing(converted: House) -> None:
    (mail,) = converted.mails

    def books() -> tuple[object, ...]:
        send = converted.send(mail)
        return (
            converted.counters(),
            send,
            converted.person(send["subscriber"]),
            converted.w.offers.evidence(ORG, since_day="2026"),
        )

    before = books()
    for _ in range(3):
        assert converted.converted(mail, payout=PAYOUT).status == 200
    assert books() == before


def test_no_identity_left_the_house(converted: House) -> None:
    (mail,) = converted.mails
    subscriber = converted.send(mail)["subscriber"]
    person = converted.person(subscriber)
    logged = "\n".join(converted.plane.executor.log)
    for identity in (person["address"], person["address_hash"], "P0"):  # P4
        assert identity not in mail.link
        assert identity not in logged
        assert identity not in str(converted.receipts())
    assert subscriber not in mail.link
    assert mail.send_id in mail.link
