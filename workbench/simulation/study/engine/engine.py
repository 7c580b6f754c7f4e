"""The engine itself as a policy: due people go through `decide_batch` and `grant` in a few cycles a day; it is trained once a week.

`SameModelsSort` keeps its models and replaces its rule by the specification's: everybody's best offer, sorted by predicted
revenue, cut at the cap. `OneContent` is the engine without a choice of content and hours: what it does not gain by that choice where
there is nothing to be gained, it loses to chance.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from revenue_engine import __version__
from revenue_engine.arrays import Ints
from revenue_engine.bundle import Bundle, prior_bundle
from revenue_engine.context import Cycle, CycleContext, Price, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.grant import grant, supply_of
from revenue_engine.learning.train import first_passed, train, train_habits
from revenue_engine.offers.posterior import EVIDENCE_DAYS, Posteriors, fold
from revenue_engine.pacing.complaints import complaint_price
from revenue_engine.pacing.price import mean_price, shadow_price
from revenue_engine.prediction.segments import segment_of
from revenue_engine.prospects import look
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.offer import Offer
from workbench.simulation.study.engine import rows as packed
from workbench.simulation.study.engine.catalogue import offers_of
from workbench.simulation.study.engine.memory import Memory
from workbench.simulation.study.policy import COST_MICROS, NO_MAIL, Calendar, Setting, best
from workbench.simulation.worlds import DayEvents, Mailing, Observables
from workbench.simulation.worlds.spec import TONES

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday, the day of the year on which worlds begin
HOURS = (8, 12, 16, 20)  # cycles of a study: more of them would wait for the same news
SAME_HOUR = 4  # less than whole days between mails, as whoever counts calendar days: tomorrow's same hour is open
AROUND = timedelta(hours=2)  # each stands for all those of the hours around it
TRAINED_EVERY_DAYS = 7
LOOK_AGAIN_SECONDS = 3_600  # as services/touches
_ORG = "world"


class Engine:
    """What it knows of a world is what its own tables would hold."""

    hours: tuple[int, ...] = HOURS
    around: timedelta = AROUND

    def __init__(self, setting: Setting, bundle: Bundle | None = None) -> None:
        """`bundle` is what it begins with, else the prior."""
        self._setting = setting
        self._controls = Controls(
            max_daily_emails=setting.daily_cap,
            max_emails_per_subscriber_per_week=setting.per_week,
            min_hours_between_emails=24 * setting.gap_days - SAME_HOUR,
            cost_per_email_micros=COST_MICROS,
            fixed_policy_share=0.0,
            no_mail_share=0.0,
            sends_per_minute=1_000,
        )
        self._bundle: Bundle = bundle or prior_bundle(START, code_version=__version__)
        self._memory: Memory | None = None
        self._first_day = 0
        self._due = np.full(setting.people, int(START.timestamp()))
        self._decided_at = np.zeros(setting.people, dtype=np.int64)
        self._calendar = Calendar(setting)
        self._supply: dict[tuple[int, int], Ints] = {}
        self._lambda: dict[tuple[int, int], int] = {}
        self._kappa = 0

    def mail(self, seen: Observables, day: int) -> Mailing:
        self.begin(seen, day)
        posteriors = self.posteriors(seen, day)  # of all cycles of a day: its news is told in the evening
        left = self._setting.daily_cap
        parts: list[Mailing] = []
        for hour in self.hours:
            part = self.cycle(seen, day, hour, left, posteriors)
            left -= len(part.who)
            parts.append(part)
        return Mailing(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("who", "offer", "content", "hour")))

    def begin(self, seen: Observables, day: int) -> None:
        """A day, before its first cycle. The first one it ever sees is that of its import and cold start."""
        if self._memory is None:
            self._first_day = day
            self._memory = Memory(
                self._rows(seen, int((START + timedelta(days=day)).timestamp())),
                start=START,
                days=self._setting.days,
                payout_micros=seen.offer_payout_micros,
                category=seen.offer_category,
                since=day,
            )
        if day > self._first_day and (day - self._first_day) % TRAINED_EVERY_DAYS == 0:
            self._train(self._memory, seen, day)
        mailed = self._memory.evidence(since=max(day - EVIDENCE_DAYS, 0), until=day)
        self._kappa = complaint_price(mailed, (START + timedelta(days=day)).date(), self._memory.heard_share)

    def posteriors(self, seen: Observables, day: int, hour: int = 0) -> Posteriors:
        """By all it was told until this hour."""
        evidence = self.memory.evidence(since=max(day - EVIDENCE_DAYS, 0), until=day + 1)
        return fold(evidence, self._catalogue(seen), self._bundle.rates, START + timedelta(days=day, hours=hour))

    def cycle(self, seen: Observables, day: int, hour: int, left: int, posteriors: Posteriors) -> Mailing:
        """One cycle, with so many mails left in the day's cap."""
        now = START + timedelta(days=day, hours=hour)
        context = CycleContext(
            org=f"{_ORG}-{self._setting.seed}",
            cycle_id=f"{now:%Y%m%dT%H%M}",
            now=now,
            autonomy=Autonomy.FULL,
            controls=self._controls,
            offers=self._catalogue(seen),
            posteriors=posteriors,
            bundle=self._bundle,
            price=self._price(day, hour, left),
            budget_left=left,
            list_refreshed_at={},
            caps_reached={},
            code_version=__version__,
        )
        return self._cycle(self.memory, prepare(context), seen, day, hour, left)

    def told(self, events: DayEvents, day: int) -> None:
        who, at = self.memory.told(events, day)
        # who clicks is looked at again soon, never later than he would be anyway
        np.minimum.at(self._due, who, at + LOOK_AGAIN_SECONDS)

    @property
    def memory(self) -> Memory:
        """What it was told; not before its first day."""
        assert self._memory is not None
        return self._memory

    def _rows(self, seen: Observables, start: int) -> packed.Rows:
        """As imported."""
        return packed.rows_of(seen, start)

    def _catalogue(self, seen: Observables) -> tuple[Offer, ...]:
        return offers_of(seen)

    def _train(self, memory: Memory, seen: Observables, day: int) -> None:
        categories = {offer.offer: offer.category for offer in self._catalogue(seen)}
        candidates = train(
            memory.evidence(since=max(day - 365, 0), until=day + 1),
            categories,
            START + timedelta(days=day),
            code_version=__version__,
            champion=self._bundle,
        )
        promoted = first_passed(candidates)
        if promoted is not None:
            self._bundle = promoted.bundle
        habits = train_habits(memory.would_be(day), code_version=__version__, champion=self._bundle)
        self._bundle = habits.bundle

    def _price(self, day: int, hour: int, left: int) -> Price:
        yesterday = [self._supply[day - 1, later] for later in self.hours if later >= hour and (day - 1, later) in self._supply]
        price = self._lambda[day, hour] = shadow_price(yesterday, left)
        others = [self._lambda[day - ago, hour] for ago in range(1, 7) if (day - ago, hour) in self._lambda]
        return Price(price, usual_micros=mean_price(price, others), kappa_micros=self._kappa)

    def _cycle(self, memory: Memory, cycle: Cycle, seen: Observables, day: int, hour: int, left: int) -> Mailing:
        due = np.flatnonzero(seen.mailable & (self._due < cycle.now + self.around.total_seconds()))
        if not len(due):
            return NO_MAIL
        batch = packed.page(memory.rows, due, self._decided_at)
        decisions = decide_batch(batch, cycle)
        self._supply[day, hour] = supply_of(decisions, batch, cycle)
        decisions = grant(decisions, batch, cycle, min(left, int(decisions.mail.sum())))
        meant = np.flatnonzero(decisions.mail | decisions.ghost)
        at = np.full(len(meant), cycle.now)
        memory.meant(day, due[meant], at, decisions.ghost[meant], 1.0 - decisions.propensity_send[meant])
        self._due[due] = decisions.next_decision_at
        self._decided_at[due] = cycle.now
        leaves = np.flatnonzero(decisions.mail)
        return self._leave(
            memory,
            cycle,
            day,
            hour,
            due[leaves],
            decisions.arm[leaves].astype(np.int64),
            decisions.segment[leaves].astype(np.int64),
        )

    def _leave(self, memory: Memory, cycle: Cycle, day: int, hour: int, who: Ints, arm: Ints, segment: Ints) -> Mailing:
        offer = cycle.book.offer_of_arm[arm].astype(np.int64)
        tone = np.array([TONES.index(variant) for _, variant in cycle.book.arms], dtype=np.int64)[arm]
        memory.mailed(day, who, np.full(len(who), cycle.now), offer, segment)
        return Mailing(who, offer, tone, np.full(len(who), hour))


class SameModelsSort(Engine):
    """The engine's models under the specification's rule: all who may be mailed, by predicted revenue, up to the cap."""

    hours = HOURS[:1]  # the first cycle of a day spends its cap

    def _cycle(self, memory: Memory, cycle: Cycle, seen: Observables, day: int, hour: int, left: int) -> Mailing:
        free = np.flatnonzero(seen.mailable & self._calendar.free(day))
        page = packed.page(memory.rows, free, self._decided_at)
        segment = segment_of(page, cycle.now).astype(np.int64)
        open_offers = np.broadcast_to(cycle.book.open_offers, (len(free), len(cycle.book.offers)))
        seen_of = look(page, cycle, segment, open_offers)
        among = np.where(seen_of.eligible, seen_of.revenue, -np.inf)
        predicted = np.zeros(self._setting.people)
        predicted[free] = among.max(axis=1)
        # the floor is the engine's own, so that the rule alone makes the difference
        good = free[seen_of.upper >= self._controls.min_revenue_per_email_micros]
        who = best(predicted, good, left)
        self._calendar.mailed(who, day)
        mine = np.searchsorted(free, who)
        return self._leave(memory, cycle, day, hour, who, among.argmax(axis=1)[mine], segment[mine])


class OneContent(Engine):
    """Every offer in its plain tone, nobody's hour known: all else is the engine's."""

    def _rows(self, seen: Observables, start: int) -> packed.Rows:
        rows = packed.rows_of(seen, start)
        rows["peak_hour"] = -1
        return rows

    def told(self, events: DayEvents, day: int) -> None:
        super().told(events, day)
        assert self._memory is not None
        self._memory.rows["hour_clicks"] = 0  # nor does anybody's own click tell one

    def _catalogue(self, seen: Observables) -> tuple[Offer, ...]:
        return offers_of(seen, tones=TONES[:1])
