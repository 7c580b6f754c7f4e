"""A hazard learned under one cadence, asked about others: what it says of 90 days more, against what the world then does."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from benchmarks.models_value_cdnow import Part, Row
from benchmarks.models_value_log import Log, traits
from revenue_engine.arrays import Floats
from revenue_engine.learning.hazard import fit_hazard
from revenue_engine.value.contact import RECENT_DAYS, plan
from revenue_engine.value.lifetime import LEAVING_DAYS, Lifetime, lifetime
from revenue_engine.value.survival import Hazard, under_cadence
from workbench.simulation.worlds import Observables, World, named

WORLDS = ("default", "fatigued")
PEOPLE, DAYS, PER_WEEK, WEEKS = 8_000, 120, 3.5, 13
FACTORS = (0.75, 1.0, 1.25)


def hazard_figures(seeds: Sequence[int], people: int = PEOPLE) -> Part:
    """The largest error of survival in points over worlds, seeds and cadences changed by a quarter."""
    rows: list[Row] = []
    worst: dict[str, float] = {}
    for name in WORLDS:
        errors = np.array([errors_of(name, seed, people) for seed in seeds])
        for factor, column in zip(FACTORS, errors.T, strict=True):
            shown = f"{np.abs(column).mean():.2f}, at most {np.abs(column).max():.2f}"
            rows.append((f"Hazard, {name}, cadence × {factor}: error at 90 days", f"{shown} points", "3, aim 1.5"))
        worst[name] = float(np.abs(errors[:, [0, 2]]).max())
    return rows, {"hazard_error_points": max(worst.values()), "hazard_error_points_default": worst["default"]}


def errors_of(name: str, seed: int, people: int) -> Floats:
    """(F,) predicted less actual survival in points, by factor of the cadence. The same days of the same people are played under each."""
    world, log = World(named(name), seed, people), Log(people)
    log.play(world, DAYS, PER_WEEK, np.random.default_rng(seed))
    fit = fit_hazard(log.exposures(DAYS - 1, np.ones(people, dtype=bool)))
    seen = world.observables(world.day)
    result = []
    for factor in FACTORS:
        said = value_of(fit.hazard, log, seen, DAYS - 1, per_week=PER_WEEK * factor, per_mail=np.zeros(people))
        other, then = copy.deepcopy(world), Log(people)
        then.play(other, int(LEAVING_DAYS), PER_WEEK * factor, np.random.default_rng(1_000 + seed))
        left = then.totals(then.exits, -1, other.day) > 0
        here = seen.mailable
        result.append(100 * float((1 - said.leaving[here]).mean() - (~left[here]).mean()))
    return np.array(result)


def value_of(hazard: Hazard, log: Log, seen: Observables, day: int, *, per_week: float, per_mail: Floats) -> Lifetime:
    """Of everybody, 13 weeks from the morning after `day`, mailed so often a week; `per_mail` (n,) micros expected of a mail."""
    ahead = plan(
        np.full(log.people, per_week),
        WEEKS,
        mails_of_week=log.totals(log.mails, day - RECENT_DAYS, day),
        tenure_days=seen.tenure_days,
        traits=traits(seen),
    )
    return lifetime(
        under_cadence(hazard, ahead.covariates, log.totals(log.mails, -1, day), ahead.mails),
        per_mail[:, None] * ahead.mails,
        np.zeros_like(ahead.mails),
        np.zeros(log.people, dtype=np.int64),
        period_days=7.0,
        yearly_discount=0.0,
    )
