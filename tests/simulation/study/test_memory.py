"""Evidence as engage and attribute would have written it, recounted from a world's events by hand."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from revenue_engine.records.evidence import SEGMENTS
from tests.simulation.worlds.policies import HOT, everybody
from workbench.simulation.study.engine.catalogue import offers_of
from workbench.simulation.study.engine.memory import Memory
from workbench.simulation.study.engine.rows import rows_of
from workbench.simulation.worlds import Agent, DayEvents, Kind, World
from workbench.simulation.worlds.spec import TONES

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS, PEOPLE = 40, 400


@pytest.fixture(scope="module")
def played() -> tuple[Memory, list[DayEvents]]:
    world = World(HOT, 8, PEOPLE)
    seen = world.observables(0)
    memory = Memory(rows_of(seen, int(START.timestamp())), start=START, days=DAYS, offers=len(seen.offer_category))
    told = []
    for day in range(DAYS):
        mailing = everybody(world, offer=day % 3, content=day % 5)
        at = np.full(len(mailing.who), int((START + timedelta(days=day, hours=9)).timestamp()))
        memory.mailed(day, mailing.who, at, mailing.offer, mailing.who % len(SEGMENTS))
        events = world.step(day, mailing)
        memory.told(events)
        told.append(events)
    return memory, told


def test_the_evidence_of_all_days_adds_up_to_the_events(played: tuple[Memory, list[DayEvents]]) -> None:
    memory, told = played
    cells = list(memory.evidence(since=0, until=DAYS))
    delivered: dict[tuple[int, int], float] = {}
    wanted: Counter[str] = Counter()
    opened, clicked, sold = set(), set(), set()
    for events in told:
        for kind, row, day, at, agent, part in zip(
            *(getattr(events, name).tolist() for name in ("kind", "row", "sent_day", "at", "agent", "part")), strict=True
        ):
            mail = (row, day)
            if kind == Kind.DELIVERY:
                delivered[mail] = at
                wanted["deliveries"] += 1
            elif kind == Kind.OPEN and agent not in (Agent.APPLE_PROXY, Agent.SCANNER):
                opened.add(mail)
            elif kind == Kind.CLICK and agent != Agent.SCANNER and at - delivered[mail] >= 10:
                clicked.add(mail)
            elif kind == Kind.CONVERSION and part == 0:
                sold.add(mail)
            elif kind == Kind.UNSUBSCRIBE:
                wanted["unsubscribes"] += 1
            elif kind == Kind.COMPLAINT:
                wanted["complaints"] += 1
    got = {
        name: sum(getattr(cell, name) for cell in cells)
        for name in ("deliveries", "unsubscribes", "complaints", "opens", "clicks")
    }
    assert got == {**wanted, "opens": len(opened), "clicks": len(clicked)}
    assert len(sold) > 50
    rebills = sum(len(events.of(Kind.REBILL)) for events in told)
    assert sum(cell.conversions for cell in cells) <= len(sold) + rebills


def test_money_nets_to_what_was_posted_approved_and_taken_back(played: tuple[Memory, list[DayEvents]]) -> None:
    memory, told = played
    booked: dict[tuple[int, int], int] = {}
    rebilled = 0
    for events in told:
        money = events.of(Kind.CONVERSION, Kind.APPROVAL, Kind.REVERSAL, Kind.REBILL)
        for kind, row, day, part, micros in zip(
            *(getattr(money, name).tolist() for name in ("kind", "row", "sent_day", "part", "micros")), strict=True
        ):
            if kind == Kind.CONVERSION and part == 0:
                booked.setdefault((row, day), micros)
            elif kind == Kind.APPROVAL:
                booked[row, day] = micros
            elif kind == Kind.REVERSAL:
                booked[row, day] += micros
            elif kind == Kind.REBILL:
                rebilled += micros
    cells = list(memory.evidence(since=0, until=DAYS))
    assert sum(cell.conversion_micros for cell in cells) == sum(booked.values()) + rebilled
    assert memory.rows["revenue_micros"].sum() == sum(booked.values()) + rebilled


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
