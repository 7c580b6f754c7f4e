"""How a command finds the stack: one parameter holds the names of its tables, buckets and queues."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from botocore.exceptions import ClientError

from revenue_engine.aws import names
from revenue_engine.aws.clients import client
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import utc_now
from revenue_engine.errors import Refused


def wiring_of(stage: str) -> Wiring:
    """The wiring of a deployed stage. Raises Refused when there is none in this account and region."""
    name = names.environment_parameter(stage)
    try:
        text = client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        raise Refused("stage_unknown", f"no parameter {name} in this account and region") from None
    environment: dict[str, str] = json.loads(text)
    return Wiring(tuple(sorted(environment.items())))


@dataclass
class Connection:
    """What every command gets: the org, and the stack's wiring made on first use."""

    org: str
    stage: str
    endpoint_url: str | None = None
    now: Callable[[], datetime] = field(default=utc_now)

    @cached_property
    def wiring(self) -> Wiring:
        """Raises Refused, or botocore's own errors when AWS cannot be reached."""
        if self.endpoint_url:
            os.environ["AWS_ENDPOINT_URL"] = self.endpoint_url
        # Functions have it from Lambda; metrics of what the command line does carry it too.
        os.environ.setdefault(names.STAGE, self.stage)
        return wiring_of(self.stage)
