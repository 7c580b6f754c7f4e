"""One person's data: shown whole, and forgotten for good (P3, P4, D4)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.aws.subscribers import row_of
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import BadInput
from revenue_engine.records.send import PlannedSend
from revenue_engine.services.attribute import attribute_message
from revenue_engine.services.engage import engage_message
from revenue_engine.services.http import Request
from revenue_engine.services.import_subscribers import import_subscribers
from revenue_engine.services.people import erase_person, export_person
from revenue_engine.services.take_postback import take_postback
from revenue_engine.services.unsubscribe import unsubscribe
from tests.builders import NOW, Org, a_record
from tests.ses_events import ses_event

PAT = "pat@recipient.example"
T = epoch_seconds(NOW)


def tell(org: Org, plan: PlannedSend, name: str) -> str:
    return engage_message(org.w, ses_event(f"ses-event-{name}.json", plan), now=NOW)


def buy(org: Org, plan: PlannedSend, transaction: str = "t1") -> list[str]:
    """A purchase's postback on its whole way: webhook, attribute, and the row's part."""
    sub1 = ids.tracking_id(org.key, org=org.name, send_id=plan.send_id)
    query = urlencode({"transaction_id": transaction, "payout": "32.5", "offer_id": "1042", "sub1": sub1, "kind": "conversion"})
    request = Request("GET", "/", {"org": org.name, "token": org.token}, query, {}, "")
    assert take_postback(org.w, request, now=NOW + timedelta(hours=4)).status == 200
    said = [attribute_message(org.w, body, now=NOW + timedelta(hours=4)) for body in org.drained(names.POSTBACKS_QUEUE_URL)]
    return said + [engage_message(org.w, body, now=NOW + timedelta(hours=4)) for body in org.drained(names.ENGAGEMENT_QUEUE_URL)]


def money(org: Org) -> dict[str, int]:
    return {name: n for name, n in org.counters().items() if "micros" in name or name == "conversions"}


def test_all_that_is_kept_of_a_person_is_shown(org: Org) -> None:
    plan = org.mailed(email=PAT, profile={"shoe_size": "43"})
    for name in ("delivery", "click"):
        tell(org, plan, name)
    assert buy(org, plan) == ["booked", "conversion_applied"]
    found = json.loads(json.dumps(export_person(org.w, org.name, " Pat@Recipient.example ")))
    person = found["person"]
    assert (person["address"], person["status"], person["consent_source"], person["consent_at"]) == (
        PAT,
        "active",
        "form",
        1767225600,
    )
    assert (person["profile"]["shoe_size"], person["state"]["last_send_at"]) == ("43", T)
    assert {event["kind"] for event in found["events"]} == {"delivery", "click", "conversion", "row_conversion"}
    assert [(mail["send_id"], mail["state"]) for mail in found["mails"]] == [(plan.send_id, "SENT")]
    (sold,) = found["conversions"]
    assert (sold["provisional_micros"], sold["currency"], sold["state"]) == (32_500_000, "USD", "provisional")
    assert found["suppressed"] is None


def test_of_somebody_nobody_knows_there_is_nothing(org: Org) -> None:
    assert export_person(org.w, org.name, PAT) == {
        "person": None, "suppressed": None, "events": [], "mails": [], "conversions": [],
    }  # fmt: skip
    with pytest.raises(BadInput):
        export_person(org.w, org.name, "nobody")


def test_nothing_leads_from_the_address_to_what_was_kept_by_the_key(org: Org) -> None:
    plan = org.mailed(email=PAT)
    tell(org, plan, "click")
    assert erase_person(org.w, org.name, PAT, now=NOW)
    tables = (names.SUBSCRIBERS_TABLE, names.TIMELINE_TABLE, names.SENDS_TABLE, names.SUPPRESSION_TABLE, names.CONTROL_TABLE)
    kept: list[Any] = [item for table in tables for item in org.items(table)]
    assert not any(word in repr(kept) for word in (PAT, "Pat", "Doe"))
    digest = org.address_hash(PAT)
    assert [item for item in kept if digest in repr(item)] == [
        {"pk": f"{org.name}#own", "sk": digest, "reason": "erased", "at": T}
    ]
    stub = org.person(plan.subscriber)
    assert set(stub) == {
        "pk", "org", "subscriber", "arm", "lot", "created_at", "provider", "consent_source", "consent_at", "status",
        "consent_status", "erased_at",
    }  # fmt: skip
    assert (stub["status"], stub["consent_status"]) == ("erased", "withdrawn")
    found = export_person(org.w, org.name, PAT)
    assert (found["person"], found["events"], found["suppressed"]) == (None, [], {"reason": "erased", "at": T})


def test_erasing_twice_or_a_stranger_is_no_error_and_keeps_the_address_from_mail(org: Org) -> None:
    org.add_person(PAT)
    assert [erase_person(org.w, org.name, PAT, now=NOW) for _ in range(2)] == [True, False]
    assert not erase_person(org.w, org.name, "stranger@recipient.example", now=NOW)
    assert org.w.suppression.is_suppressed(org.name, org.address_hash("stranger@recipient.example"))


@pytest.mark.parametrize("status", ["active", "unsubscribed", "bounced"])
def test_no_import_brings_an_erased_person_back(org: Org, status: str) -> None:
    org.add_person(PAT)
    erase_person(org.w, org.name, PAT, now=NOW)
    report = import_subscribers(org.w, org.name, [a_record(PAT, status=status)], now=NOW, random_bytes=org.chance.randbytes)
    assert report.outcomes == {"opted_out": 1}
    assert org.w.subscribers.by_address(org.name, org.address_hash(PAT)) is None
    listed = org.w.suppression.listed(org.name, org.address_hash(PAT))
    assert listed is not None and listed["reason"] == "erased"
    assert PAT not in repr(org.items(names.SUBSCRIBERS_TABLE))


def test_a_mail_already_planned_is_not_sent(org: Org) -> None:
    plan = org.plan(org.add_person(PAT))
    erase_person(org.w, org.name, PAT, now=NOW)
    assert org.execute([plan]).outcomes == {"erased": 1}
    assert org.mails == []


def test_a_claim_that_believed_the_person_was_there_loses(org: Org) -> None:
    person = org.person(org.add_person(PAT))
    erase_person(org.w, org.name, PAT, now=NOW)
    with pytest.raises(TransactionCancelled):
        commit(
            [
                org.w.subscribers.writing_row(
                    org.name, person["subscriber"], row=row_of(person), read_version=person["version"], must_be_mailable=True
                )
            ]
        )
    assert not org.w.subscribers.set_next_decision(org.name, person["subscriber"], at=T, decided_at=T)


def test_what_comes_later_is_counted_and_brings_nobody_back(org: Org) -> None:
    plan = org.mailed(email=PAT)
    tell(org, plan, "delivery")
    buy(org, plan)
    before = money(org)
    erase_person(org.w, org.name, PAT, now=NOW)
    assert money(org) == before
    assert [tell(org, plan, name) for name in ("click", "open", "complaint", "bounce-permanent", "subscription")] == [
        "human_click", "human_open", "complaint", "bounce", "subscription",
    ]  # fmt: skip
    assert (org.send(plan)["human_clicks"], org.counters()["complaints"]) == (1, 1)
    said = buy(org, plan, "t2")
    assert said.count("booked") == 1 and "erased" in said
    assert money(org)["conversions"] == 2 * before["conversions"]
    token = ids.unsubscribe_token(org.key, org=org.name, subscriber=plan.subscriber, send_id=plan.send_id)
    request = Request("POST", f"/u/{org.name}/{token}", {"org": org.name, "token": token}, "", {}, "")
    assert unsubscribe(org.w, request, now=NOW).status == 200
    assert org.person(plan.subscriber)["status"] == "erased"
    assert PAT not in repr(org.items(names.SUBSCRIBERS_TABLE))


def test_a_person_whom_somebody_writes_meanwhile_is_erased_all_the_same(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = org.mailed(email=PAT)
    real = type(org.w.subscribers).get
    calls = iter([lambda: tell(org, plan, "click")])

    def interrupted(self: Any, name: str, subscriber: str) -> Any:
        person = real(self, name, subscriber)
        next(calls, lambda: None)()
        return person

    monkeypatch.setattr(type(org.w.subscribers), "get", interrupted)
    assert erase_person(org.w, org.name, PAT, now=NOW)
    monkeypatch.undo()
    assert org.person(plan.subscriber)["status"] == "erased"
