"""The cycle: every 15 minutes the due subscribers are decided."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from constructs import Construct

from infra.engine_function import EngineFunction, Layers
from infra.schedule import every
from infra.settings import Settings


class DecisionLoop(Construct):
    """decide, alone: its cycle lease makes a second copy useless, its concurrency of one makes it impossible (D6)."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, layers: Layers) -> None:
        super().__init__(scope, id)
        self.decide = EngineFunction(
            self,
            "Decide",
            name="decide",
            settings=settings,
            layers=[layers.engine, layers.runtime, layers.scoring],
            timeout=Duration.minutes(10),
            memory_mb=2048,
            reserved_concurrency=1,
        )
        # On the quarter, not at any rate: a cycle is named by its quarter of an hour, and a retry must fall into the same one.
        every(self, "Cycle", events.Schedule.cron(minute="0/15"), self.decide, {"org": settings.org})
