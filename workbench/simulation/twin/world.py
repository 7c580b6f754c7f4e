"""A world with an org's rates: the default world's constants, moved until worlds mailed at the log's pace show the log's moments.

Method of simulated moments (McFadden, Econometrica 1989), exactly identified: each constant has the one moment that it moves, and is
scaled by the ratio of the log's moment to the worlds' until they agree. The worlds draw the same luck each time, so nothing but the
constants changes. What a log does not show (patience, wear-out, tastes, drift) stays as in the default world.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from revenue_engine.arrays import Floats
from workbench.logs.columns import Columns
from workbench.simulation.twin import moments, money
from workbench.simulation.twin.parts import Refusal
from workbench.simulation.worlds import Mailing, World, WorldSpec, named
from workbench.simulation.worlds.logging import Recorder
from workbench.simulation.worlds.offers import HORIZON
from workbench.simulation.worlds.spec import TONES

SEEDS, SUBSCRIBERS, ROUNDS = 16, 4_000, 7
FIRST_SEED = 900_000
FEWEST_CLICKS = 100
# The constant that each moment moves, and the least and most that it may become.
_SCALED = {
    "opened": ("open_rate", 0.002, 3.0),
    "clicked": ("click_rate", 0.002, 3.0),
    "sold": ("convert_rate", 0.0005, 1.0),
    "unsubscribed": ("unsubscribe", 1e-5, 0.1),
    "complained": ("complaint", 1e-6, 0.05),
    "bounced": ("dead_from_start", 1e-5, 0.2),
    "payout": ("payout_dollars", 0.5, 1_000.0),
    "lost": ("reversed", 0.001, 0.5),
    "rebilled": ("rebilling", 0.001, 1.0),
}
_SPREAD = moments.NAMES.index("spread")
# d log(1 + cv²) / d trait_spread² of click rates, by the spreads and the correlation of `worlds.people`: 1 + 0.8² + 2 · 0.5 · 0.8
_SPREAD_SLOPE = 2.44
_SPREADS = 0.05, 1.5
_ONE_EVENT = 0.5  # added to a log's rare events, so that none seen is not none ever
_MOST_OFFERS = 60


@dataclass(frozen=True)
class Pace:
    """How the log was mailed. D days, the first one first."""

    shares: Floats  # (D,) of the people who could be mailed
    hours: Floats  # (24,)
    offers_a_day: int
    offers: int  # mailed at all


@dataclass(frozen=True)
class Twin:
    """The world of a log, and how like it is."""

    spec: WorldSpec
    source: str  # fingerprint of the log
    log: moments.Moments
    world: moments.Moments  # of worlds with these constants; errors over worlds


def fingerprint(of: Columns) -> str:
    """SHA-256 of what the twin reads of a log."""
    digest = hashlib.sha256()
    for field in fields(of):
        value = getattr(of, field.name)
        digest.update(field.name.encode())
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else "\0".join(value).encode())
    return digest.hexdigest()


def likened(of: Columns, now: float) -> Twin | Refusal:
    """The twin of a log that ends at `now`. Takes about half a minute of one core for eight weeks of log."""
    clicks = int((~np.isnan(of.clicked_at)).sum())
    if clicks < FEWEST_CLICKS:
        return Refusal("few_clicks", f"{clicks} clicked mails, of {FEWEST_CLICKS} at least")
    pace = paced(of, now)
    if len(pace.shares) >= HORIZON:
        return Refusal("long_log", f"{len(pace.shares)} days, a world has {HORIZON}")
    seen = moments.of_log(of)
    target = _with_rare_events(of)
    spec, offers = replace(named("default"), name="twin"), float(pace.offers)
    for _ in range(ROUNDS):
        sums, mailed = simulated(spec, pace)
        spec = _moved(spec, target, moments.ratios(sums.sum(axis=0)))
        offers = min(offers * pace.offers / max(mailed, 1.0), _MOST_OFFERS)
        spec = replace(spec, offers=max(round(offers), 1))
    sums, _ = simulated(spec, pace)
    shown = moments.Moments(moments.ratios(sums.sum(axis=0)), moments.jackknife(sums))
    return Twin(spec, fingerprint(of), seen, shown)


def paced(of: Columns, now: float) -> Pace:
    """How a log was mailed."""
    ago = ((now - of.sent_at) // money.DAY).astype(np.int64)
    days = int(ago.max()) + 1
    mails = np.bincount(days - 1 - ago, minlength=days)
    left = np.fmin(np.fmin(of.unsubscribed_at, of.complained_at), np.where(of.hard_bounced, of.sent_at, np.nan))
    gone = np.bincount(days - 1 - ((now - left[~np.isnan(left)]) // money.DAY).astype(np.int64), minlength=days)
    reachable = len(np.unique(of.subscriber)) - np.concatenate([[0], np.cumsum(gone)[:-1]])
    of_day = np.unique((days - 1 - ago) * len(of.offers) + of.offer) // len(of.offers)
    return Pace(
        shares=np.minimum(mails / np.maximum(reachable, 1), 1.0),
        hours=np.bincount(((of.sent_at % money.DAY) // 3_600).astype(np.int64), minlength=24) / len(of.sent_at),
        offers_a_day=max(round(len(of_day) / max((mails > 0).sum(), 1)), 1),
        offers=len(np.unique(of.offer)),
    )


def simulated(spec: WorldSpec, pace: Pace) -> tuple[Floats, float]:
    """(SEEDS, 14) sums of moments of worlds mailed at this pace, and how many offers were mailed in one on average."""
    sums, offers = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
        of = _played(spec, pace, seed)
        sums.append(moments.totals(of).sum(axis=0))
        offers.append(len(np.unique(of.offer)))
    return np.stack(sums), float(np.mean(offers))


def _played(spec: WorldSpec, pace: Pace, seed: int) -> Columns:
    """The log of one world, mailed by chance: as many as on the log's days, of as many offers a day, at its hours."""
    world, random = World(spec, seed, SUBSCRIBERS), np.random.default_rng(seed)
    recorder = Recorder(world)
    for day, share in enumerate(pace.shares):
        seen = world.observables(day)
        who = np.flatnonzero(seen.mailable & (random.random(SUBSCRIBERS) < share))
        on = random.permutation(np.flatnonzero(seen.offer_running))[: pace.offers_a_day]
        hours = random.choice(24, len(who), p=pace.hours)
        recorder.take(world.step(day, Mailing(who, random.choice(on, len(who)), random.integers(0, len(TONES), len(who)), hours)))
    return recorder.columns()


def _with_rare_events(of: Columns) -> Floats:
    """The log's moments, each count of events half an event higher."""
    sums = moments.totals(of).sum(axis=0)
    sums[moments.RARE] += _ONE_EVENT
    return moments.ratios(sums)


def _moved(spec: WorldSpec, target: Floats, shown: Floats) -> WorldSpec:
    """Each constant a step towards the world that shows the target."""
    changed: dict[str, Any] = {}
    for name, (constant, least, most) in _SCALED.items():
        wanted, got = (float(values[moments.NAMES.index(name)]) for values in (target, shown))
        if got > 0 and np.isfinite(wanted):
            changed[constant] = float(np.clip(getattr(spec, constant) * wanted / got, least, most))
        elif np.isfinite(wanted):
            changed[constant] = min(2 * getattr(spec, constant), most)
    apart = target[_SPREAD] - shown[_SPREAD]
    if np.isfinite(apart):
        square = spec.trait_spread**2 + apart / _SPREAD_SLOPE
        changed["trait_spread"] = float(np.sqrt(np.clip(square, _SPREADS[0] ** 2, _SPREADS[1] ** 2)))
    return replace(spec, **changed)
