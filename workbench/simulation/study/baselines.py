"""What operators do without an engine. None of them sees a latent; `WeeklyTrueEpc` alone is told which offer pays best.

Each learns from its own mails and the events it was told of, as a careful operator with a spreadsheet would.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from revenue_engine.arrays import Floats, Ints
from workbench.simulation.study.policy import NEWSLETTER_HOUR, NO_MAIL, Calendar, Setting, best, luck, to_all
from workbench.simulation.worlds import DayEvents, Kind, Mailing, Observables, World
from workbench.simulation.worlds.spec import TONES

TRIAL_DAYS = 28  # offers are tried in turn
TESTERS = 0.1  # of the mails after that go on trying
_PRIOR_MAILS = 500.0  # what the mean of all offers is worth against an offer's own
_MORNING, _EVENING = 6, 21


class _Quiet:
    """Learns nothing."""

    def told(self, events: DayEvents, day: int) -> None:
        """Nothing to learn."""


class _OwnData:
    """What each offer has brought, as it stands in the affiliate network's report."""

    def __init__(self, setting: Setting) -> None:
        self._mails = np.zeros(setting.offers)
        self._micros = np.zeros(setting.offers)

    def told(self, events: DayEvents) -> None:
        delivered = events.of(Kind.DELIVERY).offer
        self._mails += np.bincount(delivered, minlength=len(self._mails))
        money = events.of(Kind.CONVERSION, Kind.REBILL, Kind.REVERSAL)
        self._micros += np.bincount(money.offer, money.micros, len(self._micros))

    def per_mail(self) -> Floats:
        """(O,) micros, few mails drawn towards the mean of all."""
        mean = self._micros.sum() / max(self._mails.sum(), 1.0)
        return np.asarray((self._micros + _PRIOR_MAILS * mean) / (self._mails + _PRIOR_MAILS))

    def leader(self, running: Ints) -> int:
        return int(running[self.per_mail()[running].argmax()])


class Random(_Quiet):
    """As many mails as the cap allows: people, offers, tones and hours by chance."""

    def __init__(self, setting: Setting) -> None:
        self._setting, self._calendar = setting, Calendar(setting)

    def mail(self, seen: Observables, day: int) -> Mailing:
        running = np.flatnonzero(seen.offer_running)
        free = np.flatnonzero(seen.mailable & self._calendar.free(day))
        if not len(running):
            return NO_MAIL
        order, which, tone, hour = (luck(self._setting.seed, seen.ids, day, purpose) for purpose in range(4))
        who = best(order, free, self._setting.daily_cap)
        self._calendar.mailed(who, day)
        hours = _MORNING + (hour[who] * (_EVENING + 1 - _MORNING)).astype(np.int64)
        return to_all(who, _pick(running, which[who]), content=(tone[who] * len(TONES)).astype(np.int64), hour=hours)


class DailyBlast(_Quiet):
    """Everybody, every day, the offers in turn; no cap."""

    def __init__(self, setting: Setting) -> None:
        pass

    def mail(self, seen: Observables, day: int) -> Mailing:
        running = np.flatnonzero(seen.offer_running)
        who = np.flatnonzero(seen.mailable)
        return to_all(who, int(running[day % len(running)])) if len(running) else NO_MAIL


class BestSingleOffer:
    """One offer for all, the best so far after four weeks of trying; up to the cap, those who clicked last first."""

    def __init__(self, setting: Setting) -> None:
        self._setting, self._calendar, self._data = setting, Calendar(setting), _OwnData(setting)
        self._clicked_on = np.full(setting.people, -1)

    def mail(self, seen: Observables, day: int) -> Mailing:
        running = np.flatnonzero(seen.offer_running)
        if not len(running):
            return NO_MAIL
        free = np.flatnonzero(seen.mailable & self._calendar.free(day))
        # among people alike in clicks, a new order each day: else the same would be mailed for ever
        keenness = self._clicked_on + luck(self._setting.seed, seen.ids, day, 0)
        who = best(keenness, free, self._setting.daily_cap)
        self._calendar.mailed(who, day)
        return to_all(who, int(running[day % len(running)]) if day < TRIAL_DAYS else self._data.leader(running))

    def told(self, events: DayEvents, day: int) -> None:
        self._data.told(events)
        self._clicked_on[events.of(Kind.CLICK).row] = day


class WeeklyOwnData:
    """A newsletter once a week, a seventh of the list a day: the offer that has earned most, with a few testers for the others."""

    def __init__(self, setting: Setting) -> None:
        self._setting, self._data = setting, _OwnData(setting)

    def mail(self, seen: Observables, day: int) -> Mailing:
        running, who = np.flatnonzero(seen.offer_running), _of_this_day(self._setting, seen, day)
        if not len(running):
            return NO_MAIL
        which, tests = (luck(self._setting.seed, seen.ids, day, purpose)[who] for purpose in range(2))
        trying = (tests < TESTERS) | (day < TRIAL_DAYS)
        return to_all(who, np.where(trying, _pick(running, which), self._data.leader(running)))

    def told(self, events: DayEvents, day: int) -> None:
        self._data.told(events)


class WeeklyTrueEpc(_Quiet):
    """The same newsletter by an operator who knows each day what every offer would bring per mail: a strong simple policy."""

    def __init__(self, setting: Setting, world: World) -> None:
        self._setting, self._world = setting, world

    def mail(self, seen: Observables, day: int) -> Mailing:
        running, who = np.flatnonzero(seen.offer_running), _of_this_day(self._setting, seen, day)
        if not len(running) or not len(who):
            return NO_MAIL
        grid = self._world.truth.chances(who[:, None], running[None, :], np.array([[0]]), np.array([[NEWSLETTER_HOUR]]))
        return to_all(who, int(running[grid.expected_micros.mean(axis=0).argmax()]))


def _of_this_day(setting: Setting, seen: Observables, day: int) -> Ints:
    """The seventh of the list whose day it is."""
    mine = (luck(setting.seed, seen.ids, 0, 99) * 7).astype(np.int64)
    return np.flatnonzero(seen.mailable & (mine == day % 7))


def _pick(among: Ints, uniform: Floats) -> Ints:
    return among[(uniform * len(among)).astype(np.int64)]


OPERATORS: dict[str, Callable[[Setting], Random | DailyBlast | BestSingleOffer | WeeklyOwnData]] = {
    "random": Random,
    "daily_blast": DailyBlast,
    "best_single_offer": BestSingleOffer,
    "weekly_own_data": WeeklyOwnData,
}
