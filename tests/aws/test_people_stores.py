"""Subscribers, suppression and timeline: opt-outs win, lists age, events come once (P1, P3)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.clock import epoch_seconds
from tests.builders import NOW, Org

T = epoch_seconds(NOW)


def due(org: Org, now: int = T) -> list[str]:
    return [item["subscriber"] for item in org.w.subscribers.due(org.name, now=now)]


def test_the_due_index_holds_those_whose_time_has_come(org: Org) -> None:
    people = [org.add_person() for _ in range(6)]
    assert sorted(due(org)) == sorted(people)
    assert org.w.subscribers.set_next_decision(org.name, people[0], at=T + 60, decided_at=T)
    assert sorted(due(org)) == sorted(people[1:])
    assert people[0] in due(org, T + 60)


def test_an_opt_out_takes_a_person_out_of_the_index_for_good(org: Org) -> None:
    person = org.add_person("pat@recipient.example")
    before = org.person(person)["version"]
    org.w.subscribers.opt_out(org.name, person, status="unsubscribed", at=T, source="test")
    assert due(org, T + 10**6) == []
    assert not org.w.subscribers.set_next_decision(org.name, person, at=T, decided_at=T)
    org.w.subscribers.pull_forward(org.name, person, at=T, now=T)
    assert due(org, T + 10**6) == []
    kept = org.person(person)
    assert (kept["status"], kept["consent_status"], kept["version"]) == ("unsubscribed", "withdrawn", before + 1)
    address = org.w.subscribers.by_address(org.name, org.address_hash("pat@recipient.example"))
    assert address is not None
    assert address["status"] == "unsubscribed"


def test_who_brought_most_is_first_and_who_brought_nothing_is_not_there(org: Org) -> None:
    people = [org.add_person() for _ in range(5)]
    for person, micros in zip(people, (5_000_000, 0, 90_000_000, 12_000_000, 7), strict=True):
        write_revenue(org, person, micros)
    best = [(people[2], 90_000_000), (people[3], 12_000_000), (people[0], 5_000_000), (people[4], 7)]
    assert org.w.subscribers.top_by_revenue(org.name, 10) == best
    assert org.w.subscribers.top_by_revenue(org.name, 2) == best[:2]
    write_revenue(org, people[2], -1)  # reversed
    assert org.w.subscribers.top_by_revenue(org.name, 10) == best[1:]
    assert org.w.subscribers.top_by_revenue(f"{org.name}x", 10) == []


def write_revenue(org: Org, subscriber: str, micros: int) -> None:
    read = org.person(subscriber)
    row = replace(org.row(subscriber), revenue_micros=micros)
    write = org.w.subscribers.writing_row(org.name, subscriber, row=row, read_version=read["version"], must_be_mailable=False)
    commit([write])


def test_an_opt_out_of_nobody_makes_nobody(org: Org) -> None:
    assert org.w.subscribers.opt_out(org.name, "nobody", status="unsubscribed", at=T, source="test") is None
    assert org.w.subscribers.get(org.name, "nobody") is None


def test_an_opt_out_that_meets_an_erasure_brings_no_address_back(org: Org) -> None:
    person, digest = org.add_person("pat@recipient.example"), org.address_hash("pat@recipient.example")
    commit([org.w.subscribers.table.deleting(f"{org.name}#addr#{digest}")])
    assert org.w.subscribers.opt_out(org.name, person, status="unsubscribed", at=T, source="test") is not None
    assert org.w.subscribers.by_address(org.name, digest) is None


def test_a_writer_who_read_before_an_opt_out_loses(org: Org) -> None:
    person = org.add_person()
    read = org.person(person)
    org.w.subscribers.opt_out(org.name, person, status="complained", at=T, source="test")
    for must_be_mailable in (True, False):
        with pytest.raises(TransactionCancelled):
            commit(
                [
                    org.w.subscribers.writing_row(
                        org.name,
                        person,
                        row=replace(org.row(person), sends=9.0),
                        read_version=read["version"],
                        must_be_mailable=must_be_mailable,
                    )
                ]
            )
    assert org.row(person).sends == 0.0


def test_an_event_pulls_a_decision_forward_and_never_back(org: Org) -> None:
    person = org.add_person()
    org.w.subscribers.set_next_decision(org.name, person, at=T + 1_000, decided_at=T)
    for at in (T + 500, T + 700):
        org.w.subscribers.pull_forward(org.name, person, at=at, now=T)
    assert org.person(person)["next_decision_at"] == T + 500


def test_no_event_makes_somebody_due_while_a_mail_to_them_waits(org: Org) -> None:
    person, due = org.add_person(), []
    for waits, now in ((True, T), (True, T + 1_000), (False, T)):
        org.w.subscribers.set_next_decision(org.name, person, at=T + 1_000, decided_at=T, waits=waits)
        org.w.subscribers.pull_forward(org.name, person, at=T + 500, now=now)
        due.append(org.person(person)["next_decision_at"] - T)
    assert due == [1_000, 500, 500]
    org.w.subscribers.set_next_decision(org.name, person, at=T + 1_000, decided_at=T, waits=True)
    read = org.person(person)
    commit(
        [
            org.w.subscribers.writing_row(
                org.name, person, row=org.row(person), read_version=read["version"], must_be_mailable=True
            )
        ]
    )
    org.w.subscribers.pull_forward(org.name, person, at=T + 500, now=T)
    assert org.person(person)["next_decision_at"] == T + 500, "it has been claimed"


def test_an_advertisers_list_is_searched_by_both_hashes_and_is_fresh_only_when_whole(org: Org) -> None:
    lists = org.w.suppression
    md5 = "md5:" + hashlib.md5(b"a@x.example", usedforsecurity=False).hexdigest()
    sha = "sha512:" + hashlib.sha512(b"b@x.example").hexdigest()
    assert lists.refreshed_at(org.name, "7") is None

    def broken() -> object:
        yield from (f"md5:{n:032x}" for n in range(60))
        raise OSError("the file ended")

    with pytest.raises(OSError, match="ended"):
        lists.add_to_advertiser_list(org.name, "7", broken(), refreshed_at=T)  # type: ignore[arg-type]
    assert lists.refreshed_at(org.name, "7") is None
    many = [md5, sha, md5, *(f"md5:{n:032x}" for n in range(60))]
    assert lists.add_to_advertiser_list(org.name, "7", many, refreshed_at=T) == 62  # one came twice
    assert lists.refreshed_at(org.name, "7") == T
    assert [lists.advertiser_forbids(org.name, "7", a) for a in ("a@x.example", "b@x.example", "c@x.example")] == [
        True,
        True,
        False,
    ]
    assert not lists.advertiser_forbids(org.name, "8", "a@x.example")


def test_our_own_list_stops_the_transaction_that_checks_it(org: Org) -> None:
    commit([org.w.suppression.checking(org.name, "h")])
    org.w.suppression.suppress(org.name, "h", reason="complained", at=T)
    assert org.w.suppression.is_suppressed(org.name, "h")
    with pytest.raises(TransactionCancelled):
        commit([org.w.suppression.checking(org.name, "h")])


def test_the_timeline_is_in_order_once_and_cut_by_time(org: Org) -> None:
    def record(minutes: int, kind: str) -> None:
        facts = {"send_id": "s", "human": kind == "click", "human_probability": 0.5}
        at = NOW + timedelta(minutes=minutes)
        commit([org.w.timeline.recording(org.name, "p", at=at, kind=kind, event_id="e", facts=facts)])

    for minutes, kind in ((5, "click"), (0, "delivery"), (3, "open")):
        record(minutes, kind)
    with pytest.raises(TransactionCancelled):
        record(3, "open")
    window = {"start": NOW, "end": NOW + timedelta(minutes=5)}
    assert [item["kind"] for item in org.w.timeline.between(org.name, "p", **window)] == ["delivery", "open", "click"]
    touches = org.w.timeline.touches(org.name, "p", **window)
    assert [(t.kind, t.at, t.human) for t in touches] == [
        ("open", NOW + timedelta(minutes=3), False),
        ("click", NOW + timedelta(minutes=5), True),
    ]
    assert org.w.timeline.touches(org.name, "p", start=NOW, end=NOW + timedelta(minutes=4)) == touches[:1]
