"""The HTTP API of the template: routes to functions with payload 2.0, in process or on localhost."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from workbench.local.backend import ACCOUNT, REGION
from workbench.local.clock import SimulatedClock
from workbench.local.deployment import Deployment, Route
from workbench.local.executor import Executor
from workbench.local.listening import listening

# What API Gateway passes as text; any other body arrives in base64, forms too.
_TEXT = re.compile(r"text/|application/(json|javascript|xml)\b")


@dataclass(frozen=True)
class Response:
    """An HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class HttpFront:
    """Matches requests to the deployment's routes and lets the executor run their functions."""

    def __init__(self, deployment: Deployment, executor: Executor, clock: SimulatedClock) -> None:
        self._executor = executor
        self._clock = clock
        self._routes = sorted(((_pattern(route.path), route) for route in deployment.routes), key=_precedence)
        self._requests = 0

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | str | None = None
    ) -> Response:
        """Answer one request. `url` is a path with its query, or absolute: the host is not looked at."""
        parts = urlsplit(url)
        path = unquote(parts.path) or "/"
        given = {name.lower(): value for name, value in (headers or {}).items()}
        for pattern, route in self._routes:
            if route.method in (method, "ANY") and (match := pattern.fullmatch(path)):
                if route.authorization == "AWS_IAM" and not given.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
                    return _message(403, "Forbidden")
                data = body.encode() if isinstance(body, str) else body or b""
                with self._executor.lock:
                    event = self._event(route, method, path, parts.query, parts.netloc, given, data, match.groupdict())
                    result = self._executor.invoke(route.function_arn, event)
                return _message(500, "Internal Server Error") if result.error is not None else _response(result.value)
        return _message(404, "Not Found")

    def _event(
        self,
        route: Route,
        method: str,
        path: str,
        query: str,
        host: str,
        headers: Mapping[str, str],
        body: bytes,
        parameters: Mapping[str, str],
    ) -> dict[str, Any]:
        now = self._clock.now()
        self._requests += 1
        domain = host or f"{route.api_id}.execute-api.{REGION}.amazonaws.com"
        key = f"{route.method} {route.path}"
        context: dict[str, Any] = {
            "accountId": ACCOUNT if route.authorization == "AWS_IAM" else "anonymous",
            "apiId": route.api_id,
            "domainName": domain,
            "domainPrefix": domain.split(".", 1)[0],
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": headers.get("x-forwarded-for", "127.0.0.1").split(",")[0].strip(),
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": f"local-{self._requests:012d}",
            "routeKey": key,
            "stage": "$default",
            "time": _common_log_time(now),
            "timeEpoch": int(now.timestamp() * 1000),
        }
        if route.authorization == "AWS_IAM":
            context["authorizer"] = {"iam": {"accountId": ACCOUNT, "userArn": f"arn:aws:iam::{ACCOUNT}:user/local"}}
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": key,
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"host": domain, **{name: value for name, value in headers.items() if name != "cookie"}},
            "requestContext": context,
            "isBase64Encoded": False,
        }
        if parameters:
            event["pathParameters"] = dict(parameters)
        if query:
            event["queryStringParameters"] = _joined(parse_qsl(query, keep_blank_values=True))
        if "cookie" in headers:
            event["cookies"] = headers["cookie"].split("; ")
        if body:
            text = bool(_TEXT.match(headers.get("content-type", "")))
            event["body"] = body.decode() if text else base64.b64encode(body).decode()
            event["isBase64Encoded"] = not text
        return event

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Listen on 127.0.0.1 (any free port for 0) while the block runs; yields the origin `http://127.0.0.1:PORT`."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                answer = front.request(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Paths hold tokens: they are not printed (P4)."""

        with listening(Handler, name="http-front", port=port) as origin:
            yield origin


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+\+?)\}", path)
    for n in range(1, len(parts), 2):
        name = parts[n]
        parts[n] = f"(?P<{name[:-1]}>.+)" if name.endswith("+") else f"(?P<{name}>[^/]+)"
    parts[::2] = [re.escape(part) for part in parts[::2]]
    return re.compile("".join(parts))


def _precedence(entry: tuple[re.Pattern[str], Route]) -> tuple[bool, int, bool]:
    """API Gateway's order: no greedy variable, fewer variables, a named method before ANY."""
    route = entry[1]
    return ("+}" in route.path, route.path.count("{"), route.method == "ANY")


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _common_log_time(moment: datetime) -> str:
    return moment.strftime("%d/%b/%Y:%H:%M:%S +0000")


def _message(status: int, text: str) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps({"message": text}).encode())


def _response(value: Any) -> Response:
    """Payload 2.0's rules: without `statusCode` the whole answer is the JSON body."""
    if not isinstance(value, dict) or "statusCode" not in value:
        body = value if isinstance(value, str) else json.dumps(value)
        return Response(200, {"content-type": "application/json"}, body.encode())
    body = value.get("body") or ""
    data = base64.b64decode(body) if value.get("isBase64Encoded") else body.encode()
    headers = {name.lower(): str(text) for name, text in (value.get("headers") or {}).items()}
    headers.setdefault("content-type", "text/plain;charset=UTF-8")
    if cookies := value.get("cookies"):
        headers["set-cookie"] = ", ".join(cookies)
    return Response(int(value["statusCode"]), headers, data)
