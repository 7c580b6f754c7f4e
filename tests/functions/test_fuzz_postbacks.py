"""Thousands of requests without sense, through the webhook and attribute: answered, kept, and then booked or listed (M3).

2,000 of them by default; with `NIGHTLY=1` 100,000.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.intake.everflow import RawPostback, understand_postback
from revenue_engine.services import quarantine, take_postback
from tests.builders import NOW, Org, an_offer
from tests.fuzzing import Fuzzed, Fuzzer
from workbench.local.plane import Plane

REQUESTS = 100_000 if os.environ.get("NIGHTLY") else 2_000
WRONG_TOKENS_KEPT = 40


@pytest.fixture
def main() -> Iterator[Org]:
    with Plane.start(now=NOW) as plane:
        org = Org.open(plane, "main")
        org.w.offers.put("main", an_offer(2077, payout_micros=None))
        yield org


def test_fuzzed_postbacks_are_all_answered_kept_once_and_booked_or_listed(main: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_postback, "WRONG_TOKENS_PER_DAY", WRONG_TOKENS_KEPT)
    plane, token = main.system, main.token
    sub1 = [ids.tracking_id(main.key, org="main", send_id=main.mailed().send_id) for _ in range(REQUESTS // 50)]
    sub1 += [
        ids.tracking_id(main.key, org="other", send_id=sub1[0][1:27]),
        "1" + sub1[0][1:27] * 2,
        "2" + sub1[0][1:],
        "",
        "foreign",
    ]
    fuzzer = Fuzzer(seed=20_260_304, org="main", token=token, sub1=sub1, transactions=REQUESTS // 5)
    told: list[Fuzzed] = []
    for number, request in enumerate(fuzzer.requests(REQUESTS), start=1):
        answer = plane.invoke("webhook", request.event)  # raises what the handler raises
        assert answer["statusCode"] == (404 if request.path == "malformed" else 200), request
        told += [request] if request.tells else []
        if number % 100 == 0:
            plane.clock.move_to(plane.clock.now() + timedelta(seconds=1))
            plane.settle()
            printed = "\n".join(plane.executor.log)
            assert "Traceback" not in printed
            assert token not in printed
            plane.executor.log.clear()

    assert plane.executor.failures == []
    assert plane.pump.next_due() is None  # no message waits, none is dead
    kept = {key: RawPostback.from_json((main.w.postbacks.get(key) or b"").decode()) for key in main.w.postbacks.keys("raw/")}
    wrong = [request for request in told if request.path == "wrong"]
    assert len(kept) == len(told) - len(wrong) + min(len(wrong), WRONG_TOKENS_KEPT)
    assert len(wrong) > WRONG_TOKENS_KEPT
    of_good_paths = Counter(written(request) for request in told if request.path == "ok")
    assert not of_good_paths - Counter((raw.method, raw.query) for raw in kept.values())

    listed = {entry["receipt_id"]: entry for entry in quarantine.listed(main.w, "main")}
    heads = [item for item in main.items(names.LEDGER_TABLE) if item["sk"] == "head"]
    claimed: dict[tuple[str, str], set[int]] = {}
    for head in heads:
        _, kind, transaction, _ = head["pk"].split("#", 3)
        claimed.setdefault((kind, transaction), set()).update(claim["amount_micros"] for claim in head["facts"]["claims"])
    for raw in kept.values():
        if raw.receipt_id not in listed:
            arrival = understand_postback(raw)
            assert arrival.payout_micros in claimed[arrival.kind, arrival.transaction_id]
    reasons = Counter(entry["reason"] for entry in listed.values())
    assert len(heads) > REQUESTS // 50
    assert len(reasons) >= 20, reasons
    assert reasons["wrong_token"] + reasons["too_long"] >= WRONG_TOKENS_KEPT


def test_the_route_takes_every_method(main: Org) -> None:
    for method in ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert main.system.http(method, f"/everflow/v1/main/{main.token}?transaction_id=t1").status == 200, method


def written(request: Fuzzed) -> tuple[str, str]:
    """Method and query as they are to be kept."""
    event = json.loads(json.dumps(request.event))
    return event["requestContext"]["http"]["method"], event["rawQueryString"][: take_postback.MAX_QUERY]
