"""Runs state machines on simulated time: an execution sleeps at a Wait, or before a retry, until the clock has passed it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError

from workbench.local.backend import BackendError, Wire, body_of, own_client, response
from workbench.local.clock import SimulatedClock
from workbench.local.deployment import Deployment, StateMachine
from workbench.local.executor import Executor
from workbench.local.permissions import Permissions
from workbench.local.states_language import StatesError, check, choose, fill, read, task, write

_MOST_STEPS = 25_000  # AWS's limit of history events


@dataclass
class Execution:
    """One run of a machine; `wake_at` is when it goes on, None when it has ended."""

    arn: str
    name: str
    machine: StateMachine
    input: Any
    started_at: datetime
    state: str
    data: Any
    wake_at: datetime | None
    status: str = "RUNNING"
    error: str | None = None
    cause: str | None = None
    entered_at: datetime | None = None  # of the state it is in; None before it is entered
    waited: bool = False
    attempts: dict[int, int] = field(default_factory=dict)  # by retrier, within the state
    history: list[tuple[datetime, str]] = field(default_factory=list)


class StateMachines:
    """All machines of a deployment. Answers `StartExecution`; every other call of the service is refused loudly."""

    def __init__(
        self, deployment: Deployment, executor: Executor, permissions: Permissions, wire: Wire, clock: SimulatedClock
    ) -> None:
        self.executions: list[Execution] = []
        self._machines = {machine.arn: machine for machine in deployment.state_machines}
        for machine in deployment.state_machines:
            check(machine.name, machine.definition)
        self._executor = executor
        self._permissions = permissions
        self._clock = clock
        clients: Any = {name: own_client(name) for name in ("dynamodb", "ssm", "sns")}
        self._tasks: Mapping[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
            "dynamodb:updateItem": ("DynamoDB", lambda parameters: clients["dynamodb"].update_item(**parameters)),
            "aws-sdk:ssm:putParameter": ("Ssm", lambda parameters: clients["ssm"].put_parameter(**parameters)),
            "sns:publish": ("SNS", lambda parameters: clients["sns"].publish(**parameters)),
            "lambda:invoke": ("Lambda", self._invoke),
        }
        wire.respond("sfn", self._refuse)
        wire.respond("sfn.StartExecution", self._start)

    def next_due(self) -> datetime | None:
        """When the next execution goes on."""
        return min((each.wake_at for each in self.executions if each.wake_at is not None), default=None)

    def run_due(self) -> int:
        """Run every execution whose time has come, each until it waits or ends; their number."""
        due = [each for each in self.executions if each.wake_at is not None and each.wake_at <= self._clock.now()]
        for execution in due:
            execution.wake_at = None
            for _ in range(_MOST_STEPS):
                if execution.wake_at is not None or execution.status != "RUNNING":
                    break
                self._step(execution)
            else:
                _end(execution, "FAILED", "States.Runtime", f"more than {_MOST_STEPS} steps without waiting")
        return len(due)

    def _start(self, request: AWSPreparedRequest) -> AWSResponse:
        asked = json.loads(body_of(request))
        machine = self._machines.get(asked["stateMachineArn"])
        if machine is None:
            return _error(request, "StateMachineDoesNotExist", asked["stateMachineArn"])
        try:
            data = json.loads(asked.get("input", "{}"))
        except ValueError as error:
            return _error(request, "InvalidExecutionInput", str(error))
        now = self._clock.now()
        name = asked.get("name") or f"local-{len(self.executions) + 1:08d}"
        arn = f"{machine.arn.replace(':stateMachine:', ':execution:')}:{name}"
        known = next((each for each in self.executions if each.arn == arn), None)
        if known is not None and (known.status != "RUNNING" or known.input != data):
            return _error(request, "ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
        if known is None:
            known = Execution(arn, name, machine, data, now, machine.definition["StartAt"], data, now)
            self.executions.append(known)
        answer = {"executionArn": arn, "startDate": known.started_at.timestamp()}
        return response(request, 200, {"content-type": "application/x-amz-json-1.0"}, json.dumps(answer).encode())

    def _refuse(self, request: AWSPreparedRequest) -> AWSResponse:
        target = request.headers.get("X-Amz-Target", b"")
        name = target.decode() if isinstance(target, bytes) else target
        raise BackendError(f"the local plane has only StartExecution of Step Functions, not {name}")

    def _step(self, execution: Execution) -> None:
        state = execution.machine.definition["States"][execution.state]
        if execution.entered_at is None:
            execution.entered_at = self._clock.now()
            execution.history.append((execution.entered_at, execution.state))
        context = _context(execution)
        try:
            match state["Type"]:
                case "Task":
                    self._task(execution, state, context)
                case "Wait":
                    self._wait(execution, state, context)
                case "Choice":
                    _choice(execution, state, context)
                case "Pass":
                    result = fill(state["Parameters"], execution.data, context) if "Parameters" in state else execution.data
                    execution.data = write(state.get("ResultPath", "$"), execution.data, state.get("Result", result))
                    _go_on(execution, state)
                case "Succeed":
                    _end(execution, "SUCCEEDED")
                case "Fail":
                    _end(execution, "FAILED", state.get("Error"), state.get("Cause"))
        except StatesError as error:
            self._failed(execution, state, error)

    def _task(self, execution: Execution, state: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        name = task(state["Resource"])
        service, call = self._tasks[name]
        parameters = fill(state.get("Parameters", {}), execution.data, context)
        *_, called, operation = name.split(":")
        try:
            self._permissions.demand(execution.machine.role, called, operation[0].upper() + operation[1:], parameters)
            answer = call(parameters)
        except ClientError as error:
            raise StatesError(f"{service}.{_exception(error)}", str(error)) from error
        result = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        if "ResultSelector" in state:
            result = fill(state["ResultSelector"], result, context)
        execution.data = write(state.get("ResultPath", "$"), execution.data, result)
        _go_on(execution, state)

    def _invoke(self, parameters: dict[str, Any]) -> Any:
        result = self._executor.invoke(parameters["FunctionName"], parameters.get("Payload", {}))
        if result.error is not None:
            raise StatesError(result.error["errorType"], json.dumps(result.error))
        return {"ExecutedVersion": "$LATEST", "Payload": result.value, "StatusCode": 200}

    def _wait(self, execution: Execution, state: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        if execution.waited:
            _go_on(execution, state)
            return
        try:
            seconds = state["Seconds"] if "Seconds" in state else read(state["SecondsPath"], execution.data, context)
        except KeyError as error:
            raise StatesError("States.Runtime", f"the path {error.args[0]} is not in the data") from error
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
            raise StatesError("States.Runtime", f"cannot wait {seconds!r} seconds")
        execution.waited = True
        execution.wake_at = self._clock.now() + timedelta(seconds=seconds)

    def _failed(self, execution: Execution, state: Mapping[str, Any], error: StatesError) -> None:
        """Retry, then catch, then fail; the first retrier that names the error decides, as in AWS."""
        for n, retrier in enumerate(state.get("Retry", [])):
            if _names(retrier, error):
                done = execution.attempts.get(n, 0)
                if done < retrier.get("MaxAttempts", 3):
                    execution.attempts[n] = done + 1
                    pause = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2) ** done
                    execution.wake_at = self._clock.now() + timedelta(seconds=pause)
                    return
                break
        for catcher in state.get("Catch", []):
            if _names(catcher, error):
                output = {"Error": error.error, "Cause": error.cause}
                execution.data = write(catcher.get("ResultPath", "$"), execution.data, output)
                _enter(execution, catcher["Next"])
                return
        _end(execution, "FAILED", error.error, error.cause)


def _names(entry: Mapping[str, Any], error: StatesError) -> bool:
    if error.error == "States.Runtime":  # AWS: States.ALL does not stand for it
        return False
    wanted = entry["ErrorEquals"]
    return "States.ALL" in wanted or error.error in wanted or ("States.TaskFailed" in wanted and error.error != "States.Timeout")


def _choice(execution: Execution, state: Mapping[str, Any], context: Mapping[str, Any]) -> None:
    for rule in state["Choices"]:
        if choose(rule, execution.data, context):
            _enter(execution, rule["Next"])
            return
    if "Default" not in state:
        raise StatesError("States.NoChoiceMatched", f"no choice of {execution.state} matched")
    _enter(execution, state["Default"])


def _go_on(execution: Execution, state: Mapping[str, Any]) -> None:
    if state.get("End"):
        _end(execution, "SUCCEEDED")
    else:
        _enter(execution, state["Next"])


def _enter(execution: Execution, state: str) -> None:
    execution.state, execution.entered_at, execution.waited = state, None, False
    execution.attempts.clear()


def _end(execution: Execution, status: str, error: str | None = None, cause: str | None = None) -> None:
    execution.status, execution.error, execution.cause, execution.wake_at = (status, error, cause, None)


def _context(execution: Execution) -> dict[str, Any]:
    entered = execution.entered_at or execution.started_at
    return {
        "Execution": {
            "Id": execution.arn,
            "Input": execution.input,
            "Name": execution.name,
            "StartTime": _stamp(execution.started_at),
        },
        "State": {"EnteredTime": _stamp(entered), "Name": execution.state},
        "StateMachine": {"Id": execution.machine.arn, "Name": execution.machine.name},
    }


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _exception(error: ClientError) -> str:
    code: str = error.response["Error"]["Code"]
    return code if code.endswith("Exception") else f"{code}Exception"


def _error(request: AWSPreparedRequest, code: str, message: str) -> AWSResponse:
    body = json.dumps({"__type": code, "message": message}).encode()
    return response(request, 400, {"content-type": "application/x-amz-json-1.0"}, body)
