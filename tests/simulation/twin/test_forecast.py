"""Next week's revenue: refused where a log says too little, within the band about as often as it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.twin_worlds import Week, play
from tests.simulation.worlds.policies import at_random
from workbench.logs import Log
from workbench.logs.columns import Columns
from workbench.simulation.twin import Forecast, Refusal, forecast, view
from workbench.simulation.twin.forecast import forecast_of, foretell, sums
from workbench.simulation.twin.money import DAY, Amounts, Kept, Rebills
from workbench.simulation.twin.parts import Parts, fit
from workbench.simulation.worlds import World, named
from workbench.simulation.worlds.logging import Recorder

PEOPLE = 8_000


def recorded(days: int, seed: int = 4, people: int = PEOPLE) -> Recorder:
    world, policy = World(named("default"), seed, people), at_random(3.0)
    recorder = Recorder(world)
    for day in range(days):
        recorder.take(world.step(day, policy(world)))
    return recorder


@pytest.fixture(scope="module")
def eight_weeks() -> Recorder:
    return recorded(56)


@pytest.fixture(scope="module")
def parts(eight_weeks: Recorder) -> Parts:
    found = fit(eight_weeks.columns(), eight_weeks.now)
    assert isinstance(found, Parts)
    return found


def drawn(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- whether there is one --------------------------------------------------------------------------------------------------
def _sent_before(of: Columns, at: float) -> Columns:
    """No mail after this, the money as it was."""
    return replace(of, sent_at=np.minimum(of.sent_at, at))


def _unclicked(of: Columns, now: float) -> Columns:
    return replace(of, clicked_at=np.where(np.arange(len(of.clicked_at)) % 5 == 0, np.nan, of.clicked_at))


@pytest.mark.parametrize(
    ("reason", "spoiled"),
    [
        ("several_currencies", lambda of, now: replace(of, currencies=("EUR", "USD"))),
        ("later_lines", lambda of, now: replace(of, sale_at=of.sale_at + 40 * DAY)),
        ("short_log", lambda of, now: replace(of, sent_at=np.maximum(of.sent_at, now - 13 * DAY))),
        ("few_conversions", lambda of, now: replace(of, sale_mail=np.where(np.arange(len(of.sale_at)) < 15, of.sale_mail, -1))),
        ("conversions_without_clicks", _unclicked),
        ("no_pace", lambda of, now: _sent_before(of, now - 8 * DAY)),
        ("nothing_settled", lambda of, now: replace(of, sale_state=np.zeros_like(of.sale_state))),
    ],
)
def test_a_log_that_says_too_little_is_refused(
    eight_weeks: Recorder, reason: str, spoiled: Callable[[Columns, float], Columns]
) -> None:
    found = forecast_of(spoiled(eight_weeks.columns(), eight_weeks.now), now=eight_weeks.now, random=drawn())
    assert isinstance(found, Refusal)
    assert found.reason == reason
    assert found.reason in view.headline(found) and found.detail in view.headline(found)


def test_an_empty_log_is_refused() -> None:
    found = forecast(Log([], []), now=0.0, random=drawn())
    assert isinstance(found, Refusal)
    assert found.reason == "short_log"


# --- what it says ----------------------------------------------------------------------------------------------------------
def test_lines_and_arrays_are_foretold_alike_and_the_same_seed_says_the_same(eight_weeks: Recorder) -> None:
    now = eight_weeks.now
    of_lines = forecast(eight_weeks.log(), now=now, random=drawn())
    again = forecast(eight_weeks.log(), now=now, random=drawn())
    of_arrays = forecast_of(eight_weeks.columns(), now=now, random=drawn())
    assert isinstance(of_lines, Forecast) and isinstance(again, Forecast) and isinstance(of_arrays, Forecast)
    assert of_lines.expected_micros == again.expected_micros and of_lines.low_micros == again.low_micros
    # offers never mailed are not in the lines, so other draws are made
    assert of_lines.expected_micros == pytest.approx(of_arrays.expected_micros, rel=0.03)
    assert of_lines.low_micros < of_lines.expected_micros < of_lines.high_micros


def test_it_is_made_of_what_the_log_shows(eight_weeks: Recorder, parts: Parts) -> None:
    of = eight_weeks.columns()
    told = foretell(parts, now=eight_weeks.now, random=drawn())
    week = of.sent_at > eight_weeks.now - 7 * DAY
    assert told.mails == pytest.approx(week.sum(), rel=0.03)
    assert told.clicks == pytest.approx((week & ~np.isnan(of.clicked_at)).sum(), rel=0.25)
    assert parts.delivered == of.delivered.mean()
    assert 0.5 < float(parts.conversion_delay.by(np.array(1.0))) < 0.75  # the worlds' 60 % within the hour
    assert parts.pace.loss == pytest.approx(0.0025, abs=0.0015)
    assert parts.conversions.shape.sum() / parts.conversions.rate.sum() == pytest.approx(
        len(of.sale_at) / (~np.isnan(of.clicked_at)).sum(), rel=0.25
    )


def test_everything_is_shown_in_words(eight_weeks: Recorder, parts: Parts) -> None:
    told = foretell(parts, now=eight_weeks.now, random=drawn())
    said = view.headline(told)
    assert "as finally approved" in said and "next 7 days" in said and "80% band" in said and "USD" in said
    rows = dict(view.rows(told))
    assert rows["mails, next 7 days"] == f"{told.mails:,.0f}"
    assert len(rows) == len(view.rows(told)) > 10
    shown = json.loads(json.dumps(view.figures(told)))
    assert (shown["low_micros"], shown["currency"], shown["band"]) == (told.low_micros, "USD", 0.8)
    assert view.figures(Refusal("short_log", "3 days")) == {"refused": "short_log", "detail": "3 days"}


# --- what the band is made of ----------------------------------------------------------------------------------------------
def certain(parts: Parts, crowding: float = 1.0) -> Parts:
    """Of one offer that pays 3 or 5 dollars, nine of ten kept, and no rebills."""
    dollars = np.tile(np.array([3_000_000, 5_000_000]), 200)
    none = np.zeros(0, dtype=np.int64)
    return replace(
        parts,
        kept=Kept(30.0, 90_000, 10_000),
        amounts=Amounts((dollars,), dollars),
        rebills=Rebills(none, none, none.astype(float), none.astype(float)),
        crowding=crowding,
    )


def test_a_sum_of_amounts_scatters_as_a_compound_poisson_sum(parts: Parts) -> None:
    revenue = sums(np.full((10_000, 1), 50.0), certain(parts), drawn()) / 1e6
    assert revenue.mean() == pytest.approx(50 * 0.9 * 4.0, rel=0.01)
    assert revenue.var() == pytest.approx(50 * 0.9 * (4.0**2 + 1.0), rel=0.06)


def test_crowding_widens_it(parts: Parts) -> None:
    revenue = sums(np.full((10_000, 1), 50.0), certain(parts, crowding=1.5), drawn()) / 1e6
    assert revenue.mean() == pytest.approx(50 * 0.9 * 4.0, rel=0.01)
    assert revenue.var() == pytest.approx(50 * 0.9 * 17.0 + 0.5 * 50 * (0.9 * 4.0) ** 2, rel=0.06)


def test_what_is_uncertain_widens_the_band(parts: Parts) -> None:
    def width(of: Parts) -> float:
        told = foretell(of, now=0.0, random=drawn())
        return (told.high_micros - told.low_micros) / told.expected_micros

    surer = replace(parts.conversions, shape=parts.conversions.shape * 1e4, rate=parts.conversions.rate * 1e4, common=1e-9)
    assert width(replace(parts, conversions=surer)) < width(parts)
    assert width(replace(parts, conversions=replace(parts.conversions, common=0.5))) > 1.3 * width(parts)
    assert width(replace(parts, pace=replace(parts.pace, trend_sd=0.3))) > width(parts)


@pytest.mark.slow
def test_the_band_holds_about_as_often_as_it_says() -> None:
    """Ten worlds of each policy: inside with a chance of 0.8 each, eleven or fewer of twenty would be one time in a hundred."""
    told = [play("default", policy, 500 + seed, subscribers=12_000) for policy in ("at random", "blasts") for seed in range(10)]
    weeks = [week for week in told if isinstance(week, Week)]
    assert len(weeks) == 20
    assert sum(week.inside for week in weeks) >= 12
    assert 0.75 < sum(week.truth for week in weeks) / sum(week.expected for week in weeks) < 1.3
    assert np.mean([week.width for week in weeks[:10]]) < 1.7  # a band could hold by being wide
    middle = [replace(week, low=round(0.9 * week.expected), high=round(1.1 * week.expected)) for week in weeks]
    assert sum(week.inside for week in middle) < 12  # one too narrow is noticed
