"""What the report shows of a world's conversions, day by day, and when a row that is gone counts as taken back."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from revenue_engine.intake.everflow import parse_conversions_page
from tests.everflow_members import a_deal
from tests.shared_data import shared_path
from tests.simulation.letters import sent
from tests.simulation.worlds.policies import HOT, at_random
from workbench.simulation.everflow import CONVERSIONS, EverflowApi
from workbench.simulation.report import known, listed
from workbench.simulation.stage.reader_clock import ReaderClock
from workbench.simulation.stage.render import Renderer
from workbench.simulation.truth import Truth
from workbench.simulation.worlds import Kind, World
from workbench.simulation.worlds.events import DAY, Facts, Flaw

MICROS = 1_000_000
START = ReaderClock.of("America/New_York").midnight


@pytest.fixture(scope="module")
def story() -> tuple[World, Facts, Truth]:
    """One day's mails, and all that follows."""
    world = World(replace(HOT, convert_rate=3.0, reversed=0.5, fraud=0.06), 3, 1_500)
    mailing = at_random(1.0)(world)
    facts, renderer = world.mail(0, mailing), Renderer(3)
    renderer.render(facts, sent(world, 0, mailing))
    return world, facts, Truth(deals=renderer.deals)


def _expected(world: World, facts: Facts, now: datetime) -> dict[str, int]:
    """By tracking id, from the rows alone: what the sales of each mail are worth to the report."""
    sums: dict[str, int] = defaultdict(int)
    for row in np.unique(facts.row).tolist():
        clock = ReaderClock.of(("America/New_York", "Europe/London", "Europe/Paris", "Europe/Madrid")[world.profile.country[row]])
        past = (now - clock.midnight).total_seconds()
        mine = facts.where((facts.row == row) & (facts.at <= past))
        sale = mine.where((mine.kind == Kind.CONVERSION) & (mine.part == 0) & (mine.flaw != Flaw.BURST))
        if not len(sale):
            continue
        approved, taken = mine.of(Kind.APPROVAL).micros.sum(), mine.of(Kind.REVERSAL).micros.sum()
        half = not approved and taken and -taken < sale.micros[0]
        kept = max(int(sale.micros[0] + taken if half else approved + taken), 0) if approved or half else 0
        sums[f"t{row}-0"] = kept + int(mine.of(Kind.REBILL).micros.sum())
    return {sub1: micros for sub1, micros in sums.items() if micros}


@pytest.mark.parametrize("days", [1, 6, 8, 15, 31, 45, 100, 250])
def test_the_report_shows_what_the_rows_say(story: tuple[World, Facts, Truth], days: int) -> None:
    world, facts, truth = story
    now = START + timedelta(days=days)
    shown: dict[str, int] = defaultdict(int)
    rows = listed(truth, START - timedelta(days=1), now, now)
    for deal in rows:
        shown[deal.sub1] += deal.approved_micros
        assert known(truth, deal.conversion_id, now) is deal
    assert shown == _expected(world, facts, now)
    assert shown or days < 8  # the shortest hold is a week


def test_its_rows_have_the_members_of_the_fixture_and_the_engine_reads_them(story: tuple[World, Facts, Truth]) -> None:
    _, facts, truth = story
    now = START + timedelta(days=31)
    api = EverflowApi("key")
    api.listed = lambda start, end: listed(truth, start, end, now)
    asked = {"from": "2026-03-01 00:00:00", "to": "2026-05-01 00:00:00", "timezone_id": 67}
    _, document = api.answer("POST", f"{CONVERSIONS}?page_size=2000", "key", json.dumps(asked).encode())
    fixture = json.loads(shared_path("contracts/everflow-conversions-response.json").read_text())
    assert all(set(row) == set(fixture["conversions"][0]) for row in document["conversions"])
    page = parse_conversions_page(json.dumps(document), org="main", received_at=now)
    assert page.problems == ()
    assert len(page.rows) == document["paging"]["total_count"] > 50
    by_id = {deal.conversion_id: deal for deal in truth.deals}
    for row in page.rows:
        deal = by_id[row.conversion_id or ""]
        assert (row.payout_micros, row.sub1, row.converted_at) == (deal.approved_micros, deal.sub1, deal.converted_at)
        assert row.clicked_at is not None
        assert row.clicked_at <= row.converted_at
    assert sum(facts.of(Kind.APPROVAL).at < 31 * DAY) > 50


def test_false_sales_and_second_ids_are_never_confirmed(story: tuple[World, Facts, Truth]) -> None:
    _, facts, truth = story
    sales = facts.of(Kind.CONVERSION)
    extra = int(np.isin(sales.flaw, (Flaw.SECOND_ID, Flaw.BURST)).sum())
    last = START + timedelta(days=400)
    shown = {deal.conversion_id for deal in truth.deals if deal.kind == "conversion" and deal.approves_at is not None}
    rejected = int((facts.of(Kind.REVERSAL).at < 400 * DAY).sum())
    never = [deal for deal in truth.deals if deal.kind == "conversion" and deal.conversion_id not in shown]
    assert extra > 3
    assert extra <= len(never) <= extra + rejected
    assert all(deal.listed_micros(last) is None for deal in never)


def test_a_cut_sale_that_is_reversed_as_a_whole_leaves_the_report() -> None:
    at = START
    deal = a_deal(1, approved_micros=9 * MICROS, approves_at=at, changes=[(at + timedelta(days=2), 0)])
    assert deal.listed_micros(at - timedelta(seconds=1)) is None
    assert deal.listed_micros(at + timedelta(days=1)) == 9 * MICROS
    assert deal.listed_micros(at + timedelta(days=2)) is None


def test_a_row_that_is_gone_is_believed_after_two_readings_half_a_day_apart() -> None:
    deal = a_deal(1, approved_micros=9 * MICROS, posted_micros=9 * MICROS, converted_at=START)
    deal.approves_at, deal.changes = START + timedelta(days=7), [(START + timedelta(days=10), 0)]
    truth = Truth(deals=[deal])

    def read(days: float) -> int:
        now = START + timedelta(days=days)
        return len(listed(truth, now - timedelta(days=35), now, now))

    assert [read(8), read(10.1), read(10.3)] == [1, 0, 0]  # the third reading is of the same half day
    assert (truth.approved_micros(), truth.conversions(), deal.taken_back) == ({"USD": 9 * MICROS}, 1, False)
    read(11.1)
    assert (truth.approved_micros(), truth.conversions(), deal.taken_back) == ({}, 0, True)
