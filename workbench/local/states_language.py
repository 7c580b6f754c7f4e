"""Amazon States Language, the part that the breaker's machine uses: checked whole when a machine is loaded.

JSONPath machines of Task, Choice, Wait, Pass, Succeed and Fail. Whatever else a definition holds is an error at load, not at
three in the morning of a simulated night.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

TASKS = ("dynamodb:updateItem", "aws-sdk:ssm:putParameter", "sns:publish", "lambda:invoke")
_COMMON = {"Type", "Comment", "Next", "End"}
_FIELDS = {
    "Task": _COMMON | {"Resource", "Parameters", "ResultSelector", "ResultPath", "TimeoutSeconds", "Retry", "Catch"},
    "Choice": {"Type", "Comment", "Choices", "Default"},
    "Wait": _COMMON | {"Seconds", "SecondsPath"},
    "Pass": _COMMON | {"Result", "Parameters", "ResultPath"},
    "Succeed": {"Type", "Comment"},
    "Fail": {"Type", "Comment", "Error", "Cause"},
}
_RETRY = {"ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate"}
_CATCH = {"ErrorEquals", "ResultPath", "Next"}
_COMPARISONS = {
    "IsPresent",
    "IsBoolean",
    "BooleanEquals",
    "StringEquals",
    "NumericEquals",
    "NumericLessThan",
    "NumericGreaterThanEquals",
}
_PATH = re.compile(r"\${1,2}((\.\w+)|(\[\d+\]))*")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_FORMAT = re.compile(r"States\.Format\('((?:[^'\\]|\\.)*)'((?:\s*,\s*[^,()']+)*)\)")


class DefinitionError(ValueError):
    """The definition holds something that is not supported here; the message names the state and the field."""


class StatesError(Exception):
    """A state failed with an error name of the States Language."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


def check(name: str, definition: Mapping[str, Any]) -> None:
    """Raises DefinitionError unless the interpreter can run every state of the machine."""
    if unknown := set(definition) - {"Comment", "StartAt", "States"}:
        raise DefinitionError(f"{name}: unsupported fields {sorted(unknown)}")
    states = definition["States"]
    _target(name, states, definition["StartAt"])
    for state_name, state in states.items():
        _check_state(f"{name}.{state_name}", states, state)


def _check_state(where: str, states: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    kind = state.get("Type")
    if kind not in _FIELDS:
        raise DefinitionError(f"{where}: unsupported Type {kind}")
    if unknown := set(state) - _FIELDS[kind]:
        raise DefinitionError(f"{where}: unsupported fields {sorted(unknown)}")
    if kind in ("Task", "Wait", "Pass"):
        if ("Next" in state) == bool(state.get("End")):
            raise DefinitionError(f"{where}: exactly one of Next and End is needed")
        if "Next" in state:
            _target(where, states, state["Next"])
    if kind == "Task":
        if task(state["Resource"]) not in TASKS:
            raise DefinitionError(f"{where}: unsupported Resource {state['Resource']}")
        for retrier in state.get("Retry", []):
            _known(f"{where}.Retry", retrier, _RETRY)
        for catcher in state.get("Catch", []):
            _known(f"{where}.Catch", catcher, _CATCH)
            _target(f"{where}.Catch", states, catcher["Next"])
    if kind == "Wait" and ("Seconds" in state) == ("SecondsPath" in state):
        raise DefinitionError(f"{where}: exactly one of Seconds and SecondsPath is needed")
    if kind == "Choice":
        for rule in state["Choices"]:
            _check_rule(where, {key: value for key, value in rule.items() if key != "Next"})
            _target(where, states, rule["Next"])
        if "Default" in state:
            _target(where, states, state["Default"])
    for field in ("Parameters", "ResultSelector"):
        _check_template(f"{where}.{field}", state.get(field))
    for path in (state.get("ResultPath"), state.get("SecondsPath")):
        if path is not None and not _PATH.fullmatch(path):
            raise DefinitionError(f"{where}: unsupported path {path}")


def _check_rule(where: str, rule: Mapping[str, Any]) -> None:
    if len(rule) == 1 and (combined := next(iter(rule))) in ("And", "Or"):
        for part in rule[combined]:
            _check_rule(where, part)
    elif set(rule) == {"Not"}:
        _check_rule(where, rule["Not"])
    elif not ("Variable" in rule and len(rule) == 2 and (set(rule) - {"Variable"}) <= _COMPARISONS):
        raise DefinitionError(f"{where}: unsupported choice {json.dumps(rule)}")


def _check_template(where: str, template: Any) -> None:
    if isinstance(template, list):
        for each in template:
            _check_template(where, each)
    elif isinstance(template, dict):
        for key, value in template.items():
            if not key.endswith(".$"):
                _check_template(where, value)
            elif not (_PATH.fullmatch(value) or _FORMAT.fullmatch(value)):
                raise DefinitionError(f"{where}: unsupported expression {value}")


def _known(where: str, entry: Mapping[str, Any], fields: set[str]) -> None:
    if unknown := set(entry) - fields:
        raise DefinitionError(f"{where}: unsupported fields {sorted(unknown)}")


def _target(where: str, states: Mapping[str, Any], target: str) -> None:
    if target not in states:
        raise DefinitionError(f"{where}: there is no state {target}")


def task(resource: str) -> str:
    """`lambda:invoke` of `arn:aws:states:::lambda:invoke`."""
    return resource.partition(":states:::")[2]


def read(path: str, data: Any, context: Any) -> Any:
    """The value at a reference path of the data, or of the context object for `$$`. Raises KeyError."""
    value = context if path.startswith("$$") else data
    for key, index in _STEP.findall(path):
        try:
            value = value[int(index)] if index else value[key]
        except (KeyError, IndexError, TypeError) as error:
            raise KeyError(path) from error
    return value


def write(path: str | None, data: Any, result: Any) -> Any:
    """The data with the result at a path: None discards the result, `$` replaces the data."""
    if path is None:
        return data
    keys = [key for key, _ in _STEP.findall(path)]
    if not keys:
        return result
    copy = json.loads(json.dumps(data))
    parent = copy
    for key in keys[:-1]:
        parent = parent.setdefault(key, {})
    parent[keys[-1]] = result
    return copy


def fill(template: Any, data: Any, context: Any) -> Any:
    """A payload template with its `.$` fields evaluated. Raises StatesError (States.ParameterPathFailure)."""
    if isinstance(template, list):
        return [fill(each, data, context) for each in template]
    if not isinstance(template, dict):
        return template
    filled: dict[str, Any] = {}
    for key, value in template.items():
        if key.endswith(".$"):
            filled[key[:-2]] = _evaluate(value, data, context)
        else:
            filled[key] = fill(value, data, context)
    return filled


def _evaluate(expression: str, data: Any, context: Any) -> Any:
    try:
        if match := _FORMAT.fullmatch(expression):
            arguments = [read(part.strip(), data, context) for part in match[2].split(",")[1:]]
            texts = [each if isinstance(each, str) else json.dumps(each) for each in arguments]
            pieces = match[1].split("{}")
            if len(pieces) != len(texts) + 1:
                raise StatesError("States.IntrinsicFailure", f"{expression}: {len(texts)} values for {len(pieces) - 1} places")
            return "".join(piece + text for piece, text in zip(pieces, [*texts, ""], strict=True))
        return read(expression, data, context)
    except KeyError as error:
        raise StatesError("States.ParameterPathFailure", f"the path {error.args[0]} is not in the data") from error


def choose(rule: Mapping[str, Any], data: Any, context: Any) -> bool:
    """Whether a choice rule holds. Raises StatesError (States.Runtime) for a missing variable, as AWS does."""
    if "And" in rule:
        return all(choose(each, data, context) for each in rule["And"])
    if "Or" in rule:
        return any(choose(each, data, context) for each in rule["Or"])
    if "Not" in rule:
        return not choose(rule["Not"], data, context)
    operator = next(key for key in rule if key in _COMPARISONS)
    wanted = rule[operator]
    try:
        value = read(rule["Variable"], data, context)
    except KeyError:
        if operator == "IsPresent":
            return not wanted
        raise StatesError("States.Runtime", f"the variable {rule['Variable']} is not in the data") from None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match operator:
        case "IsPresent":
            return bool(wanted)
        case "IsBoolean":
            return isinstance(value, bool) is bool(wanted)
        case "BooleanEquals":
            return value is wanted
        case "StringEquals":
            return isinstance(value, str) and value == wanted
        case "NumericEquals":
            return number and value == wanted
        case "NumericLessThan":
            return number and value < wanted
        case _:
            return bool(number and value >= wanted)
