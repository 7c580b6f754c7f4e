"""The console API: what operators read and command. Its routes are signed (IAM); every command names who gave it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from revenue_engine.aws import names
from revenue_engine.aws.wiring import ORG_UNKNOWN, Wiring
from revenue_engine.errors import BadInput, Refused
from revenue_engine.records.controls import parse_autonomy
from revenue_engine.services import anomaly_desk, approvals, breaker, metrics, quarantine
from revenue_engine.services.http import Request, Response
from revenue_engine.services.status import status

_PATH = re.compile(r"/console/(?P<org>[a-z0-9][a-z0-9-]{0,31})/(?P<rest>.+)")


def answer(w: Wiring, request: Request, *, now: datetime) -> Response:
    """Every route: `/console/{org}/…`. Unknown ones and unknown orgs are 404, what cannot be done is 409 with its reason."""
    path = _PATH.fullmatch(request.path)
    if path is None:
        return _json(404, {"error": "no such route"})
    org, rest = path["org"], path["rest"].split("/")
    try:
        w.check_org(org)
        match (request.method, rest):
            case ("GET", ["status"]):
                return _json(200, status(w, org, now=now))
            case ("GET", ["revenue"]):
                return _json(200, asdict(metrics.revenue(w, org, now=now)))
            case ("GET", ["kpis"]):
                return _json(200, asdict(metrics.kpis(w, org, now=now)))
            case ("GET", ["lift"]):
                return _json(200, metrics.last_look(w, org))
            case ("GET", ["quarantine"]):
                page = quarantine.page(w, org, before=parse_qs(request.query).get("before", [""])[0])
                return _json(200, {"entries": page.entries, "more": page.more, "before": page.before})
            case ("POST", ["quarantine", receipt_id, "replay"]):
                return _done(quarantine.replay(w, org, receipt_id), "no entry by that id can be replayed")
            case ("GET", ["anomalies"]):
                return _json(200, {"anomalies": anomaly_desk.listed(w, org, now=now)})
            case ("POST", ["anomalies", ("release" | "reject") as command]):
                verdict: anomaly_desk.Verdict = "released" if command == "release" else "rejected"
                queued = anomaly_desk.queue_decision(w, org, _key(request), verdict=verdict, by=_who(request), now=now)
                return _done(queued, "nothing by that key waits")
            case ("GET", ["approvals"]):
                return _json(200, {"approvals": approvals.listed(w, org, now=now)})
            case ("POST", ["approvals", approval_id, "approve"]):
                sends = approvals.approve(w, org, approval_id, by=_who(request), now=now)
                return _json(200, {"queued": sends, "outside_hours": _outside_hours(w, org, approval_id, now)})
            case ("POST", ["approvals", approval_id, "reject"]):
                return _done(approvals.reject(w, org, approval_id, by=_who(request), now=now), "it does not wait")
            case ("POST", ["autonomy", value]):
                w.parameters.put(names.autonomy_parameter(w.stage, org), parse_autonomy(value).value)
                return _json(200, {"autonomy": value})
            case ("POST", ["breaker", "close"]):
                closed = breaker.close_by_hand(w, org, by=_who(request), now=now)
                return _json(200, {"breaker": "closed"}) if closed else _json(409, {"error": "not_open"})
            case ("GET", ["stops"]):
                return _json(200, {"stops": [asdict(stop) for stop in breaker.stopped(w, org, now=now)]})
            case ("POST", ["stops", "lift"]):
                return _done(
                    breaker.lift_stop(w, org, _key(request), by=_who(request), now=now), "nothing by that key is stopped"
                )
            case _:
                return _json(404, {"error": "no such route"})
    except BadInput as bad:
        return _json(400, {"error": bad.reason, "field": bad.field, "detail": bad.detail})
    except Refused as refused:
        return _json(404 if refused.reason == ORG_UNKNOWN else 409, {"error": refused.reason, "detail": refused.detail})


def _key(request: Request) -> str:
    """`{"key": …}` of the body: a key has characters that paths have other uses for. "" when it is not there."""
    try:
        return str(json.loads(request.body)["key"])
    except (ValueError, KeyError, TypeError):
        return ""


def _outside_hours(w: Wiring, org: str, approval_id: str, now: datetime) -> int:
    """Of a plan's mails, those that are dropped because it is night where they go."""
    return approvals.outside_hours(w.control.approval(org, approval_id) or {}, w.parameters.controls(org), now=now)


def _who(request: Request) -> str:
    return request.caller or "unknown caller"


def _done(done: bool, otherwise: str) -> Response:
    return _json(200, {"done": True}) if done else _json(409, {"error": otherwise})


def _json(code: int, body: Any, default: Callable[[Any], Any] = str) -> Response:
    return Response(code, json.dumps(body, default=default), "application/json")
