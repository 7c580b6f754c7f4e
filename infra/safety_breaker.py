"""The judge of every minute, and the breaker it can open."""

import json

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra.breaker_machine import definition
from infra.engine_function import EngineFunction, Layers
from infra.schedule import every
from infra.settings import Settings
from infra.state import State


class SafetyBreaker(Construct):
    """safety judges and probes; the state machine opens, waits, half-opens and closes."""

    def __init__(
        self, scope: Construct, id: str, *, settings: Settings, layers: Layers, state: State, alerts: sns.ITopic
    ) -> None:
        super().__init__(scope, id)
        self.safety = EngineFunction(
            self,
            "Safety",
            name="safety",
            settings=settings,
            layers=[layers.engine, layers.runtime],
            timeout=Duration.seconds(50),
            memory_mb=512,
            reserved_concurrency=1,
        )
        self.role = iam.Role(self, "MachineRole", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        stack = Stack.of(self)
        # safety starts the machine and the machine calls safety: a fixed name lets one be named without referring to it
        name = f"revenue-engine-{settings.stage}-breaker"
        self.machine_arn = stack.format_arn(
            service="states", resource="stateMachine", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        log_group = logs.LogGroup(
            self,
            "MachineLogs",
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        machine = definition(
            partition=stack.partition,
            control_table=state.control.table_name,
            alerts_topic=alerts.topic_arn,
            safety_function=self.safety.function.function_arn,
        )
        self.machine = stepfunctions.StateMachine(
            self,
            "Machine",
            state_machine_name=name,
            state_machine_type=stepfunctions.StateMachineType.STANDARD,
            # not stack.to_json_string: that drops nulls, and a `ResultPath` of null is what keeps the input
            definition_body=stepfunctions.DefinitionBody.from_string(json.dumps(machine)),
            role=self.role,
            tracing_enabled=True,
            logs=stepfunctions.LogOptions(destination=log_group, level=stepfunctions.LogLevel.ALL, include_execution_data=True),
        )
        body = {"org": settings.org, "action": "judge"}
        every(self, "Minute", events.Schedule.rate(Duration.minutes(1)), self.safety, body)
