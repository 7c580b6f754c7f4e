"""The per-send part of `benchmarks.models` in a world: are chances and revenue of sends to come what the funnel said they would be?

The engine mails the default world and learns from its own log; features are those its rows had when they were served. The last weeks
are predicted by a funnel that has seen none of them, from features and tables of their own day, and compared with what was approved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from revenue_engine.arrays import Floats, Ints
from revenue_engine.context import Cycle
from revenue_engine.evaluation.calibration import auc, calibration
from revenue_engine.learning.funnel import fit_funnel, thinned
from revenue_engine.learning.rows import Rows
from revenue_engine.prediction.groups import forecast
from revenue_engine.served import inputs
from workbench.simulation.study.engine import rows as packed
from workbench.simulation.study.engine.engine import Engine
from workbench.simulation.study.engine.memory import Memory
from workbench.simulation.study.policy import NO_MAIL, Setting
from workbench.simulation.study.trial import CAP_SHARE
from workbench.simulation.worlds import Mailing, World, named

SEED = 41
PEOPLE, DAYS = 420_000, 45
QUICK_PEOPLE, QUICK_DAYS = 8_000, 40
SETTLING_DAYS = 17  # without mail, until what was clicked has been bought
WARM_UP_DAYS = 7
LEARNED = 0.65  # of the days
LEVEL_ERROR = 0.05
KEPT_ROWS = 1_500_000
FEWEST_OF_A_DAY = 200.0  # expected conversions
BLOCK = 10.0  # expected conversions of a block: with fewer, counts jump and intervals cover more than they say
_CLICK_DAYS = 3


@dataclass(frozen=True, slots=True)
class Log:
    """Sends as they were served, with what became of them; (n,)."""

    rows: Rows
    day: Ints
    payout_micros: Floats
    paid_micros: Floats  # approved in the end


class Watched(Engine):
    """The engine, its sends noted as they are served; with more cycles a day than other studies, for a cycle carries 15,000 mails."""

    hours = tuple(range(7, 20))

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._notes: list[tuple[np.ndarray, ...]] = []

    def log(self) -> Log:
        """All sends, and what is known of them by now."""
        memory = self._memory
        assert memory is not None
        day, who, features, cross, p_click, p_sale, payout = (np.concatenate(parts) for parts in zip(*self._notes, strict=True))
        clicked, paid = memory.clicked_within(_CLICK_DAYS, day, who), memory.paid(day, who)
        nothing_known = np.full(len(day), np.nan)  # the study keeps no propensities
        rows = Rows(features, cross, p_click, p_sale, clicked, paid > 0, nothing_known, np.ones(len(day)))
        return Log(rows, day, payout, paid)

    def _leave(self, memory: Memory, cycle: Cycle, day: int, hour: int, who: Ints, arm: Ints, segment: Ints) -> Mailing:
        page = packed.page(memory.rows, who, self._decided_at)
        given = inputs(page, cycle, np.arange(len(who)), arm, segment)
        self._notes.append((np.full(len(who), day), who, *(getattr(given, name) for name in given.__slots__)))
        return super()._leave(memory, cycle, day, hour, who, arm, segment)


def played(people: int, days: int, seed: int = SEED) -> Log:
    """The engine's log of a world."""
    world = World(named("default"), seed, people)
    mine = Watched(Setting(people, world.spec.offers, days + SETTLING_DAYS, round(CAP_SHARE * people), seed))
    for day in range(days + SETTLING_DAYS):
        mailing = mine.mail(world.observables(day), day) if day < days else NO_MAIL
        mine.told(world.step(day, mailing), day)
    return mine.log()


def world_figures(quick: bool) -> tuple[list[tuple[str, str, str]], dict[str, float]]:
    """Rows of a table and figures."""
    people, days = (QUICK_PEOPLE, QUICK_DAYS) if quick else (PEOPLE, DAYS)
    log = played(people, days)
    cut, random = int(LEARNED * days), np.random.default_rng(SEED)
    old = (log.day >= WARM_UP_DAYS) & (log.day < cut)
    kept, weight = thinned(log.rows.clicked, min(KEPT_ROWS / max(int(old.sum()), 1), 1.0), random)
    funnel = fit_funnel(replace(log.rows, weight=weight).where(old & kept))
    new = log.day >= cut
    rows, told = log.rows.where(new), funnel.chances(log.rows.where(new))
    bought = old & log.rows.sold
    share = log.paid_micros[bought] / log.payout_micros[bought]
    payout, square = log.payout_micros[new] * share.mean(), (log.payout_micros[new] ** 2) * (share**2).mean()
    clicks, sales = calibration(rows.clicked, told.click), calibration(rows.sold, told.sale)
    by_rates = rows.p_click * rows.p_sale

    sends = told.sale, payout, square, log.paid_micros[new], random
    small, large = (_groups(group, *sends) for group in (_blocks(log.day[new], told.sale, random), log.day[new] - cut))
    enough = large.conversions >= FEWEST_OF_A_DAY
    near = np.abs(large.actual / large.predicted - 1)[enough] <= 0.15
    table = [
        ("sends predicted, conversions", f"{len(rows):,}, {int(rows.sold.sum()):,}", f"{int(old.sum()):,} sends learned from"),
        ("clicked: AUC", f"{auc(rows.clicked, told.click):.3f}", f"{auc(rows.clicked, rows.p_click):.3f} by the smoothed rates"),
        ("clicked: slope, error over noise", f"{clicks.slope:.2f}, {clicks.error_over_noise:.1f}", "1, 1"),
        ("bought: AUC", f"{auc(rows.sold, told.sale):.3f}", f"{auc(rows.sold, by_rates):.3f} by rates and posteriors"),
        ("bought: slope", f"{sales.slope:.2f}", "1"),
        ("revenue over predicted, chosen actions", f"{large.actual.sum() / large.predicted.sum():.3f}", "1"),
        (f"blocks of ten conversions inside their 90 % interval, of {len(small.actual):,}", f"{small.inside:.3f}", "0.9"),
        (
            f"days within 15 %, of {int(enough.sum())} with 200 conversions",
            f"{near.mean():.2f}" if enough.any() else "none",
            "0.85",
        ),
    ]
    figures = {
        "world_click_auc": auc(rows.clicked, told.click),
        "world_sale_auc": auc(rows.sold, told.sale),
        "calibration_slope": sales.slope,
        "revenue_over_predicted": float(large.actual.sum() / large.predicted.sum()),
    }
    if not quick:
        figures["interval90_coverage"] = small.inside
    if len(near):
        figures["days_within_15"] = float(near.mean())
    return table, figures


@dataclass(frozen=True, slots=True)
class _Groups:
    conversions: Floats  # expected
    predicted: Floats  # micros
    actual: Floats
    inside: float  # share of groups inside their interval


def _blocks(day: Ints, p_sale: Floats, random: np.random.Generator) -> Ints:
    """(n,) blocks of sends of one day, in an order drawn by lot, each of which may expect `BLOCK` conversions."""
    order = np.lexsort((random.random(len(day)), day))
    ahead = np.cumsum(p_sale[order])
    first = np.searchsorted(day[order], day[order])
    place = ((ahead - np.where(first > 0, ahead[first - 1], 0.0)) / BLOCK).astype(np.int64)
    block = np.empty(len(day), dtype=np.int64)
    block[order] = np.unique(day[order] * 1_000_000 + place, return_inverse=True)[1].reshape(-1)
    return block


def _groups(group: Ints, p_sale: Floats, payout: Floats, square: Floats, paid: Floats, random: np.random.Generator) -> _Groups:
    count = int(group.max()) + 1
    told = forecast(group, p_sale, payout, square, groups=count, level_error=LEVEL_ERROR, random=random)
    actual = np.bincount(group, paid, count).astype(np.float64)
    inside = (actual >= told.low_micros) & (actual <= told.high_micros)
    return _Groups(told.conversions, told.mean_micros, actual, float(inside.mean()))
