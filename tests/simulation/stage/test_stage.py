"""A world's day on the plane: the engine mails, and its books say of every mail what the arrays say."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revenue_engine.aws import clients, names, wiring
from revenue_engine.records.offer import tone_of
from revenue_engine.records.subscriber import provider_of
from tests.simulation.worlds.policies import HOT
from workbench.cli.demo_scene import ORG, Scene, prepare
from workbench.cli.demo_world import world_scene
from workbench.local.plane import Plane
from workbench.local.ses_recorder import Mail
from workbench.simulation import day
from workbench.simulation.everflow import EverflowApi
from workbench.simulation.mail import Received, open_mail
from workbench.simulation.recount import scan
from workbench.simulation.stage.cast import address_of, zone_of
from workbench.simulation.stage.catalogue import offer_of
from workbench.simulation.stage.reader_clock import ReaderClock
from workbench.simulation.stage.stage import Stage
from workbench.simulation.worlds import Agent, Kind, Mailing, World
from workbench.simulation.worlds.events import Facts, Flaw
from workbench.simulation.worlds.spec import TONES

SEED, PEOPLE, CYCLES = 4, 300, 28
START = datetime.fromisoformat("2026-03-02T18:00:00+00:00")
# Sales come fast, and many people leave.
SPEC = replace(HOT, open_rate=1.5, click_rate=2.5, convert_rate=2.0, unsubscribe=0.05, complaint=0.8, dead_from_start=0.03)
IN_TRANSIT = timedelta(minutes=46)  # the latest news: 25 minutes late, then again 20 minutes later


@dataclass(frozen=True)
class Played:
    """The day is over."""

    scene: Scene
    stage: Stage
    found: day.Outcome
    end: datetime
    mails: list[Received]
    sends: dict[str, dict[str, Any]]
    people: dict[str, dict[str, Any]]  # by subscriber
    raw: list[Mail]
    american: frozenset[str]  # whose day is not over yet


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    out = tmp_path_factory.mktemp("stage")
    api, randomness, end = EverflowApi("key"), random.Random(SEED), day.end_of(START, CYCLES)
    wiring.forget()
    clients.forget()
    with api.serve() as origin, Plane.start(now=START, outbox=out / "outbox", parameters={"EverflowBaseUrl": origin}) as plane:
        ground = prepare(plane, PEOPLE, randomness, out, api)
        scene, stage = world_scene(ground, SPEC, PEOPLE, SEED, end=end)
        day.run(plane, cycles=CYCLES, each=lambda n: None)
        found = _examined(plane, scene, out)
        dynamodb = plane.client("dynamodb")
        world = World(SPEC, SEED, PEOPLE)
        american = {address_of(world.profile, row) for row in range(PEOPLE) if zone_of(world.profile, row).startswith("America")}
        yield Played(
            scene,
            stage,
            found,
            end,
            [open_mail(mail) for mail in plane.ses.mails],
            {item["pk"]: item for item in scan(dynamodb, scene.w.value(names.SENDS_TABLE))},
            {i["subscriber"]: i for i in scan(dynamodb, scene.w.value(names.SUBSCRIBERS_TABLE)) if "status" in i},
            list(plane.ses.mails),
            frozenset(american),
        )


def _examined(plane: Plane, scene: Scene, out: Path) -> day.Outcome:
    rules = {"never": scene.never, "forbidden": scene.forbidden}
    return day.examine(plane, scene.w, scene.truth, org=ORG, out=out, controls=scene.controls, **rules)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def arrays(played: Played) -> tuple[World, Facts]:
    """The same mails in one step of one world of all readers, made from nothing but what left."""
    world = World(SPEC, SEED, PEOPLE)
    rows, clocks = _rows(played.mails), _clocks(world)
    read = [clocks[row].read(mail.at) for row, mail in zip(rows, played.mails, strict=True)]
    assert {moment[0] for moment in read} == {0}
    offers = [offer_of(mail.offer) for mail in played.mails]
    tones = [TONES.index(tone_of(mail.variant)) for mail in played.mails]
    hours, past = [moment[1] for moment in read], [moment[2] for moment in read]
    return world, world.mail(0, Mailing(*map(np.array, (rows, offers, tones, hours, past))))


def _rows(mails: list[Received]) -> list[int]:
    return [int(mail.address.split("@")[0].rpartition("-")[2]) for mail in mails]


def _clocks(world: World) -> list[ReaderClock]:
    return [ReaderClock.of(zone_of(world.profile, row)) for row in range(len(world.profile.ids))]


def _told(world: World, facts: Facts, until: datetime) -> Facts:
    clocks = _clocks(world)
    moments = [clocks[row].moment(float(at)) for row, at in zip(facts.row.tolist(), facts.at, strict=True)]
    return facts.where(np.array([moment <= until for moment in moments]))


def _per_row(facts: Facts) -> Counter[int]:
    return Counter(facts.row.tolist())


def _agree(engine: dict[int, int], sure: Counter[int], possible: Counter[int]) -> None:
    """Per mail; what happened in the last minutes may still be under way."""
    assert all(sure[row] <= n <= possible[row] for row, n in engine.items())
    assert sum(sure[row] == possible[row] for row in engine) > 0.9 * len(engine)
    assert sum(engine.values()) > 0


def test_the_books_are_reconciled(played: Played) -> None:
    assert played.found.wrong == []
    assert played.scene.truth.accepted == len(played.mails) == 120  # the cap: two readers in five
    assert played.found.books.conversions >= 10
    assert played.found.books.kept("provisional")["USD"] == played.scene.truth.provisional_micros()["USD"]


def test_every_mail_ends_as_the_arrays_say(played: Played, arrays: tuple[World, Facts]) -> None:
    world, facts = arrays
    by_row = {row: played.sends[mail.send_id] for row, mail in zip(_rows(played.mails), played.mails, strict=True)}
    sure, possible = (_told(world, facts, until) for until in (played.end - IN_TRANSIT, played.end))

    def agree(engine: dict[int, int], choose: Any) -> None:
        _agree(engine, _per_row(choose(sure)), _per_row(choose(possible)))

    agree({row: int("delivered_at" in send) for row, send in by_row.items()}, lambda f: f.of(Kind.DELIVERY))
    agree({row: int("bounced_at" in send) for row, send in by_row.items()}, lambda f: f.of(Kind.HARD_BOUNCE))
    agree({row: int("complained_at" in send) for row, send in by_row.items()}, lambda f: f.of(Kind.COMPLAINT))

    def conversions(f: Facts) -> Facts:
        posted = f.of(Kind.CONVERSION)
        return posted.where(posted.flaw != Flaw.POSTED_TWICE)

    agree({row: send.get("conversions", 0) for row, send in by_row.items()}, conversions)
    quiet = set(facts.where(facts.agent == Agent.QUIET_SCANNER).row.tolist())  # nothing but haste gives these away
    people = {row: send.get("human_clicks", 0) for row, send in by_row.items() if row not in quiet}
    agree(people, lambda f: f.of(Kind.CLICK).where(f.of(Kind.CLICK).human))
    money = {row: sum(n for name, n in send.items() if name.startswith("revenue_micros#")) for row, send in by_row.items()}
    for row in {row for row in money if conversions(sure).where(conversions(sure).row == row).micros.size}:
        mine = conversions(possible)
        settled = conversions(sure).row.tolist().count(row) == mine.row.tolist().count(row)
        assert not settled or money[row] == mine.micros[mine.row == row].sum()


def test_people_leave_as_the_arrays_say(played: Played, arrays: tuple[World, Facts]) -> None:
    world, facts = arrays
    status = {
        row: played.people[played.sends[mail.send_id]["subscriber"]]["status"]
        for row, mail in zip(_rows(played.mails), played.mails, strict=True)
    }
    sure, possible = (_told(world, facts, until) for until in (played.end - IN_TRANSIT, played.end))
    for kind, name in ((Kind.UNSUBSCRIBE, "unsubscribed"), (Kind.COMPLAINT, "complained"), (Kind.HARD_BOUNCE, "bounced")):
        left = {row for row, now in status.items() if now == name}
        assert set(sure.of(kind).row.tolist()) <= left <= set(possible.of(kind).row.tolist())
        assert left


def test_no_complaint_comes_from_gmail(played: Played, arrays: tuple[World, Facts]) -> None:
    world, _ = arrays
    assert world.truth.outcome is not None
    complained = [mail for mail, did in zip(played.mails, world.truth.outcome.complained.tolist(), strict=True) if did]
    silent = [mail for mail in complained if provider_of(mail.address) == "gmail"]
    assert silent
    assert not any("complained_at" in played.sends[mail.send_id] for mail in silent)
    counted = played.found.counters
    assert counted["complaints#gmail"] == 0 < counted["complaints"]


def test_a_second_mail_of_a_day_is_a_mismatch_and_no_crash(played: Played) -> None:
    truth, told = played.stage.truth, len(played.stage.told)
    again = next(mail for mail in played.raw if mail.recipients[0] in played.american)
    played.stage.take(again)
    (refused,) = truth.refused
    assert refused.endswith("one mail a day and person, to people of this list")
    assert len(played.stage.told) == told
