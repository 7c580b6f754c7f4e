"""The per-send part of `benchmarks.models` in worlds: are chances and revenue of sends to come what was said of them?

The engine mails worlds and learns from its own log; features are those its rows had when they were served. A funnel is fitted on the
mornings of `ORIGINS` from what was known then of mails at least a fortnight old. Each morning of the days that follow, the level of
each offer is read from what the last weeks' mails had brought until then, and the day's mails are forecast: by blocks and as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from benchmarks.models_world_log import CLICK_DAYS, NEVER, Log, engaged, played
from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.evaluation.calibration import auc, calibration
from revenue_engine.learning.funnel import Funnel, fit_funnel, thinned
from revenue_engine.learning.payout import PayoutStage, fit_payout
from revenue_engine.prediction.groups import forecast
from revenue_engine.prediction.level import Level, day_error, missed, of_groups, product, told_by, track
from revenue_engine.prediction.payout import Payout
from revenue_engine.prediction.platt import logit
from workbench.simulation.worlds import WorldSpec, named
from workbench.simulation.worlds.spec import RETAIL

Rows = list[tuple[str, str, str]]
WARM_UP_DAYS = 7
MATURED_DAYS = 14
MEMORY_DAYS = 28  # whose mails a level is read from
BURN_IN_DAYS = 7  # of forecasts that only teach what forecasts miss
CLICK_FADING, SALE_FADING, OWN_FADING = 0.7, 0.9, 0.9  # a day
KEPT_ROWS = 100_000
BOOKED_EVERY_DAYS = 7  # what stands by then is noted
FEWEST_OF_A_DAY = 200.0  # expected conversions
BLOCK = 10.0  # expected conversions of a block: with fewer, counts jump and intervals cover more than they say


@dataclass(frozen=True, slots=True)
class Run:
    """One world to play."""

    spec: WorldSpec
    people: int
    seed: int
    origins: tuple[int, ...]  # mornings on which a funnel is fitted
    days: int  # until


ENGAGED = engaged(named("default"), RETAIL)
RUNS = (
    Run(named("default"), 150_000, 201, (42,), 63),
    *(Run(ENGAGED, 110_000, seed, (42, 56), 77) for seed in range(202, 206)),
)
QUICK_RUNS = (Run(ENGAGED, 8_000, 201, (28,), 42),)


@dataclass(frozen=True, slots=True)
class Told:
    """Forecasts beside what came, of sends (n,), blocks (b,) and days (d,)."""

    day: Ints  # (n,)
    clicked: Bools
    sold: Bools
    click: Floats
    sale: Floats  # as the funnel says it
    by_rates_click: Floats
    by_rates: Floats
    blocks: Groups
    days: Groups


@dataclass(frozen=True, slots=True)
class Groups:
    """Forecasts of groups, (G,) each; money in micros."""

    day: Ints  # of which world and day
    conversions: Floats  # expected
    predicted: Floats
    low: Floats
    high: Floats
    actual: Floats
    oracle_width: Floats  # of the interval of who knows every chance

    @property
    def inside(self) -> Bools:
        """Whether it came as the interval says."""
        return (self.actual >= self.low) & (self.actual <= self.high)


def world_figures(quick: bool) -> tuple[Rows, dict[str, float]]:
    """Rows of a table and figures."""
    told = [_told(run) for run in (QUICK_RUNS if quick else RUNS)]
    blocks, days = (_all([getattr(one, name) for one in told]) for name in ("blocks", "days"))
    clicked, sold, click, sale, rates_click, rates = (
        np.concatenate([getattr(one, name) for one in told])
        for name in ("clicked", "sold", "click", "sale", "by_rates_click", "by_rates")
    )
    clicks, sales = calibration(clicked, click), calibration(sold, sale)
    enough = days.conversions >= FEWEST_OF_A_DAY
    near = np.abs(days.actual / days.predicted - 1)[enough] <= 0.15
    over = float(days.actual.sum() / days.predicted.sum())
    coverage, error = float(blocks.inside.mean()), _clustered_error(blocks.inside, blocks.day)
    wider = float((blocks.high - blocks.low).sum() / blocks.oracle_width.sum())
    table = [
        ("sends predicted, conversions", f"{len(sold):,}, {int(sold.sum()):,}", f"{len(told)} worlds, {len(days.day)} days"),
        ("clicked: AUC", f"{auc(clicked, click):.3f}", f"{auc(clicked, rates_click):.3f} by the smoothed rates"),
        ("clicked: slope, error over noise", f"{clicks.slope:.2f}, {clicks.error_over_noise:.1f}", "1, 1"),
        ("bought: AUC", f"{auc(sold, sale):.3f}", f"{auc(sold, rates):.3f} by rates and posteriors"),
        ("bought: slope, chosen actions", f"{sales.slope:.2f}", "1"),
        ("revenue over predicted, chosen actions", f"{over:.3f}", "1"),
        (
            f"blocks of ten conversions inside their 90 % interval, of {len(blocks.day):,}",
            f"{coverage:.3f} ± {error:.3f}",
            f"0.9; standard error over {len(np.unique(blocks.day))} days",
        ),
        ("width of these intervals over that of who knows every chance", f"{wider:.2f}", "1.1"),
        (
            f"days within 15 %, of {int(enough.sum())} that expect 200 conversions",
            f"{near.mean():.2f} ± {near.std() / max(len(near), 1) ** 0.5:.2f}" if len(near) else "none",
            "0.85",
        ),
        ("days inside their 90 % interval", f"{days.inside.mean():.3f}", f"of {len(days.day)}"),
    ]
    figures = {
        "world_click_auc": auc(clicked, click),
        "world_sale_auc": auc(sold, sale),
        "calibration_slope": sales.slope,
        "revenue_over_predicted": over,
    }
    if not quick:
        figures |= {
            "interval90_coverage": coverage,
            "interval90_coverage_error": error,
            "interval90_aggregates": float(len(blocks.day)),
            "interval90_width_over_oracle": wider,
            "days_with_200": float(enough.sum()),
        }
    if len(near) and not quick:
        figures["days_within_15"] = float(near.mean())
    return table, figures


def _told(run: Run) -> Told:
    """Plays a world and forecasts its last days, each on its morning."""
    noted = range(run.origins[0] - MATURED_DAYS, run.days, BOOKED_EVERY_DAYS)
    log = played(run.spec, run.people, run.days, run.seed, noted)
    random = np.random.default_rng(run.seed)
    parts: list[Told] = []
    for origin, until in zip(run.origins, (*run.origins[1:], run.days), strict=True):
        known = np.flatnonzero((log.day >= WARM_UP_DAYS) & (log.day < origin - MATURED_DAYS))
        rows = log.rows(known, as_of=origin)
        kept, weight = thinned(rows.clicked, min(KEPT_ROWS / len(rows), 1.0), random)
        funnel = fit_funnel(replace(rows, weight=weight).where(kept))
        sold = known[rows.sold]
        payout = fit_payout(log.inputs.features[sold], log.inputs.payout_micros[sold], log.known_micros[origin][sold])
        parts.append(_forecast(log, run, funnel, payout, range(origin, until), random))
    return _joined(parts)


class _Chances:
    """Chances of sends by the funnel, with the tables of any morning: what they say anew of older mails."""

    def __init__(self, log: Log, funnel: Funnel, first: int) -> None:
        self.log, self.funnel = log, funnel
        self.sends = np.flatnonzero(log.day >= first)
        given = log.inputs
        chosen = self.sends
        of_click = logit(given.p_click[chosen]) + funnel.cross(given.cross[chosen])
        self._click = funnel.click.score(given.features[chosen], of_click) - logit(given.p_click[chosen])
        self._sale = funnel.sale.score(given.features[chosen], np.zeros(len(chosen)))

    def of(self, here: Ints, p_click: Floats, p_sale: Floats) -> tuple[Floats, Floats]:
        """Click, and sale per click, of sends by their place in `sends`; the product's line is in the second."""
        click = self.funnel.click.platt(self._click[here] + logit(p_click))
        sale = self.funnel.sale.platt(self._sale[here] + logit(p_sale))
        return click, self.funnel.product(logit(click * sale)) / click

    def today(self, day: int, here: Ints) -> tuple[Floats, Floats]:
        """The same with the tables of this day; an arm that is gone keeps its own."""
        sends, log = self.sends[here], self.log
        cell = log.segment[sends], log.arm[sends]
        now = (log.p_click[day][cell], log.p_sale[day][cell])
        own = (log.inputs.p_click[sends], log.inputs.p_sale[sends])
        p_click, p_sale = (np.where(np.isnan(new), old, new) for new, old in zip(now, own, strict=True))
        return self.of(here, p_click, p_sale)


def _forecast(log: Log, run: Run, funnel: Funnel, stage: PayoutStage, days: range, random: np.random.Generator) -> Told:
    first = days[0] - BURN_IN_DAYS
    chances = _Chances(log, funnel, first - MEMORY_DAYS)
    day_of = log.day[chances.sends]
    parts: list[Told] = []
    said: list[tuple[int, Floats, Ints]] = []  # day, chances of a sale as forecast, sends
    for day in range(first, days.stop):
        past, here = np.flatnonzero((day_of >= day - MEMORY_DAYS) & (day_of < day)), np.flatnonzero(day_of == day)
        level, told = _level(chances, past, day, run.spec.offers)
        sends = chances.sends[here]
        click, per_click = chances.of(here, log.inputs.p_click[sends], log.inputs.p_sale[sends])
        offer = log.offer[sends]
        sale = click * per_click * level.factor[offer]
        factor, common = _missed(log, said[-MEMORY_DAYS:], told, day)
        said.append((day, sale, sends))
        if day < days[0]:
            continue
        sale = sale * factor
        payout = stage.predict(log.inputs.features[sends], log.inputs.payout_micros[sends])
        block = _blocks(log.segment[sends], sale, random)
        groups = [
            _groups(log, run, sends, group, sale, payout, level, common, random)
            for group in (block, np.zeros(len(sends), dtype=np.int64))
        ]
        parts.append(
            Told(
                day=log.day[sends],
                clicked=(log.clicked_on[sends] != NEVER) & (log.clicked_on[sends] - day <= CLICK_DAYS),
                sold=log.paid_micros[sends] > 0,
                click=click,
                sale=click * per_click,
                by_rates_click=log.inputs.p_click[sends],
                by_rates=log.inputs.p_click[sends] * log.inputs.p_sale[sends],
                blocks=groups[0],
                days=groups[1],
            )
        )
    return _joined(parts)


def _level(chances: _Chances, past: Ints, day: int, offers: int) -> tuple[Level, Floats]:
    """Of each offer on the morning of `day`, and how much of a day's sales is told of by now, by its age."""
    log = chances.log
    sends = chances.sends[past]
    sent, offer, clicked_on, sold_on = (column[sends] for column in (log.day, log.offer, log.clicked_on, log.sold_on))
    clicked = (clicked_on != NEVER) & (clicked_on < day) & (clicked_on - sent <= CLICK_DAYS)
    sold = (sold_on != NEVER) & (sold_on < day)
    click, per_click = chances.today(day, past)
    noted = max(then for then in log.known_micros if then <= day)
    matured = sent < noted - MATURED_DAYS
    on = np.where(clicked, clicked_on, sent)  # a sale of a click that nobody saw stands on its mail's day
    old = matured & sold
    stood = int((log.known_micros[noted][sends[old]] > 0).sum())
    clicks_told = told_by((clicked_on - sent)[matured & clicked], int((matured & clicked).sum()), CLICK_DAYS)
    sales_told = told_by((sold_on - on)[old], stood, MATURED_DAYS)
    mails_told = told_by((sold_on - sent)[old], stood, MEMORY_DAYS)

    def by_day(when: Ints, of: Ints, values: Floats | Bools) -> Floats:
        cell = (when - (day - MEMORY_DAYS)) * offers + of
        return np.bincount(cell, values, MEMORY_DAYS * offers).astype(np.float64).reshape(-1, offers)

    due = click * clicks_told[np.minimum(day - 1 - sent, CLICK_DAYS)]
    of_clicks = track(by_day(sent, offer, clicked), by_day(sent, offer, due), fading=CLICK_FADING, own_fading=OWN_FADING)
    due = clicked * per_click * sales_told[np.minimum(day - 1 - on, MATURED_DAYS)]
    of_sales = track(by_day(on, offer, sold), by_day(on, offer, due), fading=SALE_FADING, own_fading=OWN_FADING)
    return product(of_clicks, of_sales), mails_told


def _missed(log: Log, said: Sequence[tuple[int, Floats, Ints]], told: Floats, day: int) -> tuple[float, float]:
    """What forecasts have missed in all, as a factor: the arms that are chosen are those that were lucky, and no fit to the same luck
    shows it. And the standard error of a day's level after that."""
    events, expected = np.zeros(len(said)), np.zeros(len(said))
    for number, (then, sale, sends) in enumerate(said):
        sold_on = log.sold_on[sends]
        events[number] = ((sold_on != NEVER) & (sold_on < day)).sum()
        expected[number] = sale.sum() * told[min(day - 1 - then, MEMORY_DAYS)]
    factor = missed(events, expected)
    return factor, day_error(events, expected * factor)


def _blocks(segment: Ints, sale: Floats, random: np.random.Generator) -> Ints:
    """(n,) blocks of a day's sends, one segment after the other and by lot within it, each of which expects `BLOCK` conversions."""
    order = np.lexsort((random.random(len(sale)), segment))
    ahead = np.cumsum(sale[order])
    count = max(int(ahead[-1] / BLOCK), 1)
    block = np.empty(len(sale), dtype=np.int64)
    block[order] = np.minimum((ahead / ahead[-1] * count).astype(np.int64), count - 1)
    return block


def _groups(
    log: Log,
    run: Run,
    sends: Ints,
    group: Ints,
    sale: Floats,
    payout: Payout,
    level: Level,
    common: float,
    random: np.random.Generator,
) -> Groups:
    count, offers = int(group.max()) + 1, run.spec.offers
    per_offer = (
        np.bincount(group * offers + log.offer[sends], sale * payout.mean, count * offers)
        .astype(np.float64)
        .reshape(count, offers)
    )
    error = of_groups(level, per_offer, common)
    told = forecast(group, sale, payout.mean, payout.square, groups=count, level_error=error, random=random)
    knows = log.true_sale[sends], log.true_micros[sends], log.true_micros[sends] ** 2 * (payout.square / payout.mean**2)
    truth = forecast(group, *knows, groups=count, level_error=0.0, random=random)
    return Groups(
        day=np.full(count, run.seed * 1_000 + int(log.day[sends[0]])),
        conversions=told.conversions,
        predicted=told.mean_micros,
        low=told.low_micros,
        high=told.high_micros,
        actual=np.bincount(group, log.paid_micros[sends], count).astype(np.float64),
        oracle_width=truth.high_micros - truth.low_micros,
    )


def _clustered_error(inside: Bools, cluster: Ints) -> float:
    """Standard error of the share inside when blocks of one day err together."""
    _, place = np.unique(cluster, return_inverse=True)
    sums = np.bincount(place, inside - inside.mean())
    return float(np.sqrt((sums**2).sum()) / len(inside))


def _all(parts: Sequence[Groups]) -> Groups:
    return Groups(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Groups)))


def _joined(parts: Sequence[Told]) -> Told:
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Told)
        if field.name not in ("blocks", "days")
    }
    return Told(**columns, blocks=_all([part.blocks for part in parts]), days=_all([part.days for part in parts]))
