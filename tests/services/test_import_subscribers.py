"""Import: idempotent, an opt-out stays one, arms are drawn once and for good (P1, P3, D4)."""

from __future__ import annotations

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from revenue_engine.aws import names
from revenue_engine.clock import epoch_seconds
from revenue_engine.intake.subscribers_csv import SubscriberRecord
from revenue_engine.records.controls import Controls
from revenue_engine.records.subscriber import ARMS, PROVIDERS, topic_mask
from revenue_engine.records.zones import ZONES
from revenue_engine.services.engage import opt_out
from revenue_engine.services.import_subscribers import assign_arm, import_subscribers
from tests.builders import NOW, Org, a_record

T = epoch_seconds(NOW)
PAT = "pat@recipient.example"


def imported(org: Org, *records: SubscriberRecord) -> dict[str, int]:
    report = import_subscribers(org.w, org.name, records, now=NOW, random_bytes=org.chance.randbytes)
    return dict(report.outcomes)


def test_a_new_person_is_mailable_due_at_once_and_known_by_a_random_key(org: Org) -> None:
    record = a_record(
        "pat@gmail.com",
        zone="America/New_York",
        topics=("finance",),
        price_sensitivity=0.25,
        peak_hour=9,
        purchases=3,
        last_purchase_at=NOW,
        profile={"pet": "cat"},
    )
    assert imported(org, record) == {"created": 1}
    key = org.subscriber("pat@gmail.com")
    person, row = org.person(key), org.row(key)
    assert (person["status"], person["consent_status"], person["consent_source"]) == ("active", "granted", "form")
    assert person["profile"] == {"first_name": "Pat", "last_name": "Doe", "country": "US", "pet": "cat"}
    assert (person["zone"], person["provider"], person["arm"], person["next_decision_at"]) == (
        "America/New_York",
        "gmail",
        "engine",
        T,
    )
    assert (ZONES[row.zone], PROVIDERS[row.provider], row.price_sensitivity, row.peak_hour) == (
        "America/New_York",
        "gmail",
        0.25,
        9,
    )
    assert row.topics == topic_mask(["finance"]) != 0
    assert key in [item["subscriber"] for item in org.w.subscribers.due(org.name, now=T)]
    assert b"pat" not in person["row"]


def test_what_a_file_does_not_say_stays_undeclared(org: Org) -> None:
    org.set_controls(zone="Europe/Berlin")
    imported(org, a_record(PAT, zone=""))
    row = org.row(org.subscriber(PAT))
    assert (ZONES[row.zone], math.isnan(row.price_sensitivity), row.peak_hour, row.topics) == ("Europe/Berlin", True, -1, 0)


def test_the_same_file_again_changes_nothing(org: Org) -> None:
    people = [a_record(f"p{n}@recipient.example") for n in range(4)]
    assert imported(org, *people) == {"created": 4}
    before = sorted(org.items(names.SUBSCRIBERS_TABLE), key=lambda i: i["pk"])
    assert imported(org, *people) == {"unchanged": 4}
    assert sorted(org.items(names.SUBSCRIBERS_TABLE), key=lambda i: i["pk"]) == before


def test_people_are_counted_in_their_arm_once_and_for_good(org: Org) -> None:
    org.set_controls(fixed_policy_share=0.3, no_mail_share=0.2)
    people = [a_record(f"p{n}@recipient.example") for n in range(40)]
    imported(org, *people, a_record("gone@recipient.example", status="unsubscribed", consent_source="", consent_at=None))
    imported(org, *people)
    arms = Counter(item["arm"] for item in org.items(names.SUBSCRIBERS_TABLE) if item.get("status") == "active" and "arm" in item)
    assert len(arms) == 3
    assert org.w.counters.people(org.name) == arms
    opt_out(org.w, org.name, org.subscriber(people[0].email), status="unsubscribed", at=NOW, source="test")
    assert org.w.counters.people(org.name) == arms


def test_new_facts_are_taken_and_history_arm_and_consent_are_kept(org: Org) -> None:
    plan = org.mailed(email=PAT)
    before = org.person(plan.subscriber)
    assert imported(org, a_record(PAT, first_name="Patricia", topics=("health",), consent_source="other")) == {"updated": 1}
    after, row = org.person(plan.subscriber), org.row(plan.subscriber)
    assert (after["profile"]["first_name"], row.topics) == ("Patricia", topic_mask(["health"]))
    assert (row.sends, row.last_send_at) == (1.0, T)
    for kept in ("arm", "consent_source", "status", "due_shard", "next_decision_at", "subscriber"):
        assert after[kept] == before[kept]


@pytest.mark.parametrize("status", ["unsubscribed", "complained", "bounced"])
def test_an_import_never_brings_an_opt_out_back(org: Org, status: str) -> None:
    imported(org, a_record(PAT))
    key = org.subscriber(PAT)
    opt_out(org.w, org.name, key, status=status, at=NOW, source="test")
    before = org.person(key)
    assert imported(org, a_record(PAT, first_name="New")) == {"opted_out": 1}
    assert org.person(key) == before


def test_an_address_of_our_own_list_is_not_imported_even_when_the_person_is_gone(org: Org) -> None:
    org.w.suppression.suppress(org.name, org.address_hash(PAT), reason="erased", at=T)
    assert imported(org, a_record(PAT)) == {"opted_out": 1}
    assert org.items(names.SUBSCRIBERS_TABLE) == []


def test_an_opt_out_of_the_file_wins_over_who_is_there_and_over_who_is_not(org: Org) -> None:
    imported(org, a_record(PAT))
    gone = a_record("new@recipient.example", status="complained", consent_source="", consent_at=None)
    assert imported(org, a_record(PAT, status="unsubscribed"), gone) == {"opted_out": 1, "created": 1}
    for address, status in ((PAT, "unsubscribed"), ("new@recipient.example", "complained")):
        person = org.person(org.subscriber(address))
        assert (person["status"], person["consent_status"]) == (status, "withdrawn")
        assert "due_shard" not in person
        assert org.w.suppression.is_suppressed(org.name, org.address_hash(address))
    assert list(org.w.subscribers.due(org.name, now=T)) == []
    assert imported(org, a_record(PAT), a_record("new@recipient.example")) == {"opted_out": 2}


def test_an_opt_out_while_a_re_import_runs_wins(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(org, a_record(PAT))
    key = org.subscriber(PAT)
    update = type(org.w.subscribers).update_profile

    def interrupted(self: object, *arguments: object, **named: object) -> None:
        opt_out(org.w, org.name, key, status="complained", at=NOW, source="test")
        update(self, *arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.subscribers), "update_profile", interrupted)
        assert imported(org, a_record(PAT, first_name="New")) == {"opted_out": 1}
    person = org.person(key)
    assert (person["status"], person["profile"]["first_name"]) == ("complained", "Pat")


def test_two_imports_at_once_make_one_person_of_one_address(org: Org) -> None:
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: import_subscribers(org.w, org.name, [a_record(PAT)], now=NOW), range(8)))
    assert sum((report.outcomes for report in reports), Counter()) == {"created": 1, "unchanged": 7}
    assert len(org.items(names.SUBSCRIBERS_TABLE)) == 2  # the person and the address


def test_arms_have_their_shares_and_depend_on_the_address_alone(org: Org) -> None:
    controls = Controls(fixed_policy_share=0.1, no_mail_share=0.05)
    drawn = [assign_arm(org.name, f"{n:x}", controls) for n in range(4_000)]
    counted = Counter(ARMS[arm] for arm in drawn)
    assert counted["fixed"] == pytest.approx(400, abs=80)  # four standard deviations
    assert counted["no_mail"] == pytest.approx(200, abs=56)
    assert drawn == [assign_arm(org.name, f"{n:x}", controls) for n in range(4_000)]


def test_the_no_mail_arm_is_never_due_and_never_mailed(org: Org) -> None:
    org.set_controls(no_mail_share=0.5)
    imported(org, *(a_record(f"p{n}@recipient.example") for n in range(20)))
    held = [item for item in org.items(names.SUBSCRIBERS_TABLE) if item.get("arm") == "no_mail"]
    assert 2 <= len(held) <= 18
    due = {item["subscriber"] for item in org.w.subscribers.due(org.name, now=T + 10**6)}
    assert due.isdisjoint(person["subscriber"] for person in held)
    assert org.execute([org.plan(held[0]["subscriber"])]).outcomes == {"holdout": 1}
