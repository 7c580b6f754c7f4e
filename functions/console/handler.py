"""What operators read and command over the console API."""

from __future__ import annotations

from typing import Any

from revenue_engine.aws import observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.console import answer
from revenue_engine.services.http import request_of


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return answer(wiring.current(), request_of(event), now=utc_now()).as_event()
