"""A world on arrays behind the local plane: it takes every mail that leaves, and tells what its rows say became of it.

Readers live in several zones, and a world has one clock: readers of one zone are a part of the list with a world of its own, and all
parts share the commons. Each part's day ends at its own midnight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from urllib.parse import urlencode

import numpy as np

from revenue_engine.records.offer import tone_of
from workbench.local.plane import Plane
from workbench.local.ses_recorder import Mail
from workbench.simulation import events
from workbench.simulation.events import Event
from workbench.simulation.mail import ONE_CLICK, ONE_CLICK_HEADERS, Received, open_mail
from workbench.simulation.news import Post, arrivals
from workbench.simulation.stage.cast import address_of, zone_of
from workbench.simulation.stage.catalogue import offer_of
from workbench.simulation.stage.reader_clock import ReaderClock
from workbench.simulation.stage.render import News, OneClick, Postback, Renderer, Sent
from workbench.simulation.stage.watched import Watched
from workbench.simulation.truth import Deal, Truth
from workbench.simulation.worlds import Commons, Kind, Mailing, World, WorldSpec
from workbench.simulation.worlds.events import DAY, Facts
from workbench.simulation.worlds.people import Profile
from workbench.simulation.worlds.spec import TONES


@dataclass(frozen=True, slots=True)
class Part:
    """The readers of one zone."""

    clock: ReaderClock
    world: World


class Stage:
    """Attached to a plane it answers every accepted mail, until `end`: what would happen later does not happen.

    `profile` is that of the whole list, `truth` what has been told so far, `told` every arrival of it but the Send records.
    Raises ValueError when the plane's time lies before the first day of some reader.
    """

    def __init__(self, plane: Plane, spec: WorldSpec, seed: int, profile: Profile, *, webhook_path: str, end: datetime) -> None:
        self._plane, self._seed, self._end, self._webhook_path = plane, seed, end, webhook_path
        self._renderer = Renderer(seed)
        self.truth = Truth(deals=self._renderer.deals)
        self.told: list[News] = []
        self.commons = Commons(spec, seed, len(profile.ids))
        self._post = Post(self._at, plane.ses.publish_events)
        self._home: dict[str, tuple[Part, int]] = {}
        self._watched: dict[str, Watched] = {}
        zones = np.array([zone_of(profile, row) for row in range(len(profile.ids))])
        for zone in sorted(set(zones)):
            rows = np.flatnonzero(zones == zone)
            part = Part(ReaderClock.of(zone), World(spec, seed, profile.ids[rows], commons=self.commons))
            self._home |= {address_of(profile, int(row)): (part, n) for n, row in enumerate(rows)}
            for day in range(part.clock.read(plane.clock.now())[0]):
                part.world.evening(day)
            self._close_at_midnight(part)
        plane.ses.subscribers.append(self.take)

    def take(self, mail: Mail) -> None:
        """SES has accepted a mail."""
        self.truth.accepted += 1
        received = open_mail(mail)
        part, row = self._home[received.address]
        day, hour, past = part.clock.read(received.at)
        who, offer, tone, at_hour = (
            np.array([n]) for n in (row, offer_of(received.offer), TONES.index(tone_of(received.variant)), hour)
        )
        try:
            facts = part.world.mail(day, Mailing(who, offer, tone, at_hour, np.array([past])))
        except ValueError as refused:
            self.truth.refused.append(f"mail {received.message_id} of {received.at:%d %H:%M}: {refused}")
            return
        sent = Sent(received, int(part.world.profile.ids[row]), part.clock)
        for at in arrivals(received.at, self._seed, sent.person, day, "SEND"):
            self._post.put(at, events.send(received), _nothing)
        for news in self._renderer.render(facts, {(row, day): sent}):
            self._tell(news, facts, sent)

    # --- telling ---------------------------------------------------------------------------------------------------------
    def _tell(self, news: News, facts: Facts, sent: Sent) -> None:
        payload = news.payload
        tally = _nothing if news.again else self._tally(news, facts, sent)

        def told() -> None:
            self.told.append(news)
            tally()

        if isinstance(payload, OneClick):
            self._at(news.at, lambda: self._unsubscribe(payload, told))
        elif isinstance(payload, Postback):
            self._at(news.at, lambda: self._postback(payload, told))
        else:
            self._post.put(news.at, payload, told)

    def _unsubscribe(self, payload: OneClick, told: Callable[[], None]) -> None:
        status = self._plane.http("POST", payload.path, ONE_CLICK_HEADERS, ONE_CLICK).status
        if status != 200:
            self.truth.refused.append(f"a one-click opt-out was answered {status}")
        told()

    def _postback(self, payload: Postback, told: Callable[[], None]) -> None:
        self.truth.postbacks += 1
        url = f"{self._webhook_path}?{urlencode(payload.query)}"
        status = self._plane.http("GET", url, {"user-agent": "Everflow"}).status
        if status // 100 != 2:
            self.truth.refused.append(f"a postback was answered {status}")
        told()

    # --- tallies ---------------------------------------------------------------------------------------------------------
    def _tally(self, news: News, facts: Facts, sent: Sent) -> Callable[[], None]:
        """What the truth counts when a fact is told for the first time."""
        kind = Kind(int(facts.kind[news.fact]))
        if isinstance(news.payload, Postback):
            deal = news.payload.deal
            return lambda: _posted(deal)
        match kind:
            case Kind.DELIVERY | Kind.OPEN | Kind.CLICK:
                human = bool(facts.human[news.fact])
                return lambda: self._watch(sent.mail, cast("Event", news.payload), human=human)
            case Kind.HARD_BOUNCE:
                return self._leaving("hard_bounces", sent.mail)
            case Kind.COMPLAINT:
                return self._leaving("complaints", sent.mail)
            case Kind.UNSUBSCRIBE:
                return self._leaving("unsubscribes", sent.mail)
        return _nothing  # a soft bounce

    def _watch(self, mail: Received, record: Event, *, human: bool) -> None:
        """What the engine has to see in all that it was told of a mail, whoever it was."""
        watched = self._watched.setdefault(mail.message_id, Watched(mail.at))
        self.truth.add(watched.told(record, human=human))

    def _counting(self, *names: str) -> Callable[[], None]:
        def count() -> None:
            for name in names:
                setattr(self.truth, name, getattr(self.truth, name) + 1)

        return count

    def _leaving(self, name: str, mail: Received) -> Callable[[], None]:
        count = self._counting(name)

        def leave() -> None:
            count()
            self.truth.opt_out(mail.address, self._plane.clock.now())

        return leave

    # --- time ------------------------------------------------------------------------------------------------------------
    def _close_at_midnight(self, part: Part) -> None:
        def close() -> None:
            part.world.evening(part.world.day)
            self._close_at_midnight(part)

        self._at(part.clock.moment((part.world.day + 1) * DAY), close)

    def _at(self, moment: datetime, action: Callable[[], object]) -> None:
        if moment <= self._end:
            self._plane.at(moment, action)


def _posted(deal: Deal) -> None:
    deal.posted_micros = deal.payout_micros


def _nothing() -> None:
    """A fact nobody tallies."""
