"""Habits come out of what was left to chance, also where the engaged get most of the mail; where nothing was, they are the prior's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revenue_engine.learning.habits import HabitsFit, WouldBe, fit_habits, pushes, rested_exits, rested_worth, support
from revenue_engine.pacing.index import Habits

PRIOR = Habits()
WORTH, EXITS = 0.25, 0.8
SEEDS = range(8)


@cache
def a_list(seed: int, *, people: int = 1_500, days: int = 240, ghosts: float = 0.15, worth: float = WORTH) -> WouldBe:
    """Half a year and more of an engine that mails whom it thinks worth most: by a rate that it knows, and more after a click. A mail's
    clicks fall by exp(−worth · fatigue), exits rise by 1 + EXITS · fatigue."""
    random = np.random.default_rng(seed)
    rate, frailty = 0.06 * random.gamma(1.0, 1.0, people), 0.004 * random.gamma(2.0, 0.5, people)
    fatigue, warm, here = np.zeros(people), np.zeros(people), np.ones(people, dtype=bool)
    columns = []
    for day in range(days):
        meant = here & (random.random(people) < np.clip(0.1 + 3.0 * rate + 0.5 * warm, 0.0, 0.8) * np.exp(-0.1 * fatigue))
        ghost = meant & (random.random(people) < ghosts)
        sent = meant & ~ghost
        clicked = sent & (random.random(people) < rate * np.exp(-worth * fatigue))
        left = sent & (random.random(people) < frailty * (1.0 + EXITS * fatigue))
        who = np.flatnonzero(meant)
        day_of, share = np.full(len(who), float(day)), np.full(len(who), ghosts)
        columns.append((who, day_of, sent[who], ghost[who], share, clicked[who], left[who], np.full(len(who), True), who % 13))
        fatigue, warm, here = (fatigue + sent) * PRIOR.fades(1.0), np.where(clicked, 1.0, 0.9 * warm), here & ~left
    return WouldBe(*(np.concatenate(column) for column in zip(*columns, strict=True)))


@cache
def fitted(seed: int) -> HabitsFit:
    return fit_habits(a_list(seed), PRIOR)


def naive(log: WouldBe) -> float:
    """The slope that a Poisson regression of clicks on fatigue finds in the log as it is."""
    seen = pushes(log, PRIOR.half_life_days)
    x = np.column_stack([np.ones(len(seen.fatigue)), seen.fatigue])
    found = np.array([np.log(seen.clicked.mean()), 0.0])
    for _ in range(20):
        mean = np.exp(x @ found)
        found = found + np.linalg.solve(x.T @ (x * mean[:, None]), x.T @ (seen.clicked - mean))
    return float(-found[1])


def test_fatigue_is_that_of_the_mails_before() -> None:
    """By hand: mails on days 0, 4 and 8, one between them kept back."""
    days, ghost = np.array([8.0, 0.0, 6.0, 4.0]), np.array([False, False, True, False])
    never, one = np.zeros(4, dtype=bool), np.zeros(4, dtype=np.int64)
    log = WouldBe(one, days, ~ghost, ghost, np.full(4, 0.5), never, never, ~never, one)
    assert pushes(log, 4.0).fatigue.tolist() == [0.0, 0.5, 0.75]
    assert pushes(log, 4.0).ghosts == 1


def test_slopes_come_out_although_the_engaged_get_most_of_the_mail() -> None:
    """The slope in the log as it is tends to nothing, or turns round; what chance did stays at the truth."""
    wrong = [naive(a_list(seed)) for seed in SEEDS]
    assert max(wrong) < 0.3 * WORTH
    seen, slopes = [pushes(a_list(seed), PRIOR.half_life_days) for seed in SEEDS], np.linspace(0.02, 2.0, 100)
    together = {
        "clicks": sum(support(one, one.clicked, rested_worth, slopes) for one in seen),
        "exits": sum(support(one, one.left, rested_exits, slopes) for one in seen),
    }
    assert slopes[np.argmax(together["clicks"])] == pytest.approx(WORTH, abs=0.05)
    assert 0.4 < slopes[np.argmax(together["exits"])] < 1.6
    fits = [fitted(seed) for seed in SEEDS]
    assert PRIOR.value_per_mail < np.mean([fit.value_per_mail.mean for fit in fits]) < WORTH


def test_the_likelihood_covers_the_truth() -> None:
    """Twice the loss of support at the truth is χ² of one degree of freedom, over lists."""
    lost = []
    for seed in range(24):
        seen = pushes(a_list(100 + seed, people=600), PRIOR.half_life_days)
        lost.append(-2 * support(seen, seen.clicked, rested_worth, np.array([WORTH]))[0])
    assert np.mean(np.array(lost) < 3.84) >= 0.85 and 0.4 < np.mean(lost) < 1.8


def test_a_tireless_list_is_found_to_be_one() -> None:
    log = a_list(3, worth=0.0)
    fit = fit_habits(log, PRIOR)
    assert fit.habits.value_per_mail < 0.6 * PRIOR.value_per_mail


def test_more_evidence_moves_more() -> None:
    log = a_list(0)
    few = fit_habits(log.where(log.person < 150), PRIOR)
    assert abs(few.habits.value_per_mail - PRIOR.value_per_mail) < abs(fitted(0).habits.value_per_mail - PRIOR.value_per_mail)
    assert few.value_per_mail.spread > fitted(0).value_per_mail.spread
    assert 1.0 < fitted(0).habits.exits_over < few.habits.exits_over < PRIOR.exits_over


def test_exits_are_served_dearer_than_they_are_believed_to_be() -> None:
    fit = fitted(1)
    assert fit.habits.exits_per_mail == pytest.approx(fit.exits_per_mail.mean + fit.exits_per_mail.spread, rel=1e-3)
    level = fit.exits_level
    assert level.served == pytest.approx((level.mean + level.spread) / level.mean, rel=1e-3)
    assert level.mean == pytest.approx(fit.exits / fit.mails, rel=0.1)


@given(seed=st.integers(0, 2**32 - 1), mails=st.integers(0, 300), clicks=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_where_nothing_was_left_to_chance_slopes_are_the_prior_s(seed: int, mails: int, clicks: float) -> None:
    random, none = np.random.default_rng(seed), np.zeros(mails, dtype=bool)
    log = WouldBe(
        random.integers(0, 20, mails),
        random.uniform(0, 90, mails),
        ~none,
        none,
        np.zeros(mails),
        random.random(mails) < clicks,
        none,
        ~none,
        random.integers(0, 13, mails),
    )
    assert fit_habits(log, PRIOR).habits == PRIOR


def test_exits_alone_move_the_level_and_no_slope() -> None:
    log = a_list(0, ghosts=0.0)
    fit = fit_habits(log, PRIOR)
    assert replace(fit.habits, exits_over=PRIOR.exits_over) == PRIOR
    assert fit.habits.exits_over < PRIOR.exits_over and fit.ghosts == 0


@pytest.mark.parametrize("days", [25, 30, 90])
def test_mails_so_far_apart_that_all_are_rested_say_nothing_of_slopes(days: int) -> None:
    """A monthly newsletter: hundreds of ghosts, and nobody is tired whatever the lots were."""
    random, people, months = np.random.default_rng(0), 500, 12
    mails = people * months
    who, at = np.tile(np.arange(people), months), np.repeat(np.arange(months) * float(days), people)
    ghost, known = random.random(mails) < 0.1, np.full(mails, True)
    clicked, left = ~ghost & (random.random(mails) < 0.05), ~ghost & (random.random(mails) < 0.002)
    fit = fit_habits(WouldBe(who, at, ~ghost, ghost, np.full(mails, 0.1), clicked, left, known, who % 13), PRIOR)
    assert fit.ghosts > 100 and fit.clicks > 100 and fit.exits > 0
    assert replace(fit.habits, exits_over=PRIOR.exits_over) == PRIOR


def test_the_order_of_the_log_is_nothing() -> None:
    log = a_list(2)
    shuffled = log.where(np.random.default_rng(0).permutation(len(log)))
    assert fit_habits(shuffled, PRIOR) == fitted(2)


def test_what_is_not_known_yet_is_no_failure() -> None:
    """Without the last weeks' outcomes the same mails tire, and only the known ones teach."""
    log = a_list(2)
    young = replace(log, closed=log.at < 200, clicked=log.clicked & (log.at < 200), left=log.left & (log.at < 200))
    assert fit_habits(young, PRIOR) == fit_habits(log.where(log.at < 200), PRIOR)
