"""What becomes of mails and their readers, read back from a world's events and its truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.simulation.worlds.policies import HOT, NO_MAIL, PEOPLE, at_random, everybody
from workbench.simulation.worlds import Agent, Kind, Mailing, World, named
from workbench.simulation.worlds.events import DAY, Facts
from workbench.simulation.worlds.spec import CONTENTS


# --- the protocol ----------------------------------------------------------------------------------------------------------
def test_a_day_tells_what_happened_on_it_in_order_of_time_and_nothing_of_the_future() -> None:
    world = World(HOT, 5, PEOPLE)
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
    arrival = np.full((PEOPLE, 31), np.nan)
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
    world = World(replace(named("fatigued"), capped=0.0, breaks_per_day=0.0), 9, PEOPLE)
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


def test_a_tired_reader_reads_less_and_leaves_more_and_rests() -> None:
    spec = replace(named("default"), annoyable=0.0, complaint=0.0, unsubscribe=1e-4)
    mailed, spared = World(spec, 6, PEOPLE), World(spec, 6, PEOPLE)
    zero = np.zeros(PEOPLE, dtype=np.int64)

    def ratios() -> tuple[float, float, float]:
        """Of those who were mailed to those who were not: openings, opt-outs per opening, silence."""
        usual = np.logical_and.reduce([~(w.truth.lapsed | w.truth.leaving | w.truth.dead) for w in (mailed, spared)])
        who = np.flatnonzero(usual)
        a, b = (w.truth.chances(who, zero[who], zero[who], zero[who] + 9) for w in (mailed, spared))
        exits = (a.unsubscribe / a.open).mean() / (b.unsubscribe / b.open).mean()
        return float(a.open.mean() / b.open.mean()), float(exits), float(a.lapse.mean() / b.lapse.mean())

    for day in range(7):
        mailed.step(day, everybody(mailed))
        spared.step(day, NO_MAIL)
    tired = ratios()
    for day in range(7, 49):
        mailed.step(day, NO_MAIL)
        spared.step(day, NO_MAIL)
    rested = ratios()
    assert tired[0] < 0.85 and tired[1] > 1.5 and tired[2] > 2
    assert rested[0] > 0.97 and rested[1] < 1.1 and rested[2] < 1.1


def test_the_impatient_break_at_a_threshold() -> None:
    world = World(replace(HOT, annoyable=1.0, complaint=0.0), 6, 500)
    who, zero = np.arange(500), np.zeros(500, dtype=np.int64)
    before = world.truth.chances(who, zero, zero, zero + 9)
    limits = world.people.annoyed_above
    for day in range(7):
        world.step(day, everybody(world, hour=9))
    after = world.truth.chances(who, zero, zero, zero + 9)
    seen = world.state.mails_of_week(who)
    usual = ~world.truth.lapsed & ~world.truth.leaving & ~world.truth.dead
    calm, angry = usual & (seen < limits), usual & (seen >= limits)
    assert angry.sum() > 100 and seen.max() <= 7
    assert (after.open[angry] < 0.6 * before.open[angry]).mean() > 0.8
    assert (after.open[calm] > 0.9 * before.open[calm]).all()


def test_the_same_offer_wears_out_another_does_not() -> None:
    world = World(HOT, 6, 2_000)
    for day in range(5):
        world.step(day, everybody(world, offer=0))
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
    mailed, spared = World(spec, 2, PEOPLE), World(spec, 2, PEOPLE)
    for day in range(20):
        mailed.step(day, everybody(mailed))
        spared.step(day, NO_MAIL)
    assert mailed.truth.lapsed.mean() > 1.5 * spared.truth.lapsed.mean() > 0.1
    silent = np.flatnonzero(mailed.truth.lapsed & mailed.state.mailable)
    zero = np.zeros_like(silent)
    assert not mailed.truth.chances(silent, zero, zero, zero).open.any()
    for day in range(20, 120):
        mailed.step(day, NO_MAIL)
    assert 0.05 < (~mailed.truth.lapsed[silent]).mean() < 0.6
