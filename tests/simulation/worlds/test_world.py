"""What a world does with mails, read back from its events and its truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.simulation.worlds.policies import NO_MAIL, at_random
from workbench.simulation.worlds import Agent, DayEvents, Kind, Mailing, World, named
from workbench.simulation.worlds.events import DAY, Facts, Flaw, joined
from workbench.simulation.worlds.offers import BREAK_HOURS
from workbench.simulation.worlds.spec import CONTENTS

N = 8_000
HOT = replace(
    named("default"),
    name="hot",
    open_rate=0.5,
    click_rate=0.9,
    convert_rate=0.4,
    unsubscribe=0.01,
    complaint=0.01,
    capped=0.0,
    fraud=0.01,
)


def _everybody(world: World, offer: int = 0, content: int = 0, hour: int = 9) -> Mailing:
    who = np.flatnonzero(world.state.mailable)
    return Mailing(who, np.full(len(who), offer), np.full(len(who), content), np.full(len(who), hour))


def _life(world: World, days: int, every_days: float = 1.0) -> Facts:
    """All facts of some days of random mailing."""
    policy, history = at_random(every_days), []
    for _ in range(days):
        world.step(world.day, policy(world))
        history.append(world.truth.facts)
    return joined([facts for facts in history if facts is not None])


@pytest.fixture(scope="module")
def hot() -> tuple[World, Facts]:
    world = World(HOT, 5, N)
    facts = _life(world, 30)
    for _ in range(60):
        world.step(world.day, NO_MAIL)
        assert world.truth.facts is not None
        facts = joined([facts, world.truth.facts])
    return world, facts


# --- the protocol ----------------------------------------------------------------------------------------------------------
def test_a_day_tells_what_happened_on_it_in_order_of_time_and_nothing_of_the_future() -> None:
    world = World(HOT, 5, N)
    for day in range(20):
        events = world.step(day, at_random()(world))
        assert ((events.at >= day * DAY) & (events.at < (day + 1) * DAY)).all()
        assert (np.diff(events.at) >= 0).all() and (events.sent_day <= day).all()
        assert not hasattr(events, "human") and not hasattr(events, "flaw")
        assert Agent.QUIET_SCANNER not in events.agent
        assert world.truth.facts is not None and len(world.truth.facts) == len(events)
        assert np.array_equal(world.truth.facts.at, events.at)


def test_mails_that_no_policy_may_send_are_refused() -> None:
    world = World(HOT, 5, 50)
    one = np.array([1])
    for who, offer, content, hour in (
        (np.array([1, 1]), np.array([0, 0]), np.array([0, 0]), np.array([8, 9])),
        (np.array([50]), one, one, one),
        (np.array([-1]), one, one, one),
        (one, np.array([99]), one, one),
        (one, one, np.array([CONTENTS]), one),
        (one, one, one, np.array([24])),
    ):
        with pytest.raises(ValueError, match=r"one mail a day|codes"):
            world.step(0, Mailing(who, offer, content, hour))
    with pytest.raises(ValueError, match="next day"):
        world.step(1, NO_MAIL)
    with pytest.raises(ValueError, match="day 0"):
        world.observables(1)


def test_who_opts_out_complains_aloud_or_bounces_is_out_of_bounds_from_then_on(hot: tuple[World, Facts]) -> None:
    world, facts = hot
    final = facts.of(Kind.UNSUBSCRIBE, Kind.COMPLAINT, Kind.HARD_BOUNCE)
    assert len(final) > 100
    assert np.array_equal(np.unique(final.row), np.flatnonzero(~world.state.mailable))
    gone = int(final.row[0])
    assert not world.observables(world.day).mailable[gone]
    with pytest.raises(ValueError, match="opted out"):
        world.step(world.day, Mailing(np.array([gone]), np.array([0]), np.array([0]), np.array([0])))


# --- mailboxes -------------------------------------------------------------------------------------------------------------
def test_gmail_tells_of_no_complaint_others_mostly_do(hot: tuple[World, Facts]) -> None:
    world, facts = hot
    told = world.profile.provider[facts.of(Kind.COMPLAINT).row]
    assert len(told) > 20 and not (told == 0).any()
    silent = world.truth.leaving & world.state.mailable
    assert (world.profile.provider[silent] == 0).mean() > 0.5


def test_privacy_proxies_hide_openings_but_not_clicks(hot: tuple[World, Facts]) -> None:
    world, facts = hot
    opens, clicks = facts.of(Kind.OPEN), facts.of(Kind.CLICK)
    proxied = world.people.proxied
    assert not proxied[opens.row[opens.human]].any()
    assert proxied[clicks.row[clicks.human]].mean() == pytest.approx(proxied.mean(), abs=0.08)
    fetched = opens.agent == Agent.APPLE_PROXY
    assert proxied[opens.row[fetched]].all() and not opens.human[fetched].any()


def test_scanners_follow_every_link_within_a_minute(hot: tuple[World, Facts]) -> None:
    world, facts = hot
    clicks, delivered = facts.of(Kind.CLICK), facts.of(Kind.DELIVERY)
    arrival = np.full((N, 31), np.nan)
    arrival[delivered.row, delivered.sent_day] = delivered.at
    machine = ~clicks.human
    assert world.people.scanned[clicks.row[machine]].all()
    assert (clicks.at - arrival[clicks.row, clicks.sent_day])[machine].max() < 60
    assert {0, 1, 2} == set(clicks.part[machine])
    assert set(clicks.agent[machine]) == {Agent.SCANNER, Agent.QUIET_SCANNER}
    # behind a scanner people click, too
    assert world.people.scanned[clicks.row[clicks.human]].any()


def test_dead_mailboxes_bounce_and_nothing_else(hot: tuple[World, Facts]) -> None:
    world, facts = hot
    dead = np.flatnonzero(world.people.dead)
    assert set(facts.where(np.isin(facts.row, dead)).kind) == {Kind.HARD_BOUNCE}
    assert set(np.unique(facts.of(Kind.HARD_BOUNCE).row)) >= set(dead)


# --- people ----------------------------------------------------------------------------------------------------------------
def test_what_happens_agrees_with_the_chances() -> None:
    """Sums over 30 days of mailing within four standard errors of what truth says of each mail."""
    world = World(replace(named("fatigued"), capped=0.0, breaks_per_day=0.0), 9, N)
    policy = at_random(1.5)
    happened = np.zeros(5)
    expected, variance = np.zeros(5), np.zeros(5)
    for _ in range(30):
        plan = policy(world)
        c = world.truth.chances(plan.who, plan.offer, plan.content, plan.hour)
        world.step(world.day, plan)
        outcome = world.truth.outcome
        assert outcome is not None
        happened += [x.sum() for x in (outcome.opened, outcome.clicked, outcome.bought, outcome.unsubscribed, outcome.complained)]
        chances = [c.open, c.click, c.click * c.convert, c.unsubscribe, c.complaint]
        expected += [p.sum() for p in chances]
        variance += [(p * (1 - p)).sum() for p in chances]
    assert (abs(happened - expected) < 4 * np.sqrt(variance)).all(), (happened, expected)
    assert (expected > 50).all()


def test_payouts_come_out_as_expected() -> None:
    """Money kept of all conversions, after reversals, cuts and rebills, per sale: as `chances` says, within 4 %."""
    world = World(replace(HOT, offers=3, convert_rate=2.0, fraud=0.0, unsubscribe=0.0, complaint=0.0), 4, N)
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


def test_a_tired_reader_reads_less_and_leaves_more_and_rests() -> None:
    world = World(HOT, 6, N)
    who = np.flatnonzero(np.isinf(world.people.annoyed_above))
    zero = np.zeros(len(who), dtype=np.int64)

    def chances(hour: int = 9) -> tuple[float, float, float]:
        alive = world.state.mailable[who] & ~world.truth.lapsed[who] & ~world.truth.leaving[who] & ~world.truth.dead[who]
        c = world.truth.chances(who, zero, zero, zero + hour)
        return tuple(float(x[alive].mean()) for x in (c.open, c.unsubscribe / c.open, c.lapse))  # type: ignore[return-value]

    fresh = chances()
    for day in range(7):
        world.step(day, _everybody(world))
    tired = chances()
    for day in range(7, 49):
        world.step(day, NO_MAIL)
    rested = chances()
    assert tired[0] < 0.8 * fresh[0] < rested[0]
    assert tired[1] > 1.3 * fresh[1] and tired[2] > 1.3 * fresh[2]
    assert rested[2] == pytest.approx(fresh[2], rel=0.2)


def test_the_impatient_break_at_a_threshold() -> None:
    world = World(replace(HOT, annoyable=1.0), 6, 500)
    who, zero = np.arange(500), np.zeros(500, dtype=np.int64)
    before = world.truth.chances(who, zero, zero, zero + 9)
    limits = world.people.annoyed_above
    for day in range(7):
        world.step(day, _everybody(world, hour=9))
    after = world.truth.chances(who, zero, zero, zero + 9)
    seen = world.state.mails_of_week(who)
    usual = ~world.truth.lapsed & ~world.truth.leaving & ~world.truth.dead
    calm, angry = usual & (seen < limits), usual & (seen >= limits)
    assert angry.sum() > 100 and seen.max() <= 7
    assert np.allclose(after.open[angry] / before.open[angry], (after.open / before.open)[angry][0], rtol=0.6)
    assert (after.open[angry] < 0.6 * before.open[angry]).all()
    assert (after.open[calm] > 0.9 * before.open[calm]).all()


def test_the_same_offer_wears_out_another_does_not() -> None:
    world = World(HOT, 6, 2_000)
    for day in range(5):
        world.step(day, _everybody(world, offer=0))
    who = np.flatnonzero(~world.truth.leaving & ~world.truth.dead & ~world.truth.lapsed)
    assert (world.state.worn(who, np.zeros_like(who), 5) > 2).mean() > 0.9
    assert (world.state.worn(who, np.ones_like(who), 5) == 0).all()


def test_exits_fall_with_tenure() -> None:
    world = World(named("default"), 6, 4_000)
    who, zero = np.arange(4_000), np.zeros(4_000, dtype=np.int64)
    mean = []
    for days in (10.0, 50.0, 90.0, 400.0):
        world.profile = replace(world.profile, tenure_days=np.full(4_000, days))
        mean.append(world.truth.chances(who, zero, zero, zero + 9).unsubscribe.mean())
    assert mean[0] > mean[1] > 2 * mean[2] > 2 * mean[3]


def test_silence_comes_more_often_with_mail_and_some_return() -> None:
    spec = replace(HOT, lapse_per_day=0.01, lapse_per_mail=0.02, unsubscribe=0.0, complaint=0.0)
    mailed, spared = World(spec, 2, N), World(spec, 2, N)
    for day in range(20):
        mailed.step(day, _everybody(mailed))
        spared.step(day, NO_MAIL)
    assert mailed.truth.lapsed.mean() > 1.5 * spared.truth.lapsed.mean() > 0.1
    silent = np.flatnonzero(mailed.truth.lapsed & mailed.state.mailable)
    zero = np.zeros_like(silent)
    assert not mailed.truth.chances(silent, zero, zero, zero).open.any()
    for day in range(20, 120):
        mailed.step(day, NO_MAIL)
    assert 0.05 < (~mailed.truth.lapsed[silent]).mean() < 0.6


# --- offers and sales ------------------------------------------------------------------------------------------------------
def test_offers_come_and_go_drift_and_break() -> None:
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


def test_nobody_buys_from_an_offer_that_has_stopped_and_a_cap_stops_it_for_a_while() -> None:
    world = World(replace(HOT, capped=1.0, weekly_cap_per_thousand=1.0), 8, 4_000)
    offers = world.commons.offers
    capped = int(np.flatnonzero(np.isfinite(offers.weekly_cap) & (offers.arrives == 0))[0])
    running, sold = [], []
    for day in range(20):
        running.append(bool(world.observables(day).offer_running[capped]))
        world.step(day, _everybody(world, offer=capped))
        assert world.truth.outcome is not None
        sold.append(int(world.truth.outcome.bought.sum()))
    assert running[0] and False in running and True in running[running.index(False) :]
    assert all(count == 0 for count, ran in zip(sold, running, strict=True) if not ran) and sold[0] > 0


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


# --- worlds by name --------------------------------------------------------------------------------------------------------
def test_in_the_placebo_world_content_and_timing_do_nothing() -> None:
    for name, same in (("placebo", True), ("default", False)):
        world = World(named(name), 1, 300)
        who, content, hour = np.arange(300)[:, None, None], np.arange(CONTENTS)[None, :, None], np.arange(24)[None, None, :]
        chances = world.truth.chances(who, np.array([[[0]]]), content, hour)
        for values in (chances.click * chances.convert, chances.unsubscribe, chances.complaint):
            assert values.shape == (300, CONTENTS, 24)
            assert np.allclose(values, values[:, :1, :1], rtol=1e-12) == same
        weekdays = []
        for day in range(7):
            c = world.truth.chances(np.arange(300), np.zeros(300, dtype=np.int64), np.zeros(300, dtype=np.int64), np.full(300, 9))
            weekdays.append(c.open[~world.truth.lapsed & ~world.truth.dead].mean())
            world.step(day, NO_MAIL)
        assert (np.ptp(weekdays) < 0.01 * np.mean(weekdays)) == same


def test_the_sealed_world_is_its_seed_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a secret\n")
    two.write_text("another")
    first = named("sealed", one)
    assert first == named("sealed", one) != named("sealed", two)
    assert first.name == "sealed" and first.unsubscribe != named("default").unsubscribe
    events = World(first, 1, 500).step(0, at_random()(World(first, 1, 500)))
    assert isinstance(events, DayEvents) and len(events) > 400
    (tmp_path / "empty").write_text(" \n")
    for name, file in (("sealed", None), ("default", one), ("sealed", tmp_path / "empty"), ("nowhere", None)):
        with pytest.raises(ValueError, match=r"seed file|no world"):
            named(name, file)


def test_chances_of_all_combinations_are_those_of_each() -> None:
    world = World(named("default"), 1, 200)
    for day in range(3):
        world.step(day, _everybody(world))
    who = np.arange(200)
    grid = world.truth.chances(
        who[:, None, None], np.arange(12)[None, :, None], np.arange(CONTENTS)[None, None, :], np.array([[[20]]])
    )
    one = world.truth.chances(who, np.full(200, 7), np.full(200, 13), np.full(200, 20))
    for name in ("open", "click", "convert", "micros", "unsubscribe", "complaint", "hard_bounce", "lapse"):
        values = np.broadcast_to(getattr(grid, name), (200, 12, CONTENTS))[:, 7, 13]
        assert np.array_equal(values, getattr(one, name)), name
    assert np.array_equal(grid.expected_micros[:, 7, 13], one.expected_micros)
