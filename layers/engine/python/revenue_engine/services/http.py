"""API Gateway's payload 2.0 in and out, as far as our routes need it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ORG = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")  # what a path may name as an org


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    path_parameters: Mapping[str, str]
    query: str  # raw
    headers: Mapping[str, str]  # lower-case names
    body: str
    caller: str = ""  # the ARN whose signature the gateway has checked


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer."""

    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_event(self) -> dict[str, Any]:
        """What the handler returns."""
        return {
            "statusCode": self.status,
            "headers": {"content-type": self.content_type, "cache-control": "no-store", **self.headers},
            "body": self.body,
        }


def request_of(event: Mapping[str, Any]) -> Request:
    """The request of an HTTP API event (payload format 2.0)."""
    http = event["requestContext"]["http"]
    return Request(
        method=http["method"],
        path=event["rawPath"],
        path_parameters=event.get("pathParameters") or {},
        query=event.get("rawQueryString") or "",
        headers=event.get("headers") or {},
        body=_body(event),
        caller=event["requestContext"].get("authorizer", {}).get("iam", {}).get("userArn") or "",
    )


def _body(event: Mapping[str, Any]) -> str:
    """Bytes that are no UTF-8 become lone surrogates, from which they can be made again: nothing is lost, nothing fails."""
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True).decode("utf-8", errors="surrogateescape")
    except ValueError:  # not base64 after all
        return body
