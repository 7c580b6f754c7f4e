"""Take an Everflow postback: store it raw before anyone understands it, queue it, answer 2xx (M3)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from revenue_engine import ids
from revenue_engine.aws import names, observe
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import Refused
from revenue_engine.intake.everflow import RawPostback
from revenue_engine.services import quarantine, tokens
from revenue_engine.services.http import ORG, Request, Response
from revenue_engine.services.receipts import queue_message, raw_key

log = logging.getLogger(__name__)

MAX_QUERY = 16_384
MAX_BODY = 65_536
MAX_CONTENT_TYPE = 200
WRONG_TOKENS_PER_DAY = 1_000
WRONG_TOKENS_LISTED_PER_DAY = 100  # who guesses tokens must not hide what waits
_TAKEN = Response(200, "ok")


def take_postback(w: Wiring, request: Request, *, now: datetime) -> Response:
    """Answers 200 whatever arrives on a well-formed path: ten failures in a row make Everflow switch the feed off (contracts 1.4)."""
    org = request.path_parameters.get("org", "")
    if not ORG.fullmatch(org):
        return Response(404, "no such feed")
    if not w.serves(org):
        log.warning("postback for an org of another stack")
        return _TAKEN
    if request.method in ("HEAD", "OPTIONS"):  # they look, and tell nothing
        return Response(200)
    raw = RawPostback(
        receipt_id=ids.receipt_id(),
        org=org,
        received_at=now,
        method=request.method,
        query=request.query[:MAX_QUERY],
        body=request.body[:MAX_BODY],
        content_type=request.headers.get("content-type", "")[:MAX_CONTENT_TYPE],
    )
    cut = len(request.query) > MAX_QUERY or len(request.body) > MAX_BODY
    token = request.path_parameters.get("token", "")
    live = _live_tokens(w, org)
    known = tokens.matching(live, token)
    if live and known is None:
        return _keep_wrong_token(w, raw, tokens.mark_of(token), cut=cut, now=now)
    token_state = "too_long" if cut else "ok" if known else "unchecked"
    _keep_and_queue(w, raw, token_state=token_state)
    if known is not None:
        _note_use(w, org, known, now)
    observe.count(names.METRIC_POSTBACKS_TAKEN, org)
    return _TAKEN


def _live_tokens(w: Wiring, org: str) -> tuple[str, ...]:
    """None of them when they cannot be known: then a postback is kept, unchecked."""
    try:
        live = w.parameters.webhook_tokens(org)
    except Exception:  # whatever keeps us from the secrets, the postback must not be lost
        log.exception("webhook tokens unreadable: the postback is kept unchecked")
        return ()
    if not live:
        log.error("no webhook token is set up: the postback is kept unchecked")
    return live


def _keep_wrong_token(w: Wiring, raw: RawPostback, mark: str, *, cut: bool, now: datetime) -> Response:
    day = f"{now:%Y-%m-%d}"
    expires_at = epoch_seconds(now + timedelta(days=30))
    if w.control.capped_increment(raw.org, f"wrong_tokens#{day}", cap=WRONG_TOKENS_PER_DAY, expires_at=expires_at):
        w.postbacks.put(raw_key(raw), raw.to_json().encode())
        if not w.control.capped_increment(
            raw.org, f"wrong_tokens_listed#{day}", cap=WRONG_TOKENS_LISTED_PER_DAY, expires_at=expires_at
        ):
            return _TAKEN
        field, reason = ("request", "too_long") if cut else ("token", "wrong_token")  # what is cut can never be replayed
        quarantine.keep(w, raw, raw_key=raw_key(raw), field=field, reason=reason, detail=f"token {mark}", now=now)
    return _TAKEN


def _keep_and_queue(w: Wiring, raw: RawPostback, *, token_state: str) -> None:
    key = raw_key(raw)
    w.postbacks.put(key, raw.to_json().encode())
    message = queue_message(raw.org, raw.receipt_id, key, token_state=token_state)
    try:
        w.postbacks_queue.send([message])
    except (ClientError, BotoCoreError, RuntimeError, Refused):
        # It is stored, so it is taken: the daily reconciliation queues what lies here.
        log.exception("postback stored but not queued")
        w.postbacks.put(f"unqueued/{raw.org}/{raw.receipt_id}.json", message.body.encode())


def _note_use(w: Wiring, org: str, token: str, now: datetime) -> None:
    try:
        w.feed.note(org, tokens.mark_of(token), at=epoch_seconds(now))
    except (ClientError, BotoCoreError):  # the postback is taken; the next one notes it
        log.exception("the use of a token could not be noted")
