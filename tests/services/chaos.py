"""A worker that dies between any two calls, and another that runs in the middle of it: what Lambda and SQS do on a bad day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from revenue_engine.aws import dynamo, objects, queues
from revenue_engine.aws.clients import client

CALLS = frozenset(
    ("transact_write_items", "put_item", "update_item", "get_item", "query", "send_message_batch", "put_object", "get_object")
)


class Crash(Exception):
    """The process is gone."""


class _Watched:
    """A client of which every call is announced before it goes out, and again when its answer is there."""

    def __init__(self, service: str, announce: Callable[[], None]) -> None:
        self._client, self._announce = client(service), announce

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in CALLS:
            return found

        def call(**arguments: Any) -> Any:
            self._announce()
            answer = found(**arguments)
            self._announce()
            return answer

        return call


@contextmanager
def interrupted(at: int, interruption: Callable[[], None]) -> Iterator[None]:
    """`interruption` happens at the `at`-th moment before or after a call to AWS; inside it, calls are ordinary ones."""
    moments = iter(range(1, 1_000_000))
    busy = False

    def announce() -> None:
        nonlocal busy
        if not busy and next(moments) == at:
            busy = True
            interruption()
            busy = False

    with pytest.MonkeyPatch.context() as patch:
        for module in (dynamo, objects, queues):
            patch.setattr(module, "client", lambda service: _Watched(service, announce))
        yield
