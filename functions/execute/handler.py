"""Planned sends → claimed, mailed once, recorded. One SQS record is one minute's sends of one mailbox provider."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from revenue_engine.aws import names, observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.execute import execute_message

processor = observe.sqs_processor()


def execute_one(record: SQSRecord, lambda_context: Any) -> None:
    report = execute_message(
        wiring.current(), record.body, now=utc_now, remaining_millis=lambda_context.get_remaining_time_in_millis
    )
    observe.logger.info("executed", extra={"outcomes": dict(report.outcomes), "requeued": report.requeued})
    if report.outcomes["unknown"]:
        observe.count(names.METRIC_UNKNOWN_SENDS, report.org, report.outcomes["unknown"])


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> Any:
    return process_partial_response(event=event, record_handler=execute_one, processor=processor, context=context)
