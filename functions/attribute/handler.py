"""Queued postback → ledger entry, counters, evidence, outcome."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from revenue_engine.aws import observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.attribute import attribute_message

processor = observe.sqs_processor()


def attribute_one(record: SQSRecord) -> None:
    attribute_message(wiring.current(), record.body, now=utc_now())


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> Any:
    return process_partial_response(event=event, record_handler=attribute_one, processor=processor, context=context)
