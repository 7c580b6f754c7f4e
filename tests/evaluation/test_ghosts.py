"""What a mail adds, net of what later mails would have sold anyway: known truths, and what cannot be said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from revenue_engine.evaluation.ghosts import Effect, Events, Incremental, WouldBe, incremental
from revenue_engine.evaluation.overlap import Refusal
from tests.evaluation.ghost_world import DAY, Drawn, World

NOTHING = Events(*(np.zeros(0, dtype=np.int64) for _ in range(3)))


def estimate(drawn: Drawn) -> Incremental:
    return incremental(drawn.decisions, drawn.paid, drawn.exits, as_of=drawn.as_of)


def effect(got: Effect | Refusal) -> Effect:
    assert isinstance(got, Effect), got
    return got


@pytest.mark.parametrize(
    "world",
    [
        World(),  # the mail of tomorrow sells nearly all that a ghost misses
        World(retry=3),  # a ghost costs as much time as a mail
        World(ghost=0.05, people=2_500, tail=1.0),
    ],
)
def test_the_interval_holds_the_truth_at_its_rate(world: World) -> None:
    truth, worlds = world.truth(), 120
    found = [estimate(world.drawn(seed)) for seed in range(worlds)]
    for true, each in zip(truth, ([f.revenue_micros for f in found], [f.exits for f in found]), strict=True):
        effects = [effect(got) for got in each]
        inside = [low <= true <= high for low, high in (got.added.both() for got in effects)]
        assert 0.90 <= np.mean(inside)
        values = np.array([got.added.value for got in effects])
        assert abs(values.mean() - true) <= 4 * values.std() / worlds**0.5  # and the estimate has no bias
        assert np.mean([got.added.standard_error for got in effects]) <= 1.3 * values.std()  # nor is it merely wide


def test_the_next_mail_takes_most_of_what_a_mail_seems_to_bring() -> None:
    """A mail finds a want open in one of five and sells to half of them: it seems to bring two dollars, and brings ten cents."""
    world = World()
    drawn = world.drawn(1)
    attributed = drawn.paid.amount.sum() / drawn.decisions.sent.sum()
    assert world.truth()[0] < 0.1 * attributed
    assert effect(estimate(drawn).revenue_micros).added.both()[0] < 0.1 * attributed


def test_everybody_who_was_not_mailed_is_no_comparison() -> None:
    """People whom no mail would reach anyway, and days after a sale: all of them look like what a mail prevents."""
    world = World()
    truth, worlds = world.truth()[0], 20
    biases, inside = [], 0
    for seed in range(worlds):
        drawn = world.drawn(seed)
        sent = drawn.decisions.sent
        pooled = WouldBe(
            *(
                np.concatenate([getattr(drawn.decisions, name)[sent], getattr(drawn.others, name)])
                for name in ("subscriber", "at", "sent", "propensity_send")
            )
        )
        naive = effect(incremental(pooled, drawn.paid, drawn.exits, as_of=drawn.as_of).revenue_micros).added
        biases.append(naive.value - truth)
        low, high = naive.both()
        inside += low <= truth <= high
    assert np.mean(biases) > 20 * abs(truth)
    assert inside == 0


def test_what_was_taken_back_is_not_there() -> None:
    drawn = World().drawn(3)
    half = np.where(np.arange(len(drawn.paid.amount)) % 2 == 0, 0, drawn.paid.amount)
    before = effect(estimate(drawn).revenue_micros)
    after = effect(estimate(drawn._replace(paid=replace(drawn.paid, amount=half))).revenue_micros)
    assert after.after_send == pytest.approx(before.after_send / 2, rel=0.1)
    none = replace(drawn.paid, amount=np.zeros_like(half))
    got = estimate(drawn._replace(paid=none)).revenue_micros
    assert isinstance(got, Refusal)
    assert got.reason == "too_few_rewards"


def test_the_days_begin_after_the_decision_and_end_with_the_horizon() -> None:
    """A known answer by hand: 400 people, every other one a ghost, and payments at the edges of ten days."""
    people = np.arange(400)
    sent = people % 2 == 0
    decisions = WouldBe(people, np.full(400, 50 * DAY), sent, np.full(400, 0.5))
    moments = {50 * DAY: 1, 50 * DAY + 1: 10, 60 * DAY: 100, 60 * DAY + 1: 1_000}
    who = np.repeat(people[sent], len(moments))
    paid = Events(who, np.tile(list(moments), 200), np.tile(list(moments.values()), 200) * 1_000_000)
    some = Events(people[~sent], np.full(200, 55 * DAY), np.full(200, 4_000_000))
    both = Events(*(np.concatenate([getattr(paid, n), getattr(some, n)]) for n in ("subscriber", "at", "amount")))
    got = incremental(decisions, both, NOTHING, as_of=60 * DAY, days=10)
    revenue = effect(got.revenue_micros)
    assert (revenue.after_send, revenue.after_ghost, revenue.added.value) == (110_000_000, 4_000_000, 106_000_000)
    assert (got.sends, got.ghosts, got.not_matured) == (200, 200, 0)
    late = incremental(decisions, both, NOTHING, as_of=60 * DAY - 1, days=10)
    assert (late.sends, late.ghosts, late.not_matured) == (0, 0, 400)


def test_propensities_weigh_who_was_likely_to_be_kept_back() -> None:
    """Half the people are kept back nine times as often; they pay 8 where the others pay 2, mailed or not."""
    random = np.random.default_rng(5)
    n = 20_000
    often = np.arange(n) % 2 == 0
    share = np.where(often, 0.1, 0.9)
    decisions = WouldBe(np.arange(n), np.full(n, DAY), random.random(n) < share, share)
    paid = Events(np.arange(n), np.full(n, 2 * DAY), np.where(often, 8_000_000, 2_000_000))
    revenue = effect(incremental(decisions, paid, NOTHING, as_of=40 * DAY).revenue_micros)
    assert revenue.after_send == pytest.approx(5e6, rel=0.05)
    assert revenue.after_ghost == pytest.approx(5e6, rel=0.05)
    low, high = revenue.added.both()
    assert low < 0 < high


def test_decisions_without_a_lot_are_left_out_and_counted() -> None:
    drawn = World().drawn(2)
    certain = np.arange(len(drawn.decisions.at)) % 5 == 0
    share = np.where(certain, 1.0, drawn.decisions.propensity_send)
    got = incremental(replace(drawn.decisions, propensity_send=share), drawn.paid, drawn.exits, as_of=drawn.as_of)
    assert got.certain == certain.sum()


def test_too_few_are_refused_with_their_numbers() -> None:
    few = estimate(World(people=150).drawn(1))
    assert isinstance(few.revenue_micros, Refusal)
    assert few.revenue_micros.reason == "too_few_subscribers"
    assert "200 needed" in few.revenue_micros.detail
    stays = estimate(World(leaves=0.0001).drawn(1))
    assert isinstance(stays.revenue_micros, Effect)
    assert isinstance(stays.exits, Refusal)
    assert stays.exits.reason == "too_few_rewards"
    empty = incremental(WouldBe(*(np.zeros(0, dtype=kind) for kind in (int, int, bool, float))), NOTHING, NOTHING, as_of=0)
    assert isinstance(empty.revenue_micros, Refusal)
