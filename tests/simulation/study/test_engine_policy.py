"""The engine in a world is the engine: its caps, its ghosts, its learning."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from revenue_engine import cycle as engine_cycle
from revenue_engine.records.controls import Controls
from revenue_engine.records.reasons import REASONS
from revenue_engine.safety.rails import Facts
from tests.simulation.worlds.policies import HOT
from workbench.simulation.study.engine import engine as study
from workbench.simulation.study.engine.engine import Engine, OneContent, SameModelsSort
from workbench.simulation.study.play import play
from workbench.simulation.study.policy import Setting
from workbench.simulation.worlds import World

CLEAR = replace(HOT, name="clear", offers=10, fixed_appeals=(1.0, *[0.05] * 9), fraud=0.0)


# a world whose most liked offer pays a listed price, and no less than the others in the middle: so it is the best one
def _pays(seed: int) -> bool:
    payouts = World(CLEAR, seed, 10).commons.offers.payout_micros
    return bool(payouts[0] and payouts[0] >= np.median(payouts[payouts > 0]))


SEED = next(seed for seed in range(90) if _pays(seed))


@cache
def _played(people: int = 600, days: int = 35) -> tuple[Engine, list[np.ndarray]]:
    world = World(CLEAR, SEED, people)
    mine = Engine(Setting(people, CLEAR.offers, days, people, 2))
    offers = []
    for day in range(days):
        mailing = mine.mail(world.observables(day), day)
        offers.append(mailing.offer)
        mine.told(world.step(day, mailing), day)
    return mine, offers


def test_it_decides_with_the_engines_own_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the engine comes to decide, this decides: nobody is mailed when the engine's rails say no."""

    def nobody(facts: Facts, *, now: int, controls: Controls) -> np.ndarray:
        return np.full(len(facts.no_mail), REASONS.index("high_churn_risk"), dtype=np.uint8)

    monkeypatch.setattr(engine_cycle, "first_failing", nobody)
    world = World(HOT, 5, 100)
    assert not len(Engine(Setting(100, HOT.offers, 3, 100, 5)).mail(world.observables(0), 0).who)


def test_it_learns_which_offer_people_buy() -> None:
    mine, offers = _played()
    late = np.bincount(np.concatenate(offers[-7:]), minlength=CLEAR.offers)
    # the same offer may come once a week, and four mails may: a quarter is all there is, and chance would give it a tenth
    assert late[0] > 0.21 * late.sum() and late.argmax() == 0
    assert not mine._bundle.manifest.prior, "a bundle of its own evidence has become champion"


def test_its_people_are_mailed_as_often_as_it_may_and_no_oftener() -> None:
    mine, _ = _played()
    assert mine._memory is not None
    recent = mine._memory.rows["recent_sends"].astype(np.int64)
    gaps = recent[:, :-1] - recent[:, 1:]
    real = recent[:, 1:] > 0
    # twenty hours, so that the same hour of the next day is open, and never twice on one
    assert real.any() and gaps[real].min() >= 20 * 3_600
    days = recent // 86_400
    assert (days[:, :-1] - days[:, 1:])[real].min() == 1
    in_week = (recent > recent[:, :1] - 7 * 86_400).sum(axis=1)
    assert in_week.max() <= 4


def test_the_sort_rule_spends_the_cap_in_the_first_cycle_on_the_highest_predictions() -> None:
    world = World(HOT, 5, 400)
    mine = SameModelsSort(Setting(400, HOT.offers, 20, 100, 5))
    for day in range(20):
        mailing = mine.mail(world.observables(day), day)
        assert len(mailing.who) <= 100 and set(mailing.hour.tolist()) <= {study.HOURS[0]}
        mine.told(world.step(day, mailing), day)


def test_realised_money_is_what_the_study_expects_of_it() -> None:
    """Over many mails the sum of expectations is the sum of what was paid, in the end, for real sales."""
    spec = replace(HOT, name="quiet", fraud=0.0, breaks_per_day=0.0)
    expected = paid = 0.0
    for seed in range(3):
        world = World(spec, seed, 2_000)
        mine = Engine(Setting(2_000, spec.offers, 16, 2_000, seed))
        for day in range(16):
            mailing = mine.mail(world.observables(day), day)
            mine.told(world.step(day, mailing), day)
            outcome = world.truth.outcome
            assert outcome is not None
            expected += float(outcome.expected_micros.sum())
            bought = mailing.who[outcome.bought], mailing.offer[outcome.bought]
            chances = world.truth.chances(
                bought[0], bought[1], np.zeros(len(bought[0]), dtype=np.int64), np.full(len(bought[0]), 9)
            )
            paid += float(chances.micros.sum())
    assert abs(paid / expected - 1) < 0.06


def test_play_counts_mails_costs_and_people() -> None:
    world = World(HOT, 5, 300)
    days = play(world, Engine(Setting(300, HOT.offers, 10, 300, 5)), 10)
    assert days.mails.sum() > 0 and len(days.alive) == 10
    assert days.alive[-1] == (~world.truth.leaving & ~world.truth.dead).sum()
    assert np.all(np.diff(days.alive) <= 0)


def test_without_a_choice_of_content_and_hours_offers_are_still_chosen() -> None:
    world = World(HOT, 5, 300)
    mine = OneContent(Setting(300, HOT.offers, 10, 100, 5))
    sent = 0
    offers: set[int] = set()
    for day in range(10):
        mailing = mine.mail(world.observables(day), day)
        assert not mailing.content.any(), "the plain tone"
        sent, offers = sent + len(mailing.who), offers | set(mailing.offer.tolist())
        mine.told(world.step(day, mailing), day)
    assert sent > 300 and len(offers) > 2
    assert (mine.memory.rows["peak_hour"] == -1).all()
