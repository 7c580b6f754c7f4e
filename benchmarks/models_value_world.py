"""Lifetime value in a world: how well it ranks people by what they then bring, against the ranking by the truth; and what a leak does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.models_value_cdnow import Part, Row
from benchmarks.models_value_hazard import value_of
from benchmarks.models_value_log import HOURS, Log
from revenue_engine.arrays import Floats
from revenue_engine.evaluation.ranking import is_leak, normalised_gini
from revenue_engine.learning.hazard import fit_hazard
from revenue_engine.learning.mail_prior import expected_per_mail
from revenue_engine.learning.revenue import Window, fit_revenue, index_days
from workbench.simulation.worlds import World, named
from workbench.simulation.worlds.response import SOFT_BOUNCES, respond
from workbench.simulation.worlds.sales import mean_micros
from workbench.simulation.worlds.spec import TONES

PEOPLE, PER_WEEK = 20_000, 3.5
HORIZON, EMBARGO, EVERY = 90, 44, 14  # days; the embargo: 14 for conversions, 30 for reversals
FIRST, NOW = 60, 364  # day of the first window; last day of the log: a year, as the specification trains on
LEAK_DAYS = 30
HAZARD_PEOPLE = 4_000  # whose mails the hazard is fitted to


@dataclass(frozen=True)
class Ranking:
    """Normalised Gini of what people brought in 90 days."""

    buyers: int
    ceiling: float  # of the expected value by the truth on the last day of the log
    model: float
    simple: float  # of the simple model alone
    leaking: float  # of the model with features of 30 days later


def ltv_figures(seeds: Sequence[int], people: int = PEOPLE) -> Part:
    """Shares of the ceiling, means over seeds of the default world."""
    found = [rank(seed, people) for seed in seeds]
    share, simple, leaking = (
        float(np.mean([getattr(one, name) / one.ceiling for one in found])) for name in ("model", "simple", "leaking")
    )
    caught = sum(is_leak(one.leaking, one.ceiling) for one in found)
    buyers = ", ".join(f"{one.buyers}" for one in found)
    by_seed = ", ".join(f"{one.model / one.ceiling:.3f}" for one in found)
    rows: list[Row] = [
        ("LTV in the world: share of the ceiling's Gini", f"{share:.3f}", "0.80; 0.97 is a leak"),
        ("LTV: the same by seed", by_seed, "aim 0.88"),
        ("LTV: the simple model alone", f"{simple:.3f}", f"{buyers} buyers in 90 days"),
        ("LTV: the ceiling's own Gini", f"{np.mean([one.ceiling for one in found]):.3f}", f"{people:,} people"),
        (f"LTV: features {LEAK_DAYS} days late", f"{leaking:.3f}", f"a leak in {caught} of {len(found)} runs alone"),
    ]
    return rows, {
        "ltv_world_gini": share,
        "ltv_world_gini_simple": simple,
        "ltv_world_gini_leaking": leaking,
        "ltv_world_leak_caught": float(is_leak(leaking, 1.0)),
    }


def rank(seed: int, people: int) -> Ranking:
    """One world, mailed at random throughout: learn from the log to day NOW, predict the 90 days after it."""
    world, log = World(named("default"), seed, people), Log(people)
    luck = np.random.default_rng(seed)
    days = index_days(FIRST, NOW, horizon=HORIZON, embargo=EMBARGO, every=EVERY)
    log.play(world, NOW + 1, PER_WEEK, luck, keep=tuple(days))
    log.mornings[NOW] = seen = world.observables(world.day)
    truth = true_value(world)
    log.play(world, HORIZON + EMBARGO, PER_WEEK, luck)

    hazard = fit_hazard(log.exposures(NOW, np.arange(people) < HAZARD_PEOPLE)).hazard
    value = value_of(hazard, log, seen, NOW, per_week=PER_WEEK, per_mail=per_mail(log, days, late=0))
    leaking = value_of(hazard, log, seen, NOW, per_week=PER_WEEK, per_mail=per_mail(log, days, late=LEAK_DAYS))
    scores = (truth, value.remaining_micros, simple(log, NOW), leaking.remaining_micros)
    brought = log.revenue(NOW, NOW + HORIZON, NOW + HORIZON + EMBARGO)[seen.mailable]
    ginis = (normalised_gini(score[seen.mailable], brought) for score in scores)
    return Ranking(int((brought > 0).sum()), *ginis)


def per_mail(log: Log, days: list[int], *, late: int) -> Floats:
    """(n,) micros expected of a mail after day NOW, learned from windows after each of `days`; features `late` days too late."""
    model = fit_revenue([window(log, day, late) for day in days])
    return model.predict(log.features(NOW, known=NOW + late), simple(log, NOW + late))


def window(log: Log, day: int, late: int) -> Window:
    """Of the people who could be mailed after `day`, and were: the mails they got are the exposure."""
    mails = log.totals(log.mails, day, day + HORIZON)
    here = log.mornings[day].mailable & (mails > 0)
    features = {name: values[here] for name, values in log.features(day, known=day + late).items()}
    revenue = log.revenue(day, day + HORIZON, day + HORIZON + EMBARGO)[here]
    return Window(day, day + HORIZON + EMBARGO, features, (simple(log, day + late) * mails)[here], revenue)


def simple(log: Log, day: int) -> Floats:
    """(n,) micros of a mail by counts alone, as of the evening of `day`."""
    mails, clicks = log.totals(log.mails, -1, day), log.totals(log.clicks, -1, day)
    return expected_per_mail(mails, clicks, log.totals(log.money, -1, day, micros=True))


def true_value(world: World) -> Floats:
    """(n,) micros expected of the next 90 days by the truth of this morning: a mean mail to a reader, by the days on which he will
    still be one. Nothing that will happen is read, only chances."""
    spec, people = world.spec, len(world.profile.ids)
    offers = np.flatnonzero(world.commons.running(world.day))[None, :]
    who, worth, exits = np.arange(people)[:, None], np.zeros(people), np.zeros(people)
    micros = mean_micros(spec, world.commons.offers, world.people.basket[who], offers)
    hours = np.arange(*HOURS, 3)
    for tone in range(len(TONES)):
        for hour in hours:
            mail = respond(world, world.day, who, offers, np.array([[tone]]), np.array([[hour]]))
            seen = mail.inbox * (1 - mail.gone) * (1 - SOFT_BOUNCES)
            worth += (seen * mail.open * mail.click * mail.convert * micros).mean(axis=1)
            opted_out = mail.open * mail.unsubscribe_opened + (1 - mail.open) * mail.unsubscribe_unopened
            exits += (seen * (opted_out + mail.complaint)).mean(axis=1)
    kinds, daily = len(TONES) * len(hours), PER_WEEK / 7
    return daily * worth / kinds * _reading_days(world, daily * exits / kinds, daily)


def _reading_days(world: World, exits: Floats, daily: float) -> Floats:
    """(n,) expected days of the next 90 on which somebody is neither gone nor silent."""
    spec, truth = world.spec, world.truth
    falls = spec.lapse_per_day + daily * spec.lapse_per_mail
    reads, days = np.where(truth.leaving | truth.dead, 0.0, 1.0 - truth.lapsed), np.zeros(len(exits))
    silent = np.where(truth.leaving | truth.dead, 0.0, 1.0 * truth.lapsed)
    for _ in range(HORIZON):
        days += reads
        stay = reads * (1 - exits)
        reads, silent = stay * (1 - falls) + silent * spec.return_per_day, stay * falls + silent * (1 - spec.return_per_day)
    return days
