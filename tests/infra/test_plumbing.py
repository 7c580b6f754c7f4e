"""Queues, mappings, schedules, topics, logs and alarms."""

from __future__ import annotations

import json
import re
from typing import Any

from revenue_engine.aws import names
from tests.infra.template import Template, as_list, flatten, referred

RATE = re.compile(r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)")
CRON_FIELDS = (  # minutes hours day-of-month month day-of-week year: the forms that we use
    re.compile(r"\*|[0-5]?\d(/\d\d?)?"),
    re.compile(r"\*|1?\d|2[0-3]"),
    re.compile(r"\*|\?|[12]?\d|3[01]"),
    re.compile(r"\*"),
    re.compile(r"\*|\?|SUN|MON|TUE|WED|THU|FRI|SAT"),
    re.compile(r"\*"),
)


def _queues(template: Template) -> tuple[dict[str, Any], set[str]]:
    """Queues with a redrive policy, and logical ids of the dead-letter queues."""
    queues = template.of_type("SQS::Queue")
    working = {id_: p for id_, p in queues.items() if "RedrivePolicy" in p}
    return working, set(queues) - set(working)


def test_every_queue_is_encrypted_patient_and_has_its_own_dead_letter_queue(golden: Template) -> None:
    working, dead = _queues(golden)
    assert len(working) == 3
    assert {referred(p["RedrivePolicy"]["deadLetterTargetArn"]) for p in working.values()} == dead
    assert {p["RedrivePolicy"]["maxReceiveCount"] for p in working.values()} == {5}
    for queue in golden.of_type("SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_every_queue_feeds_one_function_with_partial_batches_and_enough_visibility(golden: Template) -> None:
    working, _ = _queues(golden)
    functions = {id_: (name, properties) for name, (id_, properties) in golden.functions().items()}
    fed = {}
    for mapping in golden.of_type("Lambda::EventSourceMapping").values():
        queue = referred(mapping["EventSourceArn"])
        name, function = functions[referred(mapping["FunctionName"])]
        fed[queue] = (name, mapping["BatchSize"])
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert working[queue]["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert set(fed) == set(working)
    assert set(fed.values()) == {("attribute", 10), ("engage", 10), ("execute", 1)}


def test_every_dead_letter_queue_has_an_alarm_at_the_first_message(golden: Template) -> None:
    _, dead = _queues(golden)
    watched = set()
    for alarm in golden.of_type("CloudWatch::Alarm").values():
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible":
            assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
            watched |= {referred(d["Value"]) for d in alarm["Dimensions"]}
    assert watched == dead


def test_every_alarm_tells_somebody_what_it_means(golden: Template) -> None:
    for id_, alarm in golden.of_type("CloudWatch::Alarm").items():
        assert [referred(action) for action in alarm["AlarmActions"]] == ["Alerts91F83244"], id_
        assert len(alarm["AlarmDescription"]) > 15, id_


def test_every_function_has_an_error_alarm_and_a_log_group_that_forgets(golden: Template) -> None:
    groups = golden.of_type("Logs::LogGroup")
    watched = {
        referred(alarm["Dimensions"][0]["Value"])
        for alarm in golden.of_type("CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "Errors"
    }
    for name, (id_, function) in golden.functions().items():
        assert id_ in watched, name
        logging = function["LoggingConfig"]
        assert logging["LogFormat"] == "JSON"
        assert groups[logging["LogGroup"]["Ref"]]["LogGroupName"] == f"/aws/lambda/{function['FunctionName']}"
        assert function["TracingConfig"] == {"Mode": "Active"}
    assert all(group["RetentionInDays"] == 90 for group in groups.values())


def test_the_engines_own_alarms_watch_its_own_metrics(golden: Template) -> None:
    dimensions = [{"Name": "org", "Value": "main"}, {"Name": "stage", "Value": "dev"}]
    metrics: set[str] = set()
    for alarm in golden.of_type("CloudWatch::Alarm").values():
        for metric in [alarm, *(query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query)]:
            if metric.get("Namespace") == names.METRICS_NAMESPACE:
                assert metric["Dimensions"] == dimensions
                metrics.add(metric["MetricName"])
    assert metrics == {value for key, value in vars(names).items() if key.startswith("METRIC_")}


def test_a_missing_cycle_alarms_also_when_nothing_at_all_is_reported(golden: Template) -> None:
    (alarm,) = (a for a in golden.of_type("CloudWatch::Alarm").values() if a.get("MetricName") == names.METRIC_CYCLE_COMPLETED)
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 45 * 60


def test_schedules_are_those_of_the_design_and_well_formed(golden: Template) -> None:
    functions = {id_: name for name, (id_, _) in golden.functions().items()}
    schedules: dict[str, list[tuple[str, Any]]] = {}
    for rule in golden.of_type("Events::Rule").values():
        (target,) = rule["Targets"]
        expression = rule["ScheduleExpression"]
        assert _well_formed(expression), expression
        schedules.setdefault(functions[referred(target["Arn"])], []).append((expression, json.loads(target["Input"])))
    assert {name: sorted(rules, key=str) for name, rules in schedules.items()} == {
        "decide": [("cron(0/15 * * * ? *)", {"org": "main"})],
        "safety": [("rate(1 minute)", {"org": "main", "action": "judge"})],
        "reconcile": [
            ("cron(15 23 * * ? *)", {"org": "main"}),
            ("cron(45 0 * * ? *)", {"org": "main", "action": "outcomes"}),
            ("cron(45 23 * * ? *)", {"org": "main", "action": "lift"}),
            ("rate(6 hours)", {"org": "main", "action": "catalogue"}),
        ],
        "train": [("cron(0 3 * * ? *)", {"org": "main"}), ("cron(0 4 ? * SUN *)", {"org": "main", "what": "value"})],
    }


def test_malformed_schedules_would_be_noticed() -> None:
    wrong = (
        "rate(1 minutes)",
        "rate(15 minute)",
        "rate(0 minutes)",
        "cron(15 24 * * ? *)",
        "cron(15 23 * * * *)",
        "cron(15 23 * *)",
    )
    assert not [expression for expression in wrong if _well_formed(expression)]


def test_each_scheduled_or_routed_function_may_be_called_by_its_caller_only(golden: Template) -> None:
    callers: dict[str, set[str]] = {}
    functions = {id_: name for name, (id_, _) in golden.functions().items()}
    for permission in golden.of_type("Lambda::Permission").values():
        assert "SourceArn" in permission
        callers.setdefault(functions[referred(permission["FunctionName"])], set()).add(permission["Principal"])
    events, api = {"events.amazonaws.com"}, {"apigateway.amazonaws.com"}
    assert callers == {
        **dict.fromkeys(("decide", "safety", "reconcile", "train"), events),
        **dict.fromkeys(("webhook", "engage", "console"), api),
    }


def test_what_must_not_run_twice_at_once_cannot(golden: Template) -> None:
    reserved = {name: p.get("ReservedConcurrentExecutions") for name, (_, p) in golden.functions().items()}
    assert {name for name, count in reserved.items() if count == 1} == {"decide", "safety", "reconcile", "train"}


def test_ses_events_reach_the_engagement_queue_raw(golden: Template) -> None:
    (destination,) = golden.of_type("SES::ConfigurationSetEventDestination").values()
    (subscription,) = golden.of_type("SNS::Subscription").values()
    topic = referred(destination["EventDestination"]["SnsDestination"]["TopicARN"])
    assert referred(subscription["TopicArn"]) == topic
    assert subscription["RawMessageDelivery"] is True
    assert subscription["Protocol"] == "sqs"
    assert "EngagementQueue" in referred(subscription["Endpoint"])
    assert "DeadLetters" in referred(subscription["RedrivePolicy"]["deadLetterTargetArn"])
    assert set(destination["EventDestination"]["MatchingEventTypes"]) == {
        *("send", "reject", "bounce", "complaint", "delivery", "open", "click"),
        *("renderingFailure", "deliveryDelay", "subscription"),
    }


def test_only_this_accounts_ses_may_publish_its_events(golden: Template) -> None:
    (destination,) = golden.of_type("SES::ConfigurationSetEventDestination").values()
    topic = referred(destination["EventDestination"]["SnsDestination"]["TopicARN"])
    policies = [p for p in golden.of_type("SNS::TopicPolicy").values() if referred(p["Topics"][0]) == topic]
    allowed = [s for p in policies for s in p["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    (statement,) = allowed
    assert statement["Principal"] == {"Service": "ses.amazonaws.com"}
    assert statement["Condition"]["StringEquals"]["AWS:SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_the_postback_route_is_not_throttled_and_the_access_log_holds_no_token(golden: Template) -> None:
    (stage,) = golden.of_type("ApiGatewayV2::Stage").values()
    assert "DefaultRouteSettings" not in stage
    assert "RouteSettings" not in stage
    fields = set(json.loads(stage["AccessLogSettings"]["Format"]).values())
    assert "$context.routeKey" in fields
    assert not fields & {"$context.path", "$context.requestOverride.path", "$context.identity.sourceIp"}


def test_unsubscribe_links_start_with_the_origin_of_the_api(golden: Template) -> None:
    _, execute = golden.functions()["execute"]
    origin = execute["Environment"]["Variables"][names.PUBLIC_BASE_URL]
    (api,) = golden.of_type("ApiGatewayV2::Api")
    assert origin == {"Fn::GetAtt": [api, "ApiEndpoint"]}
    assert golden.document["Outputs"]["PublicBaseUrl"]["Value"] == origin


def test_only_ssl_reaches_queues_and_topics(golden: Template) -> None:
    denied = set()
    for kind, target in (("SQS::QueuePolicy", "Queues"), ("SNS::TopicPolicy", "Topics")):
        for policy in golden.of_type(kind).values():
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}:
                    denied |= {flatten(ref) for ref in as_list(policy[target])}
    expected = {f"<{id_}>" for kind in ("SQS::Queue", "SNS::Topic") for id_ in golden.of_type(kind)}
    assert denied == expected


def _well_formed(expression: str) -> bool:
    if RATE.fullmatch(expression):
        return True
    if not (expression.startswith("cron(") and expression.endswith(")")):
        return False
    fields = expression[5:-1].split()
    if len(fields) != len(CRON_FIELDS) or not all(
        pattern.fullmatch(field) for pattern, field in zip(CRON_FIELDS, fields, strict=True)
    ):
        return False
    return (fields[2] == "?") != (fields[4] == "?")  # exactly one of the two days is left open
