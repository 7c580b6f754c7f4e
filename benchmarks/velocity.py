"""Whether the velocity moves by evidence or by noise.

    python -m benchmarks.velocity [--quick] [--json]

Streams of mails whose predictions are right on average but for a lasting level that nobody has told the engine (0.75 to 1.35) and days
that scatter by 12 %; conversions come late, by delays of another form than the engine assumes (`_delays`). Every quarter of an hour
each rule looks. The engine's is `pacing.velocity.judge` on `pacing.nowcast`, with a delay curve fitted by `learning.delay`.

false_actuations   share of the engine's looks that step when nothing has happened, at the worst volume; looks that are too early to
                   say anything are left out above and below the line
false_*            the same of others: the specification's quarter of an hour, its ±20 % on a day, and on a day's nowcast
drop_found_24h     streams of 100 conversions a day whose mails bring 40 % of clicks and conversions from some moment on: share braked
                   within a day of it; `small_` of 10 conversions a day
page_found_72h     clicks go on, nothing of mails that leave now converts: share braked within three days
gain_found_72h     mails that bring double: share raised within three days
wrong_way          share of those streams in which the first step went the wrong way
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, said before NumPy is loaded

from dataclasses import dataclass

import numpy as np

from benchmarks.harness import Result, main
from revenue_engine.arrays import Floats, Ints
from revenue_engine.learning.delay import Clicks, fit_delay
from revenue_engine.pacing.nowcast import Sends, expected
from revenue_engine.pacing.velocity import PAST_DAYS, SENDS_DAYS, Flow, judge
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.prediction.rates import Delay

QUARTERS = 96  # a day
DAYS, FIRST = 50, 36  # of a stream; those before the first only fill the weeks before
VOLUMES = (3, 10, 30, 100, 300)  # conversions a day
SEEDS, QUICK_SEEDS = 24, 3
FIRST_SEED = 600
DAY_SPREAD = 0.12
PER_CLICK = 0.02  # conversions
_HOURS = np.arange(6, 22)
SCENES = (  # figure, what happens, conversions a day, to which multiple, only once clicked, hours
    ("drop_found_24h", "mails bring 40 %", 100, 0.4, False, 24),
    ("small_drop_found_24h", "mails bring 40 %", 10, 0.4, False, 24),
    ("page_found_72h", "the page breaks", 100, 0.0, True, 72),
    ("gain_found_72h", "mails bring double", 100, 2.0, False, 72),
)
_RULES = ("engine", "specification", "day", "nowcast")


@dataclass(frozen=True, slots=True)
class Stream:
    """One org's mails and what they brought, by quarter of an hour."""

    predicted: Floats  # conversions of the mails that leave in it
    clicks: Ints
    came: Ints  # conversions


def _delays(n: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Days from mail to click and from click to conversion."""
    click = np.exp(np.log(1.5) + 1.5 * random.standard_normal(n)) / 24
    kind = random.random(n)
    minutes = np.exp(np.log(20.0) + random.standard_normal(n)) / 1_440
    conversion = np.where(
        kind < 0.45, minutes, np.where(kind < 0.6, np.abs(1.0 + 0.2 * random.standard_normal(n)), random.exponential(5.0, n))
    )
    return click, conversion


def landing() -> tuple[Floats, Floats]:
    """Shares of a mail's clicks and of its conversions in each quarter of an hour after it."""
    click, conversion = _delays(1_000_000, np.random.default_rng(1))
    return _shares(click), _shares(click + conversion)


def _shares(took: Floats) -> Floats:
    return np.asarray(np.histogram(took * QUARTERS, np.arange(DAYS * QUARTERS + 1))[0] / len(took))


def fitted(seed: int) -> Delay:
    """What 2,000 conversions of the last month teach, as evidence would count them."""
    random = np.random.default_rng([seed, 1])
    edges = np.array([1 / 24, 1.0, 3.0, 7.0, np.inf])
    age, (_, took) = random.uniform(0.0, 30.0, 2_000), _delays(2_000, random)
    day, seen = age.astype(np.int64), took <= age
    came = np.zeros((30, len(edges)))
    np.add.at(came, (day[seen], np.searchsorted(edges, took[seen])), 1)
    oldest = np.arange(1, 31).astype(np.float64)
    clicks = np.full(30, 2_000 / 30 / PER_CLICK)
    return fit_delay(Clicks(np.zeros(30, np.intp), oldest - 1, oldest, clicks, came), edges, PRIOR_RATES.delay)


def stream(
    volume: float, seed: int, shares: tuple[Floats, Floats], *, factor: float = 1.0, since: int = 0, page: bool = False
) -> Stream:
    """Mails leave from six to ten; from a quarter on they bring another multiple of what was predicted (of a page: once clicked)."""
    random = np.random.default_rng([seed, 2, round(volume)])
    predicted = np.zeros(DAYS * QUARTERS)
    day = np.zeros(QUARTERS)
    day[(_HOURS[:, None] * 4 + np.arange(4)).ravel()] = 1.0
    for d in range(DAYS):
        predicted[d * QUARTERS : (d + 1) * QUARTERS] = volume * np.exp(0.2 * random.standard_normal()) * day / day.sum()
    level = np.exp(random.uniform(np.log(0.75), np.log(1.35)))
    scatter = np.exp(DAY_SPREAD * random.standard_normal(DAYS) - DAY_SPREAD**2 / 2)
    usual = predicted * level * np.repeat(scatter, QUARTERS)
    changed = usual * np.where(np.arange(len(predicted)) >= since, factor, 1.0)
    clicks, came = (
        random.poisson(np.convolve(bring, share)[: len(bring)])
        for bring, share in zip(((usual if page else changed) / PER_CLICK, changed), shares, strict=True)
    )
    return Stream(predicted, clicks, came)


def steps(of: Stream, delay: Delay, every: int, *, until_first: bool = False) -> tuple[dict[str, Ints], list[int]]:
    """Every rule's looks: their number, steps up and steps down, (3,); and when the engine stepped, up positive."""
    looks = {rule: np.zeros(3, np.int64) for rule in _RULES}
    moved: list[int] = []
    last = 0  # quarter of the engine's last step: evidence is used once
    for now in range(FIRST * QUARTERS, DAYS * QUARTERS, every):
        begin = max(now - QUARTERS, last)
        past = begin - PAST_DAYS * QUARTERS
        sends = _buckets(of.predicted, now)
        due = expected(sends, since_days=begin / QUARTERS, now_days=now / QUARTERS, conversion=delay)
        past_due = expected(sends, since_days=past / QUARTERS, now_days=begin / QUARTERS, conversion=delay)
        clicks, conversions = (
            Flow(due[kind], int(came[begin:now].sum()), past_due[kind], int(came[past:begin].sum()))
            for kind, came in enumerate((of.clicks, of.came))
        )
        verdict = judge(conversions, clicks, trouble=None, current=100, begins_at=100, most=1_000, calm_hours=float("inf"))
        if verdict.state != "too_early":
            looks["engine"] += (1, verdict.sends_per_minute > 100, verdict.sends_per_minute < 100)
        if verdict.acts:
            last = now
            moved.append(now if verdict.sends_per_minute > 100 else -now)
            if until_first:
                break
        quarter, day = slice(now - 1, now), slice(now - QUARTERS, now)
        _, whole = expected(sends, since_days=(now - QUARTERS) / QUARTERS, now_days=now / QUARTERS, conversion=delay)
        for rule, came, said in (
            ("specification", of.came[quarter].sum(), of.predicted[quarter].sum()),
            ("day", of.came[day].sum(), of.predicted[day].sum()),
            ("nowcast", of.came[day].sum(), whole),
        ):
            if said > 0:
                looks[rule] += (1, came > 1.2 * said, came < 0.8 * said)
    return looks, moved


def _buckets(predicted: Floats, now: int) -> Sends:
    """Hours of the last two days and whole days before them, as counters are kept."""
    hours = np.arange(max(now // 4 - 47, 0), now // 4 + 1) * 4
    first = hours[0] - (hours[0] - max(hours[0] - SENDS_DAYS * QUARTERS, 0)) // QUARTERS * QUARTERS
    starts = np.concatenate([np.arange(first, hours[0], QUARTERS), hours])
    ends = np.minimum(np.append(starts[1:], starts[-1] + 4), now)
    sums = np.concatenate([[0.0], np.cumsum(predicted)])
    keep = ends > starts
    predicted = (sums[ends] - sums[starts])[keep]
    return Sends(starts[keep] / QUARTERS, ends[keep] / QUARTERS, predicted / PER_CLICK, predicted)


def measure(quick: bool) -> Result:
    """Quiet streams at every volume, then streams in which something happens."""
    seeds, every, share = (QUICK_SEEDS, 4, landing()) if quick else (SEEDS, 1, landing())
    delay = {seed: fitted(seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds)}
    rows, worst = [], dict.fromkeys(_RULES, 0.0)
    for volume in VOLUMES:
        total = {rule: np.zeros(3, np.int64) for rule in _RULES}
        for seed, curve in delay.items():
            looks, _ = steps(stream(volume, seed, share), curve, every)
            total = {rule: total[rule] + looks[rule] for rule in _RULES}
        false = {rule: float((n[1] + n[2]) / max(n[0], 1)) for rule, n in total.items()}
        worst = {rule: max(worst[rule], false[rule]) for rule in _RULES}
        days = seeds * (DAYS - FIRST)
        a_day = (total["engine"][1] + total["engine"][2]) / days
        rows.append((f"nothing happens, {volume} a day", *(f"{false[rule]:.2%}" for rule in _RULES), f"{a_day:.3f} steps a day"))
    figures = {
        "false_actuations": worst["engine"],
        "false_specification": worst["specification"],
        "false_day": worst["day"],
        "false_nowcast": worst["nowcast"],
    }
    wrong = told = 0
    for name, what, volume, factor, page, within in SCENES:
        waits = []
        for seed, curve in delay.items():
            since = (FIRST + 2) * QUARTERS + 6 * 4  # six in the morning
            _, moved = steps(stream(volume, seed, share, factor=factor, since=since, page=page), curve, every)
            after = [at for at in moved if abs(at) > since]
            right = [abs(at) for at in after if (at > 0) == (factor > 1)]
            waits.append((right[0] - since) / 4 if right else np.inf)
            wrong += bool(after) and (after[0] > 0) != (factor > 1)
            told += 1
        figures[name] = float(np.mean(np.array(waits) <= within))
        found = f"{figures[name]:.0%} in {within} h"
        rows.append((f"{what}, {volume} a day", found, "", "", "", f"median {np.median(waits):.1f} h"))
    figures["wrong_way"] = wrong / told
    return Result(
        title=f"looks that change the velocity, {seeds} streams of {DAYS - FIRST} days each",
        columns=("stream", "engine", "quarter hour ±20 %", "day ±20 %", "day's nowcast ±20 %", "engine"),
        rows=rows,
        figures=figures,
    )


if __name__ == "__main__":
    main(__doc__ or "", measure)
