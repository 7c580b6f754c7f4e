"""The one-minute judge, and the breaker's probe."""

from __future__ import annotations

from typing import Any

from revenue_engine.aws import observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.judge import judge, probe


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    act = probe if event["action"] == "probe" else judge
    return act(wiring.current(), org=event["org"], now=utc_now())
