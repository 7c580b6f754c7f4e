"""Nothing that came with a postback is ever printed: no person, no address, no token, whatever goes wrong (P4)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.services import quarantine
from revenue_engine.services.receipts import queue_message
from tests.builders import NOW, Org
from workbench.local.plane import Plane

PERSONAL = (
    "pat.doe@recipient.example", "pat.doe%40recipient.example", "Patricia", "Doeington", "203.0.113.77", "2001:db8::7777",
    "+15550107777", "Mozilla/5.0 (PatPhone)", "merchant.example/orders/7777", "session=7777",
)  # fmt: skip
MAIL, MAIL_ENCODED, FIRST, LAST, IP, IP6, PHONE, AGENT, REFERER, COOKIE = PERSONAL
HEADERS = {
    "user-agent": AGENT,
    "x-forwarded-for": f"{IP}, {IP6}",
    "referer": f"https://{REFERER}?email={MAIL}",
    "cookie": COOKIE,
    "content-type": f"application/x-www-form-urlencoded; name={MAIL}",
    "authorization": f"Basic {MAIL}",
}
WRONG = "token-of-a-stranger-7777"


@pytest.fixture
def main(emulator: Any) -> Iterator[Org]:
    with Plane.start(now=NOW, backend=emulator()) as plane:
        yield Org.open(plane, "main")


def post(main: Org, query: dict[str, str] | str, *, token: str = "", body: str = "", **headers: str) -> None:
    text = query if isinstance(query, str) else urlencode(query)
    url = f"/everflow/v1/main/{token or main.token}?{text}"
    method = "POST" if body else "GET"
    assert main.system.http(method, url, HEADERS | headers, body).status == 200


def postbacks(main: Org, sub1: str) -> None:
    """Good ones and bad, with a person's facts wherever there is room for them."""
    good = {"kind": "conversion", "transaction_id": "t1", "payout": "5", "offer_id": "1042", "sub1": sub1, "event_id": "0"}
    extra = {"sub2": MAIL, "name": f"{FIRST} {LAST}", "ip": IP, "phone": PHONE}
    post(main, good | extra)
    post(main, good | extra)  # again
    post(main, good | extra | {"payout": "6"})  # in doubt
    for name in good:  # wherever it does not belong
        post(main, good | extra | {"transaction_id": f"t-{name}", name: MAIL})
    post(main, good | {"transaction_id": "t2", "event_name": f"{FIRST}\x00", "kind": "event", "event_id": "7"})
    post(main, good | {"transaction_id": "t3", "sub1": sub1[:-1] + "a"})  # forged
    post(main, "&".join(f"{MAIL_ENCODED}{n}={IP}" for n in range(300)))
    post(main, urlencode(good | extra) + "&x=" + MAIL * 2_000)  # too long
    post(main, "", body=urlencode(good | extra | {"transaction_id": MAIL}))
    for hook in (
        {"transaction_id": MAIL, "payout": MAIL, "relationship": {"offer": {"network_offer_id": 1042}}, "event": FIRST},
        {"transaction_id": 7, MAIL: FIRST, "payout": {"name": LAST}},
        {"transaction_id": "t4", "currency_id": MAIL, "payout": 5, "relationship": {"offer": {"network_offer_id": MAIL}}},
    ):
        post(main, "", body=json.dumps(hook), **{"content-type": "application/json"})
    post(main, "", body='{"' + MAIL, **{"content-type": "application/json"})
    for token in (WRONG, MAIL_ENCODED, FIRST):
        post(main, good | extra, token=token)


def breakdowns(main: Org, sub1: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same when services fail, and when what lies in the bucket and the secrets is not what it should be."""

    def down(*arguments: object, **named: object) -> None:
        raise ClientError({"Error": {"Code": "InternalServerError", "Message": "down"}}, "Operation")

    good = {"transaction_id": "t9", "payout": "5", "offer_id": "1042", "sub1": sub1, "name": FIRST, "sub2": MAIL}
    token = main.token
    for wired in (main.w.postbacks_queue, main.w.feed):
        with monkeypatch.context() as patch:
            patch.setattr(type(wired), "send" if wired is main.w.postbacks_queue else "note", down)
            post(main, good, token=token)
    with monkeypatch.context() as patch:
        patch.setattr(type(main.w.ledger), "head", down)
        post(main, good | {"transaction_id": "t8"})
        main.system.settle()  # attribute fails, and the queue keeps the message
    main.w.postbacks.put("raw/main/broken.json", f"{FIRST} {MAIL}".encode())
    main.w.postbacks_queue.send([queue_message("main", "r", "raw/main/broken.json", token_state="ok")])
    main.set_secret(names.WEBHOOK_TOKENS, f"{token} {MAIL}")
    main.system.clock.move_to(NOW.replace(minute=30))  # what containers have cached is too old
    post(main, good, token=token)


def test_no_line_of_any_function_repeats_what_a_postback_brought(
    main: Org, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, logger="revenue_engine")
    caplog.set_level(logging.DEBUG, logger="revenue-engine")
    sub1 = ids.tracking_id(main.key, org="main", send_id=main.mailed().send_id)
    token = main.token
    postbacks(main, sub1)
    main.system.settle()
    breakdowns(main, sub1, monkeypatch)
    main.system.settle()

    lines = list(main.system.executor.log)
    printed = capfd.readouterr()
    everything = "\n".join([*lines, caplog.text, printed.out, printed.err])
    assert [secret for secret in (*PERSONAL, token, WRONG, sub1) if secret in everything] == []
    # and it was all there to be repeated
    assert any('"level":"WARNING"' in line and "quarantined" in line for line in lines)
    assert sum("stack_trace" in line for line in lines) >= 4
    kept = json.dumps([main.w.postbacks.get(key).decode() for key in main.w.postbacks.keys("raw/main/")])  # type: ignore[union-attr]
    for fact in (MAIL_ENCODED, FIRST, LAST, IP, sub1):
        assert fact in kept
    assert {"wrong_token", "too_long", "forged_tracking_id", "unchecked"} <= {
        e["reason"] for e in quarantine.listed(main.w, "main")
    }


def test_functions_are_not_told_to_print_their_events(main: Org) -> None:
    for function in main.system.deployment.functions:
        assert not [name for name in function.environment if name.startswith("POWERTOOLS")], function.name
