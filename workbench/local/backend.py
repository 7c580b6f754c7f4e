"""The seam to an emulator of the AWS services, and the wire on which boto3's requests reach it without a socket."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

import boto3
import botocore
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.loaders import create_loader

from workbench.local import direct_client

ENDPOINT = "http://127.0.0.1:1"  # never connected to; the wire answers first, and port 1 refuses if it ever does not
ACCOUNT = "123456789012"
REGION = "eu-west-1"

Responder = Callable[[AWSPreparedRequest], AWSResponse]
Watcher = Callable[[AWSPreparedRequest], None]
Authoriser = Callable[[str, str, Mapping[str, Any]], None]
Interruption = Callable[[str, AWSPreparedRequest, bool], None]


class BackendError(RuntimeError):
    """The emulator is not the one this code was proven with, or does not behave."""


class Backend(Protocol):
    """An emulator of the AWS services in this process. One instance is one fresh, empty account."""

    def start(self) -> None:
        """Empty the account and prove the semantics everything else rests on. Raises BackendError."""

    def stop(self) -> None:
        """Forget everything."""

    def answer(self, service: str, request: AWSPreparedRequest) -> AWSResponse:
        """Answer one request, which need not be signed; callable from any thread, one request at a time."""

    def expire(self, now: datetime) -> int:
        """Delete the items whose time-to-live has passed, as DynamoDB does in its own time; their number."""


class _Raw(io.BytesIO):
    """The body of an answer, in the form that botocore reads."""

    def stream(self, **_: object) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk


def response(request: AWSPreparedRequest, status: int, headers: Mapping[str, str], body: bytes) -> AWSResponse:
    """An HTTP answer as botocore's own session would return it."""
    fields: Any = headers  # any mapping will do
    return AWSResponse(request.url, status, fields, _Raw(body))


def body_of(request: AWSPreparedRequest) -> bytes:
    """The bytes a request carries."""
    body: Any = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    return body.encode() if isinstance(body, str) else bytes(body)


class Wire:
    """Everything boto3 sends in this process while it is open. At most one wire is open.

    Answers come from a `responder` registered for the operation, else from the backend. Watchers see a request after it was
    answered with success. `authorise` is asked before every call but those of the plane's own clients, and raises what refuses it.
    `interrupt` is told every request before it is answered, and again (True) when it has been: the place to let something happen
    between two calls, or to let nothing happen any more.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.authorise: Authoriser = lambda service, operation, parameters: None
        self.interrupt: Interruption = lambda operation, request, answered: None
        self._responders: dict[str, Responder] = {}
        self._watchers: dict[str, list[Watcher]] = {}

    def respond(self, operation: str, responder: Responder) -> None:
        """Answer `service.Operation` (`sesv2.SendEmail`), or a whole `service`, in the backend's place."""
        self._responders[operation] = responder

    def watch(self, operation: str, watcher: Watcher) -> None:
        """See every successful `service.Operation`."""
        self._watchers.setdefault(operation, []).append(watcher)

    def send(self, operation: str, request: AWSPreparedRequest) -> AWSResponse:
        """Answer one prepared request."""
        service = operation.partition(".")[0]
        responder = self._responders.get(operation) or self._responders.get(service)
        self.interrupt(operation, request, False)
        answer = self.backend.answer(service, request) if responder is None else responder(request)
        if answer.status_code < 300:
            for watcher in self._watchers.get(operation, ()):
                watcher(request)
        self.interrupt(operation, request, True)
        return answer


_open_wire: Wire | None = None
_open_lock = threading.Lock()


def _before_send(request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse | None:
    wire = _open_wire
    if wire is None:
        return None
    return direct_client.given_answer() or wire.send(event_name.removeprefix("before-send."), request)


_DirectClient = direct_client.direct_client(lambda: _open_wire.send if _open_wire is not None else None)


def _client_class(base_classes: list[type], **_: object) -> None:
    base_classes.insert(0, _DirectClient)


# Signing and composing the user agent are a third of a call's cost, and nothing here looks at either: the wire says whose
# account it is.
_CHEAP = Config(user_agent="local-plane", signature_version=UNSIGNED)


def _before_call(params: Mapping[str, Any], model: Any, **_: object) -> None:
    if _open_wire is not None:
        _open_wire.authorise(model.service_model.service_id.hyphenize(), model.name, params)


@functools.cache
def _service_models() -> Any:
    return create_loader()


def _every_session(session: Any) -> None:
    if _open_wire is not None:  # reading the service models anew is half of what a small plane costs
        session.register_component("data_loader", _service_models())
    session.register("before-send", _before_send)
    session.register("before-parameter-build", _before_call)
    for service in direct_client.SERVICES:
        session.register(f"creating-client-class.{service}", _client_class)
    if _open_wire is not None:
        session.set_default_client_config(_CHEAP)


# Registered once for the process: a client made before the wire opened, by whomever, is answered by it too.
botocore.register_initializer(_every_session)


def aws_environment() -> dict[str, str]:
    """Variables that point boto3 at the wire, and at no profile, file or metadata service of the machine."""
    return {
        "AWS_ACCESS_KEY_ID": ACCOUNT,  # the emulator takes a 12-digit key for the account
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """`os.environ` is exactly `variables` inside the block."""
    before = dict(os.environ)
    _change_environment(before, variables)
    try:
        yield
    finally:
        _change_environment(dict(os.environ), before)


def _change_environment(present: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Only what differs: setting a variable costs more than comparing it, and every invocation sets them all, twice."""
    for name in present.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if present.get(name) != value:
            os.environ[name] = value


@contextlib.contextmanager
def opened(wire: Wire) -> Iterator[None]:
    """Open the wire with a fresh account behind it, for every client of the process. Raises BackendError."""
    global _open_wire
    with _open_lock:
        if _open_wire is not None:
            raise BackendError("another local plane is open in this process")
        _open_wire = wire
    try:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with environment({**kept, **aws_environment()}):
            boto3.DEFAULT_SESSION = None  # it may hold the credentials of whoever used it before
            wire.backend.start()
            yield
    finally:
        wire.backend.stop()
        boto3.DEFAULT_SESSION = None
        _open_wire = None


@functools.cache
def own_client(service: str) -> Any:
    """The plane's own client of a service, for any plane of the process; no retries, so that a fault is seen where it happens."""
    return _own_session().client(  # type: ignore[call-overload]
        service, endpoint_url=ENDPOINT, config=_CHEAP.merge(Config(retries={"total_max_attempts": 1}))
    )


@functools.cache
def _own_session() -> boto3.session.Session:
    session = boto3.session.Session(aws_access_key_id=ACCOUNT, aws_secret_access_key="local", region_name=REGION)
    session.events.unregister("before-parameter-build", _before_call)  # the plane itself may do everything
    return session
