"""HTTP API requests (payload 2.0) as the routes' handlers get them."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from revenue_engine.services.http import Request, request_of


def http_event(
    method: str,
    path: str,
    *,
    query: dict[str, str] | str = "",
    body: str | None = None,
    headers: dict[str, str] | None = None,
    encoded: bool = False,
    **path_parameters: str,
) -> dict[str, Any]:
    """The event API Gateway makes of a request."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query if isinstance(query, str) else urlencode(query),
        "headers": {"host": "api.example", **(headers or {})},
        "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}},
        "pathParameters": path_parameters,
        "isBase64Encoded": encoded,
    }
    if body is not None:
        event["body"] = base64.b64encode(body.encode()).decode() if encoded else body
    return event


def postback_request(org: str, token: str, query: dict[str, str] | str = "", *, method: str = "GET", **more: Any) -> Request:
    """A postback."""
    event = http_event(method, f"/everflow/v1/{org}/{token}", query=query, org=org, token=token, **more)
    return request_of(event)


def unsubscribe_request(org: str, token: str, *, method: str = "POST", **more: Any) -> Request:
    """A visit to, or a post at, an opt-out link."""
    return request_of(http_event(method, f"/u/{org}/{token}", org=org, token=token, **more))
