"""Secrets on the command line: asked for and not shown, rotated without loss."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

from revenue_engine.aws import names
from revenue_engine.services.http import Request
from revenue_engine.services.take_postback import take_postback
from revenue_engine.services.tokens import mark_of
from tests.builders import NOW, Org
from tests.cli.conftest import Run


def _postback(org: Org, token: str, *, hours_ago: int = 0) -> None:
    query = urlencode({"transaction_id": "t1", "payout": "20", "offer_id": "1001"})
    request = Request("GET", "/", {"org": org.name, "token": token}, query, {}, "")
    assert take_postback(org.w, request, now=NOW - timedelta(hours=hours_ago)).status == 200


def test_a_secret_is_asked_for_and_not_shown(run: Run, org: Org) -> None:
    result = run("secret", "set", names.EVERFLOW_API_KEY, input="the-key\n")
    assert result.exit_code == 0
    assert "the-key" not in result.output
    org.w.parameters.forget()
    assert org.w.parameters.everflow_api_key(org.name) == "the-key"


def test_only_a_secret_that_others_give_is_set_by_hand(run: Run) -> None:
    assert run("secret", "set", names.TRACKING_KEY, input="00\n").exit_code == 2


def test_the_tokens_rotate_without_loss_and_are_shown_by_their_marks(run: Run, org: Org) -> None:
    old = org.token
    _postback(org, old, hours_ago=2)
    said = run("secret", "rotate").stdout
    (new,) = set(re.findall(rf"/everflow/v1/{org.name}/(\w+)\?", said))
    assert said.count(f"/{new}?kind=") == 2
    assert old not in said
    org.w.parameters.forget()
    assert run("secret", "rotate").stderr == "Error: two_tokens_live: retire the old one first\n"

    refused = run("secret", "retire")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: new_token_unseen: no postback has come with " + mark_of(new))
    _postback(org, new)
    shown = run("secret", "tokens").stdout
    assert re.search(rf"{mark_of(new)} .*live .*2026-03-04 10:00 UTC", shown)
    assert re.search(rf"{mark_of(old)} .*live .*2026-03-04 08:00 UTC", shown)
    assert new not in shown and old not in shown
    assert run("secret", "retire").stdout.startswith(f"token {mark_of(old)} is retired")
    org.w.parameters.forget()
    assert org.w.parameters.webhook_tokens(org.name) == (new,)
    assert re.search(rf"{mark_of(old)} .*retired", run("secret", "tokens").stdout)


def test_a_leaked_token_is_retired_by_force(run: Run, org: Org) -> None:
    _postback(org, org.token)
    old = org.token
    run("secret", "rotate")
    assert run("secret", "retire", "--force").stdout.startswith(f"token {mark_of(old)} is retired")
    org.w.parameters.forget()
    assert old not in org.w.parameters.webhook_tokens(org.name)
