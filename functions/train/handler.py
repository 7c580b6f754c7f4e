"""Every night the funnel, once a week lifetime value: bundles, and a new champion if one is better."""

from __future__ import annotations

from typing import Any

from revenue_engine.aws import observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.train import train


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return train(wiring.current(), org=event["org"], now=utc_now(), what=event.get("what", "funnel"))
