"""A world, stepped day by day: what a policy may see of it, what it may do, and what becomes of that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints, Keys
from workbench.simulation.worlds import keyed
from workbench.simulation.worlds.commons import Commons
from workbench.simulation.worlds.events import DayEvents, Facts, Kind, Queue, joined
from workbench.simulation.worlds.keyed import Of
from workbench.simulation.worlds.mailbox import deliver
from workbench.simulation.worlds.offers import HORIZON
from workbench.simulation.worlds.people import people
from workbench.simulation.worlds.spec import CONTENTS, WorldSpec
from workbench.simulation.worlds.state import State
from workbench.simulation.worlds.truth import Truth

_FINAL = (Kind.UNSUBSCRIBE, Kind.COMPLAINT, Kind.HARD_BOUNCE)


@dataclass(frozen=True)
class Mailing:
    """The mails of one day, at most one a person; (m,) each."""

    who: Ints  # row of the subscriber
    offer: Ints
    content: Ints  # tone + 5 * format, see `spec`
    hour: Ints  # 0 to 23 on the reader's clock
    past_hour: Floats | None = None  # the part of that hour that had gone, 0 to 1; None: the world draws it

    def minutes(self, keys: Keys) -> Floats:
        """(m,) parts of the hour that had gone when the mails left; `keys` of the readers and the day."""
        return keyed.uniforms(keys, Of.MINUTE) if self.past_hour is None else self.past_hour


@dataclass(frozen=True)
class Observables:
    """What a policy may see in the morning of a day; n people, O offers, K categories. The rest is what it was told in events."""

    ids: Ints
    mailable: Bools  # not known to have opted out, complained or bounced for good
    tenure_days: Floats
    source: Codes
    country: Codes
    provider: Codes
    device: Codes
    topics: Bools  # (n, K)
    topics_known: Bools
    past_opens: Codes  # (n, bins) before day 0, by four hours of the day
    price_sensitivity: Floats
    purchases: Ints
    months_since_order: Floats
    weekday: int  # 0 = Monday
    day_of_year: int
    offer_category: Ints  # (O,)
    offer_running: Bools  # (O,) mails of others earn nothing
    offer_payout_micros: Ints  # (O,) 0 where a share of the sale is paid
    offer_share: Floats  # (O,)
    offer_hold_days: Ints  # (O,)
    offer_weekly_cap: Floats  # (O,) conversions; infinite = none


class World:
    """`subscribers`: how many, or their ids (part of a list then shares the `commons` of the whole list).

    A policy under judgement sees `observables` and the events of `step`; `truth`, `people`, `state` and `commons` are the world's own.
    """

    def __init__(self, spec: WorldSpec, seed: int, subscribers: int | Ints, *, commons: Commons | None = None) -> None:
        ids = np.arange(subscribers, dtype=np.int64) if isinstance(subscribers, int) else np.asarray(subscribers, dtype=np.int64)
        self.spec, self.seed, self.day = spec, seed, 0
        self.commons = commons or Commons(spec, seed, len(ids))
        self.people, self.profile = people(spec, seed, ids)
        self.state = State(spec, self.people, self.profile)
        self.truth = Truth(self)
        self._queue = Queue()
        self._sent: list[Facts] = []  # what the mails of this day will cause
        self._mailed = np.zeros(len(ids), dtype=bool)  # on this day

    def placement(self, day: int) -> Floats:
        """By mailbox provider: the share of mail that is seen."""
        return self.commons.placement(day)

    def observables(self, day: int) -> Observables:
        """Of the morning of `day`, which must be the day about to be stepped: the past is gone, the future unknown."""
        if day != self.day:
            raise ValueError(f"it is day {self.day}, not {day}")
        known, offers, state = self.profile, self.commons.offers, self.state
        return Observables(
            ids=known.ids,
            mailable=state.mailable.copy(),
            tenure_days=known.tenure_days + day,
            source=known.source,
            country=known.country,
            provider=known.provider,
            device=known.device,
            topics=known.topics,
            topics_known=known.topics_known,
            past_opens=known.past_opens,
            price_sensitivity=known.price_sensitivity,
            purchases=known.purchases + state.orders,
            months_since_order=np.maximum(day - state.last_order, 0) / 30.4,
            weekday=(day + self.spec.start_weekday) % 7,
            day_of_year=(day + self.spec.start_day_of_year) % 365,
            offer_category=offers.category,
            offer_running=self.commons.running(day),
            offer_payout_micros=offers.payout_micros,
            offer_share=offers.share,
            offer_hold_days=offers.hold_days,
            offer_weekly_cap=offers.weekly_cap,
        )

    def step(self, day: int, mailing: Mailing) -> DayEvents:
        """Sends the mails of this day and tells what happened on it, also to mails of earlier days: `mail`, then `evening`.

        Raises ValueError for another day than the next one, a day beyond the horizon, two mails to a person, a mail to somebody who
        is known to be out of bounds, or a code that does not exist: no policy may do so.
        """
        self._send(day, mailing)
        return self.evening(day)

    def mail(self, day: int, mailing: Mailing) -> Facts:
        """Sends some of the mails of this day, and gives all rows that they will ever cause; for whoever plays the world's part.

        In how many parts a day is mailed changes nothing: every draw is of a person and a day. `truth.outcome` is of the last part.
        Raises ValueError as `step` does.
        """
        return joined(self._send(day, mailing))

    def evening(self, day: int) -> DayEvents:
        """Ends this day, and tells what happened on it. Raises ValueError for another day than the next one."""
        self._check_day(day)
        facts = self._queue.turn(day, self._sent)
        self._sent = []
        self._mailed[:] = False
        self.state.mailable[facts.row[np.isin(facts.kind, _FINAL)]] = False
        self.commons.converted(day, facts.of(Kind.CONVERSION).offer)
        self.state.evening(day)
        self.truth.facts = facts
        self.day = day + 1
        return facts.told()

    def offer_keys(self) -> np.ndarray:
        """(O,) for draws of an offer and a day."""
        return keyed.person_keys(self.seed, -1 - np.arange(self.spec.offers))

    def _send(self, day: int, mailing: Mailing) -> list[Facts]:
        self._check_day(day)
        self._check(mailing)
        self._mailed[mailing.who] = True
        rows = deliver(self, day, mailing)
        self._sent += rows
        return rows

    def _check_day(self, day: int) -> None:
        if day != self.day or day >= HORIZON:
            raise ValueError(f"the next day is {self.day}, of {HORIZON}")

    def _check(self, mailing: Mailing) -> None:
        who, people = mailing.who, len(self.profile.ids)
        twice = ((who < 0) | (who >= people)).any() or np.bincount(who, minlength=people).max(initial=0) > 1
        if twice or self._mailed[who].any():
            raise ValueError("one mail a day and person, to people of this list")
        if not self.state.mailable[who].all():
            raise ValueError("a mail to somebody who opted out, complained or bounced")
        for values, limit in ((mailing.offer, self.spec.offers), (mailing.content, CONTENTS), (mailing.hour, 24)):
            if len(values) != len(who) or ((values < 0) | (values >= limit)).any():
                raise ValueError(f"codes of a mailing lie below {limit}, one a mail")
        past = mailing.past_hour
        if past is not None and (len(past) != len(who) or ((past < 0) | (past >= 1)).any()):
            raise ValueError("of an hour a part between 0 and 1 has gone, one a mail")
