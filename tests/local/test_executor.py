"""A handler sees what Lambda would show it, and answers what Lambda would answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest

from tests.local.conftest import Document, Functions, Starter, item
from workbench.local.executor import Executor, FunctionError, Killed, Result
from workbench.local.plane import Plane


def run(plane: Plane, functions: Functions, code: str, event: Any = None) -> Any:
    functions.write("worker", code)
    return plane.executor.invoke("worker", event)


def test_a_function_sees_its_own_environment_and_nothing_of_the_machines_or_of_another(
    plane: Plane, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEFT_OVER", "of the shell")
    before = dict(os.environ)
    functions.write("web", "def handle(event, context):\n    os.environ['ADDED'] = '1'\n    return dict(os.environ)\n")
    functions.write(
        "worker", "AT_IMPORT = os.environ['OWN']\ndef handle(event, context):\n    return [AT_IMPORT, dict(os.environ)]\n"
    )
    web = plane.invoke("web", {})
    at_import, worker = plane.invoke("worker", {})
    assert (web["OWN"], worker["OWN"], at_import) == ("web", "worker", "worker")
    assert "LEFT_OVER" not in worker
    assert "ADDED" not in worker
    assert worker["AWS_LAMBDA_FUNCTION_NAME"] == "Worker"
    assert worker["THINGS_TABLE"] == "Things"
    assert {name: worker[name] for name in plane.environment("worker")} == plane.environment("worker")
    assert dict(os.environ) == before


def test_the_event_and_the_answer_pass_through_json(plane: Plane, functions: Functions) -> None:
    event = {"tuple": (1, 2), "text": "ä"}
    result = run(plane, functions, "def handle(event, context):\n    event['seen'] = True\n    return {1: event}\n", event)
    assert result.value == {"1": {"tuple": [1, 2], "text": "ä", "seen": True}}
    assert event == {"tuple": (1, 2), "text": "ä"}


def test_an_exception_becomes_the_error_object_of_the_python_runtime(plane: Plane, functions: Functions) -> None:
    code = "class Odd(Exception):\n    pass\ndef handle(event, context):\n    raise Odd('field budget: too large')\n"
    result = run(plane, functions, code)
    assert result.value is None
    assert (result.error["errorType"], result.error["errorMessage"]) == ("Odd", "field budget: too large")
    assert "raise Odd" in result.error["stackTrace"][-1]
    assert plane.executor.failures == [result]
    with pytest.raises(FunctionError, match="worker: Odd: field budget"):
        plane.invoke("worker", None)


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        ("def handle(event, context):\n    return {1, 2}\n", "TypeError"),
        ("import no_such_module\ndef handle(event, context):\n    pass\n", "ModuleNotFoundError"),
        ("def other(event, context):\n    pass\n", "AttributeError"),
    ],
)
def test_a_broken_handler_is_an_error_and_not_a_crash(plane: Plane, functions: Functions, code: str, error_type: str) -> None:
    assert run(plane, functions, code).error["errorType"] == error_type


def test_the_context_names_the_invocation_and_counts_down(plane: Plane, functions: Functions) -> None:
    result = run(
        plane,
        functions,
        "def handle(event, context):\n"
        "    left = context.get_remaining_time_in_millis()\n"
        "    return [context.function_name, context.invoked_function_arn, context.aws_request_id, left]\n",
    )
    name, arn, request_id, left = result.value
    assert (name, arn) == ("Worker", "arn:aws:lambda:eu-west-1:123456789012:function:Worker")
    assert len(request_id) == 36
    assert 9_000 < left <= 10_000


def test_a_function_that_takes_longer_than_its_time_out_fails_whatever_it_answers(plane: Plane) -> None:
    ticks = iter([0.0, 10.5])
    result = Executor(plane.deployment, plane.permissions, timer=lambda: next(ticks)).invoke("worker", {})
    assert result.error is not None
    assert result.error["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 10.00 seconds" in result.error["errorMessage"]


def test_a_reserved_concurrency_of_zero_switches_a_function_off(start: Starter, template: Document) -> None:
    template["Resources"]["Worker"]["Properties"]["ReservedConcurrentExecutions"] = 0
    with start(template) as plane:
        result = plane.executor.invoke("worker", {})
        assert result.error is not None
        assert result.error["errorType"] == "TooManyRequestsException"


def test_what_a_function_prints_goes_to_the_planes_log(
    plane: Plane, functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    run(plane, functions, "def handle(event, context):\n    print('hello from', context.function_name)\n")
    assert list(plane.executor.log) == ["hello from Worker"]
    assert capsys.readouterr().out == ""


def test_an_unknown_function_is_named(plane: Plane) -> None:
    with pytest.raises(KeyError, match="nobody"):
        plane.invoke("nobody", {})


def test_a_killed_container_does_nothing_any_more_and_its_invocation_fails(plane: Plane, functions: Functions) -> None:
    code = (
        "def handle(event, context):\n"
        "    things('first')\n"
        "    try:\n        things('second')\n"
        "    except Exception:\n        things('third')\n"
        "    things('fourth')\n"
    )
    calls: list[tuple[str, bool]] = []

    def interrupt(operation: str, request: AWSPreparedRequest, answered: bool) -> None:
        calls.append((operation, answered))
        if len(calls) == 3:  # before the second item
            raise Killed

    plane.wire.interrupt = interrupt
    result = run(plane, functions, code)
    assert result.error is not None
    assert result.error["errorType"] == "Runtime.ExitError"
    assert calls == [("dynamodb.PutItem", False), ("dynamodb.PutItem", True), ("dynamodb.PutItem", False)]
    plane.wire.interrupt = lambda operation, request, answered: None
    assert [item(plane, key) is not None for key in ("first", "second", "third", "fourth")] == [True, False, False, False]


def test_what_stands_around_every_invocation_sees_its_name_and_event(plane: Plane, functions: Functions) -> None:
    seen: list[tuple[str, Any]] = []

    def around(name: str, event: Any, go: Callable[[], Result]) -> Result:
        seen.append((name, event))
        return go()

    plane.executor.around = around
    assert run(plane, functions, "def handle(event, context):\n    return event\n", {"a": 1}).value == {"a": 1}
    assert seen == [("worker", {"a": 1})]
