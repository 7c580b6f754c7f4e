"""Offers that come, go, drift and break, and what a sale is worth in the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.simulation.worlds.policies import HOT, NO_MAIL, PEOPLE, at_random, everybody
from workbench.simulation.worlds import Kind, Mailing, World, named
from workbench.simulation.worlds.events import DAY, Facts, Flaw
from workbench.simulation.worlds.offers import BREAK_HOURS


def test_payouts_come_out_as_expected() -> None:
    """Money kept of all conversions, after reversals, cuts and rebills, per sale: as `chances` says, within 4 %."""
    world = World(replace(HOT, offers=3, convert_rate=2.0, fraud=0.0, unsubscribe=0.0, complaint=0.0), 4, PEOPLE)
    expected, bought, money = 0.0, 0, 0
    for day in range(230):
        plan = at_random(2.0)(world) if day < 16 else NO_MAIL
        c = world.truth.chances(plan.who, plan.offer, plan.content, plan.hour)
        world.step(day, plan)
        assert world.truth.outcome is not None and world.truth.facts is not None
        expected += float(c.micros[world.truth.outcome.bought].sum())
        bought += int(world.truth.outcome.bought.sum())
        facts = world.truth.facts
        # what was approved counts as such, less what is taken back afterwards; reversals before approval leave nothing
        money += int(facts.of(Kind.APPROVAL).micros.sum() + facts.of(Kind.REBILL).micros.sum())
        money += _late_or_partial(world, facts)
    assert bought > 3_000
    assert money == pytest.approx(expected, rel=0.04)


def _late_or_partial(world: World, facts: Facts) -> int:
    """Reversals after the approval take from it; a partial one before it leaves the other half."""
    reversals = facts.of(Kind.REVERSAL)
    hold = world.commons.offers.hold_days[reversals.offer] * DAY
    early = reversals.at - reversals.sent_day * DAY < hold  # about: the click is on the day of the mail, mostly
    payout = world.commons.offers.payout_micros[reversals.offer]
    half = (payout > 0) & (reversals.micros > -payout)
    return int(reversals.micros[~early].sum() - reversals.micros[early & half].sum())

    offers = World(named("drifting"), 3, 1_000).commons.offers
    assert (offers.arrives > 0).any() and (offers.expires < 700).any()
    days = slice(0, 200)
    assert (
        np.log(offers.convert_path[:, days]).std(axis=1).mean()
        > 2 * np.log(World(named("default"), 3, 1_000).commons.offers.convert_path[:, days]).std(axis=1).mean()
    )
    offer, day = map(int, np.argwhere(np.isfinite(offers.breaks_at))[0])
    start = (day * 24 + offers.breaks_at[offer, day]) * 3_600
    at = start + np.array([-1.0, 0.0, BREAK_HOURS * 3_600 - 1, BREAK_HOURS * 3_600 + 1])
    assert offers.broken(np.full(4, offer), at).tolist() == [False, True, True, False]


def test_a_new_offer_is_a_novelty_and_buying_has_seasons() -> None:
    world = World(replace(named("default"), drift=0.0), 3, 300)
    path, arrives = world.commons.offers.click_path, world.commons.offers.arrives
    late = int(arrives.argmax())
    assert path[late, arrives[late]] > 1.3 * path[late, arrives[late] + 150]
    convert = []
    for day_of_year in (30, 180, 357):
        world = World(replace(named("default"), start_day_of_year=day_of_year), 3, 300)
        who, zero = np.arange(300), np.zeros(300, dtype=np.int64)
        convert.append(world.truth.chances(who, zero, zero, zero).convert.mean())
    assert convert[2] > 1.25 * convert[0] and convert[0] > convert[1]


def test_nobody_buys_from_an_offer_that_has_stopped_and_a_cap_stops_it_for_a_while() -> None:
    world = World(replace(HOT, capped=1.0, weekly_cap_per_thousand=10.0), 8, 4_000)
    offers = world.commons.offers
    capped = int(np.flatnonzero(np.isfinite(offers.weekly_cap) & (offers.arrives == 0))[0])
    running, sold = [], []
    for day in range(14):
        running.append(bool(world.observables(day).offer_running[capped]))
        plan = everybody(world, offer=capped)
        today = plan.who % 10 == day % 10
        world.step(day, Mailing(plan.who[today], plan.offer[today], plan.content[today], plan.hour[today]))
        assert world.truth.outcome is not None
        sold.append(int(world.truth.outcome.bought.sum()))
    assert running[0] and False in running and True in running[running.index(False) :]
    assert all((count > 0) == ran for count, ran in zip(sold, running, strict=True))
    assert sum(sold[:7]) < 4 * offers.weekly_cap[capped]


def test_sales_are_told_late_taken_back_and_sometimes_false(hot: tuple[World, Facts]) -> None:
    _, facts = hot
    sales, reversals = facts.of(Kind.CONVERSION), facts.of(Kind.REVERSAL)
    assert set(sales.flaw) == set(Flaw)
    honest = sales.flaw == Flaw.NONE
    assert len(reversals) / honest.sum() == pytest.approx(0.04, abs=0.012)
    assert (reversals.micros < 0).all() and (sales.micros > 0).all() and (sales.sale_micros > 0).all()
    assert len(facts.of(Kind.APPROVAL)) > 0.8 * honest.sum() and len(facts.of(Kind.REBILL)) > 0
    copies = sales.where(sales.flaw == Flaw.POSTED_TWICE)
    for row, day, part, micros in zip(copies.row, copies.sent_day, copies.part, copies.micros, strict=True):
        same = (sales.row == row) & (sales.sent_day == day) & (sales.part == part) & (sales.micros == micros)
        assert same.sum() == 2
