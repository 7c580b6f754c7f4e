"""A schedule with a constant input."""

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.engine_function import EngineFunction


def every(scope: Construct, id: str, schedule: events.Schedule, target: EngineFunction, body: dict[str, str]) -> None:
    """Call `target` with `body` on `schedule` (UTC)."""
    event = events.RuleTargetInput.from_object(body)
    events.Rule(scope, id, schedule=schedule, targets=[targets.LambdaFunction(target.function, event=event)])
