"""Path tokens: two live while they rotate, none of them ever shown, a retired one still answered (M3)."""

from __future__ import annotations

import hmac
import json
import random
from datetime import datetime, timedelta
from urllib.parse import urlencode

import pytest

from revenue_engine.aws import feed, names
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import Refused
from revenue_engine.services import quarantine, tokens
from revenue_engine.services.status import status
from revenue_engine.services.take_postback import take_postback
from tests.builders import NOW, Org
from tests.http_events import postback_request
from workbench.local.plane import Plane


def take(org: Org, token: str, *, at: datetime = NOW) -> None:
    query = urlencode({"transaction_id": "t1", "payout": "5", "offer_id": "1042"})
    assert take_postback(org.w, postback_request(org.name, token, query), now=at).status == 200


def states(org: Org) -> list[str]:
    return [json.loads(body)["token_state"] for body in org.drained(names.POSTBACKS_QUEUE_URL)]


def rotated(org: Org) -> tuple[str, str]:
    """The new token and the old one."""
    old = org.token
    path = tokens.rotate(org.w, org.name, random_bytes=random.Random(1).randbytes)
    assert path.startswith(f"/everflow/v1/{org.name}/")
    return path.rpartition("/")[2], old


def test_a_rotation_loses_nothing_and_ends_once_only_the_new_token_is_in_use(org: Org) -> None:
    take(org, org.token)
    new, old = rotated(org)
    assert org.w.parameters.webhook_tokens(org.name) == (new, old)
    for token in (new, old):
        take(org, token)
    assert states(org) == ["ok"] * 3
    assert tokens.retire(org.w, org.name, now=NOW + timedelta(hours=1)) == tokens.mark_of(old)
    take(org, new)
    take(org, old)
    assert states(org) == ["ok"]
    (entry,) = quarantine.listed(org.w, org.name)
    assert (entry["reason"], entry["detail"]) == ("wrong_token", f"token {tokens.mark_of(old)}")


def test_an_old_token_is_not_retired_before_a_postback_came_with_the_new_one(org: Org) -> None:
    _, old = rotated(org)
    take(org, old)
    with pytest.raises(Refused, match="new_token_unseen"):
        tokens.retire(org.w, org.name, now=NOW + timedelta(days=30))
    assert old in org.w.parameters.webhook_tokens(org.name)


def test_an_old_token_is_not_retired_while_one_of_two_urls_still_has_it(org: Org) -> None:
    new, old = rotated(org)
    take(org, new)
    take(org, old, at=NOW + timedelta(minutes=30))
    with pytest.raises(Refused, match="old_token_in_use"):
        tokens.retire(org.w, org.name, now=NOW + timedelta(minutes=89))
    assert tokens.retire(org.w, org.name, now=NOW + timedelta(minutes=90)) == tokens.mark_of(old)


def test_a_leaked_token_is_retired_at_once(org: Org) -> None:
    new, old = rotated(org)
    take(org, old)
    assert tokens.retire(org.w, org.name, now=NOW, force=True) == tokens.mark_of(old)
    assert org.w.parameters.webhook_tokens(org.name) == (new,)


def test_there_are_never_three_live_tokens_and_never_none(org: Org) -> None:
    for force in (False, True):
        with pytest.raises(Refused, match="one_token_live"):
            tokens.retire(org.w, org.name, now=NOW, force=force)
    rotated(org)
    with pytest.raises(Refused, match="two_tokens_live"):
        tokens.rotate(org.w, org.name)
    org.set_secret(names.WEBHOOK_TOKENS, "[]")
    with pytest.raises(Refused, match="no_token"):
        tokens.rotate(org.w, org.name)


def test_a_rotation_elsewhere_is_seen_within_fifteen_seconds(system: Plane) -> None:
    """The webhook's container caches the tokens; the operator's command runs in another process."""
    org = Org.open(system, "elsewhere")
    old = org.token
    take(org, old)  # now the tokens are cached
    name = names.secret_parameter(org.w.stage, org.name, names.WEBHOOK_TOKENS)
    system.client("ssm").put_parameter(Name=name, Value='["new"]', Type="SecureString", Overwrite=True)
    take(org, old)
    assert states(org) == ["ok", "ok"]
    system.clock.move_to(system.clock.now() + timedelta(seconds=16))
    take(org, "new")
    assert states(org) == ["ok"]
    take(org, old)
    assert states(org) == []


def test_uses_of_tokens_are_told_by_marks_and_no_token_is_stored_in_a_table(org: Org) -> None:
    new, old = rotated(org)
    take(org, old, at=NOW)
    take(org, old, at=NOW + timedelta(minutes=5))
    take(org, "guess", at=NOW + timedelta(minutes=6))
    at = epoch_seconds(NOW)
    assert tokens.uses(org.w, org.name) == [
        tokens.TokenUse(tokens.mark_of(new), True, None, None),
        tokens.TokenUse(tokens.mark_of(old), True, at, at + 300),
    ]
    take(org, new, at=NOW + timedelta(minutes=5))
    tokens.retire(org.w, org.name, now=NOW + timedelta(hours=2))
    assert [(use.mark, use.live) for use in tokens.uses(org.w, org.name)] == [
        (tokens.mark_of(new), True),
        (tokens.mark_of(old), False),
    ]
    kept = json.dumps([org.items(variable) for variable in (names.CONTROL_TABLE, names.LEDGER_TABLE)], default=str)
    assert new not in kept and old not in kept and "guess" not in kept


def test_the_use_of_a_token_is_written_once_a_minute_at_most(org: Org) -> None:
    for seconds in (0, 1, 59):
        take(org, org.token, at=NOW + timedelta(seconds=seconds))
    mark = tokens.mark_of(org.token)
    assert org.w.feed.seen(org.name)[mark] == feed.Seen(epoch_seconds(NOW), epoch_seconds(NOW))
    take(org, org.token, at=NOW + timedelta(seconds=60))
    assert org.w.feed.seen(org.name)[mark].last_at == epoch_seconds(NOW) + 60


def test_the_status_says_when_the_last_postback_came(org: Org) -> None:
    assert status(org.w, org.name, now=NOW)["feed"] == {"last_postback_at": None, "tokens": {}}
    take(org, org.token, at=NOW + timedelta(minutes=3))
    take(org, "guess", at=NOW + timedelta(minutes=9))  # a stranger breaks no silence
    at = epoch_seconds(NOW) + 180
    told = status(org.w, org.name, now=NOW)["feed"]
    assert told == {"last_postback_at": at, "tokens": {tokens.mark_of(org.token): {"first_at": at, "last_at": at}}}


@pytest.mark.parametrize(
    ("given", "found"),
    [("a" * 48, "a" * 48), ("b" * 48, "b" * 48), ("a" * 47, None), ("", None), ("\ud800", None), ("ä" * 48, None)],
)
def test_a_token_matches_the_live_one_that_it_is(given: str, found: str | None) -> None:
    assert tokens.matching(("a" * 48, "b" * 48), given) == found


@pytest.mark.parametrize("given", ["a" * 48, "b" * 48, "c" * 48, ""])
def test_every_live_token_is_compared_in_constant_time_whichever_it_is(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(tokens, "compare_digest", compare)
    tokens.matching(("a" * 48, "b" * 48), given)
    assert compared == [b"a" * 48, b"b" * 48]


def test_a_mark_is_short_stable_and_differs_from_token_to_token() -> None:
    marks = {tokens.mark_of(f"token {n}") for n in range(1_000)}
    assert len(marks) == 1_000
    assert {len(mark) for mark in marks} == {8}
    assert tokens.mark_of("token 1") == tokens.mark_of("token 1")
