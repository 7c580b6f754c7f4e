"""The stack: puts the roles together, and is the only place that grants.

One line per permission. The line that lets a function use a thing also tells the function the thing's name, so that
environment and policy cannot disagree.
"""

from collections.abc import Sequence

from aws_cdk import Aws, CfnOutput, CfnParameter, DefaultStackSynthesizer, Stack, Tags
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.audit_log import OUTCOMES, AuditLog
from infra.console import Console
from infra.decision_loop import DecisionLoop
from infra.engine_function import EngineFunction, Layers
from infra.ingress import Api, Ingress
from infra.learning import Learning
from infra.monitoring import Monitoring
from infra.operators import Operators
from infra.safety_breaker import SafetyBreaker
from infra.sending import Sending
from infra.settings import Settings
from infra.state import State
from infra.thin_layers import refuse_deployment
from revenue_engine.aws import names

# No Scan, and no delete: the ledger is append-only (M2), opt-outs stay (P3), the rest expires or is the operator's to erase.
READ = ("dynamodb:GetItem", "dynamodb:Query")
WRITE = ("dynamodb:PutItem", "dynamodb:UpdateItem")
READ_WRITE = READ + WRITE
INDEXES = {
    names.SUBSCRIBERS_TABLE: (names.DUE_INDEX, names.REVENUE_INDEX),
    names.SENDS_TABLE: (names.SENDS_BY_DAY_INDEX, names.SENDS_BY_STATE_INDEX),
    names.LEDGER_TABLE: (names.LEDGER_BY_DAY_INDEX,),
}
AUTONOMY, CONTROLS = "autonomy", "controls"


class EngineStack(Stack):
    """Everything of one stage."""

    def __init__(self, scope: Construct, id: str, *, stack_name: str, settings: Settings) -> None:
        super().__init__(
            scope,
            id,
            stack_name=stack_name,
            analytics_reporting=False,
            # The bootstrap check would add a parameter that is read from the account: the template stays self-contained.
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        self.settings = settings
        Tags.of(self).add("project", "revenue-engine")
        Tags.of(self).add("stage", settings.stage)

        self.state = State(self, "State", settings=settings)
        AuditLog(self, "AuditLog", settings=settings, bucket=self.state.decisions)
        self.alerts = sns.Topic(self, "Alerts", enforce_ssl=True)
        layers = Layers(self, "Layers", settings=settings)
        self.api = Api(self, "Api")
        self.ingress = Ingress(self, "Ingress", settings=settings, layers=layers, api=self.api)
        self.loop = DecisionLoop(self, "DecisionLoop", settings=settings, layers=layers)
        self.sending = Sending(self, "Sending", settings=settings, layers=layers, api=self.api)
        self.safety = SafetyBreaker(self, "SafetyBreaker", settings=settings, layers=layers, state=self.state, alerts=self.alerts)
        self.learning = Learning(self, "Learning", settings=settings)
        self.console = Console(self, "Console", settings=settings, layers=layers, api=self.api)

        self.tables: dict[str, dynamodb.Table] = {
            names.SUBSCRIBERS_TABLE: self.state.subscribers,
            names.TIMELINE_TABLE: self.state.timeline,
            names.SENDS_TABLE: self.state.sends,
            names.LEDGER_TABLE: self.state.ledger,
            names.OFFERS_TABLE: self.state.offers,
            names.SUPPRESSION_TABLE: self.state.suppression,
            names.CONTROL_TABLE: self.state.control,
        }
        self.buckets: dict[str, s3.Bucket] = {
            names.MODELS_BUCKET: self.state.models,
            names.DECISIONS_BUCKET: self.state.decisions,
            names.POSTBACKS_BUCKET: self.state.postbacks,
        }
        self.queues: dict[str, sqs.Queue] = {
            names.POSTBACKS_QUEUE_URL: self.ingress.queue.queue,
            names.ENGAGEMENT_QUEUE_URL: self.sending.engagement.queue,
            names.SENDS_QUEUE_URL: self.sending.sends.queue,
        }
        self.functions = [
            self.ingress.webhook,
            self.ingress.attribute,
            self.loop.decide,
            self.sending.execute,
            self.safety.safety,
            self.sending.engage,
            self.ingress.reconcile,
            self.learning.train,
            self.console.console,
        ]
        self.everflow_base_url = self._everflow_base_url()
        for function in self.functions:
            function.log_group.grant_write(function.role)
        self._grant_ingress()
        self._grant_decision_loop()
        self._grant_sending()
        self._grant_safety()
        self._grant_learning()
        self._grant_console()
        Operators(
            self,
            "Operators",
            stage=settings.stage,
            environment={
                names.STAGE: settings.stage,
                names.ORG: settings.org,
                names.CONFIGURATION_SET: self.sending.configuration_set.configuration_set_name,
                names.PUBLIC_BASE_URL: self.api.base_url,
                names.EVERFLOW_BASE_URL: self.everflow_base_url,
                names.ALERTS_TOPIC_ARN: self.alerts.topic_arn,
                names.BREAKER_MACHINE_ARN: self.safety.machine_arn,
                **{variable: table.table_name for variable, table in self.tables.items()},
                **{variable: bucket.bucket_name for variable, bucket in self.buckets.items()},
                **{variable: queue.queue_url for variable, queue in self.queues.items()},
            },
        )

        Monitoring(
            self,
            "Monitoring",
            settings=settings,
            alerts=self.alerts,
            queues={
                "Postbacks": self.ingress.queue,
                "Engagement": self.sending.engagement,
                "Sends": self.sending.sends,
            },
            functions=self.functions,
            breaker=self.safety.machine,
        )
        CfnOutput(
            self, "PublicBaseUrl", value=self.api.base_url, description="Origin of postback URLs, unsubscribe links and console"
        )
        if not settings.packaged:
            refuse_deployment(self)

    # --- who may do what ---------------------------------------------------------------------------------------------

    def _grant_ingress(self) -> None:
        webhook, attribute, reconcile = self.ingress.webhook, self.ingress.attribute, self.ingress.reconcile
        self._objects(webhook, names.POSTBACKS_BUCKET, write=True)
        self._send(webhook, names.POSTBACKS_QUEUE_URL)
        self._table(webhook, names.LEDGER_TABLE, WRITE)  # quarantine of wrong tokens ...
        self._table(webhook, names.CONTROL_TABLE, ("dynamodb:UpdateItem",))  # ... under its cap
        self._secrets(webhook, names.WEBHOOK_TOKENS)

        self.ingress.queue.queue.grant_consume_messages(attribute.role)
        for booker in (attribute, reconcile):  # reconcile books through the service of attribute
            self._objects(booker, names.POSTBACKS_BUCKET, read=True)
            for table in (names.LEDGER_TABLE, names.CONTROL_TABLE, names.SENDS_TABLE, names.TIMELINE_TABLE, names.OFFERS_TABLE):
                self._table(booker, table, READ_WRITE)
            self._send(booker, names.ENGAGEMENT_QUEUE_URL)
            self._parameters(booker, CONTROLS)
        self._secrets(attribute, names.TRACKING_KEY)
        self._send(reconcile, names.POSTBACKS_QUEUE_URL)
        self._allow(reconcile, ("s3:DeleteObject",), self.state.postbacks.arn_for_objects("unqueued/*"))
        self._secrets(reconcile, names.TRACKING_KEY, names.EVERFLOW_API_KEY)
        reconcile.function.add_environment(names.EVERFLOW_BASE_URL, self.everflow_base_url)
        # what became of mails goes beside the decisions, which it cannot touch
        self._allow(reconcile, ("s3:PutObject",), self.state.decisions.arn_for_objects(f"{OUTCOMES}/*"))
        reconcile.function.add_environment(names.DECISIONS_BUCKET, self.state.decisions.bucket_name)
        # everybody's arm and status, never a person's item
        self._allow(reconcile, ("dynamodb:Query",), f"{self.state.subscribers.table_arn}/index/{names.LOT_INDEX}")
        reconcile.function.add_environment(names.SUBSCRIBERS_TABLE, self.state.subscribers.table_name)
        # advertisers' lists alone: our own opt-outs lie under other keys, and stay (P3)
        lists = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": f"{self.settings.org}#advertiser#*"}}
        suppression = self.tables[names.SUPPRESSION_TABLE]
        self._allow(
            reconcile,
            ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:BatchWriteItem"),
            suppression.table_arn,
            **lists,
        )
        reconcile.function.add_environment(names.SUPPRESSION_TABLE, suppression.table_name)

    def _grant_decision_loop(self) -> None:
        decide = self.loop.decide
        self._table(decide, names.SUBSCRIBERS_TABLE, (*READ, "dynamodb:UpdateItem"))
        self._table(decide, names.OFFERS_TABLE, READ)
        self._table(decide, names.SUPPRESSION_TABLE, READ)
        self._table(decide, names.CONTROL_TABLE, READ_WRITE)
        self._objects(decide, names.MODELS_BUCKET, read=True)
        self._objects(decide, names.DECISIONS_BUCKET, read=True, write=True)
        self._send(decide, names.SENDS_QUEUE_URL)
        self._table(decide, names.SENDS_TABLE, ("dynamodb:PutItem",))  # what an approval leaves out is dropped by name
        self._parameters(decide, AUTONOMY, CONTROLS)
        self._secrets(decide, names.TRACKING_KEY)  # send ids are derived with it

    def _grant_sending(self) -> None:
        execute, engage = self.sending.execute, self.sending.engage
        self.sending.sends.queue.grant_consume_messages(execute.role)
        self._send(execute, names.SENDS_QUEUE_URL)  # what it ran out of time for
        for table in (names.SUBSCRIBERS_TABLE, names.SENDS_TABLE, names.CONTROL_TABLE):
            self._table(execute, table, READ_WRITE)
        self._table(execute, names.OFFERS_TABLE, READ)
        self._table(execute, names.SUPPRESSION_TABLE, (*READ, "dynamodb:ConditionCheckItem"))  # inside the claim (P1)
        self._parameters(execute, AUTONOMY, CONTROLS)
        self._secrets(execute, names.TRACKING_KEY)
        # the account's verified sender identities are the operator's, not this stack's: hence identity/*
        identities = self._arn("ses", "identity/*")
        own_set = self._arn("ses", f"configuration-set/{self.sending.configuration_set.configuration_set_name}")
        self._allow(execute, ("ses:SendEmail", "ses:SendRawEmail"), identities, own_set)
        self._allow(execute, ("ses:GetAccount",), "*")  # it knows no resource: rate, quota and whether the account may send
        execute.function.add_environment(names.CONFIGURATION_SET, self.sending.configuration_set.configuration_set_name)
        execute.function.add_environment(names.PUBLIC_BASE_URL, self.api.base_url)

        self.sending.engagement.queue.grant_consume_messages(engage.role)
        for table in (
            names.SUBSCRIBERS_TABLE,
            names.TIMELINE_TABLE,
            names.SENDS_TABLE,
            names.OFFERS_TABLE,
            names.SUPPRESSION_TABLE,
            names.CONTROL_TABLE,
        ):
            self._table(engage, table, READ_WRITE)
        self._send(engage, names.POSTBACKS_QUEUE_URL)  # conversions whose credit a late touch changes
        self._secrets(engage, names.TRACKING_KEY)
        self._parameters(engage, CONTROLS)  # the zone whose days it counts in

    def _grant_safety(self) -> None:
        safety, machine = self.safety.safety, self.safety.role
        self._table(safety, names.CONTROL_TABLE, READ_WRITE)
        self._table(safety, names.SENDS_TABLE, (*READ, "dynamodb:UpdateItem"))
        self._parameters(safety, AUTONOMY, CONTROLS)
        self._objects(safety, names.MODELS_BUCKET, read=True)  # the champion's age
        self._allow(safety, ("s3:ListBucket",), self.state.decisions.bucket_arn)  # gaps in the decision log (D1)
        safety.function.add_environment(names.DECISIONS_BUCKET, self.state.decisions.bucket_name)
        for variable, queue in self.queues.items():
            self._allow(safety, ("sqs:GetQueueAttributes",), queue.queue_arn)
            safety.function.add_environment(variable, queue.queue_url)
        self._allow(safety, ("states:StartExecution",), self.safety.machine_arn)
        safety.function.add_environment(names.BREAKER_MACHINE_ARN, self.safety.machine_arn)
        self.alerts.grant_publish(safety.role)
        safety.function.add_environment(names.ALERTS_TOPIC_ARN, self.alerts.topic_arn)

        self._allow(machine, ("dynamodb:UpdateItem",), self.state.control.table_arn)
        self._allow(machine, ("ssm:PutParameter",), self.state.breaker.parameter_arn)
        self._allow(machine, ("lambda:InvokeFunction",), safety.function.function_arn)
        self.alerts.grant_publish(machine)
        self.alerts.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.alerts.topic_arn],
                conditions={"StringEquals": {"AWS:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )

    def _grant_learning(self) -> None:
        train = self.learning.train
        for table in (names.OFFERS_TABLE, names.SENDS_TABLE, names.LEDGER_TABLE):
            self._table(train, table, READ)
        self._objects(train, names.DECISIONS_BUCKET, read=True)
        self._objects(train, names.MODELS_BUCKET, read=True, write=True)
        self._parameters(train, CONTROLS)

    def _grant_console(self) -> None:
        console = self.console.console
        self._table(console, names.CONTROL_TABLE, READ_WRITE)  # approvals
        self._table(console, names.LEDGER_TABLE, READ)  # the quarantine
        # who brought the most: keys and amounts, never a person's item
        self._allow(console, ("dynamodb:Query",), f"{self.state.subscribers.table_arn}/index/{names.REVENUE_INDEX}")
        console.function.add_environment(names.SUBSCRIBERS_TABLE, self.state.subscribers.table_name)
        self._objects(console, names.DECISIONS_BUCKET, read=True)
        self._objects(console, names.MODELS_BUCKET, read=True)
        self._send(console, names.POSTBACKS_QUEUE_URL)
        self._send(console, names.SENDS_QUEUE_URL)
        self._table(console, names.SENDS_TABLE, ("dynamodb:PutItem",))
        self._parameters(console, CONTROLS)
        self._parameters(console, AUTONOMY, write=True)
        self._allow(console, ("ssm:PutParameter",), self.state.breaker.parameter_arn)

    def _everflow_base_url(self) -> str:
        """A parameter: EU accounts live elsewhere, and a local plane has an Everflow of its own."""
        return CfnParameter(
            self,
            "EverflowBaseUrl",
            default=self.settings.everflow_base_url,
            allowed_pattern="https?://.+",
            description="Origin of the Everflow affiliate API: https://api.eflow.team, or https://api-eu.eflow.team",
        ).value_as_string

    # --- one permission each ---------------------------------------------------------------------------------------------

    def _allow(
        self, to: EngineFunction | iam.IRole, actions: Sequence[str], *resources: str, **conditions: dict[str, str]
    ) -> None:
        role = to.role if isinstance(to, EngineFunction) else to
        statement = iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions or None)
        role.add_to_principal_policy(statement)

    def _table(self, function: EngineFunction, variable: str, actions: Sequence[str]) -> None:
        table = self.tables[variable]
        indexes = (
            [f"{table.table_arn}/index/{index}" for index in INDEXES.get(variable, ())] if "dynamodb:Query" in actions else []
        )
        self._allow(function, actions, table.table_arn, *indexes)
        function.function.add_environment(variable, table.table_name)

    def _objects(self, function: EngineFunction, variable: str, *, read: bool = False, write: bool = False) -> None:
        bucket = self.buckets[variable]
        actions = (["s3:GetObject"] if read else []) + (["s3:PutObject"] if write else [])
        self._allow(function, actions, bucket.arn_for_objects("*"))
        if read:  # without it S3 answers "forbidden" where it means "not there"
            self._allow(function, ("s3:ListBucket",), bucket.bucket_arn)
        function.function.add_environment(variable, bucket.bucket_name)

    def _send(self, function: EngineFunction, variable: str) -> None:
        queue = self.queues[variable]
        self._allow(function, ("sqs:SendMessage",), queue.queue_arn)
        function.function.add_environment(variable, queue.queue_url)

    def _parameters(self, function: EngineFunction, *which: str, write: bool = False) -> None:
        known = {AUTONOMY: self.state.autonomy, CONTROLS: self.state.controls}
        actions = ("ssm:GetParameter",) + (("ssm:PutParameter",) if write else ())
        self._allow(function, actions, *(known[name].parameter_arn for name in which))

    def _secrets(self, function: EngineFunction, *which: str) -> None:
        paths = [names.secret_parameter(self.settings.stage, self.settings.org, secret) for secret in which]
        arns = [self._arn("ssm", f"parameter{path}") for path in paths]
        self._allow(function, ("ssm:GetParameter",), *arns)
        self._allow(
            function,
            ("kms:Decrypt",),
            self._arn("kms", "key/*"),  # the id of the key behind the alias is the account's
            StringEquals={"kms:ViaService": f"ssm.{Aws.REGION}.amazonaws.com"},
            **{"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/aws/ssm"}},
        )

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"
