"""Evidence as engage and attribute would have written it, recounted from a world's events by hand."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from revenue_engine.intake.human import Interaction, judge
from revenue_engine.records.evidence import SEGMENTS
from tests.simulation.worlds.policies import HOT, everybody
from workbench.simulation.stage.render import AGENTS
from workbench.simulation.study.engine.catalogue import offers_of
from workbench.simulation.study.engine.memory import Memory
from workbench.simulation.study.engine.rows import rows_of
from workbench.simulation.worlds import Agent, DayEvents, Kind, World
from workbench.simulation.worlds.spec import TONES

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS, PEOPLE = 75, 300


@pytest.fixture(scope="module")
def played() -> tuple[Memory, list[DayEvents]]:
    world = World(HOT, 8, PEOPLE)
    seen = world.observables(0)
    memory = Memory(
        rows_of(seen, int(START.timestamp())),
        start=START,
        days=DAYS,
        payout_micros=seen.offer_payout_micros,
        category=seen.offer_category,
    )
    told = []
    for day in range(DAYS):
        mailing = everybody(world, offer=day % 3, content=day % 5)
        at = np.full(len(mailing.who), int((START + timedelta(days=day, hours=9)).timestamp()))
        memory.mailed(day, mailing.who, at, mailing.offer, mailing.who % len(SEGMENTS))
        events = world.step(day, mailing)
        memory.told(events, day)
        told.append(events)
        if day % 10 == 0:  # whoever reads on the way must not see less later
            assert list(memory.evidence(since=0, until=day + 1))
    return memory, told


def people_of(told: list[DayEvents]) -> set[tuple[int, int, int, float, int]]:
    """`(kind, row, day, at, part)` of the opens and clicks that the engine's own verdict takes for people's."""
    mails: dict[tuple[int, int], list[tuple[tuple[int, int, int, float, int], Interaction]]] = {}
    delivered: dict[tuple[int, int], datetime] = {}
    names = ("kind", "row", "sent_day", "at", "part", "agent")
    for events in told:
        for kind, row, day, at, part, agent in zip(*(getattr(events, name).tolist() for name in names), strict=True):
            moment = START + timedelta(milliseconds=round(1_000 * at))
            if kind == Kind.DELIVERY:
                delivered[row, day] = moment
            elif kind in (Kind.OPEN, Kind.CLICK):
                link = str(part) if kind == Kind.CLICK else ""
                shown = Interaction(Kind(kind).name.lower(), moment, AGENTS[Agent(agent)][0], link, False, False)
                mails.setdefault((row, day), []).append(((kind, row, day, at, part), shown))
    people = set()
    for mail, seen in mails.items():
        verdicts = judge([shown for _, shown in seen], mail_at=delivered[mail], delivered_at=delivered[mail])
        people |= {key for (key, _), verdict in zip(seen, verdicts, strict=True) if verdict.human}
    return people


def test_the_evidence_of_all_days_adds_up_to_the_events(played: tuple[Memory, list[DayEvents]]) -> None:
    memory, told = played
    cells = list(memory.evidence(since=0, until=DAYS))
    wanted: Counter[str] = Counter()
    people = people_of(told)
    opened = {(row, day) for kind, row, day, _, _ in people if kind == Kind.OPEN}
    clicked = {(row, day) for kind, row, day, _, _ in people if kind == Kind.CLICK}
    assert 0 < len(clicked) < len(people)
    for events in told:
        for kind in events.kind.tolist():
            if kind == Kind.DELIVERY:
                wanted["deliveries"] += 1
            elif kind == Kind.UNSUBSCRIBE:
                wanted["unsubscribes"] += 1
            elif kind == Kind.COMPLAINT:
                wanted["complaints"] += 1
    got = {
        name: sum(getattr(cell, name) for cell in cells)
        for name in ("deliveries", "unsubscribes", "complaints", "opens", "clicks")
    }
    assert got == {**wanted, "opens": len(opened), "clicks": len(clicked)}


def _by_hand(
    told: list[DayEvents], payouts: list[int]
) -> tuple[Counter[tuple[int, int, int]], Counter[tuple[int, int, int]], int]:
    """Conversions and micros learned by (day, offer, tone) and all money booked, one event after the other, by the engine's rules:
    beside the first click; held when seconds after it or three times the listed payout, until approved; the unconfirmed given up."""
    conversions: Counter[tuple[int, int, int]] = Counter()
    micros_of: Counter[tuple[int, int, int]] = Counter()
    people = people_of(told)
    clicked: dict[tuple[int, int], float] = {}
    paid: dict[tuple[int, int], int] = {}
    held: set[tuple[int, int]] = set()
    doubtful: list[tuple[float, tuple[int, int, int], int]] = []
    money = 0

    def learn(cell: tuple[int, int, int], count: int, micros: int) -> None:
        conversions[cell] += count
        micros_of[cell] += micros

    for number, events in enumerate(told):
        names = ("kind", "row", "sent_day", "at", "part", "offer", "content", "micros")
        shown = ("kind", "row", "sent_day", "at", "part")
        for key in zip(*(getattr(events, name).tolist() for name in shown), strict=True):
            kind, row, day, at, _ = key
            if kind == Kind.CLICK and key in people:
                clicked.setdefault((row, day), at)
        for kind, row, day, at, part, offer, content, micros in zip(
            *(getattr(events, name).tolist() for name in names), strict=True
        ):
            mail = (row, day)
            cell = (int(clicked[mail] // 86_400) if mail in clicked else day, offer, content % 5)
            if kind == Kind.CONVERSION and not (part == 0 and mail in paid):
                fast = mail in clicked and 0 <= at - clicked[mail] < 5
                stopped = fast or (payouts[offer] > 0 and micros >= 3 * payouts[offer])
                money += micros
                if part == 0:
                    paid[mail] = micros
                if part == 0 and stopped:
                    held.add(mail)
                if not stopped:
                    learn(cell, 1, micros)
                if part or mail not in clicked:
                    doubtful.append((at, cell, micros))
            elif kind == Kind.REBILL:
                money += micros
                learn(cell, 1, micros)
            elif kind == Kind.APPROVAL:
                money += micros - paid[mail]
                if mail in held:
                    held.remove(mail)
                    learn(cell, 1, micros)
                else:
                    learn(cell, 0, micros - paid[mail])
                paid[mail] = micros
            elif kind == Kind.REVERSAL:
                money += micros
                if mail not in held:
                    learn(cell, -int(-micros >= paid[mail]), micros)
                paid[mail] += micros
        for late in [one for one in doubtful if one[0] < 86_400 * (number + 1 - 45)]:
            doubtful.remove(late)
            learn(late[1], -1, -late[2])
            money -= late[2]
    return conversions, micros_of, money


def test_conversions_and_money_stand_where_they_would_one_event_after_the_other(played: tuple[Memory, list[DayEvents]]) -> None:
    memory, told = played
    conversions, micros, money = _by_hand(told, memory._payout_micros.tolist())
    got_conversions: Counter[tuple[int, int, int]] = Counter()
    got_micros: Counter[tuple[int, int, int]] = Counter()
    for cell in memory.evidence(since=0, until=DAYS):
        where = ((cell.day - START.date()).days, int(cell.offer) - 1_001, TONES.index(cell.variant))
        got_conversions[where] += cell.conversions
        got_micros[where] += cell.conversion_micros
    assert {k: v for k, v in got_conversions.items() if v} == {k: v for k, v in conversions.items() if v}
    assert {k: v for k, v in got_micros.items() if v} == {k: v for k, v in micros.items() if v}
    assert sum(conversions.values()) > 200
    assert memory.rows["revenue_micros"].sum() == money


def test_a_mail_counts_in_its_own_segment_tone_and_day(played: tuple[Memory, list[DayEvents]]) -> None:
    memory, _ = played
    for cell in memory.evidence(since=7, until=8):
        if cell.deliveries:
            assert (cell.variant, cell.offer) == (TONES[7 % 5], str(1_001 + 7 % 3))
            assert cell.day == (START + timedelta(days=7)).date()
            assert cell.deliveries <= PEOPLE / len(SEGMENTS) + 1


def test_offers_that_do_not_run_are_paused_and_a_share_of_the_sale_hides_its_payout() -> None:
    seen = World(HOT, 8, PEOPLE).observables(0)
    offers = offers_of(seen)
    assert [offer.status == "active" for offer in offers] == seen.offer_running.tolist()
    assert [offer.payout_micros or 0 for offer in offers] == seen.offer_payout_micros.tolist()
    assert {len(offer.creatives) for offer in offers} == {len(TONES)}
