"""What Everflow's API tells: once a day which money it confirms, every six hours the catalogue. What follows: arms compared, outcomes."""

from __future__ import annotations

from typing import Any

from revenue_engine.aws import observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.everflow_api import everflow_of
from revenue_engine.services.export_outcomes import export_outcomes
from revenue_engine.services.lift import look_and_keep
from revenue_engine.services.reconcile import reconcile
from revenue_engine.services.sync_offers import sync_catalogue


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    w, org = wiring.current(), event["org"]
    if event.get("action") == "catalogue":
        with everflow_of(w, org) as everflow:
            remaining = context.get_remaining_time_in_millis
            outcome = sync_catalogue(w, everflow, org=org, now=utc_now(), remaining_millis=remaining)
    elif event.get("action") == "lift":
        outcome = look_and_keep(w, org, now=utc_now())
    elif event.get("action") == "outcomes":
        outcome = export_outcomes(w, org=org, now=utc_now())
    else:
        outcome = reconcile(w, org=org, now=utc_now())
    observe.logger.info("reconcile", extra={"outcome": outcome})
    return outcome
