"""Alarms. Each goes to the alerts topic, and says in its description what it means."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra.engine_function import EngineFunction
from infra.queues import EngineQueue
from infra.settings import Settings
from revenue_engine.aws import names

SILENT_FEED_HOURS = 6
SILENT_FEED_CLICKS = 200  # human clicks that should have brought a postback: at 1 % conversion, silence has p = 0.13
CYCLE_MINUTES = 15
CYCLES_MISSED = 3
QUEUE_AGE_MINUTES = 30  # sends may lawfully wait 15 minutes
TREAT_MISSING = cloudwatch.TreatMissingData


class Monitoring(Construct):
    """Alarms on the engine's own metrics, queues, functions and breaker."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Settings,
        alerts: sns.ITopic,
        queues: Mapping[str, EngineQueue],
        functions: list[EngineFunction],
        breaker: stepfunctions.StateMachine,
    ) -> None:
        super().__init__(scope, id)
        self._action = actions.SnsAction(alerts)
        self._settings = settings
        for name, queue in queues.items():
            self._queue_alarms(name, queue)
        for function in functions:
            self._alarm(
                f"{function.name.capitalize()}Errors",
                function.function.metric_errors(period=Duration.minutes(5), statistic="Sum"),
                f"{function.name} ended with an error",
            )
        for outcome, metric in (("Failed", breaker.metric_failed()), ("TimedOut", breaker.metric_timed_out())):
            self._alarm(
                f"Breaker{outcome}",
                metric.with_(period=Duration.minutes(5), statistic="Sum"),
                "the breaker's machine failed: sending stays stopped until a human closes the breaker",
            )
        self._engine_alarms()

    def _queue_alarms(self, name: str, queue: EngineQueue) -> None:
        self._alarm(
            f"{name}DeadLetters",
            queue.dead_letters.metric_approximate_number_of_messages_visible(period=Duration.minutes(1), statistic="Maximum"),
            f"messages of queue {name} failed five times: see the runbook, replay from the dead-letter queue",
        )
        self._alarm(
            f"{name}Age",
            queue.queue.metric_approximate_age_of_oldest_message(period=Duration.minutes(5), statistic="Maximum"),
            f"the oldest message of queue {name} waits too long (seconds): its consumer fails or cannot keep up",
            threshold=QUEUE_AGE_MINUTES * 60,
        )

    def _engine_alarms(self) -> None:
        hours = Duration.hours(SILENT_FEED_HOURS)
        silence = cloudwatch.MathExpression(
            expression=f"IF(FILL(clicks, 0) > {SILENT_FEED_CLICKS} AND FILL(postbacks, 0) == 0, 1, 0)",
            using_metrics={
                "clicks": self._metric(names.METRIC_HUMAN_CLICKS, hours),
                "postbacks": self._metric(names.METRIC_POSTBACKS_TAKEN, hours),
            },
            period=hours,
            label="clicks without any postback",
        )
        self._alarm(
            "PostbackFeedSilent", silence, "people click but no postback arrives: Everflow may have switched the feed off"
        )
        self._alarm(
            "CycleMissing",
            self._metric(names.METRIC_CYCLE_COMPLETED, Duration.minutes(CYCLE_MINUTES)),
            f"no decision cycle completed in {CYCLE_MINUTES * CYCLES_MISSED} minutes",
            operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            periods=CYCLES_MISSED,
            missing=TREAT_MISSING.BREACHING,
        )
        self._alarm(
            "CycleRefused",
            self._metric(names.METRIC_CYCLE_REFUSED, Duration.minutes(5)),
            "a cycle refused to decide (D5: no bundle, wrong schema, unreadable controls or stale breaker)",
        )
        self._alarm(
            "UnknownSends",
            self._metric(names.METRIC_UNKNOWN_SENDS, Duration.minutes(5)),
            "sends whose outcome nobody knows (P2): they are never mailed again, but should be understood",
        )
        self._alarm(
            "CausesStopped",
            self._metric(names.METRIC_CAUSES_STOPPED, Duration.minutes(5)),
            "the judge has stopped an offer, variant, segment or provider: `revenue-engine stops list` says why",
        )
        self._alarm(
            "Anomalies",
            self._metric(names.METRIC_ANOMALIES, Duration.minutes(15)),
            "conversions, or an offer's day, look wrong: `revenue-engine anomalies list` shows why, and what is held from learning",
        )
        self._alarm(
            "FxRateMissing",
            self._metric(names.METRIC_FX_RATE_MISSING, Duration.minutes(15)),
            "money was booked in a currency without a rate in the controls: it is in no sum until the rate is set",
        )
        self._alarm(
            "OffersNotUnderstood",
            self._metric(names.METRIC_OFFERS_NOT_UNDERSTOOD, Duration.hours(6)),
            "the catalogue's sync has stopped offers it could not understand: `revenue-engine sync show` names them",
        )
        self._alarm(
            "SuppressionFilesRefused",
            self._metric(names.METRIC_SUPPRESSION_FILES_REFUSED, Duration.hours(6)),
            "an advertiser's opt-out file could not be taken in (P1): when his list is too old, nobody is mailed his offers",
        )
        self._alarm(
            "ReversalsHeld",
            self._metric(names.METRIC_REVERSALS_HELD, Duration.hours(1)),
            "Everflow's report lacks suspiciously many conversions: none is taken back until a person confirms (see the runbook)",
        )
        self._alarm(
            "ProvisionalGivenUp",
            self._metric(names.METRIC_PROVISIONAL_GIVEN_UP, Duration.hours(1)),
            "postbacks' money that no report ever confirmed was given up (M4): ask the network why",
        )
        self._alarm(
            "ModelDrift",
            self._metric(names.METRIC_MODEL_DRIFT, Duration.hours(6)),
            "the champion's predictions have shifted, or are no more what happens: `revenue-engine status` shows which (see the runbook)",
        )
        self._alarm(
            "PostbacksQuarantined",
            self._metric(names.METRIC_QUARANTINED, Duration.minutes(15)),
            "postbacks wait in the quarantine (M3): list and replay them",
        )

    def _metric(self, name: str, period: Duration) -> cloudwatch.Metric:
        """Sum of an engine metric, which is emitted with exactly these two dimensions."""
        return cloudwatch.Metric(
            namespace=names.METRICS_NAMESPACE,
            metric_name=name,
            dimensions_map={"org": self._settings.org, "stage": self._settings.stage},
            period=period,
            statistic="Sum",
        )

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        description: str,
        *,
        threshold: int = 1,
        operator: cloudwatch.ComparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        periods: int = 1,
        missing: cloudwatch.TreatMissingData = TREAT_MISSING.NOT_BREACHING,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            alarm_description=description,
            threshold=threshold,
            comparison_operator=operator,
            evaluation_periods=periods,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(self._action)
