"""Both emulators behind one fixture, on simulated time, with nothing in them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from workbench.local.backend import REGION, Wire, opened, own_client
from workbench.local.clock import SimulatedClock, simulated
from workbench.local.ministack_backend import MiniStackBackend

START = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
BACKENDS = ("moto", "ministack")
TABLE = "things"


@dataclass
class World:
    """An empty account."""

    clock: SimulatedClock
    client: Callable[[str], Any]

    def wait(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.clock.move_to(self.clock.now() + timedelta(seconds=seconds))

    def table(self) -> Any:
        """A client of DynamoDB, and a table `things` with a sparse index `due` as the engine's."""
        client = self.client("dynamodb")
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
                {"AttributeName": "due_shard", "AttributeType": "S"},
                {"AttributeName": "due_at", "AttributeType": "N"},
            ],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "due",
                    "KeySchema": [
                        {"AttributeName": "due_shard", "KeyType": "HASH"},
                        {"AttributeName": "due_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["row"]},
                }
            ],
        )
        return client

    def queue(self, name: str = "jobs", **attributes: str) -> tuple[Any, str]:
        """A client of SQS and the URL of a new queue."""
        client = self.client("sqs")
        return client, client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def code(call: Callable[..., object], *arguments: object, **request: object) -> str:
    """The error code that a call ends with, `ok` when it succeeds."""
    try:
        call(*arguments, **request)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


@functools.cache
def _moto_client(service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(backend: str) -> Iterator[World]:
    with simulated(START) as clock:
        if backend == "moto":
            with mock_aws():
                yield World(clock, _moto_client)
        else:
            with opened(Wire(MiniStackBackend())):
                yield World(clock, own_client)
