"""The circuit breaker's state machine as Amazon States Language (JSONPath).

Input: `{"org", "stage", "reason", "cool_down_seconds", "human_needed"}`. It opens the breaker, waits, and half-opens it: a trickle of mail
leaves (a share of people by keyed draw, `trickle_share`), until `safety` has seen enough of what it brought to close the breaker or open it
again; while that is undecided, the trickle goes on. When a human is needed, nothing leaves before one has closed the breaker.

D5, fail closed: whatever goes wrong in here ends in `FailOpen`, which leaves the breaker open and the execution failed,
and that has an alarm. Steps that only inform people (parameter, topic) never stop the machine.

The Control item names the execution that opened it. Half-opening and closing demand that name and the expected state, so
an operator who closes by hand, or a newer execution, ends this one (`Superseded`) instead of being overruled by it.
Opening demands nothing: it is always safe. The judge's heartbeat (`judged_at`) is not touched here.
"""

from typing import Any

State = dict[str, Any]

TRICKLE_SECONDS = 1800  # two cycles; half open for much longer, the gate takes the machine for dead (safety/claim.py)
RETRY = [
    {"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "MaxAttempts": 0},
    {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 4, "BackoffRate": 2},
]
SUPERSEDED = {"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "ResultPath": "$.failure", "Next": "Superseded"}


def definition(*, partition: str, control_table: str, alerts_topic: str, safety_function: str) -> State:
    """The machine; arguments are a partition, a table's name, a topic's ARN and a function's ARN (tokens, as a rule)."""

    def write(
        state: str,
        following: str,
        *,
        expected: str | None = None,
        reason: str | None = None,
        human: bool | None = None,
        trickle: bool = False,
    ) -> State:
        names = {"#state": "state", "#execution": "execution", "#since": "since"}
        values: State = {
            ":state": {"S": state},
            ":execution": {"S.$": "$$.Execution.Id"},
            ":since": {"S.$": "$$.State.EnteredTime"},
        }
        update = "SET #state = :state, #execution = :execution, #since = :since"
        if reason is not None:
            names["#reason"] = "reason"
            values[":reason"] = {"S.$": reason}
            update += ", #reason = :reason"
        if trickle:  # plans of cycles from here on are the trickle's, also when it goes on
            names["#trickle"] = "trickle_since"
            update += ", #trickle = :since"
        if human is not None:
            names["#human"] = "human_needed"
            values[":human"] = {"BOOL": human}
            update += ", #human = :human"
        parameters: State = {
            "TableName": control_table,
            "Key": {"pk": {"S.$": "$.org"}, "sk": {"S": "breaker"}},
            "UpdateExpression": update,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        catch = [_fail_open()]
        if expected is not None:
            values[":expected"] = {"S": expected}
            parameters["ConditionExpression"] = "#execution = :execution AND #state = :expected"
            if trickle:  # complaints that came while it cooled down wait for a person too
                names["#human"], values[":nobody"] = "human_needed", {"BOOL": False}
                parameters["ConditionExpression"] += " AND (attribute_not_exists(#human) OR #human = :nobody)"
            catch.insert(0, SUPERSEDED)
        return _task(f"arn:{partition}:states:::dynamodb:updateItem", parameters, following, catch)

    def tell(value: str, following: str) -> State:
        parameters = {
            "Name.$": "States.Format('/revenue-engine/{}/{}/breaker', $.stage, $.org)",
            "Value": value,
            "Type": "String",
            "Overwrite": True,
        }
        return _task(f"arn:{partition}:states:::aws-sdk:ssm:putParameter", parameters, following, [_go_on(following)])

    def notify(subject: str, following: str) -> State:
        parameters = {
            "TopicArn": alerts_topic,
            "Subject": subject,
            "Message.$": "States.Format('{}: org {}, stage {}, reason {}', $$.State.Name, $.org, $.stage, $.reason)",
        }
        return _task(f"arn:{partition}:states:::sns:publish", parameters, following, [_go_on(following)])

    probe = _task(
        f"arn:{partition}:states:::lambda:invoke",
        {"FunctionName": safety_function, "Payload": {"org.$": "$.org", "action": "probe"}},
        "Judge",
        [_fail_open()],
    )
    probe["ResultSelector"] = {"answer.$": "$.Payload"}
    probe["ResultPath"] = "$.probe"

    fail_open = write("open", "NotifyFailed", reason="$.reason", human=True)
    fail_open["Catch"] = [_go_on("NotifyFailed")]
    return {
        "Comment": "Circuit breaker: open, cool down, half open, probe, close",
        "StartAt": "Open",
        "States": {
            "Open": write("open", "TellOpen", reason="$.reason"),
            "TellOpen": tell("open", "NotifyOpened"),
            "NotifyOpened": notify("Revenue engine: breaker open", "HumanFirst"),
            "HumanFirst": {
                "Type": "Choice",
                "Choices": [{"And": _is_true("$.human_needed"), "Next": "AwaitHuman"}],
                "Default": "CoolDown",
            },
            "AwaitHuman": write("open", "TellStaysOpen", expected="open", reason="$.reason", human=True),
            "CoolDown": {"Type": "Wait", "SecondsPath": "$.cool_down_seconds", "Next": "HalfOpen"},
            "HalfOpen": write("half_open", "TellHalfOpen", expected="open", trickle=True),
            "TellHalfOpen": tell("half_open", "Trickle"),
            "Trickle": {"Type": "Wait", "Seconds": TRICKLE_SECONDS, "Next": "Probe"},
            "Probe": probe,
            "Judge": {
                "Type": "Choice",
                "Choices": [
                    {"And": _is_true("$.probe.answer.human_needed"), "Next": "StayOpen"},
                    {"And": _is_true("$.probe.answer.healthy"), "Next": "Close"},
                    {"And": _is_true("$.probe.answer.undecided"), "Next": "GoOn"},
                ],
                "Default": "Reopen",
            },
            "GoOn": write("half_open", "Trickle", expected="half_open"),
            "Reopen": write("open", "TellOpen", expected="half_open", reason="$.reason"),
            "Close": write("closed", "TellClosed", expected="half_open", human=False),
            "TellClosed": tell("closed", "NotifyClosed"),
            "NotifyClosed": notify("Revenue engine: breaker closed", "Closed"),
            "Closed": {"Type": "Succeed"},
            "StayOpen": write("open", "TellStaysOpen", expected="half_open", reason="$.reason", human=True),
            "TellStaysOpen": tell("open", "NotifyHumanNeeded"),
            "NotifyHumanNeeded": notify("Revenue engine: breaker stays open until a human closes it", "HumanNeeded"),
            "HumanNeeded": {"Type": "Succeed"},
            "Superseded": {"Type": "Succeed"},
            "FailOpen": fail_open,
            "NotifyFailed": notify("Revenue engine: breaker machine failed, breaker left open", "Failed"),
            "Failed": {
                "Type": "Fail",
                "Error": "BreakerFailed",
                "Cause": "a step of the breaker failed; see $.failure in the log",
            },
        },
    }


def _task(resource: str, parameters: State, following: str, catch: list[State]) -> State:
    return {
        "Type": "Task",
        "Resource": resource,
        "Parameters": parameters,
        "ResultPath": None,
        "TimeoutSeconds": 60,
        "Retry": RETRY,
        "Catch": catch,
        "Next": following,
    }


def _fail_open() -> State:
    return {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "FailOpen"}


def _go_on(following: str) -> State:
    return {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": following}


def _is_true(path: str) -> list[State]:
    """A total test: a missing or non-boolean answer is not true, and does not stop the machine."""
    return [
        {"Variable": path, "IsPresent": True},
        {"Variable": path, "IsBoolean": True},
        {"Variable": path, "BooleanEquals": True},
    ]
