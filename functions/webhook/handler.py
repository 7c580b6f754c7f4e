"""Everflow postback → stored raw, queued, answered 2xx."""

from __future__ import annotations

from typing import Any

from revenue_engine.aws import observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.http import request_of
from revenue_engine.services.take_postback import take_postback


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return take_postback(wiring.current(), request_of(event), now=utc_now()).as_event()
