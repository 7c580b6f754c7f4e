"""Offers, objects, bundles, queues, parameters, wiring."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.parameters import Parameters
from revenue_engine.aws.queues import Message
from revenue_engine.aws.wiring import Wiring
from revenue_engine.errors import Refused
from revenue_engine.records.controls import Autonomy
from revenue_engine.records.offer import Cap
from tests.builders import NOW, Org, an_offer


def test_an_offer_reads_back_as_it_was_with_and_without_its_optional_parts(org: Org) -> None:
    full = an_offer(
        7,
        payout_percentage=12.5,
        suppression_list="11",
        live_until=datetime(2026, 9, 1, tzinfo=UTC),
        countries=frozenset({"US", "CA"}),
        excluded_countries=frozenset({"FR"}),
        caps=(Cap("day", "conversions", 3, 1), Cap("ever", "payout_micros", 300_500_000)),
        caps_zone="America/New_York",
        caps_read_at=NOW,
        stop_reason="offer_not_listed",
    )
    bare = an_offer(8, payout_micros=None, creatives=())
    for offer in (full, bare):
        org.w.offers.put(org.name, offer)
    assert org.w.offers.get(org.name, "7") == full
    assert org.w.offers.catalogue(org.name) == (an_offer(), full, bare)
    assert org.w.offers.get(org.name, "9") is None


def test_evidence_adds_up_per_arm_segment_and_day(org: Org) -> None:
    arm = {"offer": "7", "variant": "soft", "segment": "new"}
    for day, clicks in (("2026-03-03", 1), ("2026-03-04", 2), ("2026-03-04", 3)):
        commit([org.w.offers.adding_evidence(org.name, day=day, amounts={"clicks": clicks}, **arm)])
    assert [(item["day"], item["clicks"]) for item in org.w.offers.evidence(org.name, since_day="2026-03-04")] == [
        ("2026-03-04", 5)
    ]
    assert len(org.w.offers.evidence(org.name, since_day="2026-01-01")) == 2


def test_an_object_written_once_stays_the_first(org: Org) -> None:
    bucket, key = org.w.decisions, f"cycles/{org.name}/x"
    assert bucket.get(key) is None
    assert bucket.put_once(key, b"first") == b"first"
    assert bucket.put_once(key, b"second") == b"first"
    assert bucket.get(key) == b"first"
    bucket.delete(key)
    bucket.delete(key)
    assert bucket.keys(f"cycles/{org.name}/") == []


def test_a_champion_is_what_the_pointer_names(org: Org) -> None:
    bundles, other = org.w.bundles, f"{org.name}-other"
    assert bundles.champion(other) is None
    with pytest.raises(Refused, match="v1"):
        bundles.files(other, "v1")
    bundles.publish(other, "v1", {"a.json": b"1", "b.json": b"2"})
    assert bundles.champion(other) is None
    bundles.promote(other, "v1", at="now")
    assert bundles.champion(other) == {"version": "v1", "promoted_at": "now"}
    assert bundles.files(other, "v1") == {"a.json": b"1", "b.json": b"2"}


def test_messages_go_in_tens_and_none_is_lost(org: Org) -> None:
    bodies = [json.dumps({"n": n, "fill": "x" * (90_000 if n % 5 == 0 else 10)}) for n in range(23)]
    org.w.engagement_queue.send([Message(body) for body in bodies])
    assert sorted(org.drained(names.ENGAGEMENT_QUEUE_URL)) == sorted(bodies)


def test_a_delay_is_kept_within_what_sqs_allows(org: Org) -> None:
    org.w.sends_queue.send([Message("now", -5), Message("later", 99_999)])
    assert org.drained(names.SENDS_QUEUE_URL) == ["now"]


def test_the_switch_and_the_controls_are_read_and_refused_by_name(org: Org) -> None:
    p = org.w.parameters
    assert p.autonomy(org.name) is Autonomy.FULL
    org.set_autonomy("full throttle")
    with pytest.raises(Refused, match="autonomy_unreadable"):
        p.autonomy(org.name)
    org.set_controls(max_daily_emails=-1)
    with pytest.raises(Refused, match="max_daily_emails"):
        p.controls(org.name)
    for read in (p.autonomy, p.controls, p.tracking_key, p.address_key):
        with pytest.raises(Refused):
            read("nobody")
    assert p.webhook_tokens("nobody") == ()
    assert p.everflow_api_key(org.name) is None


def test_the_zone_of_counting_is_the_last_one_read_when_the_controls_are_unreadable(org: Org) -> None:
    fresh = Parameters(org.w.stage)
    org.set_controls(zone="Asia/Tokyo", max_daily_emails=-1)
    assert fresh.last_zone(org.name) == "UTC"
    org.set_controls(zone="Asia/Tokyo")
    fresh.forget()
    assert fresh.last_zone(org.name) == "Asia/Tokyo"
    for broken in ({"zone": "Mars/Olympus"}, {"currency": "???"}, {"max_daily_emails": -1}):
        org.set_controls(**broken)
        fresh.forget()
        assert fresh.last_zone(org.name) == "Asia/Tokyo"
    assert fresh.last_zone("nobody") == "UTC"


def test_two_tokens_are_live_and_no_third(org: Org) -> None:
    org.set_secret(names.WEBHOOK_TOKENS, json.dumps(["a", "b", "c"]))
    assert org.w.parameters.webhook_tokens(org.name) == ("a", "b")


def test_quarantine_keeps_one_entry_per_receipt_and_release_closes_it(org: Org) -> None:
    kept = org.w.quarantine
    for reason in ("first", "second"):
        kept.put(org.name, receipt_id="r", received_at=NOW, facts={"reason": reason, "state": "open"})
    assert [(e["reason"], e["state"]) for e in kept.newest_first(org.name)] == [("second", "open")]
    kept.release(org.name, receipt_id="r", received_at=NOW)
    kept.release(org.name, receipt_id="unknown", received_at=NOW)
    assert [(e["receipt_id"], e["state"]) for e in kept.newest_first(org.name)] == [("r", "replayed")]


def test_a_missing_variable_is_refused_by_its_name() -> None:
    with pytest.raises(Refused, match="SENDS_TABLE"):
        _ = Wiring(()).sends
