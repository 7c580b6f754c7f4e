"""What mailbox providers report, and the one-click opt-out route."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from revenue_engine.aws import observe, wiring
from revenue_engine.clock import utc_now
from revenue_engine.services.engage import engage_message
from revenue_engine.services.http import request_of
from revenue_engine.services.unsubscribe import unsubscribe

processor = observe.sqs_processor()


def engage_one(record: SQSRecord) -> None:
    engage_message(wiring.current(), record.body, now=utc_now())


@observe.logger.inject_lambda_context
def handle(event: dict[str, Any], context: Any) -> Any:
    if "Records" in event:
        return process_partial_response(event=event, record_handler=engage_one, processor=processor, context=context)
    return unsubscribe(wiring.current(), request_of(event), now=utc_now()).as_event()
