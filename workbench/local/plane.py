"""The local plane: the template's whole system in this process, on simulated time."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from revenue_engine.aws import clients, names, wiring
from workbench.local.aws_front import serve_aws
from workbench.local.backend import Backend, Wire, opened, own_client
from workbench.local.clock import SimulatedClock, simulated
from workbench.local.deployment import Deployment, Rule
from workbench.local.executor import Executor
from workbench.local.http_front import HttpFront, Response
from workbench.local.ministack_backend import MiniStackBackend
from workbench.local.permissions import Permissions
from workbench.local.provisioner import provision
from workbench.local.pump import Pump
from workbench.local.schedules import Schedule, parse
from workbench.local.ses_recorder import SesRecorder
from workbench.local.state_machines import StateMachines
from workbench.local.template import Template

ROOT = Path(__file__).resolve().parents[2]
GOLDEN_TEMPLATE = ROOT / "infra" / "golden" / "template.json"
FUNCTIONS = ROOT / "functions"
_EXPIRY_PERIOD = timedelta(hours=1)
# Lambda repeats a failed asynchronous invocation twice, after one minute and two.
_RETRY_PAUSES = (timedelta(minutes=1), timedelta(minutes=2))


class Plane:
    """Made by `Plane.start`; usable while its block lasts.

    `ses` is the recorder of mails and publisher of their events, `machines` the state machines' executions,
    `executor.failures` every failed invocation, `executor.log` what functions printed, `permissions.denials` the calls
    that a role was refused, `wire` the place to break a service.
    """

    def __init__(
        self,
        template: Template,
        wire: Wire,
        clock: SimulatedClock,
        outbox: Path | None,
        functions_root: Path,
        parameters: Mapping[str, str],
    ) -> None:
        self.clock = clock
        self.wire = wire
        self.deployment: Deployment = provision(template, functions_root, parameters)
        self.permissions = Permissions(self.deployment)
        wire.authorise = self.permissions.authorise
        self.executor = Executor(self.deployment, self.permissions)
        self.pump = Pump(self.deployment, self.executor, wire, clock)
        self.ses = SesRecorder(self.deployment, wire, clock, outbox)
        self.machines = StateMachines(self.deployment, self.executor, self.permissions, wire, clock)
        self.front = HttpFront(self.deployment, self.executor, clock)
        self._order = itertools.count()
        self._agenda: list[tuple[datetime, int, Callable[[], object]]] = []
        made_at = clock.now()
        for rule in self.deployment.rules:
            if rule.enabled:
                self._schedule(rule, parse(rule.expression, made_at))
        self.at(made_at + _EXPIRY_PERIOD, self._expire)

    @classmethod
    @contextmanager
    def start(
        cls,
        *,
        now: datetime,
        outbox: Path | None = None,
        template_path: Path = GOLDEN_TEMPLATE,
        functions_root: Path = FUNCTIONS,
        parameters: Mapping[str, str] | None = None,
        backend: Backend | None = None,
    ) -> Iterator[Plane]:
        """A fresh, provisioned system whose time stands at `now`.

        Parameters
        ----------
        now
            Aware moment at which simulated time begins.
        outbox
            Folder for the mails as `.eml` files; None keeps them in memory only.
        template_path
            The synthesised template.
        functions_root
            Folder with one folder per function.
        parameters
            Values of template parameters without a default.
        backend
            The emulator; MiniStack by default.

        Raises
        ------
        TemplateError
            The template holds something unknown or dangling.
        BackendError
            The emulator is another version than the proven one, or fails its self-test.
        """
        template = Template.read(template_path)
        wire = Wire(backend or MiniStackBackend())
        with simulated(now) as clock, opened(wire):
            _forget_containers()
            try:
                yield cls(template, wire, clock, outbox, functions_root, parameters or {})
            finally:
                _forget_containers()

    # --- time -----------------------------------------------------------------------------------------------------------

    def at(self, moment: datetime, action: Callable[[], object]) -> None:
        """Do something at a moment (at once if it is past) of simulated time, during `run_until`."""
        heapq.heappush(self._agenda, (moment, next(self._order), action))

    def run_until(self, moment: datetime) -> None:
        """Advance simulated time to `moment`, doing everything that falls due on the way, that at `moment` included.

        At each stop: agenda and rules in the order of their times, then messages, then state machines, until nothing is due.
        """
        while True:
            self.settle()
            stops = [self.pump.next_due(), self.machines.next_due(), self._agenda[0][0] if self._agenda else None]
            due = min((stop for stop in stops if stop is not None), default=None)
            if due is None or due > moment:
                break
            self._move_to(due)
        self._move_to(moment)

    def settle(self) -> None:
        """Do all that is due now without moving the clock."""
        more = True
        while more:
            with self.executor.lock:  # requests from other threads come in between, not amidst
                if more := bool(self._agenda and self._agenda[0][0] <= self.clock.now()):
                    heapq.heappop(self._agenda)[2]()
                else:
                    more = bool(self.pump.drain() or self.machines.run_due())

    def expire(self) -> int:
        """Delete the items whose time-to-live has passed, now; it also happens every simulated hour."""
        return self.wire.backend.expire(self.clock.now())

    # --- the system -----------------------------------------------------------------------------------------------------

    def invoke(self, name: str, event: Any) -> Any:
        """Invoke a function and return its answer. Raises FunctionError."""
        return self.executor.invoke(name, event).unwrap()

    def http(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | str | None = None) -> Response:
        """A request to the HTTP API; `url` is a path, or absolute with any host."""
        return self.front.request(method, url, headers, body)

    def serve(self, port: int = 0) -> AbstractContextManager[str]:
        """The HTTP API on 127.0.0.1 while a block lasts; yields its origin."""
        return self.front.serve(port)

    def serve_aws(self, port: int = 0) -> AbstractContextManager[str]:
        """The AWS services on 127.0.0.1 while a block lasts; yields their endpoint URL."""
        return serve_aws(self.wire, self.executor.lock, port)

    def environment(self, name: str) -> dict[str, str]:
        """The whole environment that a function sees."""
        return self.executor.environment(name)

    def client(self, service: str) -> Any:
        """A boto3 client of the plane's own, for looking and for setting up."""
        return own_client(service)

    @property
    def stage(self) -> str:
        """The stage that the template's functions are told."""
        return next(each.environment[names.STAGE] for each in self.deployment.functions if names.STAGE in each.environment)

    def put_secrets(self, org: str, values: Mapping[str, str]) -> None:
        """Write secrets (of `names.SECRETS`) as SecureString parameters; CloudFormation cannot make those."""
        ssm = self.client("ssm")
        for secret, value in values.items():
            if secret not in names.SECRETS:
                raise ValueError(f"secret {secret!r} is none of {names.SECRETS}")
            name = names.secret_parameter(self.stage, org, secret)
            ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)

    # --- the agenda -----------------------------------------------------------------------------------------------------

    def _move_to(self, moment: datetime) -> None:
        with self.executor.lock:
            if moment > self.clock.now():
                self.clock.move_to(moment)

    def _schedule(self, rule: Rule, schedule: Schedule) -> None:
        due = schedule.next_after(self.clock.now())
        if due is not None:
            self.at(due, lambda: self._fire(rule, schedule))

    def _fire(self, rule: Rule, schedule: Schedule) -> None:
        for function_arn, text in rule.targets:
            self._invoke_async(function_arn, json.loads(text))
        self._schedule(rule, schedule)

    def _invoke_async(self, function_arn: str, event: Any, attempt: int = 0) -> None:
        result = self.executor.invoke(function_arn, event)
        if result.error is not None and attempt < len(_RETRY_PAUSES):
            retry_at = self.clock.now() + _RETRY_PAUSES[attempt]
            self.at(retry_at, lambda: self._invoke_async(function_arn, event, attempt + 1))

    def _expire(self) -> None:
        self.expire()
        self.at(self.clock.now() + _EXPIRY_PERIOD, self._expire)


def _forget_containers() -> None:
    """No container outlives its account: what the engine caches per container is dropped with it."""
    clients.forget()
    wiring.forget()
