"""A handler sees what Lambda would show it, and answers what Lambda would answer."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.local.conftest import Document, Functions, Starter
from workbench.local.executor import Executor, FunctionError
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
