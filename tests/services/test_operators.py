"""What operators set up, see and command: setup, catalogue, status, console, approvals, training."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import changes, commit
from revenue_engine.aws.wiring import Wiring
from revenue_engine.bundle import load
from revenue_engine.clock import epoch_seconds, iso_millis
from revenue_engine.errors import Refused
from revenue_engine.learning.gate import Verdict
from revenue_engine.learning.train import Candidate
from revenue_engine.records.causes import Cause, Stop
from revenue_engine.services import approvals, quarantine, send_messages
from revenue_engine.services.attribute import attribute_message
from revenue_engine.services.catalogue import import_offers, import_suppression_list
from revenue_engine.services.console import answer
from revenue_engine.services.http import request_of
from revenue_engine.services.models import champion
from revenue_engine.services.setup import set_up
from revenue_engine.services.status import status
from revenue_engine.services.take_postback import take_postback
from revenue_engine.services.train import publish, train
from revenue_engine.training import Trained
from tests.builders import DAY, NOW, Org, an_offer
from tests.http_events import http_event, postback_request

T = epoch_seconds(NOW)


# --- setup, catalogue -------------------------------------------------------------------------------------------------
def test_setup_makes_what_is_missing_once_and_leaves_what_is_there(org: Org) -> None:
    name = f"{org.name}-new"
    made = set_up(org.w, name, now=NOW, random_bytes=org.chance.randbytes)
    assert {"webhook-tokens", "tracking-key", "address-key"} < set(made.created)
    (token,) = org.w.parameters.webhook_tokens(name)
    assert made.webhook_path == f"/everflow/v1/{name}/{token}"
    keys = org.w.parameters.tracking_key(name), org.w.parameters.address_key(name)
    assert len(set(keys)) == 2
    assert all(len(key) == 32 for key in keys)
    assert champion(org.w, name).manifest.prior
    again = set_up(org.w, name, now=NOW + timedelta(days=1), random_bytes=org.chance.randbytes)
    assert (again.created, again.webhook_path) == ((), None)
    assert (org.w.parameters.tracking_key(name), org.w.parameters.address_key(name)) == keys


def test_setup_stores_secrets_encrypted(org: Org) -> None:
    for secret in (names.WEBHOOK_TOKENS, names.TRACKING_KEY, names.ADDRESS_KEY):
        path = names.secret_parameter(org.w.stage, org.name, secret)
        assert org.system.client("ssm").get_parameter(Name=path)["Parameter"]["Type"] == "SecureString"


def test_offers_are_created_updated_or_left_by_their_content(org: Org) -> None:
    offers = [an_offer(7), an_offer(8)]
    assert import_offers(org.w, org.name, offers) == {"created": 2}
    changed = an_offer(8, status="paused", content_hash="other")
    assert import_offers(org.w, org.name, [an_offer(7), changed]) == {"unchanged": 1, "updated": 1}
    assert org.w.offers.get(org.name, "8") == changed


def test_a_suppression_list_is_fresh_from_its_import_on(org: Org) -> None:
    assert import_suppression_list(org.w, org.name, "11", ["md5:" + "0" * 32], now=NOW) == 1
    assert org.w.suppression.refreshed_at(org.name, "11") == T


# --- status, console --------------------------------------------------------------------------------------------------
ALEX = "arn:aws:iam::123456789012:user/alex"


def ask(org: Org, method: str, rest: str, *, body: Any = None, **headers: str) -> tuple[int, Any]:
    text = None if body is None else json.dumps(body)
    event = http_event(method, f"/console/{org.name}/{rest}", headers=headers, body=text, proxy=f"{org.name}/{rest}")
    event["requestContext"]["authorizer"] = {"iam": {"userArn": ALEX}}
    request = request_of(event)
    said = answer(org.w, request, now=NOW)
    assert said.content_type == "application/json"
    return said.status, json.loads(said.body)


def test_the_status_is_of_today_in_the_orgs_zone(org: Org) -> None:
    org.set_controls(zone="America/New_York", max_daily_emails=50)
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=7, cap=50, expires_at=T)
    for hours, sent in ((-6, 100), (-4, 10), (0, 1)):  # ten in London is five in New York
        amounts = {"sent": sent, "sent@7": sent, "sent%fixed": sent}
        commit(org.w.counters.counting(org.name, NOW + timedelta(hours=hours), amounts, zone="America/New_York", shard_by="x"))
    said = status(org.w, org.name, now=NOW)
    assert (said["day"], said["autonomy"], said["today"]) == ("2026-03-04", "full", {"sent": 11})
    assert said["budget"] == {"reserved": 7, "cap": 50}
    assert said["breaker"] == {"state": "closed", "reason": None, "since": None, "judged_at": T, "human_needed": None}
    assert (said["findings"], said["stopped"], said["postmaster"]["newest_day"]) == ([], {}, None)
    assert said["champion"]["version"]
    assert (said["last_cycle"], said["prices"]) == (None, {})
    assert ask(org, "GET", "status") == (200, said)


def test_the_status_shows_a_switch_that_cannot_be_read_as_such(org: Org) -> None:
    org.set_autonomy("perhaps")
    assert status(org.w, org.name, now=NOW)["autonomy"] == "autonomy_unreadable"


def test_the_switch_is_set_to_known_values_only(org: Org) -> None:
    assert ask(org, "POST", "autonomy/shadow") == (200, {"autonomy": "shadow"})
    assert org.w.parameters.autonomy(org.name).value == "shadow"
    assert ask(org, "POST", "autonomy/everything")[0] == 409
    assert org.w.parameters.autonomy(org.name).value == "shadow"


def test_a_person_closes_the_breaker_under_his_name(org: Org) -> None:
    org.w.control.trip(org.name, reason="bounce_rate", now=NOW)
    assert ask(org, "POST", "breaker/close", **{"x-operator": "mallory"}) == (200, {"breaker": "closed"})
    assert org.w.control.breaker(org.name)["reason"] == f"closed by {ALEX}"  # type: ignore[index]
    assert ask(org, "POST", "breaker/close") == (409, {"error": "not_open"})
    parameter = names.breaker_parameter(org.w.stage, org.name)
    assert org.system.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"] == "closed"


def test_a_person_lifts_a_stop_under_his_name(org: Org) -> None:
    org.w.safety.stop(org.name, Stop(Cause("offer", "1042"), "bounce_rate_exceeded", T, None, "figures"))
    (told,) = ask(org, "GET", "stops")[1]["stops"]
    assert (told["cause"], told["reason"]) == ({"kind": "offer", "name": "1042"}, "bounce_rate_exceeded")
    assert ask(org, "POST", "stops/lift", body={"key": "offer#1042"}) == (200, {"done": True})
    assert ask(org, "GET", "stops") == (200, {"stops": []})
    assert ask(org, "POST", "stops/lift", body={"key": "offer#1042"})[0] == 409
    assert ask(org, "POST", "stops/lift", body={"key": "offer"})[0] == 400


@pytest.mark.parametrize(
    ("method", "rest"), [("GET", "nothing"), ("DELETE", "status"), ("GET", "breaker/close"), ("POST", "quarantine/x")]
)
def test_there_is_no_other_route(org: Org, method: str, rest: str) -> None:
    assert ask(org, method, rest) == (404, {"error": "no such route"})


def test_the_quarantine_is_shown_and_replayed_over_the_console(org: Org) -> None:
    query = {"transaction_id": "t1", "payout": "5", "offer_id": "7"}
    take_postback(org.w, postback_request(org.name, org.token, query), now=NOW)
    for body in org.drained(names.POSTBACKS_QUEUE_URL):
        attribute_message(org.w, body, now=NOW)
    code, said = ask(org, "GET", "quarantine")
    (entry,) = said["entries"]
    assert (code, entry["reason"]) == (200, "unknown_offer")
    assert (said["more"], said["before"]) == (0, "")
    older = http_event("GET", f"/console/{org.name}/quarantine", query={"before": entry["sk"]})
    assert json.loads(answer(org.w, request_of(older), now=NOW).body) == {"entries": [], "more": 0, "before": ""}
    assert ask(org, "POST", f"quarantine/{entry['receipt_id']}/replay") == (200, {"done": True})
    assert len(org.drained(names.POSTBACKS_QUEUE_URL)) == 1
    assert ask(org, "POST", "quarantine/unknown/replay")[0] == 409
    cut = {"field": "request", "reason": "too_long", "raw_key": "raw/cut", "state": "open"}
    org.w.quarantine.put(org.name, receipt_id="cut", received_at=NOW - timedelta(days=1), facts=cut)
    code, said = ask(org, "POST", "quarantine/cut/replay")
    assert (code, said["error"]) == (409, "too_long")
    assert org.drained(names.POSTBACKS_QUEUE_URL) == []
    org.w.quarantine.release(org.name, receipt_id="cut", received_at=NOW - timedelta(days=1))
    assert len(quarantine.listed(org.w, org.name)) == 1


# --- approvals --------------------------------------------------------------------------------------------------------
def waiting(org: Org, sends: int) -> list[Any]:
    worths = [50_000 - 1_000 * n for n in range(sends)]
    plans = [org.plan(org.add_person(), approval_id="a1", predicted_revenue_micros=worth) for worth in reversed(worths)][::-1]
    org.w.decisions.put(f"plans/{org.name}/a1.json.gz", gzip.compress(send_messages.encode(plans).encode()))
    facts = {"approval_id": "a1", "status": "waiting", "valid_until": T + 3_600, "sends": sends, "predicted_revenue_micros": 1}
    org.w.control.put_approval(org.name, "a1", facts)
    return plans


def test_an_approved_plan_is_queued_once_within_the_days_cap_and_then_mailed(org: Org) -> None:
    org.set_autonomy("approval")
    org.set_controls(max_daily_emails=2)
    plans = waiting(org, 3)
    assert ask(org, "GET", "approvals")[1]["approvals"][0]["status"] == "waiting"
    assert ask(org, "POST", "approvals/a1/approve") == (200, {"queued": 2, "outside_hours": 0})
    again = {"error": "does_not_wait", "detail": f"a1: approved by {ALEX}"}
    assert ask(org, "POST", "approvals/a1/approve") == (409, again)
    assert org.reserved() == 2
    (body,) = org.drained(names.SENDS_QUEUE_URL)
    assert send_messages.decode(body) == sorted(plans[:2], key=lambda p: p.subscriber)
    assert org.execute(send_messages.decode(body)).outcomes == {"sent": 2}
    assert (org.send(plans[2])["state"], org.send(plans[2])["reason"]) == ("DROPPED", "daily_limit_reached")
    assert status(org.w, org.name, now=NOW)["today"]["dropped#daily_limit_reached"] == 1
    assert org.w.control.approval(org.name, "a1")["decided_by"] == ALEX  # type: ignore[index]


def test_an_approval_that_died_before_the_queue_goes_on_where_it_stopped(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = waiting(org, 2)

    def crash(*arguments: object) -> None:
        raise ConnectionError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.sends_queue), "send", crash)
        with pytest.raises(ConnectionError):
            approvals.approve(org.w, org.name, "a1", by="alex", now=NOW)
    assert approvals.approve(org.w, org.name, "a1", by="alex", now=NOW) == 2
    with pytest.raises(Refused, match="does_not_wait"):
        approvals.approve(org.w, org.name, "a1", by="alex", now=NOW)
    assert org.reserved() == 2
    (body,) = org.drained(names.SENDS_QUEUE_URL)
    assert len(send_messages.decode(body)) == len(plans)


def test_a_rejected_plan_is_never_queued(org: Org) -> None:
    waiting(org, 1)
    assert ask(org, "POST", "approvals/a1/reject") == (200, {"done": True})
    assert ask(org, "POST", "approvals/a1/reject")[0] == 409
    assert ask(org, "POST", "approvals/a1/approve") == (409, {"error": "does_not_wait", "detail": f"a1: rejected by {ALEX}"})
    assert org.drained(names.SENDS_QUEUE_URL) == []
    assert org.reserved() == 0


def test_a_plan_whose_time_is_over_or_that_never_was_is_not_queued(org: Org) -> None:
    waiting(org, 1)
    for plan, hours, why in (("a1", 1, "valid until 2026-03-04 11:00 UTC"), ("a2", 0, "unknown")):
        with pytest.raises(Refused, match=f"does_not_wait: {plan}: {why}"):
            approvals.approve(org.w, org.name, plan, by="alex", now=NOW + timedelta(hours=hours))


# --- training ---------------------------------------------------------------------------------------------------------
def teach(org: Org, day: str, deliveries: int, clicks: int) -> None:
    arm = {"offer": "1042", "variant": "standard", "segment": "new"}
    commit([org.w.offers.adding_evidence(org.name, day=day, amounts={"deliveries": deliveries, "clicks": clicks}, **arm)])


def test_too_little_evidence_trains_a_bundle_and_keeps_the_champion(org: Org) -> None:
    before = org.w.bundles.champion(org.name)
    teach(org, "2026-03-01", 400, 12)
    said = train(org.w, org=org.name, now=NOW)
    assert said["promoted"] is None
    (kept,) = said["candidates"]
    assert (kept["name"], kept["passed"], kept["reasons"]) == ("kept", False, ["too_few_clicks"])
    assert org.w.bundles.champion(org.name) == before
    assert load(org.w.bundles.files(org.name, kept["version"])).version == kept["version"]
    assert org.w.bundles.last_report(org.name) == said


def test_enough_evidence_makes_the_champion_that_decide_loads(org: Org) -> None:
    for day in range(20, 28):
        teach(org, f"2026-02-{day}", 1_000, 30)
    said = train(org.w, org=org.name, now=NOW)
    (kept,) = said["candidates"]
    assert said["promoted"] == kept["version"]
    assert kept["metrics"]["clicks"] == 240
    bundle = champion(org.w, org.name)
    assert bundle.version == kept["version"]
    assert not bundle.manifest.prior
    assert train(org.w, org=org.name, now=NOW)["promoted"] == kept["version"]


def test_what_is_put_beside_the_funnel_makes_the_model_no_younger(org: Org) -> None:
    """Its age is what tells that the nightly training fails."""
    before = org.w.bundles.champion(org.name)
    assert before is not None
    later, passed = NOW + timedelta(days=7), Candidate("habits", champion(org.w, org.name), Verdict((), {}))
    for what, promoted_at in (("value", before["promoted_at"]), ("funnel", iso_millis(later))):
        publish(org.w, org.name, Trained(later, before["version"], what, (passed,), {}))
        assert org.w.bundles.champion(org.name) == {"version": passed.bundle.version, "promoted_at": promoted_at}


def test_habits_and_value_never_replace_a_champion_that_cannot_be_read(org: Org) -> None:
    org.w.bundles.promote(org.name, "a-typo", at="2026-03-01T00:00:00.000Z")
    with pytest.raises(Refused, match="bundle_missing"):
        train(org.w, org=org.name, now=NOW, what="value")
    pointer = org.w.bundles.champion(org.name)
    assert pointer is not None and pointer["version"] == "a-typo"


def test_without_any_evidence_nothing_is_promoted(org: Org) -> None:
    assert train(org.w, org=org.name, now=NOW)["promoted"] is None


def test_a_wiring_without_an_environment_names_what_it_lacks() -> None:
    with pytest.raises(Exception, match="STAGE"):
        set_up(Wiring(()), "main", now=NOW)


def test_approving_where_nothing_could_leave_leaves_the_plan_waiting(org: Org) -> None:
    org.set_autonomy("approval")
    org.set_controls(max_daily_emails=2)
    waiting(org, 3)
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=2, cap=2, expires_at=T)
    status, said = ask(org, "POST", "approvals/a1/approve")
    assert (status, said["error"]) == (409, "no_room_now")
    assert ask(org, "GET", "approvals")[1]["approvals"][0]["status"] == "waiting"


def test_what_was_reserved_yesterday_does_not_pay_for_an_approval_that_goes_on_today(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.set_autonomy("approval")
    waiting(org, 2)

    def crash(*arguments: object) -> None:
        raise ConnectionError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.sends_queue), "send", crash)
        with pytest.raises(ConnectionError):
            approvals.approve(org.w, org.name, "a1", by="x", now=NOW)
    org.w.control.table.update(org.name, "approval#a1", changes(set_={"valid_until": T + 2 * 86_400}))
    assert approvals.approve(org.w, org.name, "a1", by="x", now=NOW + timedelta(days=1)) == 2
    assert (org.reserved(), org.reserved("2026-03-05")) == (2, 2)
