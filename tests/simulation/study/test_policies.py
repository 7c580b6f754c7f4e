"""What policies may do, and that each does what its name says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from revenue_engine.arrays import Ints
from tests.simulation.worlds.policies import HOT
from workbench.simulation.study.play import play
from workbench.simulation.study.policy import Policy, Setting
from workbench.simulation.study.registry import BLIND, KNOWING, NAMES, policy
from workbench.simulation.worlds import DayEvents, Mailing, Observables, World, WorldSpec, named

PEOPLE, DAYS = 300, 35
CAPPED = sorted(set(NAMES) - {"daily_blast", "weekly_own_data", "weekly_true_epc"})


class Recorded:
    """A policy whose mailings are kept."""

    def __init__(self, inner: Policy) -> None:
        self._inner, self.sent = inner, np.zeros((DAYS, PEOPLE), dtype=bool)
        self.offers: list[Ints] = []
        self.hours: set[int] = set()

    def mail(self, seen: Observables, day: int) -> Mailing:
        mailing = self._inner.mail(seen, day)
        self.sent[day, mailing.who] = True
        self.offers.append(mailing.offer)
        self.hours |= set(mailing.hour.tolist())
        return mailing

    def told(self, events: DayEvents, day: int) -> None:
        self._inner.told(events, day)


def played(name: str, spec: WorldSpec = HOT, *, people: int = PEOPLE, days: int = DAYS, seed: int = 4) -> Recorded:
    world = World(spec, seed, people)
    recorded = Recorded(policy(name, Setting(people, spec.offers, days, round(0.35 * people), seed), world))
    play(world, recorded, days)
    return recorded


@pytest.mark.parametrize("name", CAPPED)
def test_caps_of_the_day_and_of_a_persons_week_are_kept(name: str) -> None:
    sent = played(name).sent
    assert 0 < sent.sum(axis=1).max() <= round(0.35 * PEOPLE)
    weeks = np.lib.stride_tricks.sliding_window_view(sent, 7, axis=0).sum(axis=2)
    assert weeks.max() <= 4


def test_the_same_trial_comes_out_the_same_and_another_seed_does_not() -> None:
    for name in ("random", "spec_loop", "engine"):
        assert np.array_equal(played(name).sent, played(name).sent)
    assert not np.array_equal(played("random").sent, played("random", seed=5).sent)


def test_a_weekly_newsletter_comes_once_in_seven_days() -> None:
    for name in ("weekly_own_data", "weekly_true_epc"):
        recorded = played(name)
        days = [np.flatnonzero(recorded.sent[:, person]) for person in range(PEOPLE)]
        assert all(set(np.diff(found)) <= {7} for found in days)
        assert {10} == recorded.hours


def test_a_blast_reaches_everybody_every_day() -> None:
    recorded = played("daily_blast")
    assert recorded.sent[0].all()
    assert recorded.sent[-1].sum() > 0.3 * PEOPLE


def test_own_data_finds_the_better_of_two_offers() -> None:
    """One offer pays half as much again by its appeal alone: after the trials the leader is the better one."""
    spec = replace(HOT, name="two", offers=2, fixed_appeals=(1.0, 0.15))
    for name in ("weekly_own_data", "best_single_offer"):
        recorded = played(name, spec, people=PEOPLE, seed=6)
        last = np.concatenate(recorded.offers[-5:])
        assert (last == np.bincount(last).argmax()).mean() > 0.85


def test_true_epc_picks_what_pays_best_on_the_list() -> None:
    spec = replace(HOT, name="two", offers=2, fixed_appeals=(1.0, 0.02))
    assert set(np.concatenate(played("weekly_true_epc", spec).offers).tolist()) == {0}


def test_those_that_are_judged_are_never_handed_the_world() -> None:
    """By their types: a blind policy is made of a setting alone."""
    setting = Setting(PEOPLE, 12, DAYS, 100, 1)
    assert set(BLIND) | set(KNOWING) == set(NAMES) and not set(BLIND) & set(KNOWING)
    for make in BLIND.values():
        make(setting)
    for knowing in KNOWING.values():
        with pytest.raises(TypeError):
            knowing(setting)  # type: ignore[call-arg]


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(ValueError, match="no policy 'ideal'"):
        policy("ideal", Setting(10, 12, 5, 3, 1), World(named("default"), 1, 10))


def test_the_specifications_sampler_is_the_one_it_wrote() -> None:
    """x^(1/alpha) / (x^(1/alpha) + y) prefers what has sold, however seldom: its posteriors never see a failure."""
    recorded = played("spec_loop", replace(HOT, name="few", offers=3, arriving=0.0, convert_rate=0.05), seed=9)
    shares = np.bincount(np.concatenate(recorded.offers), minlength=3) / recorded.sent.sum()
    assert shares.max() < 0.95 and shares.min() > 0.001
