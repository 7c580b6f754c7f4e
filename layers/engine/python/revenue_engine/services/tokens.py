"""The path tokens of the postback route: two may live at once, so that a rotation loses no postback (M3)."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest

from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import Refused

# Everflow repeats what failed, and there are two postbacks to change: so long an old token has to rest before it is retired.
QUIET = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TokenUse:
    """One token as an operator may see it: never itself. Epoch seconds; None: no postback has come with it."""

    mark: str
    live: bool
    first_seen_at: int | None
    last_seen_at: int | None


def new_token(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """192 bits in hex."""
    return random_bytes(24).hex()


def mark_of(token: str) -> str:
    """What a token is called where it may be seen: it cannot be found from this."""
    return hashlib.sha256(f"webhook-token\x1f{token}".encode("utf-8", "surrogatepass")).hexdigest()[:8]


def matching(live: Sequence[str], token: str) -> str | None:
    """The live token that this one is. Every live one is compared, each in constant time."""
    given = token.encode("utf-8", "surrogatepass")
    equal = [compare_digest(given, each.encode()) for each in live]
    return live[equal.index(True)] if any(equal) else None


def uses(w: Wiring, org: str) -> list[TokenUse]:
    """The live tokens, newest first, then the retired ones that had been in use."""
    w.parameters.forget()
    live = [mark_of(token) for token in w.parameters.webhook_tokens(org)]
    seen = w.feed.seen(org)
    found = []
    for mark in [*live, *(mark for mark in seen if mark not in live)]:
        use = seen.get(mark)
        found.append(TokenUse(mark, mark in live, use.first_at if use else None, use.last_at if use else None))
    return found


def rotate(w: Wiring, org: str, *, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A new token beside the one there is; both are good until `retire`. Returns its path, which nobody can ask for again.

    Raises Refused: no_token (nothing to rotate yet) or two_tokens_live (the last rotation has not ended).
    """
    w.parameters.forget()
    live = w.parameters.webhook_tokens(org)
    if not live:
        raise Refused("no_token", "init makes the first one")
    if len(live) > 1:
        raise Refused("two_tokens_live", "retire the old one first")
    token = new_token(random_bytes)
    put_tokens(w, org, [token, *live])
    return path_of(org, token)


def retire(w: Wiring, org: str, *, now: datetime, force: bool = False) -> str:
    """The older of two live tokens is none any more; what still comes with it is answered 200 and kept in the capped quarantine.

    Returns its mark. `force` is for a token that has leaked: it does not ask whether the feed has moved.

    Raises Refused: one_token_live (there is no other), new_token_unseen (no postback has come with the new one yet) or
    old_token_in_use (one came with the old one in the last hour).
    """
    w.parameters.forget()
    live = w.parameters.webhook_tokens(org)
    if len(live) < 2:
        raise Refused("one_token_live", "rotate first")
    new, old = live
    seen = w.feed.seen(org)
    if not force:
        if mark_of(new) not in seen:
            raise Refused("new_token_unseen", f"no postback has come with {mark_of(new)} yet: change the URLs in Everflow")
        used = seen.get(mark_of(old))
        if used is not None and used.last_at > epoch_seconds(now - QUIET):
            raise Refused("old_token_in_use", f"a postback came with {mark_of(old)} in the last hour: one URL still has it")
    put_tokens(w, org, [new])
    return mark_of(old)


def put_tokens(w: Wiring, org: str, tokens: Sequence[str]) -> None:
    """Writes the live tokens, newest first."""
    w.parameters.put(names.secret_parameter(w.stage, org, names.WEBHOOK_TOKENS), json.dumps(list(tokens)), secure=True)


def path_of(org: str, token: str) -> str:
    """The route's path with the secret in it."""
    return names.ROUTE_POSTBACK.format(org=org, token=token)
