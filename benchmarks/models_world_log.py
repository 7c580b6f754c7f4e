"""An engine's log of a world for `benchmarks.models`: sends as served, what was told of them and when, and the truth beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from revenue_engine.arrays import Floats, Ints
from revenue_engine.context import Cycle
from revenue_engine.learning.rows import Rows
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.served import Inputs, inputs
from workbench.simulation.study.engine import rows as packed
from workbench.simulation.study.engine.catalogue import FIRST_NUMBER
from workbench.simulation.study.engine.engine import Engine
from workbench.simulation.study.engine.memory import Memory
from workbench.simulation.study.policy import NO_MAIL, Setting
from workbench.simulation.study.trial import CAP_SHARE
from workbench.simulation.worlds import DayEvents, Kind, Mailing, World, WorldSpec
from workbench.simulation.worlds.sales import MONTHS, REBILL_SHARE, STAYS
from workbench.simulation.worlds.spec import TONES

SETTLING_DAYS = 45  # without mail: 14 until what was clicked has been bought, and a month for what is taken back
CLICK_DAYS = 3
NEVER = -1


@dataclass(frozen=True, slots=True)
class Log:
    """Sends in the order of time, (n,) each unless said otherwise."""

    inputs: Inputs
    day: Ints
    segment: Ints
    offer: Ints
    arm: Ints  # offer and tone
    clicked_on: Ints  # day on which a click was told that may be a person's, NEVER
    sold_on: Ints  # day on which the first conversion was told, NEVER
    paid_micros: Floats  # in the end
    known_micros: Mapping[int, Floats]  # by day: what was booked on its morning, of the sends until then
    p_click: Sequence[Floats]  # by day, (S, arms): the tables of its first cycle
    p_sale: Sequence[Floats]
    true_sale: Floats  # chance of a conversion by the truth
    true_micros: Floats  # expected of one

    def __len__(self) -> int:
        return len(self.day)

    def rows(self, chosen: Ints, *, as_of: int) -> Rows:
        """These sends as a model may learn from them on the morning of a day of `known_micros`."""
        given = self.inputs
        clicked = (self.clicked_on[chosen] != NEVER) & (self.clicked_on[chosen] < as_of)
        return Rows(
            features=given.features[chosen],
            cross=given.cross[chosen],
            p_click=given.p_click[chosen],
            p_sale=given.p_sale[chosen],
            clicked=clicked & (self.clicked_on[chosen] - self.day[chosen] <= CLICK_DAYS),
            sold=self.known_micros[as_of][chosen] > 0,
            propensity=np.full(len(chosen), np.nan),  # the study keeps none
            weight=np.ones(len(chosen)),
        )


class Watched(Engine):
    """The engine, its sends noted as they are served; with more cycles a day than other studies, for a cycle carries 15,000 mails."""

    hours = tuple(range(7, 20, 2))

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._notes: list[tuple[np.ndarray, ...]] = []
        self._truth: list[tuple[Floats, Floats]] = []
        self._sold_on = np.full((setting.days, setting.people), NEVER, dtype=np.int16)
        self._booked: dict[int, Floats] = {}
        self._tables: list[tuple[Floats, Floats]] = []
        self.offers = setting.offers

    def told(self, events: DayEvents, day: int) -> None:
        super().told(events, day)
        sales = events.of(Kind.CONVERSION)
        sales = sales.where(sales.part == 0)
        fresh = sales.where(self._sold_on[sales.sent_day, sales.row] == NEVER)
        self._sold_on[fresh.sent_day, fresh.row] = day

    def watch(self, world: World, mailing: Mailing) -> None:
        """Notes the truth about today's mails."""
        told = world.truth.chances(mailing.who, mailing.offer, mailing.content, mailing.hour)
        rebills = 1 + REBILL_SHARE * sum(STAYS**month for month in range(1, MONTHS + 1))
        paid_again = np.where(world.commons.offers.rebills[mailing.offer], rebills, 1.0)
        self._truth.append((told.click * told.convert, told.micros / paid_again))

    def know(self, day: int) -> None:
        """Notes what is booked on the morning of this day."""
        memory, sent, who = self._sends()
        self._booked[day] = memory.paid(sent, who)

    def log(self) -> Log:
        """All sends, and what is known of them by now."""
        memory, day, who = self._sends()
        _, _, segment, arm, *given = (np.concatenate(column) for column in zip(*self._notes, strict=True))
        true_sale, true_micros = (np.concatenate(column) for column in zip(*self._truth, strict=True))
        return Log(
            inputs=Inputs(*given),
            day=day,
            segment=segment,
            offer=arm // len(TONES),
            arm=arm,
            clicked_on=memory.clicked_on(day, who),
            sold_on=self._sold_on[day, who].astype(np.int64),
            paid_micros=memory.paid(day, who),
            known_micros=self._booked,
            p_click=[clicks for clicks, _ in self._tables],
            p_sale=[sales for _, sales in self._tables],
            true_sale=true_sale,
            true_micros=true_micros,
        )

    def _sends(self) -> tuple[Memory, Ints, Ints]:
        assert self._memory is not None
        return self._memory, np.concatenate([note[0] for note in self._notes]), np.concatenate([note[1] for note in self._notes])

    def _leave(self, memory: Memory, cycle: Cycle, day: int, hour: int, who: Ints, arm: Ints, segment: Ints) -> Mailing:
        page = packed.page(memory.rows, who, self._decided_at)
        given = inputs(page, cycle, np.arange(len(who)), arm, segment)
        mine = (cycle.book.numbers[cycle.book.offer_of_arm] - FIRST_NUMBER) * len(TONES)
        mine = mine + np.array([TONES.index(variant) for _, variant in cycle.book.arms])
        if len(self._tables) <= day:
            self._tables += [_spread(cycle, mine, self.offers)] * (day + 1 - len(self._tables))
        self._notes.append((np.full(len(who), day), who, segment, mine[arm], *(getattr(given, name) for name in given.__slots__)))
        return super()._leave(memory, cycle, day, hour, who, arm, segment)


def _spread(cycle: Cycle, mine: Ints, offers: int) -> tuple[Floats, Floats]:
    """The cycle's tables by offer and tone; NaN for arms that it has not."""
    result = []
    for table in (cycle.p_click, cycle.p_conversion):
        wide = np.full((len(SEGMENTS), offers * len(TONES)), np.nan)
        wide[:, mine] = table
        result.append(wide)
    return result[0], result[1]


def played(spec: WorldSpec, people: int, days: int, seed: int, known: Sequence[int]) -> Log:
    """The engine's log of a world; what is booked is noted on the mornings of `known`."""
    world = World(spec, seed, people)
    mine = Watched(Setting(people, spec.offers, days + SETTLING_DAYS, round(CAP_SHARE * people), seed))
    for day in range(days + SETTLING_DAYS):
        if day in known:
            mine.know(day)
        mailing = mine.mail(world.observables(day), day) if day < days else NO_MAIL
        if len(mailing.who):
            mine.watch(world, mailing)
        mine.told(world.step(day, mailing), day)
    return mine.log()


def engaged(spec: WorldSpec, like: WorldSpec) -> WorldSpec:
    """That world's offers for a list of customers, who open, click and buy as `like`'s do; the offers' caps in proportion."""
    more = like.open_rate * like.click_rate * like.convert_rate / (spec.open_rate * spec.click_rate * spec.convert_rate)
    return replace(
        spec,
        name=f"{spec.name}, engaged",
        open_rate=like.open_rate,
        click_rate=like.click_rate,
        convert_rate=like.convert_rate,
        weekly_cap_per_thousand=more * spec.weekly_cap_per_thousand,
    )
