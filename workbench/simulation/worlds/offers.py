"""The offers of a world: what they pay, how their appeal wanders and breaks, when they come and go. O offers, D days."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints, Keys
from workbench.simulation.worlds import keyed
from workbench.simulation.worlds.keyed import Of
from workbench.simulation.worlds.spec import CATEGORIES, WorldSpec

HORIZON = 800  # days that paths are made for
BREAK_HOURS = 12
_NOVELTY, _NOVELTY_DAYS = 0.35, 20.0
# Waiting from click to conversion by category: weights of minutes, of the next day, of the long tail. Mean over categories
# 60 % within the hour, 84 % within a day, 99 % within 14 days.
_WAITS = np.array(
    [(0.74, 0.18, 0.08), (0.68, 0.22, 0.10), (0.63, 0.23, 0.14), (0.61, 0.23, 0.16), (0.55, 0.27, 0.18), (0.51, 0.29, 0.20)]
)
FAST_MINUTES, FAST_SPREAD = 8.0, 1.1
NEXT_HOURS, NEXT_SPREAD = 14.0, 0.5
TAIL_DAYS = np.array([4.0, 4.0, 5.0, 5.0, 6.0, 7.0])


@dataclass(frozen=True)
class Offers:
    """(O,) each unless said otherwise. The paths are known to the world alone."""

    category: Ints
    payout_micros: Ints  # of a fixed price; 0 where a share of the sale is paid
    share: Floats  # of the sale, 0 for a fixed price
    arrives: Ints  # first day
    expires: Ints  # first day on which it is gone
    weekly_cap: Floats  # conversions in seven days; infinite = none
    budget: Floats  # conversions in all; infinite = none
    hold_days: Ints  # until the advertiser approves
    rebills: Bools
    thrift_fit: Floats  # how much the thrifty like it better, -1 to 1
    click_path: Floats  # (O, D) factor of the click rate: level, drift, novelty
    convert_path: Floats  # (O, D) factor of the conversion rate: level, drift
    breaks_at: Floats  # (O, D) hour of the day on which the landing page breaks for BREAK_HOURS; NaN = it does not
    waits: Floats  # (O, 3)
    tail_days: Floats

    def broken(self, offer: Ints, at: Floats) -> Bools:
        """Whether the landing page is down; `at` in seconds of the world's clock."""
        down = np.zeros(np.broadcast(offer, at).shape, dtype=bool)
        today = np.minimum((at // 86_400).astype(np.int64), HORIZON - 1)
        for day in (today, np.maximum(today - 1, 0)):
            since = at / 3_600 - (24 * day + self.breaks_at[offer, day])
            down |= (since >= 0) & (since < BREAK_HOURS)
        return down


def offers(spec: WorldSpec, seed: int, subscribers: int) -> Offers:
    """`subscribers`: the size of the whole list, to which caps are in proportion."""
    count = spec.offers
    keys = keyed.person_keys(seed, -1 - np.arange(count))
    numbers = iter(range(1_000))

    def u() -> Floats:
        return keyed.uniforms(keys, Of.OFFER, next(numbers))

    def normal(sd: float) -> Floats:
        return sd * keyed.normals(keys, Of.OFFER, 1_000 + next(numbers))

    category = np.arange(count) % CATEGORIES
    fixed = u() < 0.7
    dollars = spec.payout_dollars * np.exp(normal(0.6) - 0.18)
    late = u() < spec.arriving
    arrives = np.where(late, 10 + np.floor(300 * u()), 0).astype(np.int64)
    lives = np.where(u() < 0.6, 60 + np.floor(300 * u()), HORIZON).astype(np.int64)
    # the first offers of a world are there from its first day and stay: no policy is ever without one
    lasting = np.arange(count) < min(3, count)
    arrives, lives = np.where(lasting, 0, arrives), np.where(lasting, HORIZON, lives)
    capped = (u() < spec.capped) & ~lasting
    cap = np.maximum(3.0, np.round(spec.weekly_cap_per_thousand * subscribers / 1_000 * np.exp(normal(0.5))))
    # what pays more converts less
    level = np.exp(normal(0.45) - 0.27) * (dollars / spec.payout_dollars) ** -0.6
    click = np.exp(normal(0.35) - 0.06)
    age = np.maximum(np.arange(HORIZON)[None, :] - arrives[:, None], 0)
    novelty = 1 + _NOVELTY * np.exp(-age / _NOVELTY_DAYS)
    days = keyed.calendar(keys, HORIZON)
    click_path = click[:, None] * _wandering(spec, days, 0) * novelty
    convert_path = level[:, None] * _wandering(spec, days, 1)
    breaks = keyed.uniforms(days, Of.OFFER_BREAK)
    breaks_at = np.where(breaks < spec.breaks_per_day, 24 * breaks / max(spec.breaks_per_day, 1e-12), np.nan)
    if spec.fixed_appeals is not None:
        click_path = np.repeat(np.array(spec.fixed_appeals)[:, None], HORIZON, axis=1)
        convert_path = np.ones((count, HORIZON))
        arrives, lives = np.zeros(count, dtype=np.int64), np.full(count, HORIZON)
        breaks_at, capped = np.full((count, HORIZON), np.nan), np.zeros(count, dtype=bool)
    made = Offers(
        category=category,
        payout_micros=np.where(fixed, np.round(dollars * 4) * 250_000, 0).astype(np.int64),
        share=np.where(fixed, 0.0, np.round(np.clip(dollars / 110.0, 0.05, 0.5), 2)),
        arrives=arrives,
        expires=np.minimum(arrives + lives, HORIZON),
        weekly_cap=np.where(capped, cap, np.inf),
        budget=np.where(capped, np.round(cap * (6 + 20 * u())), np.inf),
        hold_days=np.array([7, 14, 30])[np.minimum((3 * u()).astype(np.int64), 2)],
        rebills=u() < spec.rebilling,
        thrift_fit=2 * u() - 1,
        click_path=click_path,
        convert_path=convert_path,
        breaks_at=breaks_at,
        waits=_WAITS[category],
        tail_days=TAIL_DAYS[category],
    )
    for field in fields(made):
        getattr(made, field.name).flags.writeable = False  # a policy is handed some of these very arrays
    return made


def _wandering(spec: WorldSpec, days: Keys, index: int) -> Floats:
    """(O, D): a mean-reverting walk of log rates (Ornstein and Uhlenbeck, stepped by days), from 0 on day 0; its mean rate stays."""
    path = spec.drift * keyed.normals(days, Of.OFFER_PATH, index)
    path[:, 0] = 0.0
    for day in range(1, HORIZON):
        path[:, day] += path[:, day - 1] * (1 - spec.reversion)
    kept = (1 - spec.reversion) ** 2
    variance = spec.drift**2 * (1 - kept ** np.arange(HORIZON)) / (1 - kept)
    return np.asarray(np.exp(path - variance / 2))
