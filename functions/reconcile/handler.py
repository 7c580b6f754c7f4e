"""Once a day: Everflow's own report confirms what the postbacks said."""

from __future__ import annotations

from typing import Any

from revenue_engine.aws import observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.reconcile import reconcile


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return reconcile(wiring.current(), org=event["org"], now=utc_now())
