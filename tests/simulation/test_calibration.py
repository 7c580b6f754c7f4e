"""The default world against real data (golden/moments.json) and published figures: outside tolerance the build fails.

Left out, because the world has no such notion or the source contradicts itself:
- Starbucks's views and completions: a rewards app whose offers are "viewed" three times out of four, by channel; mail opening lags are
  taken from a real e-mail test instead (subject_line_rct).
- CDNOW's order values (CV 1.03): orders that nobody is paid for carry no value here; sales after a mail follow hillstrom's.
- "38 days on average to an opt-out" (GDMA's Italian list): cannot be with 41 % of the opt-outs after the second month of nine.
- Hours of the day: hillstrom has none and the exercise's depend on its own sending hours.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.shared_data import shared_path
from tests.simulation import moments
from tests.simulation.moments import COHORT_DAYS, GOLDEN, MOST_PURCHASES, QUANTILES, QUARTER_DAYS, WEEKDAYS
from tests.simulation.worlds.policies import NO_MAIL, at_random
from workbench.simulation.worlds import Kind, Mailing, World, keyed, named
from workbench.simulation.worlds.events import DAY, Facts, Mails, joined
from workbench.simulation.worlds.mailbox import TELLS
from workbench.simulation.worlds.sales import sales
from workbench.simulation.worlds.spec import CONTENTS, COUNTRIES, FORMATS, RETAIL, SOURCES, TONES

REAL: dict[str, Any] = json.loads(GOLDEN.read_text())
SEED = 20_261_123
WORLDS = 80


def test_golden_moments_are_those_of_the_data() -> None:
    for file in moments.FILES.values():
        shared_path(f"data/{file}")
    assert {name: REAL[name] for name in moments.FILES} == moments.computed()


# --- first mails: e-mail take-home exercise --------------------------------------------------------------------------------
class _FirstMails:
    """Everybody gets one mail in the first week: weekday, hour, offer and content at random. Chances as truth has them.

    Over many worlds, as each has offers of its own.
    """

    def __init__(self) -> None:
        parts = [self._world(seed) for seed in range(WORLDS)]
        self.open, self.click, self.sale = (np.concatenate([part[0][index] for part in parts]) for index in range(3))
        self.groups = {kind: np.concatenate([part[1][kind] for part in parts]) for kind in parts[0][1]}

    def _world(self, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        n, luck = 800, np.random.default_rng(seed)
        world = World(named("default"), SEED + seed, n)
        running = np.flatnonzero(world.observables(0).offer_running)
        weekday, content, hour = luck.integers(0, 7, n), luck.integers(0, CONTENTS, n), luck.integers(0, 24, n)
        offer, chances = running[luck.integers(0, len(running), n)], np.zeros((3, n))
        for day in range(7):
            who = np.flatnonzero(weekday == day)
            c = world.truth.chances(who, offer[who], content[who], hour[who])
            chances[:, who] = c.open, c.click, c.click * c.convert
            world.step(day, Mailing(who, offer[who], content[who], hour[who]))
        form = np.array(FORMATS)[content // len(TONES)]
        return chances, {
            "country": np.array(COUNTRIES)[world.profile.country],
            "version": np.where(np.char.startswith(form, "personalised"), "personalized", "generic"),
            "length": np.where(np.char.endswith(form, "short"), "short_email", "long_email"),
            "weekday": np.array(WEEKDAYS)[weekday],
            "purchases": np.minimum(world.profile.purchases, MOST_PURCHASES).astype(str),
        }


@pytest.fixture(scope="module")
def first_mails() -> _FirstMails:
    return _FirstMails()


def test_openings_and_clicks_of_random_mailing(first_mails: _FirstMails) -> None:
    """Published for the whole table: 10.345 %, 2.119 %; 5 % relative."""
    opened, clicked = first_mails.open.mean(), first_mails.click.mean()
    assert opened == pytest.approx(0.10345, rel=0.05) and opened == pytest.approx(REAL["takehome"]["open"], rel=0.05)
    assert clicked == pytest.approx(0.02119, rel=0.05) and clicked == pytest.approx(REAL["takehome"]["click"], rel=0.05)
    assert clicked / opened == pytest.approx(REAL["takehome"]["click_to_open"], rel=0.05)


@pytest.mark.parametrize("kind", ["country", "version", "length", "weekday", "purchases"])
def test_relative_click_rates_of_groups(first_mails: _FirstMails, kind: str) -> None:
    groups = first_mails.groups[kind]
    real = REAL["takehome"]["relative_click"][kind]
    assert set(np.unique(groups)) == set(real)
    world = {value: first_mails.click[groups == value].mean() / first_mails.click.mean() for value in real}
    assert world == pytest.approx(real, rel=0.15)


def test_conversions_of_clicks(first_mails: _FirstMails) -> None:
    """Hillstrom: 6.15 % of visits; the rows here say 5.9."""
    assert first_mails.sale.sum() / first_mails.click.sum() == pytest.approx(0.0615, rel=0.05)


# --- hillstrom's experiment ------------------------------------------------------------------------------------------------
class _Retail:
    """One mail of two kinds or none, and two weeks."""

    def __init__(self) -> None:
        n, luck = 300_000, np.random.default_rng(1)
        world = World(RETAIL, SEED, n)
        self.arm = np.arange(n) % 3  # mens, womens, none
        who = np.flatnonzero(self.arm < 2)
        mailing = Mailing(who, self.arm[who], luck.integers(0, CONTENTS, len(who)), luck.integers(0, 24, len(who)))
        history = [world.step(day, mailing if day == 0 else NO_MAIL) for day in range(14)]
        sold = np.concatenate([events.of(Kind.CONVERSION).sale_micros for events in history]) / 1e6
        self.sales = sold
        outcome_clicks = np.zeros(n, dtype=bool)
        outcome_clicks[np.concatenate([e.row[(e.kind == Kind.CLICK) & (e.agent <= 2) & (e.part == 0)] for e in history])] = True
        scanned = world.truth.people.scanned
        self.unscanned = ~scanned  # there every click is a person's
        self.visit = outcome_clicks | (world.truth.visits > 0)
        self.bought = world.truth.visit_orders > 0
        self.bought[np.concatenate([events.of(Kind.CONVERSION).row for events in history])] = True
        self.months = world.profile.months_since_order.astype(int)

    def share(self, of: np.ndarray, arm: int) -> float:
        return float(of[(self.arm == arm) & self.unscanned].mean())


@pytest.fixture(scope="module")
def retail() -> _Retail:
    return _Retail()


def test_effects_of_a_mail_on_visits_and_spend(retail: _Retail) -> None:
    """Published: +7.66 and +4.52 points of visits, within 10 % relative; spend within the data's own 95 % interval."""
    for arm, (name, points) in enumerate((("mens", 0.0766), ("womens", 0.0452))):
        real = REAL["hillstrom"]["effects"][name]
        assert retail.share(retail.visit, arm) - retail.share(retail.visit, 2) == pytest.approx(points, rel=0.10)
        spend = (retail.share(retail.bought, arm) - retail.share(retail.bought, 2)) * retail.sales.mean()
        assert spend == pytest.approx(real["spend"], abs=1.96 * real["spend_se"])
    published = (retail.share(retail.bought, 0) - retail.share(retail.bought, 2)) * retail.sales.mean()
    assert published == pytest.approx(0.770, abs=0.285)


def test_who_buys_and_how_much(retail: _Retail) -> None:
    u = retail.unscanned
    assert retail.bought[u].sum() / retail.visit[u].sum() == pytest.approx(0.0615, rel=0.06)
    assert 1 - retail.bought[u].mean() == pytest.approx(0.9910, abs=0.0008)
    assert 1 - retail.bought[u].mean() == pytest.approx(REAL["hillstrom"]["zero_spend"], abs=0.0008)
    assert retail.sales.mean() == pytest.approx(116.4, rel=0.10)  # a thousand of them; many more below


def test_how_much_a_sale_is_worth() -> None:
    """Each of many people buys once."""
    n = 60_000
    world = World(RETAIL, SEED, n)
    spent = _sales(world, world.people.basket).of(Kind.CONVERSION).sale_micros / 1e6
    assert spent.mean() == pytest.approx(116.4, rel=0.05)
    assert spent.std() / spent.mean() == pytest.approx(0.927, rel=0.05)
    assert np.log(spent).std() == pytest.approx(0.838, rel=0.05)
    real = REAL["hillstrom"]
    assert spent.mean() == pytest.approx(real["spend_mean"], rel=0.05)
    assert np.log(spent).std() == pytest.approx(real["spend_log_sd"], rel=0.05)


def _sales(world: World, basket: np.ndarray) -> Facts:
    """What follows a click at midnight of day 0, one a person, offers in turn."""
    n = len(basket)
    keys, offer = keyed.day_keys(keyed.person_keys(SEED, np.arange(n)), 0), np.arange(n) % world.spec.offers
    buys = Mails(np.arange(n), np.zeros(n, dtype=np.int64), offer, np.zeros(n, dtype=np.int64))
    return joined(sales(world.spec, world.commons.offers, basket, keys, buys, np.zeros(n)))


def test_visits_by_months_since_the_last_order(retail: _Retail) -> None:
    u = retail.unscanned
    world = [retail.visit[u & (retail.months == month)].mean() for month in range(1, 13)]
    assert world == pytest.approx(REAL["hillstrom"]["visit_by_recency"], rel=0.15)


# --- a shop's repeat purchases: CDNOW --------------------------------------------------------------------------------------
def test_repeat_purchases_of_their_own_accord() -> None:
    n = 20_000
    world = World(named("default"), SEED, n)
    before, last = np.zeros(n, dtype=np.int64), np.zeros(n)
    gaps, quarters = [], np.zeros(COHORT_DAYS // QUARTER_DAYS)
    for day in range(COHORT_DAYS):
        world.step(day, NO_MAIL)
        again = np.flatnonzero(world.truth.orders > before)
        before = world.truth.orders.copy()
        gaps.append(day + 1 - last[again])
        last[again] = day + 1
        quarters[day // QUARTER_DAYS] += len(again)
    real = REAL["cdnow"]
    assert before.mean() == pytest.approx(real["repeats"], rel=0.08)
    assert (before == 0).mean() == pytest.approx(real["none"], abs=0.02)
    assert (before >= 5).mean() == pytest.approx(real["five_or_more"], rel=0.12)
    assert quarters / n == pytest.approx(np.array(real["repeats_by_quarter"]), rel=0.15)
    assert np.median(np.concatenate(gaps)) == pytest.approx(real["median_gap_days"], abs=3)


# --- exits -----------------------------------------------------------------------------------------------------------------
def test_opt_outs_of_new_subscribers() -> None:
    """An Italian list, 120 mails each in nine months: 7.39 % opt out, 29.7 % and 28.9 % of them in the first and second month;
    complaints of less than 0.02 % of the people. The world's confirmed opt-ins are such people.
    """
    n, months = 14_000, 9
    world = World(named("default"), SEED, n)
    world.profile = replace(world.profile, tenure_days=np.zeros(n))
    confirmed = world.profile.source == SOURCES.index("confirmed")
    policy, left, complaints = at_random(30.0 * months / 120), np.zeros(months), 0.0
    for day in range(30 * months):
        plan = policy(world)
        if day % 10 == 0:  # too rare to count: its expectation
            c = world.truth.chances(plan.who, plan.offer, plan.content, plan.hour)
            told = c.complaint * TELLS[world.profile.provider[plan.who]]
            complaints += 10 * told[confirmed[plan.who]].sum()
        events = world.step(day, plan)
        left[day // 30] += confirmed[events.of(Kind.UNSUBSCRIBE).row].sum()
    assert left.sum() / confirmed.sum() == pytest.approx(0.0739, rel=0.20)
    assert left[0] / left.sum() == pytest.approx(0.297, abs=0.05)
    assert left[1] / left.sum() == pytest.approx(0.289, abs=0.05)
    assert left[0] + left[1] > 4 * left[3:5].sum()
    assert complaints / confirmed.sum() < 0.0002


@pytest.mark.parametrize(
    ("name", "every_days", "opt_outs", "complaints"),
    [
        ("default", 7.0, (0.0005, 0.0020), (0.0, 0.0002)),
        ("default", 1.0, (0.0005, 0.0020), (0.0, 0.0002)),
        ("drifting", 7.0, (0.0005, 0.0020), (0.0, 0.0002)),
        ("placebo", 7.0, (0.0005, 0.0020), (0.0, 0.0002)),
        ("fatigued", 2.5, (0.0018, 0.0090), (0.0005, 0.0010)),
    ],
)
def test_exits_per_mail(name: str, every_days: float, opt_outs: tuple[float, float], complaints: tuple[float, float]) -> None:
    """The default world's by benchmark (GDMA: 0.14 %, large clean list: 0.06 %); the fatigued one's under stress."""
    world, policy = World(named(name), SEED, 20_000), at_random(every_days)
    mails, left, complained = 0, 0, 0
    for day in range(40):
        plan = policy(world)
        events = world.step(day, plan)
        mails, left = mails + len(plan.who), left + len(events.of(Kind.UNSUBSCRIBE))
        complained += len(events.of(Kind.COMPLAINT))
    assert opt_outs[0] < left / mails < opt_outs[1]
    assert complaints[0] <= complained / mails < complaints[1]


# --- waiting ---------------------------------------------------------------------------------------------------------------
def test_openings_come_as_late_as_real_ones() -> None:
    world = World(replace(named("default"), open_rate=3.0, privacy_proxy=0.0), SEED, 20_000)
    who = np.arange(20_000)
    history = [world.step(0, Mailing(who, 0 * who, 0 * who, 0 * who + 8))] + [world.step(day, NO_MAIL) for day in range(1, 12)]
    opened = np.concatenate([e.at[(e.kind == Kind.OPEN) & (e.agent == 3)] for e in history])  # Google's proxy: people
    lag = (opened - (8.5 * 3_600)) / 3_600
    for quantile in QUANTILES:
        assert np.quantile(lag, quantile) == pytest.approx(REAL["opens"]["lag_hours"][str(quantile)], rel=0.25)


def test_conversions_come_as_late_as_assumed_and_four_percent_are_taken_back_nine_days_later() -> None:
    """60 % within the hour, 84 % within a day, 99 % within 14 days, over categories; until real postbacks say otherwise."""
    n = 60_000
    world = World(replace(named("default"), fraud=0.0), SEED, 10)
    rows = _sales(world, np.ones(n))
    sold, back = rows.of(Kind.CONVERSION), rows.of(Kind.REVERSAL)
    for limit, share in ((3_600, 0.60), (DAY, 0.84), (14 * DAY, 0.99)):
        assert (sold.at <= limit).mean() == pytest.approx(share, abs=0.02)
    by_category = [(sold.at[world.commons.offers.category[sold.offer] == c] <= 3_600).mean() for c in range(6)]
    assert np.ptp(by_category) > 0.15
    assert len(back) / n == pytest.approx(0.04, rel=0.08)
    sold_at = np.full(n, np.nan)
    sold_at[sold.row] = sold.at
    assert (back.at - sold_at[back.row]).mean() / DAY == pytest.approx(9.0, rel=0.08)
