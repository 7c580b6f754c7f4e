"""The plane's AWS services on localhost, so that the command line in another terminal works on a running plane as on an account."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders

from workbench.local.backend import Wire
from workbench.local.listening import listening

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")
# A signature's scope names the endpoint, botocore's events name the service.
_SERVICE_OF_SCOPE = {"states": "stepfunctions", "ses": "sesv2"}
# Hop-by-hop, or said anew by the server.
_NOT_PASSED_ON = frozenset({"connection", "transfer-encoding", "content-length", "date", "server"})


@contextmanager
def serve_aws(wire: Wire, lock: threading.RLock, port: int = 0) -> Iterator[str]:
    """Listen on 127.0.0.1 (any free port for 0) while the block runs; yields the endpoint URL.

    Requests must be signed, with any key: the signature's scope says which service is meant. `lock` keeps them apart from what
    the plane itself is doing.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            scope = _SCOPE.search(self.headers.get("authorization", ""))
            if scope is None:
                self._send(403, {"content-type": "text/plain"}, b"unsigned request")
                return
            service = _SERVICE_OF_SCOPE.get(scope["service"], scope["service"])
            operation = self.headers.get("x-amz-target", "").rpartition(".")[2] or "Unnamed"
            headers = HTTPHeaders()
            for name, value in self.headers.items():
                headers[name] = value
            url = f"http://{self.headers['host']}{self.path}"
            with lock:
                answer = wire.send(f"{service}.{operation}", AWSPreparedRequest(self.command, url, headers, body, False))
            self._send(answer.status_code, dict(answer.headers.items()), answer.content)

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Requests hold people's data: they are not printed (P4)."""

    with listening(Handler, name="aws-front", port=port) as origin:
        yield origin
