"""How a command finds the stack: one parameter holds the names of its tables, buckets and queues."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from urllib.parse import urlsplit

import httpx
from botocore.exceptions import ClientError

from revenue_engine.aws import names
from revenue_engine.aws.clients import client
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import utc_now
from revenue_engine.errors import Refused
from workbench.local.backend import ACCOUNT, REGION

# A plane of this machine takes any signature, and has the one account.
_OF_A_LOCAL_PLANE = {
    "AWS_ACCESS_KEY_ID": ACCOUNT,
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


def _is_local(endpoint_url: str) -> bool:
    return urlsplit(endpoint_url).hostname in ("127.0.0.1", "localhost")


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
    clock: Callable[[], datetime] | None = None

    def now(self) -> datetime:
        """The time at the stack: a local plane lives on simulated time, and says so in every answer."""
        if self.clock is not None:
            return self.clock()
        if self.endpoint_url and _is_local(self.endpoint_url):
            return parsedate_to_datetime(httpx.get(self.endpoint_url).headers["date"])
        return utc_now()

    @cached_property
    def wiring(self) -> Wiring:
        """Raises Refused where the stage or the org is not there, or botocore's own errors when AWS cannot be reached."""
        if self.endpoint_url:
            os.environ["AWS_ENDPOINT_URL"] = self.endpoint_url
            if _is_local(self.endpoint_url):
                os.environ.update(_OF_A_LOCAL_PLANE)
        # Functions have it from Lambda; metrics of what the command line does carry it too.
        os.environ.setdefault(names.STAGE, self.stage)
        w = wiring_of(self.stage)
        w.check_org(self.org)
        return w
