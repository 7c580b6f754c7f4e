"""The breaker's state machine: sound as a graph, and failing closed from every step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from revenue_engine.safety.claim import TRICKLE_SECONDS, TRICKLE_STALE_SECONDS
from tests.infra.template import Template, flatten

State = dict[str, Any]
WRITES_STATE = {
    "Open": "open",
    "StayOpen": "open",
    "FailOpen": "open",
    "HalfOpen": "half_open",
    "GoOn": "half_open",
    "Close": "closed",
}
WRITES_STATE |= {"AwaitHuman": "open", "Reopen": "open"}


@pytest.fixture(scope="module")
def machine(golden: Template) -> State:
    (properties,) = golden.of_type("StepFunctions::StateMachine").values()
    definition: State = json.loads(flatten(properties["DefinitionString"]))
    return definition


def _targets(state: State) -> Iterator[str]:
    if "Next" in state:
        yield state["Next"]
    if "Default" in state:
        yield state["Default"]
    for branch in (*state.get("Choices", []), *state.get("Catch", [])):
        yield branch["Next"]


def test_every_target_exists_and_every_state_is_reached_and_has_a_way_on(machine: State) -> None:
    states = machine["States"]
    reached, open_ = set(), [machine["StartAt"]]
    while open_:
        name = open_.pop()
        assert name in states, name
        if name not in reached:
            reached.add(name)
            open_ += _targets(states[name])
    assert reached == set(states)
    for name, state in states.items():
        assert state["Type"] in {"Task", "Choice", "Wait", "Succeed", "Fail"}
        assert state["Type"] in {"Succeed", "Fail"} or list(_targets(state)), name


def test_every_task_retries_catches_and_keeps_its_input(machine: State) -> None:
    for name, state in machine["States"].items():
        if state["Type"] != "Task":
            continue
        assert state["Retry"], name
        assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
        assert all(catch["ResultPath"] == "$.failure" for catch in state["Catch"]), name
        assert "ResultPath" in state, name
        assert state["ResultPath"] in (None, "$.probe"), name
        assert state["TimeoutSeconds"] <= 60


def test_the_choice_is_total_and_its_default_opens_again(machine: State) -> None:
    judge, first = machine["States"]["Judge"], machine["States"]["HumanFirst"]
    assert (judge["Default"], first["Default"]) == ("Reopen", "CoolDown")
    for rule in (*judge["Choices"], *first["Choices"]):
        present, boolean, value = rule["And"]
        assert present["IsPresent"] is True
        assert boolean["IsBoolean"] is True
        assert value["BooleanEquals"] is True
        assert present["Variable"] == boolean["Variable"] == value["Variable"]


def test_a_human_is_asked_for_before_health_is_believed(machine: State) -> None:
    assert [rule["Next"] for rule in machine["States"]["Judge"]["Choices"]] == ["StayOpen", "Close", "GoOn"]
    assert [rule["Next"] for rule in machine["States"]["HumanFirst"]["Choices"]] == ["AwaitHuman"]
    for name in ("AwaitHuman", "StayOpen", "FailOpen"):
        assert machine["States"][name]["Parameters"]["ExpressionAttributeValues"][":human"] == {"BOOL": True}


def test_the_gate_takes_a_trickle_for_dead_only_well_after_the_machine_would_have_moved_on(machine: State) -> None:
    assert machine["States"]["Trickle"]["Seconds"] == TRICKLE_SECONDS < TRICKLE_STALE_SECONDS


def test_a_failing_write_or_probe_leaves_the_breaker_open_and_the_execution_failed(machine: State) -> None:
    states = machine["States"]
    for name in ("Open", "HalfOpen", "Probe", "Close", "StayOpen"):
        assert states[name]["Catch"][-1]["Next"] == "FailOpen", name
    assert states["FailOpen"]["Next"] == "NotifyFailed"
    assert states["NotifyFailed"]["Next"] == "Failed"
    assert states["Failed"]["Type"] == "Fail"


def test_telling_people_never_stops_the_machine(machine: State) -> None:
    told = {n: s for n, s in machine["States"].items() if s.get("Resource", "").endswith(("ssm:putParameter", "sns:publish"))}
    assert len(told) == 8
    for name, state in told.items():
        assert [catch["Next"] for catch in state["Catch"]] == [state["Next"]], name


def test_writes_set_the_state_they_are_named_for_under_the_key_of_the_org(machine: State) -> None:
    for name, expected in WRITES_STATE.items():
        parameters = machine["States"][name]["Parameters"]
        assert parameters["Key"] == {"pk": {"S.$": "$.org"}, "sk": {"S": "breaker"}}
        assert parameters["ExpressionAttributeValues"][":state"] == {"S": expected}
        used = parameters["UpdateExpression"] + parameters.get("ConditionExpression", "")
        assert all(placeholder in used for placeholder in parameters["ExpressionAttributeNames"])
        assert all(placeholder in used for placeholder in parameters["ExpressionAttributeValues"])
        assert "judged_at" not in json.dumps(parameters)


def test_only_the_execution_that_opened_the_breaker_may_move_it_on(machine: State) -> None:
    expected = {
        "HalfOpen": "open",
        "AwaitHuman": "open",
        "GoOn": "half_open",
        "Close": "half_open",
        "Reopen": "half_open",
        "StayOpen": "half_open",
    }
    for name, state in machine["States"].items():
        condition = state.get("Parameters", {}).get("ConditionExpression")
        assert (condition is not None) == (name in expected), name
        if name in expected:
            nobody_needed = " AND (attribute_not_exists(#human) OR #human = :nobody)" if name == "HalfOpen" else ""
            assert condition == "#execution = :execution AND #state = :expected" + nobody_needed
            assert state["Parameters"]["ExpressionAttributeValues"][":expected"] == {"S": expected[name]}
            assert state["Catch"][0]["Next"] == "Superseded"
