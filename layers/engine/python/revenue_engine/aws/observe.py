"""Logs and metrics of every function, made once. The engine logs with the standard library; its lines come out as Powertools' JSON."""

from __future__ import annotations

import logging
import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType

from revenue_engine.aws import names

logger = Logger(service="revenue-engine")
logging.getLogger("revenue_engine")  # it must exist to be given the JSON handler
copy_config_to_registered_loggers(logger, include={"revenue_engine"})


def count(name: str, org: str, value: float = 1) -> None:
    """One metric value with the dimensions the alarms watch: `org` and `stage`."""
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(name=name, unit=MetricUnit.Count, value=value, namespace=names.METRICS_NAMESPACE) as metric:
        metric.add_dimension("org", org)
        metric.add_dimension("stage", os.environ.get(names.STAGE, ""))


class _LoggedBatch(BatchProcessor):
    """Powertools tells nobody why a record failed; an operator must find the cause before the dead-letter queue's alarm."""

    def failure_handler(self, record: Any, exception: Any) -> Any:
        logger.error("record failed", exc_info=exception)
        return super().failure_handler(record, exception)


def sqs_processor() -> BatchProcessor:
    """Partial batch answers: each record that failed comes back alone, and its cause is in the log."""
    return _LoggedBatch(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
