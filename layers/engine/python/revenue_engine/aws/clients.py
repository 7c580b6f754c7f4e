"""boto3 clients: made on first use, so that importing a handler needs neither region nor table."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

_RETRYING = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=3, read_timeout=10)
# P2: SES has no idempotency token, so one call is one attempt; the read time-out stays far below execute's own.
_ONE_ATTEMPT = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=3, read_timeout=10)


@cache
def client(service: str) -> Any:
    """The client of one AWS service, shared by the container."""
    return boto3.client(service, config=_ONE_ATTEMPT if service == "sesv2" else _RETRYING)  # type: ignore[call-overload]


def forget() -> None:
    """Drop all clients: whoever swaps the backend behind boto3 calls this."""
    client.cache_clear()
