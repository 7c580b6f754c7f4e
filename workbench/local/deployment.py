"""What a template becomes: plain frozen records with physical names, read by every other part of the plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Statement:
    """What a role is allowed, with IAM's wildcards."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True)
class Function:
    """One Lambda function: where its code lies, and exactly the environment that the template gives it."""

    name: str  # the folder's name: `decide`
    physical_name: str
    arn: str
    directory: Path
    module: str  # `handler`
    attribute: str  # `handle`
    role: str  # the name of the role it acts as
    environment: Mapping[str, str]
    timeout_seconds: int
    memory_megabytes: int
    reserved_concurrency: int | None


@dataclass(frozen=True)
class EventSource:
    """A queue whose messages a function takes in batches."""

    queue_arn: str
    queue_url: str
    function_arn: str
    batch_size: int
    partial_failures: bool
    enabled: bool


@dataclass(frozen=True)
class Queue:
    """The times a queue keeps, in seconds."""

    name: str
    arn: str
    url: str
    delay_seconds: int
    visibility_seconds: int


@dataclass(frozen=True)
class Rule:
    """A schedule, and the functions that it starts with a constant JSON document each."""

    name: str
    arn: str
    expression: str
    enabled: bool
    targets: tuple[tuple[str, str], ...]  # (function ARN, constant input)


@dataclass(frozen=True)
class Route:
    """A route of the HTTP API: `method` may be ANY."""

    method: str
    path: str
    function_arn: str
    authorization: str  # NONE or AWS_IAM
    api_id: str


@dataclass(frozen=True)
class Subscription:
    """Where a topic's messages go."""

    topic_arn: str
    protocol: str
    endpoint: str


@dataclass(frozen=True)
class EventDestination:
    """Which events of a configuration set go to which topic."""

    configuration_set: str
    name: str
    event_types: frozenset[str]  # upper case: DELIVERY, BOUNCE
    topic_arn: str
    enabled: bool


@dataclass(frozen=True)
class StateMachine:
    """A state machine with its definition parsed."""

    name: str
    arn: str
    role: str
    definition: Mapping[str, Any]


@dataclass(frozen=True)
class Permission:
    """Who may invoke a function: a service principal, from one source ARN or any."""

    function_arn: str
    principal: str
    source_arn: str | None


@dataclass(frozen=True)
class Deployment:
    """Everything the template made."""

    functions: tuple[Function, ...]
    queues: tuple[Queue, ...]
    event_sources: tuple[EventSource, ...]
    rules: tuple[Rule, ...]
    routes: tuple[Route, ...]
    subscriptions: tuple[Subscription, ...]
    configuration_sets: tuple[str, ...]
    event_destinations: tuple[EventDestination, ...]
    state_machines: tuple[StateMachine, ...]
    permissions: tuple[Permission, ...]
    roles: Mapping[str, tuple[Statement, ...]]
    outputs: Mapping[str, str]

    def function(self, name: str) -> Function:
        """By folder name, physical name or ARN. Raises KeyError."""
        for function in self.functions:
            if name in (function.name, function.physical_name, function.arn):
                return function
        raise KeyError(f"the template has no function {name!r}, only {sorted(each.name for each in self.functions)}")
