"""One decision cycle: who is due → scored, chosen, priced → planned sends on the queue."""

from __future__ import annotations

from typing import Any

from revenue_engine.aws import observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.run_cycle import run_cycle


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    remaining = context.get_remaining_time_in_millis
    return run_cycle(wiring.current(), org=event["org"], now=utc_now, remaining_millis=remaining).as_dict()
