"""Telling people, and starting the breaker's machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from revenue_engine.aws.clients import client


@dataclass(frozen=True)
class Alerts:
    """The topic operators subscribe to, and the machine that cools down."""

    topic_arn: str
    machine_arn: str

    def tell(self, subject: str, message: str) -> None:
        """One notice; SNS cuts subjects at 100 characters."""
        client("sns").publish(TopicArn=self.topic_arn, Subject=subject[:100], Message=message)

    def start_breaker(self, name: str, facts: Mapping[str, Any]) -> None:
        """Starts the machine once per name: a second start by the same name is the first one."""
        try:
            client("stepfunctions").start_execution(
                stateMachineArn=self.machine_arn, name=name[:80], input=json.dumps(dict(facts))
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
