"""What engage and attribute would have written of a world's events: rows, and evidence by day, offer, variant and segment.

As theirs, and of what a sender can know alone: a mail's opens and clicks count once; a click by a named scanner or within seconds of
delivery is no reader's; a conversion stands on the day of its mail's first click. One that comes seconds after its click, or pays
several times what its offer does, is held from learning until it is approved; one that no report confirms is taken back after the
days of `provisional_valid_days`. (The engine's rules for payouts of a share of the sale, and for an offer's bursts, are left out.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.learning.habits import WouldBe, hour_of
from revenue_engine.learning.outcomes import CLICK_SECONDS
from revenue_engine.records.causes import HEARD_PROVIDERS
from revenue_engine.records.controls import Controls
from revenue_engine.records.evidence import SEGMENTS, Evidence
from revenue_engine.records.subscriber import PROVIDERS, topic_number
from revenue_engine.safety.anomalies import INSTANT_HOLD_SECONDS
from workbench.simulation.study.engine import rows as packed
from workbench.simulation.study.engine.catalogue import FIRST_NUMBER
from workbench.simulation.study.engine.machines import machine_clicks, machine_opens
from workbench.simulation.worlds import DayEvents, Kind
from workbench.simulation.worlds.spec import TONES

_NAMES = ("deliveries", "opens", "clicks", "conversions", "conversion_micros", "unsubscribes", "complaints")
UNCONFIRMED_DAYS = Controls().provisional_valid_days
_NOT_USUAL = 3.0  # times the listed payout
_NEVER = -1
_DAY = 86_400.0


class Memory:
    """Of a list of n people over D days at the most."""

    def __init__(
        self, rows: packed.Rows, *, start: datetime, days: int, payout_micros: Ints, category: Ints, since: int = 0
    ) -> None:
        """`payout_micros` (O,) as listed, 0 where a share of the sale is paid; `category` (O,). Of mails before the day `since`, which
        somebody else sent, it knows nothing."""
        self._topics = np.array([topic_number(packed.category_name(each)) for each in category.tolist()], dtype=np.int64)
        n, offers = len(rows), len(payout_micros)
        self._payout_micros = payout_micros
        self.rows, self.start, self._since = rows, start, since
        self._epoch = int(start.timestamp())
        self._segment = np.zeros((days, n), dtype=np.uint8)
        self._sent_at = np.zeros((days, n), dtype=np.int64)
        self._opened = np.zeros((days, n), dtype=bool)
        self._clicked_on = np.full((days, n), _NEVER, dtype=np.int16)
        self._clicked_s = np.full((days, n), np.inf, dtype=np.float32)  # of that click, likewise
        self._sold = np.zeros((days, n), dtype=bool)
        self._held = np.zeros((days, n), dtype=bool)
        self._unconfirmed: list[DayEvents] = []
        self._paid = np.zeros((days, n), dtype=np.int64)  # micros booked for a mail
        self._delivered_s = np.full(
            (days, n), np.inf, dtype=np.float32
        )  # seconds of a mail's day; news of a click never comes first
        self._left = np.zeros((days, n), dtype=bool)
        none = np.zeros(0, dtype=np.int64)
        self._would_be: list[tuple[Ints, Ints, Ints, Bools, Floats, Ints]] = [
            (none, none, none, none.astype(np.bool_), np.zeros(0), none)
        ]
        self._counts = {name: np.zeros((days, offers, len(TONES), len(SEGMENTS)), dtype=np.int64) for name in _NAMES}
        self._cells: list[list[Evidence]] = [[] for _ in range(days)]  # of each day, as of when it last changed
        self._changed = np.zeros(days, dtype=bool)

    def mailed(self, day: int, who: Ints, at: Ints, offer: Ints, segment: Ints) -> None:
        """One mail each."""
        self._segment[day, who] = segment
        self._sent_at[day, who] = at
        packed.claimed(self.rows, who, at, FIRST_NUMBER + offer)

    def meant(self, day: int, who: Ints, at: Ints, ghost: Bools, ghost_share: Floats) -> None:
        """Mails that were to be sent: those kept back by lot are ghosts."""
        peak, hour = self.rows["peak_hour"][who].astype(np.float64), (at - self._epoch) / 3_600 % 24  # the study's clock is UTC
        away = np.where(peak >= 0, np.abs((hour - peak + 12) % 24 - 12), np.nan)
        self._would_be.append((np.full(len(who), day), who, at, ghost, ghost_share, hour_of(away, hour)))

    def would_be(self, day: int) -> WouldBe:
        """All of them as known on the morning of `day`."""
        sent_day, who, at, ghost, share, hour = (np.concatenate(column) for column in zip(*self._would_be, strict=True))
        clicked_on = self.clicked_on(sent_day, who)
        return WouldBe(
            person=who,
            at=at / _DAY,
            sent=~ghost & np.isfinite(self._delivered_s[sent_day, who]),
            ghost=ghost,
            ghost_share=share,
            clicked=(clicked_on != _NEVER) & (clicked_on <= sent_day + CLICK_SECONDS // int(_DAY)),
            left=self._left[sent_day, who],
            hour=hour,
            closed=sent_day + CLICK_SECONDS // int(_DAY) < day,
        )

    def told(self, events: DayEvents, day: int) -> tuple[Ints, Ints]:
        """All events of this day; gives the people who clicked on it and when, epoch seconds."""
        events = events.where(events.sent_day >= self._since)
        deliveries = events.of(Kind.DELIVERY)
        self._delivered_s[deliveries.sent_day, deliveries.row] = deliveries.at - _DAY * deliveries.sent_day
        packed.touched(self.rows, "deliveries", deliveries.row, self._at(deliveries))
        self._count("deliveries", deliveries, deliveries.sent_day)
        clicks, burst = self._clicks(events.of(Kind.CLICK))
        self._opens(events.of(Kind.OPEN), burst)
        for kind, name in ((Kind.UNSUBSCRIBE, "unsubscribes"), (Kind.COMPLAINT, "complaints")):
            some = events.of(kind)
            self._count(name, some, some.sent_day)
            self._left[some.sent_day, some.row] = True
        self._money(events)
        self._give_up(day)
        return clicks.row, self._at(clicks)

    def evidence(self, *, since: int, until: int) -> Iterator[Evidence]:
        """Cells of the days [since, until) in which anything happened."""
        for day in range(since, until):
            if self._changed[day]:
                self._cells[day], self._changed[day] = self._cells_of(day), False
            yield from self._cells[day]

    @property
    def heard_share(self) -> float:
        """Of the list, those whose mailbox providers tell of complaints."""
        heard = [PROVIDERS.index(name) for name in sorted(HEARD_PROVIDERS)]
        return float(np.isin(self.rows["provider"], heard).mean())

    def _cells_of(self, day: int) -> list[Evidence]:
        counts = [self._counts[name][day] for name in _NAMES]
        seen = np.any([of != 0 for of in counts], axis=0)
        date = (self.start + timedelta(days=day)).astimezone(UTC).date()
        where, columns = np.argwhere(seen).tolist(), zip(*(of[seen].tolist() for of in counts), strict=True)
        return [
            Evidence(date, str(FIRST_NUMBER + o), TONES[v], SEGMENTS[s], **dict(zip(_NAMES, amounts, strict=True)))
            for (o, v, s), amounts in zip(where, columns, strict=True)
        ]

    def clicks(self, day: int) -> Ints:
        """(O,) mails of each offer whose reader first clicked on this day."""
        return np.asarray(self._counts["clicks"][day].sum(axis=(1, 2)))

    def clicked_on(self, sent_day: Ints, who: Ints) -> Ints:
        """(m,) day on which the first click on a mail was told that, as far as a sender can tell, is its reader's; -1 for none."""
        return self._clicked_on[sent_day, who].astype(np.int64)

    def paid(self, sent_day: Ints, who: Ints) -> Floats:
        """(m,) micros booked for mails by now, rebills left out."""
        return np.maximum(self._paid[sent_day, who] * self._sold[sent_day, who], 0).astype(np.float64)

    def _at(self, events: DayEvents) -> Ints:
        return self._epoch + events.at.astype(np.int64)

    def _count(self, name: str, events: DayEvents, day: Ints, amount: Ints | int = 1) -> None:
        segment = self._segment[events.sent_day, events.row]
        np.add.at(self._counts[name], (day, events.offer, events.content % len(TONES), segment), amount)
        self._changed[day] = True

    def _opens(self, events: DayEvents, burst: DayEvents) -> None:
        by_machine = machine_opens(events, burst)
        human, machine = events.where(~by_machine), events.where(by_machine)
        packed.touched(self.rows, "machine_opens", machine.row, self._at(machine))
        packed.touched(self.rows, "human_opens", human.row, self._at(human))
        first = human.where(_first(human) & ~self._opened[human.sent_day, human.row])
        self._opened[first.sent_day, first.row] = True
        self._count("opens", first, first.sent_day)

    def _clicks(self, events: DayEvents) -> tuple[DayEvents, DayEvents]:
        """Those of people, and the bursts of machines."""
        waited = events.at - _DAY * events.sent_day - self._delivered_s[events.sent_day, events.row]
        by_machine, burst = machine_clicks(events, waited.astype(np.float64))
        human = events.where(~by_machine)
        packed.touched(self.rows, "human_clicks", human.row, self._at(human))
        first = human.where(_first(human) & (self._clicked_on[human.sent_day, human.row] == _NEVER))
        today = (first.at // _DAY).astype(np.int64)
        self._clicked_on[first.sent_day, first.row] = today
        self._clicked_s[first.sent_day, first.row] = first.at - _DAY * first.sent_day
        self._count("clicks", first, today)
        packed.clicked(self.rows, first.row, self._topics[first.offer], self._sent_at[first.sent_day, first.row])
        return human, events.where(burst)

    def _money(self, events: DayEvents) -> None:
        sales = events.of(Kind.CONVERSION)
        # the same id again is the same conversion; another id on the same mail is one more, as far as anybody knows
        again = (sales.part == 0) & (~_first(sales) | self._sold[sales.sent_day, sales.row])
        sales = sales.where(~again)
        waited = sales.at - _DAY * sales.sent_day - self._clicked_s[sales.sent_day, sales.row]
        usual = self._payout_micros[sales.offer]
        held = ((waited >= 0) & (waited < INSTANT_HOLD_SECONDS)) | ((usual > 0) & (sales.micros >= _NOT_USUAL * usual))
        first = sales.part == 0
        self._sold[sales.sent_day[first], sales.row[first]] = True
        self._held[sales.sent_day[first & held], sales.row[first & held]] = True
        self._book(sales, sales.micros, (~held).astype(np.int64), learned=~held)
        base = first & (self._clicked_on[sales.sent_day, sales.row] != _NEVER)
        self._unconfirmed.append(sales.where(~base))
        rebills = events.of(Kind.REBILL)
        self._book(rebills, rebills.micros, np.ones(len(rebills), dtype=np.int64))
        self._approve(events.of(Kind.APPROVAL))
        back = events.of(Kind.REVERSAL)
        whole = -back.micros >= self._paid[back.sent_day, back.row]
        free = ~self._held[back.sent_day, back.row]
        self._book(back, back.micros, -(whole & free).astype(np.int64), learned=free)

    def _approve(self, final: DayEvents) -> None:
        """What was held is learned from after all, as a whole; else the change of its amount is."""
        held = self._held[final.sent_day, final.row]
        change = final.micros - self._paid[final.sent_day, final.row]
        self._book(final.where(~held), change[~held], np.zeros(int((~held).sum()), dtype=np.int64))
        freed = final.where(held)
        self._count("conversions", freed, self._day_of(freed), 1)
        self._count("conversion_micros", freed, self._day_of(freed), freed.micros)
        self._book(freed, change[held], np.zeros(len(freed), dtype=np.int64), learned=np.zeros(len(freed), dtype=bool))
        self._held[freed.sent_day, freed.row] = False

    def _give_up(self, day: int) -> None:
        """What nobody has confirmed for so long: second ids, and conversions of mails that nobody clicked."""
        late = [sales.where(sales.at < _DAY * (day + 1 - UNCONFIRMED_DAYS)) for sales in self._unconfirmed]
        self._unconfirmed = [sales.where(sales.at >= _DAY * (day + 1 - UNCONFIRMED_DAYS)) for sales in self._unconfirmed]
        for sales in late:
            self._book(sales, -sales.micros, -np.ones(len(sales), dtype=np.int64))
        self._unconfirmed = [sales for sales in self._unconfirmed if len(sales)]

    def _day_of(self, events: DayEvents) -> Ints:
        """Of the mail's first click; the id proves one also where it was taken for a machine's."""
        clicked_on = self._clicked_on[events.sent_day, events.row]
        return np.where(clicked_on == _NEVER, events.sent_day, clicked_on).astype(np.int64)

    def _book(self, events: DayEvents, micros: Ints, conversions: Ints, *, learned: Bools | None = None) -> None:
        """Rows know all money; evidence only what is learned from (all of it when left out)."""
        seen = events if learned is None else events.where(learned)
        day = self._day_of(seen)
        self._count("conversions", seen, day, conversions if learned is None else conversions[learned])
        self._count("conversion_micros", seen, day, micros if learned is None else micros[learned])
        base = (events.kind != Kind.REBILL) & (events.part == 0)
        np.add.at(self._paid, (events.sent_day[base], events.row[base]), micros[base])
        packed.converted(self.rows, events.row, self._at(events), micros, conversions)


def _first(events: DayEvents) -> Bools:
    """The first row of each mail, (n,)."""
    _, index = np.unique(events.sent_day * (1 << 32) + events.row, return_index=True)
    first = np.zeros(len(events), dtype=bool)
    first[index] = True
    return first
