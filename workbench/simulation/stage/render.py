"""Rows of a world → what the outside world sends us: SES records, one-click opt-outs, postbacks; and what the report will show.

Every fact is told once, and now and then again, late and out of order: `news.arrivals`, drawn by seed, mail and fact alone. Rows may
come by the day or by the mail, whole or in parts: a conversion is known by its mail, whenever its rows come.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import numpy as np

from revenue_engine.clock import iso_millis
from workbench.simulation import behaviour, events
from workbench.simulation.events import Event
from workbench.simulation.mail import Received
from workbench.simulation.news import arrivals
from workbench.simulation.report import postback_of
from workbench.simulation.stage.deals import Deals
from workbench.simulation.stage.reader_clock import ReaderClock
from workbench.simulation.truth import Deal
from workbench.simulation.worlds.events import Agent, Facts, Kind

AGENTS = {  # user agent and address
    Agent.BROWSER: (behaviour.READER, behaviour.HOME_IP),
    Agent.PHONE: (behaviour.PHONE, behaviour.HOME_IP),
    Agent.GMAIL_PROXY: (behaviour.GMAIL_PROXY, behaviour.DATA_CENTRE_IP),
    Agent.APPLE_PROXY: (behaviour.APPLE_PROXY, behaviour.DATA_CENTRE_IP),
    Agent.SCANNER: (behaviour.SCANNER, behaviour.DATA_CENTRE_IP),
    Agent.QUIET_SCANNER: (behaviour.QUIET_SCANNER, behaviour.HOME_IP),
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that rows refer to, and its reader."""

    mail: Received
    person: int  # id in the world
    clock: ReaderClock


@dataclass(frozen=True, slots=True)
class Postback:
    """Everflow's GET."""

    deal: Deal

    @property
    def query(self) -> dict[str, str]:
        """Its parameters."""
        return postback_of(self.deal)


@dataclass(frozen=True, slots=True)
class OneClick:
    """A mailbox provider's POST to a mail's opt-out address."""

    path: str


@dataclass(frozen=True, slots=True)
class News:
    """One arrival of one fact."""

    at: datetime  # when it sets out
    fact: int  # index into the rows it was made of
    again: bool  # the fact was told before
    payload: Event | Postback | OneClick


class Renderer:
    """Of one world; `deals` are the conversions so far, for the report and the books."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._deals = Deals(seed)
        self.deals = self._deals.all

    def render(self, facts: Facts, sent: Mapping[tuple[int, int], Sent]) -> list[News]:
        """News of these rows, in the order of their times; `sent` by row and day of the mail.

        The rows of one mail must come in the order of time, be it in several calls. APPROVAL and REVERSAL are no news: the report of
        their day shows them.
        """
        told: list[News] = []
        for fact in np.argsort(facts.at, kind="stable").tolist():
            mail = sent[int(facts.row[fact]), int(facts.sent_day[fact])]
            at, kind = mail.clock.moment(float(facts.at[fact])), Kind(int(facts.kind[fact]))
            payload = self._payload(facts, fact, kind, mail, at)
            if payload is None:
                continue
            if isinstance(payload, OneClick):  # not sent again: its sender has seen our answer
                told.append(News(at, fact, False, payload))
                continue
            key = (mail.person, int(facts.sent_day[fact]), kind.name, iso_millis(at))
            told += [News(moment, fact, n > 0, payload) for n, moment in enumerate(arrivals(at, self._seed, *key))]
        return told

    def _payload(self, facts: Facts, fact: int, kind: Kind, sent: Sent, at: datetime) -> Event | Postback | OneClick | None:
        mail, key = sent.mail, (sent.person, int(facts.sent_day[fact]), kind.name)
        match kind:
            case Kind.DELIVERY:
                return events.delivery(mail, at)
            case Kind.HARD_BOUNCE | Kind.SOFT_BOUNCE:
                named = events.feedback_id(self._seed, *key)
                return events.bounce(mail, at, permanent=kind is Kind.HARD_BOUNCE, feedback_id=named)
            case Kind.OPEN:
                agent, ip = AGENTS[Agent(int(facts.agent[fact]))]
                return events.opened(mail, at, agent=agent, ip=ip)
            case Kind.CLICK:
                agent, ip = AGENTS[Agent(int(facts.agent[fact]))]
                if facts.human[fact]:
                    self._deals.clicked(sent.person, facts, fact, at)
                return events.clicked(mail, at, agent=agent, ip=ip, link=mail.links[int(facts.part[fact])])
            case Kind.UNSUBSCRIBE:
                return OneClick(urlsplit(mail.unsubscribe_url).path)
            case Kind.COMPLAINT:
                return events.complaint(mail, at, feedback_id=events.feedback_id(self._seed, *key))
            case Kind.CONVERSION | Kind.REBILL:
                deal = self._deals.told(sent.person, facts, fact, at, offer=mail.offer, sub1=mail.tracking_id)
                return Postback(deal)
            case Kind.APPROVAL | Kind.REVERSAL:
                self._deals.judged(sent.person, facts, fact, at)
        return None


def event_log_hash(told: Iterable[News]) -> str:
    """SHA-256 of everything that was told and when, in the order of arrival: two runs with the same one were told the same.

    Without the mails' headers: they are the sender's, and a MIME boundary is drawn anew each time.
    """
    lines = sorted(f"{iso_millis(news.at)} {_text(news.payload)}" for news in told)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _text(payload: Event | Postback | OneClick) -> str:
    if isinstance(payload, OneClick):
        return f"POST {payload.path}"
    if isinstance(payload, Postback):
        return json.dumps(payload.query)
    mail = {name: value for name, value in payload["mail"].items() if name != "headers"}
    return json.dumps({**payload, "mail": mail}, sort_keys=True)
