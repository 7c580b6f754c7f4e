"""The composition root: everything a service needs, from the environment, made on first use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from revenue_engine.aws import names
from revenue_engine.aws.alerts import Alerts
from revenue_engine.aws.anomalies import Anomalies
from revenue_engine.aws.bundles import Bundles
from revenue_engine.aws.control import Control
from revenue_engine.aws.counters import Counters
from revenue_engine.aws.dynamo import Table
from revenue_engine.aws.feed import Feed
from revenue_engine.aws.mailer import Mailer
from revenue_engine.aws.objects import Bucket
from revenue_engine.aws.offer_days import OfferDays
from revenue_engine.aws.offers import Offers
from revenue_engine.aws.parameters import Parameters
from revenue_engine.aws.payouts import Payouts
from revenue_engine.aws.quarantine import Quarantine
from revenue_engine.aws.queues import Queue
from revenue_engine.aws.safety import Safety
from revenue_engine.aws.sends import Sends
from revenue_engine.aws.subscribers import Subscribers
from revenue_engine.aws.suppression import Suppression
from revenue_engine.aws.timeline import Timeline
from revenue_engine.errors import Refused

if TYPE_CHECKING:
    from revenue_engine.aws.absences import Absences
    from revenue_engine.aws.ledger import Ledger

ORG_UNKNOWN = "org_unknown"


@dataclass(frozen=True)
class Wiring:
    """The engine's shell for one environment. A name the environment lacks is refused when it is needed, by name (D5)."""

    environment: tuple[tuple[str, str], ...]

    def value(self, name: str) -> str:
        """One environment variable. Raises Refused("environment_missing")."""
        found = dict(self.environment).get(name)
        if not found:
            raise Refused("environment_missing", name)
        return found

    @cached_property
    def stage(self) -> str:
        return self.value(names.STAGE)

    def serves(self, org: str) -> bool:
        """Whether this stack is that org's: a public route must not make room for whatever org a stranger names."""
        return self.value(names.ORG) == org

    def check_org(self, org: str) -> None:
        """A mistyped org would get a switch, people or offers of its own, which no function ever looks at, and the mail would go on.

        Raises Refused(ORG_UNKNOWN).
        """
        if not self.serves(org) and not self.parameters.has_switch(org):
            own = self.value(names.ORG)
            raise Refused(ORG_UNKNOWN, f"no parameter {names.autonomy_parameter(self.stage, org)}; the stack's org is {own}")

    @cached_property
    def parameters(self) -> Parameters:
        return Parameters(self.stage)

    @cached_property
    def subscribers(self) -> Subscribers:
        return Subscribers(Table(self.value(names.SUBSCRIBERS_TABLE)))

    @cached_property
    def timeline(self) -> Timeline:
        return Timeline(Table(self.value(names.TIMELINE_TABLE)))

    @cached_property
    def sends(self) -> Sends:
        return Sends(Table(self.value(names.SENDS_TABLE)))

    @cached_property
    def ledger(self) -> Ledger:
        from revenue_engine.aws.ledger import Ledger  # shares are NumPy's, which only functions that book money carry

        return Ledger(Table(self.value(names.LEDGER_TABLE)))

    @cached_property
    def quarantine(self) -> Quarantine:
        return Quarantine(Table(self.value(names.LEDGER_TABLE)))

    @cached_property
    def absences(self) -> Absences:
        from revenue_engine.aws.absences import Absences  # as above

        return Absences(Table(self.value(names.LEDGER_TABLE)))

    @cached_property
    def anomalies(self) -> Anomalies:
        return Anomalies(Table(self.value(names.LEDGER_TABLE)))

    @cached_property
    def offers(self) -> Offers:
        return Offers(Table(self.value(names.OFFERS_TABLE)))

    @cached_property
    def payouts(self) -> Payouts:
        return Payouts(Table(self.value(names.OFFERS_TABLE)))

    @cached_property
    def suppression(self) -> Suppression:
        return Suppression(Table(self.value(names.SUPPRESSION_TABLE)))

    @cached_property
    def control(self) -> Control:
        return Control(Table(self.value(names.CONTROL_TABLE)))

    @cached_property
    def counters(self) -> Counters:
        return Counters(Table(self.value(names.CONTROL_TABLE)))

    @cached_property
    def safety(self) -> Safety:
        return Safety(Table(self.value(names.CONTROL_TABLE)))

    @cached_property
    def feed(self) -> Feed:
        return Feed(Table(self.value(names.CONTROL_TABLE)))

    @cached_property
    def offer_days(self) -> OfferDays:
        return OfferDays(Table(self.value(names.CONTROL_TABLE)))

    @cached_property
    def bundles(self) -> Bundles:
        return Bundles(Bucket(self.value(names.MODELS_BUCKET)))

    @cached_property
    def decisions(self) -> Bucket:
        return Bucket(self.value(names.DECISIONS_BUCKET))

    @cached_property
    def postbacks(self) -> Bucket:
        return Bucket(self.value(names.POSTBACKS_BUCKET))

    @cached_property
    def postbacks_queue(self) -> Queue:
        return Queue(self.value(names.POSTBACKS_QUEUE_URL))

    @cached_property
    def engagement_queue(self) -> Queue:
        return Queue(self.value(names.ENGAGEMENT_QUEUE_URL))

    @cached_property
    def sends_queue(self) -> Queue:
        return Queue(self.value(names.SENDS_QUEUE_URL))

    @cached_property
    def alerts(self) -> Alerts:
        return Alerts(self.value(names.ALERTS_TOPIC_ARN), self.value(names.BREAKER_MACHINE_ARN))

    @cached_property
    def mailer(self) -> Mailer:
        return Mailer(self.value(names.CONFIGURATION_SET))


_VARIABLES = tuple(sorted(v for k, v in vars(names).items() if k.isupper() and isinstance(v, str) and v == k))


def current() -> Wiring:
    """The wiring of this process's environment."""
    return _of(tuple((name, os.environ[name]) for name in _VARIABLES if name in os.environ))


@cache
def _of(environment: tuple[tuple[str, str], ...]) -> Wiring:
    return Wiring(environment)


def forget() -> None:
    """Drop all wirings and what they cached."""
    _of.cache_clear()
