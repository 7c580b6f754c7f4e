"""MiniStack in this process: requests go to its ASGI application as calls, never through a socket.

The version is pinned exactly and a self-test runs at every start, because some of its internals are used: the application,
its state reset, and what `ministack_speed` makes faster. Nothing is registered that MiniStack's own threads would fire
(schedules, mappings, SNS to Lambda), and its time-to-live thread is not started: time belongs to the plane.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib.metadata
import itertools
import json
import logging
import os
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import ModuleType
from typing import Any
from unittest import mock
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError

from workbench.local import ministack_speed
from workbench.local.backend import ACCOUNT, REGION, BackendError, body_of, own_client, response

KNOWN_VERSION = "1.5.33"
_DIRECT = ("dynamodb", "s3", "sns", "sqs", "ssm")  # a call is one document to one path, or reads or writes one object
_NEVER_WAIT = ("dynamodb", "ssm")
_lock = threading.RLock()  # AWS applies one call atomically; so do we, whatever the emulator's services do about threads


class MiniStackBackend:
    """A fresh account on MiniStack. Its state is the module's, so one backend is in use at a time."""

    def __init__(self) -> None:
        found = importlib.metadata.version("ministack")
        if found != KNOWN_VERSION:
            raise BackendError(f"MiniStack {found} is installed, {KNOWN_VERSION} is what this adapter was proven with")
        self._application = _load()
        self._requests = itertools.count(1)
        self._context = contextvars.Context()  # MiniStack keeps the account and region of a request in it
        self._context.run(self._application.set_request_account_id, ACCOUNT)
        self._context.run(self._application.set_request_region, REGION)

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._application._reset_all_state()
        self_test()
        self._application._reset_all_state()

    def stop(self) -> None:
        with _lock:
            self._application._reset_all_state()
            self._loop.close()

    def answer(self, service: str, request: AWSPreparedRequest) -> AWSResponse:
        url = urlsplit(request.url)
        if service in _DIRECT and request.method == "POST" and url.path == "/" and "Content-Encoding" not in request.headers:
            return self._answer_directly(service, url.netloc, request)
        if (
            service == "s3"
            and service in _DIRECT
            and request.method in ("GET", "PUT")
            and not url.query
            and url.path.count("/") > 1
        ):
            return self._answer_object(url.netloc, unquote(url.path), request)
        body = body_of(request)
        headers = [(name.lower().encode(), _bytes(value)) for name, value in request.headers.items()]
        headers += [(b"host", url.netloc.encode()), (b"authorization", _credential(service).encode())]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(url.path) or "/",
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 1),
        }
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        started: dict[str, Any] = {}
        chunks: list[bytes] = []

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            else:
                chunks.append(message.get("body", b""))

        with _lock:
            self._loop.run_until_complete(self._application.app(scope, receive, send))
        fields = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in started["headers"]
            if not name.startswith(b"Access-Control-")  # for browsers
        }
        return response(request, started["status"], fields, b"".join(chunks))

    def _answer_directly(self, service: str, host: str, request: AWSPreparedRequest) -> AWSResponse:
        """By the service's own handler, as the application would: its routing and CORS headers are half of a small call's cost."""
        headers = {"x-amz-target": _bytes(request.headers.get("X-Amz-Target", "")).decode("latin-1"), "host": host}
        handler = self._application.SERVICE_HANDLERS[service](request.method, "/", headers, body_of(request), {})
        with _lock:
            try:
                drive = _ended if service in _NEVER_WAIT else self._loop.run_until_complete
                status, fields, body = self._context.run(drive, handler)
            except Exception as error:
                logging.getLogger("ministack").exception("%s", service)
                status, fields = 500, {"Content-Type": "application/json"}
                body = json.dumps({"__type": "InternalError", "message": str(error)})
            fields["x-amzn-requestid"] = f"local-{next(self._requests):012d}"
        return response(request, status, fields, body.encode() if isinstance(body, str) else body)

    def _answer_object(self, host: str, path: str, request: AWSPreparedRequest) -> AWSResponse:
        """An object is read or written by the service's own handler, which does not wait either."""
        headers = {name.lower(): _bytes(value).decode("latin-1") for name, value in request.headers.items()}
        headers |= {"host": host, "authorization": _credential("s3")}
        handler = self._application.SERVICE_HANDLERS["s3"](request.method, path, headers, body_of(request), {})
        with _lock:
            status, fields, body = self._context.run(_ended, handler)
        return response(request, status, fields, body)

    def expire(self, now: datetime) -> int:
        # The body of MiniStack's own time-to-live thread: a Scan by API calls costs seconds a simulated day.
        dynamodb = self._application._get_module("dynamodb")
        epoch, count = now.timestamp(), 0
        with _lock:
            for (account, region, name), setting in list(dynamodb._ttl_settings.all_items()):
                table = dynamodb._tables.get_scoped(account, region, name)
                if setting.get("TimeToLiveStatus") != "ENABLED" or table is None:
                    continue
                attribute = setting["AttributeName"]
                for partition, rows in list(table["items"].items()):
                    for sort, item in list(rows.items()):
                        expires_at = item.get(attribute, {}).get("N")
                        if expires_at is not None and float(expires_at) <= epoch:
                            dynamodb._remove_item(table, partition, sort)
                            count += 1
        return count


def self_test() -> None:
    """Prove conditional writes, transactions and queues on the open wire. Raises BackendError."""
    table = own_client("dynamodb")
    queues = own_client("sqs")
    table.create_table(
        TableName="self-test",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    put = {"TableName": "self-test", "Item": {"pk": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(pk)"}
    table.put_item(**put)
    _refused("ConditionalCheckFailedException", lambda: table.put_item(**put))
    other = {"TableName": "self-test", "Item": {"pk": {"S": "b"}}}
    _refused("TransactionCanceledException", lambda: table.transact_write_items(TransactItems=[{"Put": other}, {"Put": put}]))
    if "Item" in table.get_item(TableName="self-test", Key={"pk": {"S": "b"}}):
        raise BackendError("a cancelled transaction left an item behind")
    url = queues.create_queue(QueueName="self-test")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody="hello")
    received = queues.receive_message(QueueUrl=url, WaitTimeSeconds=0).get("Messages", [])
    if [message["Body"] for message in received] != ["hello"]:
        raise BackendError(f"a queue lost its message: {received}")
    queues.delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])
    running = [thread.name for thread in threading.enumerate() if "ttl-reaper" in thread.name or "ministack" in thread.name]
    if running:
        raise BackendError(f"MiniStack runs threads of its own: {running}")


def _refused(code: str, call: Any) -> None:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] == code:
            return
        raise BackendError(f"expected {code}") from error
    raise BackendError(f"expected {code}, the call succeeded")


def _ended(handler: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that does not wait. Raises BackendError when it does."""
    try:
        handler.send(None)
    except StopIteration as end:
        return end.value
    handler.close()
    raise BackendError("a handler of MiniStack waits for something")


def _credential(service: str) -> str:
    """MiniStack reads account, region and service from the credential's scope, and no signature."""
    return f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/{REGION}/{service}/aws4_request"


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Importing MiniStack configures the root logger and starts a thread; neither may happen here."""
    root, start = logging.getLogger(), threading.Thread.start

    def start_unless_reaper(thread: threading.Thread) -> None:
        if thread.name != "dynamodb-ttl-reaper":
            start(thread)

    handlers, level = list(root.handlers), root.level
    with mock.patch.dict(os.environ, {"LOG_LEVEL": "ERROR"}), mock.patch.object(threading.Thread, "start", start_unless_reaper):
        yield
    root.handlers[:], root.level = handlers, level


def _load() -> ModuleType:
    with _quiet_import():
        import ministack.app as application

        ministack_speed.install(application._get_module("dynamodb"))
    logging.getLogger("ministack").setLevel(logging.ERROR)
    module: ModuleType = application
    return module
