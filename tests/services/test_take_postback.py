"""The webhook: stored raw before it is understood, answered 200 even when it is rubbish (M3)."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from revenue_engine.aws import names
from revenue_engine.aws.queues import Message
from revenue_engine.errors import Refused
from revenue_engine.intake.everflow import RawPostback
from revenue_engine.services import quarantine, reconcile, take_postback
from revenue_engine.services.attribute import attribute_message
from revenue_engine.services.http import Response, request_of
from tests.builders import NOW, Org, an_offer
from tests.http_events import http_event, postback_request

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


def test_of_many_wrong_tokens_the_first_are_listed_and_the_others_lie_in_the_bucket(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_postback, "WRONG_TOKENS_PER_DAY", 5)
    monkeypatch.setattr(take_postback, "WRONG_TOKENS_LISTED_PER_DAY", 2)
    for n in range(7):
        assert take(org, QUERY | {"transaction_id": f"t{n}"}, token="guess").status == 200
    assert len(stored(org)) == 5
    assert reasons(org) == [("token", "wrong_token")] * 2


def replayed(org: Org) -> list[str]:
    return [attribute_message(org.w, body, now=NOW) for body in org.drained(names.POSTBACKS_QUEUE_URL)]


def test_an_org_there_is_not_gets_the_same_answer_and_nothing_is_kept(org: Org) -> None:
    request = postback_request("nobody", "x", QUERY)
    assert take_postback.take_postback(org.w, request, now=NOW) == Response(200, "ok")
    assert org.w.postbacks.keys("raw/nobody/") == []


@pytest.mark.parametrize("name", ["", "UPPER", "a/b", "x" * 33, "-a"])
def test_a_malformed_path_is_not_a_feed(org: Org, name: str) -> None:
    assert take_postback.take_postback(org.w, postback_request(name, "x", QUERY), now=NOW).status == 404


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_a_probe_of_the_route_is_answered_and_not_kept(org: Org, method: str) -> None:
    assert take(org, method=method) == Response(200)
    assert stored(org) == []


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_other_method_tells_the_same(org: Org, method: str) -> None:
    assert take(org, method=method) == Response(200, "ok")
    assert stored(org)[0].method == method
    assert replayed(org) == ["booked"]


def kept(org: Org, query: str = "", **event: Any) -> RawPostback:
    """What is stored of a request whose event has these members; the answer is 200."""
    path = f"/everflow/v1/{org.name}/{org.token}"
    made = http_event("POST", path, query=query, org=org.name, token=org.token) | event
    assert take_postback.take_postback(org.w, request_of(json.loads(json.dumps(made))), now=NOW) == Response(200, "ok")
    return stored(org)[0]


def base64_of(body: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


GOOD = urlencode(QUERY)
EVENT = urlencode(QUERY | {"kind": "event", "event_id": "77"})
HOOK = json.dumps(
    {
        "transaction_id": "t1",
        "payout": 5,
        "is_event": True,
        "event": "Upsell",
        "relationship": {"offer": {"network_offer_id": 1042}},
    }
)


def test_a_body_that_is_no_utf8_is_kept_byte_by_byte_and_the_rest_is_read(org: Org) -> None:
    body = b"note=caf\xe9\x00\xff&" + GOOD.encode()
    raw = kept(org, **base64_of(body))
    assert raw.body.encode("utf-8", "surrogateescape") == body
    assert replayed(org) == ["booked"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"body": "no base64 at all!", "isBase64Encoded": True}, ("transaction_id", "no_transaction_id")),
        ({"body": "é", "isBase64Encoded": True}, ("transaction_id", "no_transaction_id")),
        (base64_of(b"\xff" * 60_000), ("transaction_id", "no_transaction_id")),
        ({"body": HOOK.replace("Upsell", "\\ud800")}, ("event_name", "bad_event_name")),
        ({"rawQueryString": "transaction_id=\ud800"}, ("transaction_id", "bad_transaction_id")),
        ({"rawQueryString": GOOD.replace("payout=5", "payout=%ff%00")}, ("payout", "not_a_number")),
        ({"rawQueryString": GOOD.replace("payout=5", "payout=\udc80")}, ("payout", "not_a_number")),
        ({"rawQueryString": "&".join(f"p{n}=" for n in range(300))}, ("query", "too_many_parameters")),
        ({"rawQueryString": GOOD + "&payout=6"}, ("payout", "duplicate_parameter")),
        ({"rawQueryString": "transaction_id=t%001&payout=5&offer_id=1042"}, ("transaction_id", "bad_transaction_id")),
        ({"rawQueryString": EVENT + "&event_name=Caf%E9"}, ("event_name", "bad_event_name")),
    ],
)  # fmt: skip
def test_whatever_cannot_be_text_is_answered_kept_and_listed(org: Org, event: dict[str, Any], reason: tuple[str, str]) -> None:
    raw = kept(org, **event)
    assert raw.query == event.get("rawQueryString", "")
    assert replayed(org) == ["quarantined"]
    assert reasons(org) == [reason]
    quarantine.listed(org.w, org.name)[0]["detail"].encode()


def test_the_money_of_a_foreign_sub_is_kept_whatever_bytes_it_has(org: Org) -> None:
    kept(org, GOOD.replace("sub1=", "sub1=%ff%00%f0%9f%92%a9"))
    assert replayed(org) == ["booked"]


def test_of_huge_headers_nothing_but_the_beginning_of_the_content_type_is_kept(org: Org) -> None:
    raw = kept(org, GOOD, headers={"content-type": "t" * 9_000, "user-agent": "u" * 9_000, "x-forwarded-for": "192.0.2.77"})
    assert raw.content_type == "t" * 200
    (key,) = org.w.postbacks.keys(f"raw/{org.name}/")
    assert b"uuu" not in (org.w.postbacks.get(key) or b"")
    assert replayed(org) == ["booked"]


@pytest.mark.parametrize("value", ["no json", "[1]", '{"a": "b"}', "null", '"text"'])
def test_with_unreadable_tokens_a_postback_is_kept_unchecked(org: Org, value: str) -> None:
    token = org.token
    org.set_secret(names.WEBHOOK_TOKENS, value)
    assert take(org, token=token) == Response(200, "ok")
    assert [message["token_state"] for message in queued(org)] == ["unchecked"]


def test_a_use_that_cannot_be_noted_costs_no_postback(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(self: object, org: str, mark: str, *, at: int) -> None:
        raise ClientError({"Error": {"Code": "InternalServerError", "Message": "down"}}, "UpdateItem")

    monkeypatch.setattr(type(org.w.feed), "note", down)
    assert take(org) == Response(200, "ok")
    assert replayed(org) == ["booked"]


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


def test_the_quarantine_is_listed_newest_first(org: Org) -> None:
    for minutes in (5, 1, 3):
        request = postback_request(org.name, org.token, QUERY | {"transaction_id": f"t{minutes}", "offer_id": "7"})
        take_postback.take_postback(org.w, request, now=NOW + timedelta(minutes=minutes))
    replayed(org)
    assert [entry["sk"][11:16] for entry in quarantine.listed(org.w, org.name)] == ["10:05", "10:03", "10:01"]


def entries(org: Org, count: int, *, state: str = "open") -> None:
    for n in range(count):
        facts = {"field": "token", "reason": "wrong_token", "raw_key": f"raw/{n}", "state": state, "detail": ""}
        org.w.quarantine.put(org.name, receipt_id=f"{state}{n:03d}", received_at=NOW + timedelta(seconds=n), facts=facts)


def test_a_long_quarantine_is_shown_by_pages_that_miss_nothing_and_repeat_nothing(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "PAGE", 3)
    monkeypatch.setattr(quarantine, "READ_AT_ONCE", 5)
    entries(org, 11)
    entries(org, 7, state="replayed")
    for replayed_ones, count in ((False, 11), (True, 7)):
        shown: list[str] = []
        page = quarantine.page(org.w, org.name, replayed=replayed_ones)
        while page.before:
            assert len(page.entries) <= 3 and page.more <= 2
            shown += [entry["receipt_id"] for entry in page.entries]
            page = quarantine.page(org.w, org.name, replayed=replayed_ones, before=page.before)
        shown += [entry["receipt_id"] for entry in page.entries]
        assert shown == sorted(shown, reverse=True)
        assert len(set(shown)) == len(shown) == count
        assert page.more == 0
    monkeypatch.setattr(quarantine, "READ_AT_ONCE", 18 + 1)
    page = quarantine.page(org.w, org.name)
    assert (len(page.entries), page.more, page.before) == (3, 8, page.entries[-1]["sk"])


def test_a_replay_stops_looking_where_it_finds_and_says_when_it_has_not_seen_all(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "SEARCHED", 5)
    entries(org, 9)
    assert quarantine.replay(org.w, org.name, "open008")
    with pytest.raises(Refused, match="not_among_newest"):
        quarantine.replay(org.w, org.name, "open000")
    assert quarantine.replay_all(org.w, org.name) == 9


def test_a_reason_however_long_does_not_fill_the_listing(org: Org) -> None:
    status = "rejected" + "x" * 9_000
    body = {"transaction_id": "t1", "payout": 1, "kind": status, "relationship": {"offer": {"network_offer_id": 7}}}
    assert take(org, "", method="POST", body=json.dumps(body)).status == 200
    assert replayed(org) == ["quarantined"]
    assert len(json.dumps(quarantine.listed(org.w, org.name), default=str)) < 1_500


def test_an_amount_is_judged_in_the_orgs_currency_at_its_rate(org: Org) -> None:
    org.set_controls(max_payout_micros=50_000_000, fx_rates={"HUF": {"rate": "0.0027", "as_of": "2026-03-01"}})
    take(org, QUERY | {"transaction_id": "t1", "payout": "8000", "currency": "HUF", "sub1": ""})  # 21.60 dollars
    take(org, QUERY | {"transaction_id": "t2", "payout": "20000", "currency": "HUF", "sub1": ""})
    assert sorted(replayed(org)) == ["booked", "quarantined"]
    assert reasons(org) == [("payout", "payout_out_of_range")]
    assert quarantine.listed(org.w, org.name)[0]["detail"] == "54000000 micros USD, at most 50000000"
