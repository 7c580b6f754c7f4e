"""Offer choice under delay, on small lists, and with offers that come late.

    python -m benchmarks.bandit [--quick] [--json]

Markets of offers that end and are replaced (`benchmarks.bandit_worlds`), paired seeds. The engine is its own functions: `learning.delay`
once a week, `offers.posterior.fold` and `joint_draws` and the votes of `offers.choice` four times a day. Values are expected money of
the chosen offers over that of the best live offer of each segment, cold start included. How many clicks a day a market has was set so
that the specification's sampler and textbook Thompson come to about what they did in the published study (0.75 and 0.75, 0.90 and
0.77), before the engine had played in it.

value_fast, value_slow        the engine, when conversions come within days, and within weeks
*_specification, *_naive      the same of the specification's sampler, and of textbook Thompson, which takes open clicks for failures
*_unpooled                    of Thompson by true delays whose offers learn alone in each segment
value_slow_explored           of the engine with the daily exploration of 5 % on top
late_offer_ratio_to_naive     two offers of 20 dollars, at 1.0 and 1.4 % a click; the better comes on day 10: money from then on
late_offer_ratio_low          the lower end of its paired 95 % interval
small_list_regret_ratio       60 clicks a day: the engine's regret (share of the best's money) over that of unpooled Thompson; `_high`:
                              upper end of its interval
delay_sup_error               largest error of the fitted delay curve from 5,000 clicks, half of them open, mean over seeds
ks_beta                       largest distance of 100,000 of the engine's draws from the exact Beta, eight (α, β)
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, said before NumPy is loaded

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import stats

from benchmarks.bandit_choosers import Chooser, Engine, Naive, Specification, Unpooled, specified
from benchmarks.bandit_worlds import BINS, STEPS, Market, Offers, Seen, clicked, delays, drawn, worth
from benchmarks.harness import Result, main
from revenue_engine.arrays import Floats
from revenue_engine.learning.delay import Clicks, fit_delay
from revenue_engine.offers.posterior import Posteriors, joint_draws
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.records.evidence import SEGMENTS

SEEDS, QUICK_SEEDS = 20, 2
FIRST_SEED = 100
FAST = Market("fast", days=60, clicks_per_day=450, offer_spread=0.5, payout_spread=0.7)
SLOW = replace(FAST, name="slow", clicks_per_day=200, fast=(0.05, 0.3), tail_days=(6.0, 12.0))
LATE = Market("late", days=40, clicks_per_day=1_000, late_day=10, fast=(0.35, 0.35), tail_days=(5.0, 5.0))
SMALL = replace(SLOW, name="small", days=90, clicks_per_day=60, life_days=60.0)  # 5,000 people, 4 mails a week, 2 % click
PAIRS = ((0.24, 11.76), (1.0, 1.0), (3.0, 200.0), (5.0, 45.0), (21.0, 1_000.0), (101.0, 9_901.0), (0.5, 0.5), (40.0, 2.0))

Players = dict[str, Callable[[Market, Offers, int], Chooser]]
PLAYERS: Players = {
    "engine": lambda market, offers, seed: Engine(market, offers, seed),
    "specification": lambda market, offers, seed: Specification(offers, seed),
    "naive": lambda market, offers, seed: Naive(offers, seed),
    "unpooled": lambda market, offers, seed: Unpooled(offers, seed),
    "one pool": lambda market, offers, seed: Unpooled(offers, seed, by_segment=False),
    "explored": lambda market, offers, seed: Engine(market, offers, seed, epsilon=0.05),
}


ONE_MARKET = {"explored": SLOW, "one pool": SMALL}


def play(market: Market, name: str, seed: int) -> tuple[float, float]:
    """Dollars per click expected of the chosen offers and of the best, summed over steps; of a late market from the late day on."""
    offers = drawn(market, seed)
    chooser, seen = PLAYERS[name](market, offers, seed), Seen.nothing(market, offers)
    got = best = 0.0
    for step in range(market.days * STEPS):
        seen.arrive(step)
        shares = chooser.shares(seen, step)
        clicked(market, offers, seen, shares, step, seed)
        if step >= (market.late_day or 0) * STEPS:
            value, most = worth(offers, shares, step)
            got, best = got + value, best + most
    return got, best


def played(market: Market, names: tuple[str, ...], seeds: int) -> dict[str, Floats]:
    """(seeds, 2) of each."""
    return {name: np.array([play(market, name, FIRST_SEED + n) for n in range(seeds)]) for name in names}


def interval(values: Floats) -> tuple[float, float, float]:
    """Mean and its 95 % interval, by Student's t."""
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return float(values.mean()), float(values.mean()) - half, float(values.mean()) + half


def ks(draw: Callable[[float, float, int], Floats]) -> float:
    """The largest distance from the exact Beta over the pairs."""
    return max(float(stats.kstest(draw(a, b, n), stats.beta(a, b).cdf).statistic) for n, (a, b) in enumerate(PAIRS))


def engine_draws(alpha: float, beta: float, number: int) -> Floats:
    """100,000 of `joint_draws`."""
    shape = np.full((len(SEGMENTS), 1), alpha)
    of = Posteriors(
        arms=(("1", "standard"),),
        shape=shape,
        rate=np.full_like(shape, alpha + beta),
        kept=np.ones(1),
        clicks=np.zeros(1),
        mean_payouts={},
        segment_share=np.full(len(SEGMENTS), 0.2),
        shared=np.zeros_like(shape),
    )
    return np.asarray(joint_draws(of, org="benchmark", cycle_id=str(number), draws=20_000).ravel())


def specified_draws(alpha: float, beta: float, number: int) -> Floats:
    """100,000 of the specification's."""
    return specified(np.array(alpha), np.array(beta), (100_000,), np.random.default_rng(number))


def delay_error(seed: int) -> float:
    """sup |G - fitted| after 5,000 clicks of which half have not had the time to convert, one in two converting in the end."""
    random = np.random.default_rng([seed, 4])
    offers = drawn(SLOW, seed)
    ages, took = random.uniform(0.0, 20.0, 5_000), delays(offers, np.zeros(5_000, np.int64), random)
    came = (took <= ages) & (random.random(5_000) < 0.5)
    day = ages.astype(np.int64)
    counts = np.zeros((20, len(BINS)))
    np.add.at(counts, (day[came], np.searchsorted(BINS, took[came])), 1)
    oldest = np.arange(1, 21).astype(np.float64)
    groups = Clicks(np.zeros(20, np.intp), oldest - 1, oldest, np.bincount(day, minlength=20).astype(np.float64), counts)
    fitted = fit_delay(groups, BINS, PRIOR_RATES.delay)
    grid = np.linspace(0.0, 40.0, 4_001)
    truth = np.searchsorted(np.sort(delays(offers, np.zeros(200_000, np.int64), random)), grid, side="right") / 200_000
    return float(np.abs(fitted.arrived(grid, grid) - truth).max())


def measure(quick: bool) -> Result:
    """All markets, then the sampler and the curve."""
    seeds = QUICK_SEEDS if quick else SEEDS
    rows, figures = [], {}
    for market in (FAST, SLOW):
        names = tuple(name for name in PLAYERS if name not in ONE_MARKET or market is ONE_MARKET[name])
        value = {name: money[:, 0] / money[:, 1] for name, money in played(market, names, seeds).items()}
        for name, values in value.items():
            mean, low, high = interval(values)
            figures[f"value_{market.name}" + ("" if name == "engine" else f"_{name}")] = mean
            better = interval(value["engine"] - values)
            paired = "" if name == "engine" else f"{better[0]:+.3f} ({better[1]:+.3f} to {better[2]:+.3f})"
            rows.append((f"{market.name}: {name}", f"{mean:.3f} ({low:.3f} to {high:.3f})", paired))

    late = played(LATE, ("engine", "naive", "specification"), seeds)
    for name in ("naive", "specification"):
        ratio = interval(late["engine"][:, 0] / late[name][:, 0])
        rows.append((f"late offer: engine over {name}", f"{ratio[0]:.3f} ({ratio[1]:.3f} to {ratio[2]:.3f})", ""))
        if name == "naive":
            figures |= {"late_offer_ratio_to_naive": ratio[0], "late_offer_ratio_low": ratio[1]}

    small = {
        name: 1.0 - money[:, 0] / money[:, 1]
        for name, money in played(SMALL, ("engine", "unpooled", "one pool", "naive"), seeds).items()
    }
    for name in ("unpooled", "one pool", "naive"):
        mean, low, high = _ratio(small["engine"], small[name])
        rows.append((f"small list: regret over {name}'s", f"{mean:.3f} ({low:.3f} to {high:.3f})", ""))
        if name == "unpooled":
            figures |= {"small_list_regret_ratio": mean, "small_list_regret_ratio_high": high}
        elif name == "one pool":
            figures |= {"small_list_regret_ratio_to_one_pool": mean, "small_list_regret_ratio_to_one_pool_high": high}

    figures["delay_sup_error"] = float(np.mean([delay_error(FIRST_SEED + n) for n in range(seeds)]))
    figures |= {"ks_beta": ks(engine_draws), "ks_beta_specification": ks(specified_draws)}
    return Result(
        title=f"offer choice, {seeds} paired seeds, mean (95 %)",
        columns=("market", "value / optimal, or ratio", "the engine is better by"),
        rows=rows,
        figures=figures,
    )


def _ratio(above: Floats, below: Floats) -> tuple[float, float, float]:
    """Ratio of means of pairs and its interval by the delta method (Fieller's without its curvature)."""
    ratio = float(above.mean() / below.mean())
    _, low, high = interval((above - ratio * below) / below.mean())
    return ratio, ratio + low, ratio + high


if __name__ == "__main__":
    main(__doc__ or "", measure)
