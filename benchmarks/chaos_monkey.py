"""What breaks, and when: containers that die between any two calls, other workers in between, refused and unanswered calls.

Everything is drawn from one seed as invocations begin. Only how far decide's parallel writers are when their container dies is the
machine's affair.
"""

from __future__ import annotations

import json
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from revenue_engine.aws import wiring
from workbench.local.backend import body_of, response
from workbench.local.executor import Killed, Result
from workbench.local.plane import Plane
from workbench.local.ses_recorder import Fault

CLAIM, HAND_OVER = "dynamodb.TransactWriteItems", "sesv2.SendEmail"
ANOTHER_WORKER = 0.1  # of execute's invocations: the same message delivered to a second worker in the middle of the first
OPT_OUT_BEFORE_CLAIM, OPT_OUT_BEFORE_MAIL = 0.01, 0.003  # of execute's transactions and mails
SES_FAULTS = (
    (Fault.THROTTLED, 0.004),
    (Fault.LOST_ANSWER, 0.006),
    (Fault.LOST_REQUEST, 0.004),
    (Fault.REJECTED, 0.002),
)
TABLE_THROTTLED = (
    0.0003  # of execute's, engage's and attribute's writes; botocore tries again after half a second of this machine
)


@dataclass(frozen=True)
class Plan:
    """How often containers die: the mean number of moments (before and after each call) that one lives, and how many deaths at most."""

    lives: Mapping[str, int]
    deaths: Mapping[str, int]
    decide_moments: int  # about how many a cycle has; its deaths lie anywhere in them, and rather early, where more happens


@dataclass
class Monkey:
    """Attached to a plane. `opt_out(subscriber)` posts a person's one-click opt-out."""

    plane: Plane
    chance: random.Random
    plan: Plan
    opt_out: Callable[[str], None]
    subscriber_of: Mapping[str, str]  # by address
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    calm: bool = False  # nothing breaks any more

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._function: str | None = None  # whose outermost invocation runs
        self._event: Any = None
        self._moments_left: int | None = None
        self._dead = self._busy = False
        self._second_worker_at: int | None = None
        self.plane.executor.around = self._around
        self.plane.wire.interrupt = self._interrupt
        self.plane.ses.fault = self._ses_fault
        for operation in ("dynamodb.TransactWriteItems", "dynamodb.UpdateItem", "dynamodb.PutItem"):
            self.plane.wire.respond(operation, self._written)

    def _around(self, name: str, event: Any, run: Callable[[], Result]) -> Result:
        if self.calm or self._function is not None or name not in self.plan.lives or not ("Records" in event or name == "decide"):
            return run()
        self._function, self._event, self._dead = name, event, False
        self._moments_left = self._life(name)
        self._second_worker_at = None
        if name == "execute" and self.chance.random() < ANOTHER_WORKER:
            self._second_worker_at = self._early(400)
        try:
            return run()
        finally:
            self._function = None
            if self._dead:
                wiring.forget()  # what the container knew is gone with it

    def _life(self, name: str) -> int | None:
        """After how many moments the container dies; None: it lives."""
        if self.kills[name] >= self.plan.deaths[name]:
            return None
        if name == "decide":
            return self._early(self.plan.decide_moments)
        return 1 + int(self.chance.expovariate(1 / self.plan.lives[name]))

    def _early(self, most: int) -> int:
        """A moment of so many, each power of ten as likely as the next."""
        return round(math.exp(self.chance.uniform(0, math.log(most))))

    def _interrupt(self, operation: str, request: AWSPreparedRequest, answered: bool) -> None:
        if self._function is None or self._busy:
            return
        with self._lock:
            if self._dead:  # all its threads, and whatever it would do about the error
                raise Killed
            if self._moments_left is not None:
                self._moments_left -= 1
                if self._moments_left <= 0:
                    self._dead = True
                    self.kills[self._function] += 1
                    raise Killed
        if self._function == "execute":
            self._between(operation, request, answered)

    def _between(self, operation: str, request: AWSPreparedRequest, answered: bool) -> None:
        """What else goes on while execute waits for an answer."""
        if self._second_worker_at is not None:
            self._second_worker_at -= 1
            if self._second_worker_at == 0:
                self.faults["second worker"] += 1
                self._meanwhile(lambda: self.plane.executor.invoke("execute", self._event))
        if answered:
            return
        if operation == CLAIM and self.chance.random() < OPT_OUT_BEFORE_CLAIM:
            subscriber = claimant(json.loads(body_of(request)))
            if subscriber is not None:
                self.faults["opt-out before the claim"] += 1
                self._meanwhile(lambda: self.opt_out(subscriber))
        elif operation == HAND_OVER and self.chance.random() < OPT_OUT_BEFORE_MAIL:
            self.faults["opt-out after the claim"] += 1
            self._meanwhile(lambda: self.opt_out(self._addressee(request)))

    def _meanwhile(self, act: Callable[[], object]) -> None:
        self._busy = True
        try:
            act()
        finally:
            self._busy = False

    def _addressee(self, request: AWSPreparedRequest) -> str:
        return self.subscriber_of[json.loads(body_of(request))["Destination"]["ToAddresses"][0]]

    def _ses_fault(self, request: Mapping[str, Any]) -> Fault | None:
        if self.calm:
            return None
        ticket = self.chance.random()
        for fault, share in SES_FAULTS:
            ticket -= share
            if ticket < 0:
                self.faults[f"SES {fault.name.lower().replace('_', ' ')}"] += 1
                return fault
        return None

    def _written(self, request: AWSPreparedRequest) -> AWSResponse:
        within = self._function in ("execute", "engage", "attribute") and not self._busy and not self.calm
        if within and self.chance.random() < TABLE_THROTTLED:
            self.faults["table throttled"] += 1
            refusal = {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "Rate exceeded."}
            return response(request, 400, {"content-type": "application/x-amz-json-1.0"}, json.dumps(refusal).encode())
        return self.plane.wire.backend.answer("dynamodb", request)


def claimant(transaction: Mapping[str, Any]) -> str | None:
    """The subscriber of a transaction that claims a send, read from the request itself."""
    for action in transaction.get("TransactItems", ()):
        item = action.get("Put", {}).get("Item", {})
        if item.get("state", {}).get("S") == "CLAIMED":
            return str(item["subscriber"]["S"])
    return None
