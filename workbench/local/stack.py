"""What every resource maker works with: the template being built and the records made so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.local.backend import ACCOUNT, REGION
from workbench.local.deployment import (
    EventDestination,
    EventSource,
    Function,
    Permission,
    Queue,
    Route,
    Rule,
    StateMachine,
    Statement,
    Subscription,
)
from workbench.local.template import Properties, Resolver, Resource, Template, TemplateError

PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "local",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/0",
}


@dataclass(frozen=True)
class Made:
    """What a resource answers to Ref and GetAtt."""

    reference: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Records:
    """Wiring collected while resources are made; sorted out into a Deployment at the end."""

    functions: list[Function] = field(default_factory=list)
    queues: list[Queue] = field(default_factory=list)
    event_sources: list[EventSource] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    configuration_sets: list[str] = field(default_factory=list)
    event_destinations: list[EventDestination] = field(default_factory=list)
    state_machines: list[StateMachine] = field(default_factory=list)
    permissions: list[Permission] = field(default_factory=list)
    roles: dict[str, list[Statement]] = field(default_factory=dict)  # name → what it is allowed
    integrations: dict[str, str] = field(default_factory=dict)  # id → function ARN
    policies: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # topic ARN or queue URL → statements
    checks: list[Callable[[], None]] = field(default_factory=list)  # read-backs, run when everything is made


Maker = Callable[["Stack", str, Properties], Made]


class Stack:
    """Makes resources on demand, in the order in which they refer to each other."""

    def __init__(
        self,
        template: Template,
        functions_root: Path,
        parameters: Mapping[str, str],
        makers: Mapping[str, Maker],
        inert: Mapping[str, str],
    ) -> None:
        self.functions_root = functions_root
        self.records = Records()
        self._template = template
        self._makers = makers
        self._inert = inert
        self._made: dict[str, Made] = {}
        self._making: list[str] = []
        self.resolver = Resolver(template, PSEUDO_PARAMETERS, parameters, self._reference, self._attribute)

    def make_all(self) -> dict[str, str]:
        """Make every resource and resolve the outputs; returns the outputs. Raises TemplateError."""
        for logical_id, resource in self._template.resources.items():
            if self._exists(resource):
                self._make(logical_id)
        return {
            name: self.resolver.resolve(output["Value"])
            for name, output in self._template.outputs.items()
            if output.get("Condition") is None or self.resolver.holds(output["Condition"])
        }

    def _exists(self, resource: Resource) -> bool:
        return resource.condition is None or self.resolver.holds(resource.condition)

    def _reference(self, logical_id: str) -> str:
        return self._make(logical_id).reference

    def _attribute(self, logical_id: str, name: str) -> str:
        attributes = self._make(logical_id).attributes
        if name not in attributes:
            raise TemplateError(f"{logical_id}: the local plane has no attribute {name}, only {sorted(attributes)}")
        return attributes[name]

    def _make(self, logical_id: str) -> Made:
        if logical_id in self._made:
            return self._made[logical_id]
        resource = self._template.resources[logical_id]
        if logical_id in self._making:
            raise TemplateError(f"{logical_id}: circular reference {' → '.join([*self._making, logical_id])}")
        if not self._exists(resource):
            raise TemplateError(f"{logical_id}: referred to, but its condition {resource.condition} does not hold")
        self._making.append(logical_id)
        try:
            for other in resource.depends_on:
                if self._exists(self._template.resources[other]):
                    self._make(other)
            made = self._build(resource)
        finally:
            self._making.pop()
        self._made[logical_id] = made
        return made

    def _build(self, resource: Resource) -> Made:
        values = self.resolver.resolve(dict(resource.properties))
        if resource.type in self._inert:
            # References were resolved all the same: a dangling one is an error in a role too.
            name = values.get("RoleName") or values.get("LogGroupName") or resource.logical_id
            return Made(name, {"Arn": f"arn:aws:inert:{REGION}:{ACCOUNT}:{name}"})
        if resource.type not in self._makers:
            raise TemplateError(f"{resource.logical_id}: the local plane does not know the type {resource.type}")
        properties = Properties(f"{resource.logical_id} ({resource.type})", values)
        try:
            made = self._makers[resource.type](self, resource.logical_id, properties)
        except TemplateError:
            raise
        except Exception as error:
            raise TemplateError(f"{resource.logical_id} ({resource.type}): {error}") from error
        properties.finish()
        return made


def arn(service: str, resource: str) -> str:
    """An ARN in the plane's account and region."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def account_arn(service: str, resource: str) -> str:
    """An ARN of a service without regions."""
    return f"arn:aws:{service}::{ACCOUNT}:{resource}"


def expect(logical_id: str, what: str, wanted: object, found: object) -> None:
    """A read-back: raises TemplateError when what the template asks for is not what the backend has."""
    if wanted != found:
        raise TemplateError(f"{logical_id}: {what} should be {wanted!r}, the backend has {found!r}")
