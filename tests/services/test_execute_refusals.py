"""Every reason for which a planned mail is not sent (P1, D5): nothing leaves, the row says why, the budget comes back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import commit
from revenue_engine.clock import epoch_seconds
from revenue_engine.content.mime import build_mail
from revenue_engine.content.render import Content
from revenue_engine.records.causes import Cause, Stop
from revenue_engine.records.controls import Sender
from revenue_engine.records.offer import Cap, Creative
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import compose, send_messages
from revenue_engine.services.capped import caps_reached
from revenue_engine.services.compose import Composer
from tests.builders import DAY, HTML, NOW, Org, an_offer

T = epoch_seconds(NOW)
HOUR, DAY_SECONDS = 3_600, 86_400


def refused(org: Org, plan: PlannedSend, *, now: datetime = NOW) -> str:
    """The reason on the row of a plan that was not sent, after checking that it left nothing else behind."""
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=5, cap=10, expires_at=T)
    report = org.execute([plan], now=now)
    assert org.mails == []
    row = org.send(plan)
    assert row["state"] == "DROPPED"
    assert names.ORG_STATE not in row
    assert report.outcomes == {row["reason"]: 1}
    assert org.counters() == {f"dropped#{row['reason']}": 1}
    assert org.reserved() == 4
    assert org.execute([plan], now=now).outcomes.total() == 1  # told again: nothing more comes back
    assert org.reserved() == 4
    assert org.counters() == {f"dropped#{row['reason']}": 1}
    return str(row["reason"])


@pytest.mark.parametrize(
    "cause", [Cause("offer", "1042"), Cause("variant", "1042/standard"), Cause("segment", "new"), Cause("provider", "other")]
)
def test_what_is_queued_of_a_stopped_cause_is_dropped_by_its_name(org: Org, cause: Cause) -> None:
    org.w.safety.stop(org.name, Stop(cause, "bounce_rate_exceeded", T, None, "figures"))
    assert refused(org, org.plan(org.add_person())) == f"{cause.kind}_stopped"
    # a mailbox provider of ours is not the account: nothing counts as a refused mail
    assert (org.w.control.breaker(org.name) or {}).get("failures_in_a_row", 0) == 0


@pytest.mark.parametrize("value", ["off", "shadow"])
def test_nothing_leaves_while_autonomy_is_off_or_shadow(org: Org, value: str) -> None:
    plan = org.plan(org.add_person())
    org.set_autonomy(value)
    assert refused(org, plan) == f"autonomy_{value}"


def test_nothing_leaves_while_autonomy_cannot_be_read(org: Org) -> None:
    plan = org.plan(org.add_person())
    org.set_autonomy("perhaps")
    assert refused(org, plan) == "autonomy_unreadable"


def test_under_approval_a_plan_leaves_only_with_a_yes_in_time(org: Org) -> None:
    org.set_autonomy("approval")
    put = org.w.control.put_approval
    put(org.name, "yes", {"status": "approved", "valid_until": T + 1})
    put(org.name, "late", {"status": "approved", "valid_until": T})
    put(org.name, "no", {"status": "rejected", "valid_until": T + 1})
    put(org.name, "open", {"status": "waiting", "valid_until": T + 1})
    for approval in ("", "late", "no", "open", "unknown"):
        plan = org.plan(org.add_person(), approval_id=approval)
        assert org.execute([plan]).outcomes == {"not_approved": 1}
    assert org.mails == []
    assert org.execute([org.plan(org.add_person(), approval_id="yes")]).outcomes == {"sent": 1}


def test_in_canary_only_the_canary_share_is_mailed(org: Org) -> None:
    org.set_autonomy("canary")
    inside, outside = org.plan(org.add_person()), org.plan(org.add_person(), canary=False)
    assert org.execute([inside, outside]).outcomes == {"sent": 1, "not_in_canary": 1}
    assert org.send(outside)["reason"] == "not_in_canary"


def test_without_a_breaker_nothing_leaves(org: Org) -> None:
    plan = org.plan(org.add_person())
    org.system.client("dynamodb").delete_item(
        TableName=org.w.value(names.CONTROL_TABLE), Key={"pk": {"S": org.name}, "sk": {"S": "breaker"}}
    )
    assert refused(org, plan) == "breaker_missing"
    org.w.control.table.put({"pk": org.name, "sk": "breaker", "state": "closed"})  # closed, but nobody has judged
    assert org.execute([org.plan(org.add_person())]).outcomes == {"breaker_stale": 1}


def test_a_judge_that_is_silent_for_five_minutes_stops_the_mail(org: Org) -> None:
    plan = org.plan(org.add_person())
    assert refused(org, plan, now=NOW + timedelta(seconds=301)) == "breaker_stale"


def test_an_open_breaker_stops_the_mail(org: Org) -> None:
    plan = org.plan(org.add_person())
    org.w.control.trip(org.name, reason="bounce_rate", now=NOW)
    assert refused(org, plan) == "breaker_open"


@pytest.mark.parametrize(
    ("status", "reason"), [("unsubscribed", "opted_out"), ("complained", "opted_out"), ("bounced", "address_bounced")]
)
def test_who_left_is_not_mailed(org: Org, status: str, reason: str) -> None:
    person = org.add_person()
    plan = org.plan(person)
    org.w.subscribers.opt_out(org.name, person, status=status, at=T, source="test")
    assert refused(org, plan) == reason


def test_without_consent_nobody_is_mailed(org: Org) -> None:
    person = org.add_person()
    org.w.subscribers.table.put(org.person(person) | {"consent_status": "withdrawn"})
    assert refused(org, org.plan(person)) == "no_consent"


def test_a_person_nobody_knows_is_not_mailed(org: Org) -> None:
    assert refused(org, org.plan("a" * 26)) == "unknown_subscriber"


def test_the_gap_and_the_weekly_cap_hold_whatever_decide_believed(org: Org) -> None:
    soon = org.add_person(row={"last_send_at": T - 24 * HOUR + 1, "recent_sends": (T - 24 * HOUR + 1, *(0,) * 7)})
    often = org.add_person(
        row={
            "last_send_at": T - 25 * HOUR,
            "recent_sends": (*(T - d * DAY_SECONDS - HOUR for d in range(1, 5)), 0, 0, 0, 0),
        }
    )
    assert refused(org, org.plan(soon)) == "too_soon_since_last_email"
    assert not any(org.row(soon).rested_at)  # which says nothing of the offer
    assert org.execute([org.plan(often)]).outcomes == {"subscriber_frequency_limit": 1}


def test_a_second_plan_for_the_same_person_finds_the_gap_of_the_first(org: Org) -> None:
    person = org.add_person()
    both = [org.plan(person, decision="d1"), org.plan(person, decision="d2")]
    assert org.execute(both).outcomes == {"sent": 1, "too_soon_since_last_email": 1}
    assert len(org.mails) == 1


def test_the_readers_hours_are_kept(org: Org) -> None:
    person = org.add_person(zone="America/New_York")  # five in the morning
    assert refused(org, org.plan(person)) == "outside_hours"


def test_an_address_on_our_own_list_is_not_mailed(org: Org) -> None:
    person = org.add_person("pat@recipient.example")
    org.w.suppression.suppress(org.name, org.address_hash("pat@recipient.example"), reason="complained", at=T)
    assert refused(org, org.plan(person)) == "suppressed"
    assert org.row(person).last_send_at == 0


@pytest.mark.parametrize("kind", ["md5", "sha512"])
def test_an_address_on_the_advertisers_list_is_not_mailed(org: Org, kind: str) -> None:
    org.w.offers.put(org.name, an_offer(suppression_list="11"))
    person, other = org.add_person("pat@recipient.example"), org.add_person()
    digest = f"{kind}:" + hashlib.new(kind, b"pat@recipient.example").hexdigest()
    org.w.suppression.add_to_advertiser_list(org.name, "11", [digest], refreshed_at=T)
    assert refused(org, org.plan(person)) == "advertiser_suppressed"
    assert (org.row(person).rested_offers[0], org.row(person).last_send_at) == (1042, 0)
    assert org.execute([org.plan(other)]).outcomes == {"sent": 1}


@pytest.mark.parametrize("age_days", [None, 8])
def test_an_advertisers_list_that_is_missing_or_old_stops_his_offer(org: Org, age_days: int | None) -> None:
    org.w.offers.put(org.name, an_offer(suppression_list="11"))
    if age_days is not None:
        org.w.suppression.add_to_advertiser_list(org.name, "11", [], refreshed_at=T - age_days * DAY_SECONDS)
    assert refused(org, org.plan(org.add_person())) == "suppression_list_stale"


OFFERS: dict[str, dict[str, Any]] = {
    "offer_not_active": {"status": "paused"},
    "offer_not_approved": {"may_run": False},
    "channel_excludes_email": {"allows_email": False},
    "offer_expired": {"live_until": NOW},
    "no_approved_creative": {"creatives": (Creative("soft", "Shop", "Hi", HTML),)},
}


@pytest.mark.parametrize("reason", OFFERS)
def test_an_offer_that_may_not_run_now_is_not_mailed(org: Org, reason: str) -> None:
    org.w.offers.put(org.name, an_offer(**OFFERS[reason]))
    assert refused(org, org.plan(org.add_person())) == reason


CHANGED: dict[str, tuple[str, dict[str, Any]]] = {
    "another subject": ("content_changed", {"creatives": (Creative("standard", "Daily Deals", "Act now", HTML),)}),
    "another sender's name": (
        "content_changed",
        {"creatives": (Creative("standard", "Deals", "An offer for {{ first_name }}", HTML),)},
    ),
    "another body": (
        "content_changed",
        {"creatives": (Creative("standard", "Daily Deals", "An offer for {{ first_name }}", HTML.replace("Go", "Win")),)},
    ),
    "a lower payout": ("payout_fell", {"payout_micros": 10_000}),
    "a payout that is no longer listed": ("payout_fell", {"payout_micros": None}),
    "a smaller share of the sale": ("payout_fell", {"payout_percentage": 4.5}),
    "another currency": ("currency_not_converted", {"currency": "JPY"}),
}


@pytest.mark.parametrize("change", CHANGED)
def test_what_is_no_longer_what_was_decided_is_not_mailed(org: Org, change: str) -> None:
    reason, changes = CHANGED[change]
    org.w.offers.put(org.name, an_offer(payout_percentage=5.0))
    plan = org.plan(org.add_person())
    org.w.offers.put(org.name, an_offer(**{"payout_percentage": 5.0} | changes))
    assert refused(org, plan) == reason


def test_what_pays_more_or_is_renamed_is_still_what_was_decided(org: Org) -> None:
    plans = [org.plan(org.add_person()), org.plan(org.add_person(), listed_payout_micros=0)]
    org.w.offers.put(org.name, an_offer(name="Another name", payout_micros=40_000_000, content_hash="other"))
    assert org.execute(plans).outcomes == {"sent": 2}


@pytest.mark.parametrize(
    ("cap", "counter", "reason"),
    [
        (Cap("day", "conversions", 100, left=2), "capped_conversions", "daily_cap_reached"),
        (Cap("ever", "conversions", 100, left=2), "capped_conversions", "global_cap_reached"),
        (Cap("week", "clicks", 2), "capped_clicks", "weekly_click_cap_reached"),
    ],
)
def test_what_came_since_the_network_was_asked_keeps_the_next_mail_back(org: Org, cap: Cap, counter: str, reason: str) -> None:
    org.w.offers.put(org.name, an_offer(caps=(cap,), caps_zone="UTC", caps_read_at=NOW - timedelta(hours=1)))
    sent, kept = org.plan(org.add_person()), org.plan(org.add_person())
    counted = org.w.counters.money(org.name, NOW.date(), {f"{counter}@1042": 1}, shard_by="x")
    commit(counted)
    assert org.execute([sent]).outcomes == {"sent": 1}
    commit(counted)
    assert org.execute([kept]).outcomes == {reason: 1}


def test_a_global_cap_is_filled_by_all_that_was_ever_booked(org: Org) -> None:
    org.w.offers.put(org.name, an_offer(caps=(Cap("ever", "conversions", 2),)))
    sent, kept = org.plan(org.add_person()), org.plan(org.add_person())
    counted = org.w.counters.capping(org.name, {"capped_conversions@1042": 1}, shard_by="x")
    commit(counted)
    assert org.execute([sent]).outcomes == {"sent": 1}
    commit(counted)
    assert org.execute([kept]).outcomes == {"global_cap_reached": 1}


def test_conversions_that_filled_the_cap_while_a_mail_waited_keep_it_back(org: Org) -> None:
    org.w.offers.put(org.name, an_offer(caps=(Cap("day", "conversions", 2),)))
    sent, kept = org.plan(org.add_person()), org.plan(org.add_person())
    counted = org.w.counters.money(org.name, NOW.date(), {"capped_conversions@1042": 1}, shard_by="x")
    commit(counted)
    assert org.execute([sent]).outcomes == {"sent": 1}
    commit(counted)
    assert org.execute([kept]).outcomes == {"daily_cap_reached": 1}


def test_a_message_of_many_capped_offers_reads_a_month_of_counters_once(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    for offer in ("1042", "1043", "1044"):
        org.w.offers.put(org.name, an_offer(offer=offer, caps=(Cap("month", "conversions", 2),)))
    plans = [org.plan(org.add_person(), offer=offer) for offer in ("1042", "1043", "1044", "1042")]
    commit(org.w.counters.money(org.name, NOW.date(), {"capped_conversions@1043": 2}, shard_by="x"))
    asked: list[int] = []

    def counted(*arguments: Any, **named: Any) -> dict[str, str]:
        asked.append(len(arguments[3]))
        return caps_reached(*arguments, **named)

    monkeypatch.setattr(compose, "caps_reached", counted)
    assert org.execute(plans).outcomes == {"sent": 3, "monthly_cap_reached": 1}
    assert asked == [3]


def test_a_message_queued_before_plans_knew_their_content_is_dropped_by_name(org: Org) -> None:
    plan = org.plan(org.add_person())
    later = ("content_hash", "listed_payout_micros", "listed_payout_percentage")
    facts = {name: value for name, value in asdict(plan).items() if name not in later}
    shared = {name: facts.pop(name) for name in ("org", "cycle_id", "approval_id")}
    body = json.dumps(shared | {"rows": 1, "columns": {name: [value] for name, value in facts.items()}})
    (old,) = send_messages.decode(body)
    assert (old.send_id, old.offer, old.campaign) == (plan.send_id, plan.offer, plan.campaign)
    assert refused(org, old) == "content_unknown"


def test_an_offer_nobody_knows_is_not_mailed(org: Org) -> None:
    assert refused(org, org.plan(org.add_person(), offer="9")) == "unknown_offer"


def test_a_missing_merge_field_stops_that_mail_and_no_other_and_the_offer_rests_for_its_reader(org: Org) -> None:
    nameless = org.plan(org.add_person(first_name=""))
    before = replace(org.row(nameless.subscriber), price_sensitivity=0.0)
    assert refused(org, nameless) == "content_incomplete"
    after = replace(org.row(nameless.subscriber), price_sensitivity=0.0)
    assert after == replace(before, rested_offers=(1042, *(0,) * 7), rested_at=(T, *(0,) * 7))  # and no more
    assert org.execute([replace(nameless, send_id="x" * 26), org.plan(org.add_person())]).outcomes == {
        "content_incomplete": 1, "sent": 1,
    }  # fmt: skip


def test_a_name_that_no_header_can_carry_stops_that_mail_and_no_other(org: Org) -> None:
    (creative,) = an_offer().creatives
    org.w.offers.put(org.name, an_offer(creatives=(replace(creative, subject="\u2764 {{ first_name }}"),)))
    plans = [org.plan(org.add_person(first_name=name)) for name in ("Ann", "=?utf-8?Q?Ren=E9?=", "Cy")]
    assert org.execute(plans).outcomes == {"sent": 2, "content_incomplete": 1}


def test_whatever_making_one_mail_brings_up_stops_that_mail_and_no_other(
    org: Org, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def made(content: Content, **named: Any) -> bytes:
        if "Bo" in content.subject:
            raise KeyError("nobody thought of this")
        return build_mail(content, **named)

    monkeypatch.setattr(compose, "build_mail", made)
    plans = [org.plan(org.add_person(first_name=name)) for name in ("Ann", "Bo", "Cy")]
    assert org.execute(plans).outcomes == {"sent": 2, "content_incomplete": 1}
    assert "nobody thought of this" in caplog.text and "Traceback" in caplog.text


@pytest.mark.parametrize(
    "html",
    [
        "{{ offer_url }} {{ 1 / 0 }}",
        "{{ offer_url }} {{ first_name + 1 }}",
        "{{ offer_url }} {{ 'x' * 300000000 }}",
        "{{ offer_url }} {% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ offer_url",
        "no link",
        "{{ offer_url.__class__.__mro__ }}",
    ],
)
def test_a_template_that_breaks_stops_that_mail(org: Org, html: str) -> None:
    org.w.offers.put(org.name, an_offer(creatives=(Creative("standard", "Shop", "Hi", html),)))
    assert refused(org, org.plan(org.add_person())) == "content_incomplete"


def test_a_sender_without_a_postal_address_sends_nothing(org: Org) -> None:
    plan = org.plan(org.add_person())
    org.set_controls(sender={"from_address": "news@mail.example.com"})
    assert refused(org, plan) == "sender_incomplete"


@pytest.mark.parametrize("addresses", [("not an address", ""), ("news@mail.example.com", "a@b.example\r\nBcc: c@d.example")])
def test_a_sender_that_cannot_stand_in_a_mail_is_not_the_readers_fault(org: Org, addresses: tuple[str, str]) -> None:
    person = org.add_person()
    sender = Sender.model_construct(from_address=addresses[0], reply_to=addresses[1], postal_address="1 Main Street")  # unchecked
    controls = org.w.parameters.controls(org.name).model_copy(update={"sender": sender})
    mail = Composer(org.w, org.name, controls, frozenset({"1042"})).compose(org.plan(person), org.person(person), now=NOW)
    assert mail == "sender_incomplete"


def test_a_row_of_another_layout_stops_that_mail_and_no_other(org: Org) -> None:
    old = org.add_person()
    org.w.subscribers.table.put(org.person(old) | {"row": b"older"})
    assert org.execute([org.plan(old), org.plan(org.add_person())]).outcomes == {"row_schema_mismatch": 1, "sent": 1}


def test_without_a_tracking_key_nothing_leaves(org: Org) -> None:
    plan = org.plan(org.add_person())
    parameter = names.secret_parameter(org.w.stage, org.name, names.TRACKING_KEY)
    org.system.client("ssm").delete_parameter(Name=parameter)
    org.w.parameters.forget()
    assert refused(org, plan) == "secret_missing"


@pytest.mark.parametrize("document", ["{}x", json.dumps({"max_daily_emails": -1}), json.dumps({"unknown": 1})])
def test_controls_that_cannot_be_read_stop_the_whole_message(org: Org, document: str) -> None:
    plans = [org.plan(org.add_person()), org.plan(org.add_person())]
    org.w.parameters.put(names.controls_parameter(org.w.stage, org.name), document)
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=5, cap=10, expires_at=T)
    for _ in range(2):
        assert org.execute(plans).outcomes == {"controls_unreadable": 2}
        assert org.reserved() == 3
    assert org.mails == []
    assert {org.send(plan)["reason"] for plan in plans} == {"controls_unreadable"}
