"""Forecasts of a world's sends, each on its morning, beside what came of them: for `benchmarks.models_world`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from statistics import NormalDist

import numpy as np

from benchmarks.models_world_log import CLICK_DAYS, NEVER, Log, played
from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.learning.funnel import Funnel, fit_funnel, thinned
from revenue_engine.learning.payout import PayoutStage, fit_payout
from revenue_engine.prediction.groups import forecast
from revenue_engine.prediction.level import (
    Level,
    day_error,
    missed,
    of_groups,
    of_weekdays,
    payout_level,
    product,
    told_by,
    track,
)
from revenue_engine.prediction.payout import Payout
from revenue_engine.prediction.platt import logit
from workbench.simulation.worlds import WorldSpec

WARM_UP_DAYS = 7
MATURED_DAYS = 14
MEMORY_DAYS = 28  # whose mails a level is read from
BURN_IN_DAYS = 7  # of forecasts that only teach what forecasts miss
CLICK_FADING, SALE_FADING, OWN_FADING = 0.7, 0.9, 0.9  # a day
KEPT_ROWS = 100_000
BOOKED_EVERY_DAYS = 7  # what stands by then is noted
BLOCK = 10.0  # expected conversions of a block: with fewer, counts jump and intervals cover more than they say


@dataclass(frozen=True, slots=True)
class Run:
    """One world to play."""

    spec: WorldSpec
    people: int
    seed: int
    origins: tuple[int, ...]  # mornings on which a funnel is fitted
    days: int  # until


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
    oracle_mean: Floats
    level_error: Floats  # as a share of what is predicted

    @property
    def mean_inside(self) -> Bools:
        """Whether the mean by the truth lies between the bounds of the expected revenue (90 %)."""
        return np.abs(np.log(self.oracle_mean / self.predicted)) <= NormalDist().inv_cdf(0.95) * self.level_error

    @property
    def inside(self) -> Bools:
        """Whether it came as the interval says."""
        return (self.actual >= self.low) & (self.actual <= self.high)


def told(run: Run) -> Told:
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
        payout = _paid(log, stage, sends, day)
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
    of_clicks, today = _tracked(by_day(sent, offer, clicked), by_day(sent, offer, due), day, CLICK_FADING)
    due = clicked * per_click * sales_told[np.minimum(day - 1 - on, MATURED_DAYS)]
    of_sales, today_too = _tracked(by_day(on, offer, sold), by_day(on, offer, due), day, SALE_FADING)
    level = product(of_clicks, of_sales)
    return replace(level, factor=level.factor * today * today_too), mails_told


def _tracked(events: Floats, expected: Floats, day: int, fading: float) -> tuple[Level, float]:
    """The level of `MEMORY_DAYS` before `day`, weekdays apart, and the factor of today's."""
    weekday = (day + np.arange(-MEMORY_DAYS, 0)) % 7
    week = of_weekdays(events.sum(axis=1), expected.sum(axis=1), weekday)
    return track(events, expected * week[weekday][:, None], fading=fading, own_fading=OWN_FADING), float(week[day % 7])


def _paid(log: Log, stage: PayoutStage, sends: Ints, day: int) -> Payout:
    """Of these sends, at the level that the last sales known by then have paid."""
    noted = max(then for then in log.known_micros if then <= day)
    known = log.known_micros[noted]
    past = np.flatnonzero((log.day[: len(known)] >= noted - MEMORY_DAYS) & (known > 0))
    said = stage.predict(log.inputs.features[past], log.inputs.payout_micros[past])
    factor = payout_level(known[past], said.mean)
    payout = stage.predict(log.inputs.features[sends], log.inputs.payout_micros[sends])
    return Payout(payout.mean * factor, payout.square * factor**2)


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
        oracle_mean=truth.mean_micros,
        level_error=error,
    )


def together(parts: Sequence[Groups]) -> Groups:
    return Groups(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Groups)))


def _joined(parts: Sequence[Told]) -> Told:
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Told)
        if field.name not in ("blocks", "days")
    }
    return Told(**columns, blocks=together([part.blocks for part in parts]), days=together([part.days for part in parts]))
