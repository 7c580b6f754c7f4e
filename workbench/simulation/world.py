"""The world around the engine: takes every mail that leaves and answers with what its reader does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from revenue_engine.records.causes import HEARD_PROVIDERS
from revenue_engine.records.offer import Offer
from revenue_engine.records.subscriber import provider_of
from workbench.local.plane import Plane
from workbench.local.ses_recorder import Mail
from workbench.simulation import events
from workbench.simulation.behaviour import DATA_CENTRE_IP, HOME_IP, Reaction, react
from workbench.simulation.draws import between
from workbench.simulation.events import Event
from workbench.simulation.mail import ONE_CLICK, ONE_CLICK_HEADERS, Received, open_mail
from workbench.simulation.network import Feed, Network
from workbench.simulation.news import Post, arrivals
from workbench.simulation.people import Person
from workbench.simulation.truth import Truth


class World:
    """Attached to a plane it reacts to every accepted mail, until `end`: what would happen later does not happen."""

    def __init__(
        self,
        plane: Plane,
        people: Sequence[Person],
        offers: Mapping[str, Offer],
        *,
        webhook_path: str,
        seed: int,
        end: datetime,
    ) -> None:
        self.truth = Truth()
        self._plane, self._offers, self._seed, self._end = plane, offers, seed, end
        self._people = {person.email: person for person in people}
        self._post = Post(self._at, plane.ses.publish_events)
        feed = Feed(webhook_path, lambda path: plane.http("GET", path, {"user-agent": "Everflow"}).status, self._at)
        self.network = Network(offers, feed, self.truth, seed)
        plane.ses.subscribers.append(self.take)

    def bustle(self, start: datetime, span: timedelta) -> None:
        """What happens without any mail, spread over a span of time: strays and rubbish in the postback feed."""
        offers = [offer for offer in self._offers.values() if offer.payout_micros is not None]
        strays = (("", None), ("", None), ("someone-elses-value", None), ("", "EUR"))
        for n, (sub1, currency) in enumerate(strays):
            at = start + span * between(0.05, 0.9, self._seed, "stray", n, start.isoformat())
            self.network.stray(offers[n % len(offers)].offer, sub1=sub1, at=at, currency=currency)
        hidden = next((offer for offer in self._offers.values() if offer.payout_micros is None), None)
        if hidden is not None:  # a share of a sale: three decimals
            self.network.stray(hidden.offer, sub1="", at=start + span * 0.4)
        self.network.rubbish(start, span)

    def take(self, mail: Mail) -> None:
        """SES has accepted a mail."""
        self.truth.accepted += 1
        received = open_mail(mail)
        person = self._people[received.address]
        reaction = react(
            person,
            send_id=received.send_id,
            category=self._offers[received.offer].category,
            variant=received.variant,
            at=received.at,
            seed=self._seed,
        )
        self._news(received, received.at, events.send(received), "send", self._nothing)
        self._outcome(received, reaction)
        self._interest(received, reaction)
        self._feedback(received, reaction)

    # --- what becomes of one mail ----------------------------------------------------------------------------------------
    def _outcome(self, mail: Received, reaction: Reaction) -> None:
        if reaction.bounced_at is not None:
            at, permanent = reaction.bounced_at, reaction.bounce_permanent
            event = events.bounce(
                mail, at, permanent=permanent, feedback_id=events.feedback_id(self._seed, mail.send_id, "bounce")
            )
            self._news(mail, at, event, "bounce", lambda: self._bounced(mail) if permanent else None)
        if reaction.delayed_at is not None:
            self._news(mail, reaction.delayed_at, events.delivery_delay(mail, reaction.delayed_at), "delay", self._nothing)
        if reaction.delivered_at is not None:
            delivered = events.delivery(mail, reaction.delivered_at)
            self._news(mail, reaction.delivered_at, delivered, "delivery", lambda: self._count("delivered"))

    def _interest(self, mail: Received, reaction: Reaction) -> None:
        for n, touch in enumerate(reaction.touches):
            make = events.opened if touch.kind == "open" else events.clicked
            ip = HOME_IP if touch.human else DATA_CENTRE_IP
            name = f"{'human' if touch.human else 'machine'}_{touch.kind}s"
            event = make(mail, touch.at, agent=touch.agent, ip=ip)
            self._news(mail, touch.at, event, f"touch{n}", lambda name=name: self._count(name))  # type: ignore[misc]
        clicked = next((touch.at for touch in reaction.touches if touch.kind == "click" and touch.human), None)
        if reaction.converts_at is not None and clicked is not None:
            self.network.purchase(mail.offer, tracking_id=mail.tracking_id, clicked_at=clicked, converted_at=reaction.converts_at)

    def _feedback(self, mail: Received, reaction: Reaction) -> None:
        path = urlsplit(mail.unsubscribe_url).path
        if reaction.scanned_at is not None:
            self._at(reaction.scanned_at, lambda: self._expect(self._plane.http("GET", path).status, "an opt-out page"))
        if reaction.unsubscribed_at is not None:
            self._at(reaction.unsubscribed_at, lambda: self._unsubscribe(mail, path))
        if reaction.complained_at is not None and provider_of(mail.address) in HEARD_PROVIDERS:  # the others tell nobody
            event = events.complaint(
                mail, reaction.complained_at, feedback_id=events.feedback_id(self._seed, mail.send_id, "complaint")
            )
            self._news(mail, reaction.complained_at, event, "complaint", lambda: self._complained(mail))

    # --- facts -----------------------------------------------------------------------------------------------------------
    def _unsubscribe(self, mail: Received, path: str) -> None:
        self._expect(self._plane.http("POST", path, ONE_CLICK_HEADERS, ONE_CLICK).status, "a one-click opt-out")
        self.truth.unsubscribes += 1
        self.truth.opt_out(mail.address, self._plane.clock.now())

    def _bounced(self, mail: Received) -> None:
        self.truth.hard_bounces += 1
        self.truth.opt_out(mail.address, self._plane.clock.now())

    def _complained(self, mail: Received) -> None:
        self.truth.complaints += 1
        self.truth.opt_out(mail.address, self._plane.clock.now())

    def _count(self, name: str) -> None:
        setattr(self.truth, name, getattr(self.truth, name) + 1)

    def _nothing(self) -> None:
        """A fact nobody tallies."""

    def _expect(self, status: int, what: str) -> None:
        if status != 200:
            self.truth.refused.append(f"{what} was answered {status}")

    # --- how news travels ------------------------------------------------------------------------------------------------
    def _news(self, mail: Received, at: datetime, event: Event, kind: str, told: Callable[[], None]) -> None:
        """`told` runs once, however often the event comes."""
        first, *again = arrivals(at, self._seed, mail.address, mail.send_id, kind)
        self._post.put(first, event, told)
        for later in again:
            self._post.put(later, event, self._nothing)

    def _at(self, moment: datetime, action: Callable[[], object]) -> None:
        if moment <= self._end:
            self._plane.at(moment, action)
