"""RFC 8058 one-click: POST opts out at once, GET shows a page and changes nothing (P3)."""

from __future__ import annotations

import html
from datetime import datetime

from revenue_engine import ids
from revenue_engine.aws.dynamo import Expression, TransactionCancelled, commit
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds, from_epoch
from revenue_engine.errors import Refused
from revenue_engine.records.causes import counted_by_cause
from revenue_engine.services.engage import opt_out
from revenue_engine.services.http import ORG, Request, Response

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}}
button{{font:inherit;padding:.6rem 1.2rem}}</style></head><body><h1>{title}</h1>{body}</body></html>"""
_HTML = "text/html; charset=utf-8"


def unsubscribe(w: Wiring, request: Request, *, now: datetime) -> Response:
    """The whole route. Never redirects, asks for nothing, needs no cookie."""
    org = request.path_parameters.get("org", "")
    token = request.path_parameters.get("token", "")
    known = _verified(w, org, token)
    if known is None:
        body = "<p>This link is not complete. Please use the link of the mail itself, or reply to the mail.</p>"
        return Response(404, _PAGE.format(title="Link not recognised", body=body), _HTML)
    if request.method != "POST":
        action = html.escape(request.path, quote=True)
        button = f'<form method="post" action="{action}"><button>Unsubscribe</button></form>'
        body = f"<p>One click, and you get no more mail from us.</p>{button}"
        return Response(200, _PAGE.format(title="Unsubscribe", body=body), _HTML)
    subscriber, send_id = known
    opt_out(w, org, subscriber, status="unsubscribed", at=now, source="one_click")
    _count_once(w, org, send_id, now)
    return Response(200, _PAGE.format(title="You are unsubscribed", body="<p>It took effect at once.</p>"), _HTML)


def _verified(w: Wiring, org: str, token: str) -> tuple[str, str] | None:
    """`(subscriber, send_id)` of an authentic link of an org there is."""
    if not ORG.fullmatch(org) or not w.serves(org):
        return None
    try:
        return ids.verify_unsubscribe_token(w.parameters.tracking_key(org), token, org=org)
    except Refused:  # nobody's secrets
        return None


def _count_once(w: Wiring, org: str, send_id: str, now: datetime) -> None:
    """A mail is unsubscribed from once, however often the link is posted."""
    send = w.sends.get(send_id)
    if send is None:
        return  # the outbox row is past its time; the opt-out is not
    arm = {"offer": send["offer"], "variant": send["variant"], "segment": send["segment"]}
    sent_at = from_epoch(send["sent_at"] if "sent_at" in send else send["claimed_at"])
    first = Expression(condition="attribute_not_exists(#at)", names={"#at": "unsubscribed_at"})
    try:
        commit(
            [
                w.sends.outcome(send_id, first={"unsubscribed_at": epoch_seconds(now)}, guard=first),
                # in the hour of the mail, as bounces and complaints are
                *w.counters.counting(
                    org,
                    sent_at,
                    {"unsubscribes": 1},
                    zone=w.parameters.last_zone(org),
                    shard_by=send_id,
                    by_cause=counted_by_cause("unsubscribes", send),
                ),
                w.offers.adding_evidence(org, day=f"{sent_at:%Y-%m-%d}", amounts={"unsubscribes": 1}, **arm),
            ]
        )
    except TransactionCancelled as cancelled:
        if cancelled.codes[0] != "ConditionalCheckFailed":
            raise
