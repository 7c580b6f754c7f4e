"""The webhook: stored raw before it is understood, answered 200 even when it is rubbish (M3)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from revenue_engine.aws import names
from revenue_engine.aws.queues import Message
from revenue_engine.errors import Refused
from revenue_engine.intake.everflow import RawPostback
from revenue_engine.services import quarantine, reconcile, take_postback
from revenue_engine.services.attribute import attribute_message
from revenue_engine.services.http import Response
from tests.builders import NOW, Org, an_offer
from tests.http_events import postback_request

QUERY = {"kind": "conversion", "transaction_id": "t1", "payout": "5", "offer_id": "1042", "sub1": "", "event_id": "0"}


def take(org: Org, query: Any = QUERY, *, token: str | None = None, method: str = "GET", **more: Any) -> Response:
    request = postback_request(org.name, org.token if token is None else token, query, method=method, **more)
    return take_postback.take_postback(org.w, request, now=NOW)


def stored(org: Org) -> list[RawPostback]:
    keys = org.w.postbacks.keys(f"raw/{org.name}/")
    return [RawPostback.from_json((org.w.postbacks.get(key) or b"").decode()) for key in keys]


def queued(org: Org) -> list[dict[str, str]]:
    return [json.loads(body) for body in org.drained(names.POSTBACKS_QUEUE_URL)]


def reasons(org: Org) -> list[tuple[str, str]]:
    return [(entry["field"], entry["reason"]) for entry in quarantine.listed(org.w, org.name)]


def test_a_postback_is_kept_word_for_word_without_its_secret_and_queued(org: Org) -> None:
    assert take(org, "kind=conversion&transaction_id=t%201&x=ä", headers={"content-type": "text/x"}) == Response(200, "ok")
    (raw,) = stored(org)
    assert (raw.method, raw.query, raw.received_at) == ("GET", "kind=conversion&transaction_id=t%201&x=ä", NOW)
    assert raw.content_type == "text/x"
    key = f"raw/{org.name}/2026-03-04/{raw.receipt_id}.json"
    assert queued(org) == [{"org": org.name, "receipt_id": raw.receipt_id, "raw_key": key, "token_state": "ok"}]
    assert org.token.encode() not in (org.w.postbacks.get(key) or b"")


def test_a_post_with_an_encoded_body_is_kept_too(org: Org) -> None:
    take(org, "", method="POST", body="transaction_id=t1", encoded=True)
    assert stored(org)[0].body == "transaction_id=t1"


def test_both_live_tokens_are_good_while_they_rotate(org: Org) -> None:
    old = org.token
    org.set_secret(names.WEBHOOK_TOKENS, json.dumps(["new", old]))
    for token in ("new", old):
        take(org, token=token)
    assert [message["token_state"] for message in queued(org)] == ["ok", "ok"]
    assert reasons(org) == []


def test_a_wrong_token_is_answered_kept_and_capped_and_can_be_replayed(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_postback, "WRONG_TOKENS_PER_DAY", 2)
    assert [take(org, QUERY | {"transaction_id": f"t{n}"}, token="guess").status for n in range(4)] == [200] * 4
    assert queued(org) == []
    assert reasons(org) == [("token", "wrong_token")] * 2
    assert len(stored(org)) == 2
    entry = quarantine.listed(org.w, org.name)[0]
    assert quarantine.replay(org.w, org.name, entry["receipt_id"])
    assert replayed(org) == ["booked"]
    assert reasons(org) == [("token", "wrong_token")]


def replayed(org: Org) -> list[str]:
    return [attribute_message(org.w, body, now=NOW) for body in org.drained(names.POSTBACKS_QUEUE_URL)]


def test_an_org_there_is_not_gets_the_same_answer_and_nothing_is_kept(org: Org) -> None:
    request = postback_request("nobody", "x", QUERY)
    assert take_postback.take_postback(org.w, request, now=NOW) == Response(200, "ok")
    assert org.w.postbacks.keys("raw/nobody/") == []


@pytest.mark.parametrize("name", ["", "UPPER", "a/b", "x" * 33, "-a"])
def test_a_malformed_path_is_not_a_feed(org: Org, name: str) -> None:
    assert take_postback.take_postback(org.w, postback_request(name, "x", QUERY), now=NOW).status == 404


def test_a_probe_of_the_route_is_answered_and_not_kept(org: Org) -> None:
    assert take(org, method="HEAD") == Response(200)
    assert stored(org) == []


@pytest.mark.parametrize("part", ["query", "body"])
def test_an_oversized_postback_is_kept_cut_and_quarantined(org: Org, part: str) -> None:
    long = "x" * 70_000
    answer = take(org, long) if part == "query" else take(org, "", method="POST", body=long)
    assert answer.status == 200
    assert len(getattr(stored(org)[0], part)) in (16_384, 65_536)
    assert replayed(org) == ["quarantined"]
    assert reasons(org) == [("request", "too_long")]
    (entry,) = quarantine.listed(org.w, org.name)
    with pytest.raises(Refused, match="too_long: only the beginning"):
        quarantine.replay(org.w, org.name, entry["receipt_id"])
    assert queued(org) == []


def test_with_parameter_store_down_a_postback_is_kept_unchecked(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(self: object, name: str) -> tuple[str, ...]:
        raise ClientError({"Error": {"Code": "InternalServerError", "Message": "down"}}, "GetParameter")

    token = org.token
    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.parameters), "webhook_tokens", down)
        assert take(org, token=token) == Response(200, "ok")
    assert replayed(org) == ["quarantined"]
    (entry,) = quarantine.listed(org.w, org.name)
    assert (entry["field"], entry["reason"]) == ("token", "unchecked")
    quarantine.replay(org.w, org.name, entry["receipt_id"])
    assert replayed(org) == ["booked"]


def test_with_the_queue_down_a_postback_waits_in_the_bucket_for_reconcile(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(self: object, messages: list[Message]) -> None:
        raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "down"}}, "SendMessageBatch")

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.postbacks_queue), "send", down)
        assert take(org) == Response(200, "ok")
    assert len(stored(org)) == 1
    assert len(org.w.postbacks.keys(f"unqueued/{org.name}/")) == 1
    assert reconcile.reconcile(org.w, org=org.name, now=NOW) == {"requeued": 1, "skipped": "no_api_key"}
    assert org.w.postbacks.keys(f"unqueued/{org.name}/") == []
    assert replayed(org) == ["booked"]
    assert reconcile.reconcile(org.w, org=org.name, now=NOW)["requeued"] == 0


def test_a_quarantined_postback_is_booked_when_its_offer_is_known_and_the_entry_closes(org: Org) -> None:
    take(org, QUERY | {"offer_id": "7"})
    assert replayed(org) == ["quarantined"]
    assert reasons(org) == [("offer_id", "unknown_offer")]
    receipt = quarantine.listed(org.w, org.name)[0]["receipt_id"]
    quarantine.replay(org.w, org.name, receipt)
    assert replayed(org) == ["quarantined"]  # still unknown: still one open entry
    assert len(reasons(org)) == 1
    org.w.offers.put(org.name, an_offer(7))
    assert quarantine.replay(org.w, org.name, receipt)
    assert replayed(org) == ["booked"]
    assert reasons(org) == []
    assert [entry["receipt_id"] for entry in quarantine.listed(org.w, org.name, replayed=True)] == [receipt]
    assert not quarantine.replay(org.w, org.name, receipt)
    assert not quarantine.replay(org.w, org.name, "unknown")


def test_the_quarantine_is_listed_oldest_first(org: Org) -> None:
    for minutes in (5, 1, 3):
        request = postback_request(org.name, org.token, QUERY | {"transaction_id": f"t{minutes}", "offer_id": "7"})
        take_postback.take_postback(org.w, request, now=NOW + timedelta(minutes=minutes))
    replayed(org)
    assert [entry["sk"][11:16] for entry in quarantine.listed(org.w, org.name)] == ["10:01", "10:03", "10:05"]
