"""How the engine learns: a training run every night, and one of lifetime value every week, in a container."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from constructs import Construct

from infra.engine_function import EngineFunction
from infra.schedule import every
from infra.settings import Settings


class Learning(Construct):
    """train: a container image, since what fits models is too big for layers."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings) -> None:
        super().__init__(scope, id)
        self.train = EngineFunction(
            self,
            "Train",
            name="train",
            settings=settings,
            layers=None,
            timeout=Duration.minutes(15),
            memory_mb=3008,  # more is a quota that new accounts lack; enough for some million mails a quarter (see the runbook)
            reserved_concurrency=1,
        )
        nightly = events.Schedule.cron(hour="3", minute="0")
        every(self, "Nightly", nightly, self.train, {"org": settings.org})
        weekly = events.Schedule.cron(week_day="SUN", hour="4", minute="0")  # one run at a time
        every(self, "Weekly", weekly, self.train, {"org": settings.org, "what": "value"})
