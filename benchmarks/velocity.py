"""Whether the velocity moves by evidence or by noise.

    python -m benchmarks.velocity [--quick] [--json]

Streams of mails whose predictions are right on average but for a lasting level that nobody has told the engine (0.75 to 1.35) and days
that scatter by 12 %; conversions come late, by delays of another form than the engine assumes (`_delays`). Every quarter of an hour
each rule looks. The engine's is played as the live service plays it, its steps taken: `pacing.window` on counts of hours and days,
`pacing.velocity`, with a delay curve fitted by `learning.delay`; of mails, bounces, delays and complaints come at innocent rates. In
the streams in which nothing happens (`NULLS`) a list may be mature or cold (its first week, with the prior's delay curve), its weekends
bring half, or its mails leave on weekdays alone.

false_actuations   share of the engine's looks that step when nothing has happened, at the worst volume of the worst kind of stream;
                   looks that are too early to say anything are left out above and below the line
false_mean         the same over all of them
lowest_velocity    of all those streams, which begin at 100 a minute
false_*            the first of others, on mature streams: the specification's quarter of an hour, its ±20 % on a day, and on a day's
                   nowcast
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
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from benchmarks.harness import Result, main
from revenue_engine.arrays import Floats, Ints
from revenue_engine.learning.delay import Clicks, fit_delay
from revenue_engine.pacing.nowcast import Sends, expected
from revenue_engine.pacing.velocity import judge, trouble
from revenue_engine.pacing.window import SENDS_DAYS, delivery, edge_of, flows, is_calm, usual
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.prediction.rates import Delay
from revenue_engine.records.controls import Controls

QUARTERS = 96  # a day
DAYS, FIRST = 50, 36  # of a stream; those before the first only fill the weeks before
VOLUMES = (3, 10, 30, 100, 300)  # conversions a day
SEEDS, QUICK_SEEDS = 24, 3
FIRST_SEED = 600
DAY_SPREAD = 0.12
PER_CLICK, PER_MAIL = 0.02, 0.03  # conversions; clicked mails
HEARD = 0.3  # of the mails: a complaint would be heard of
INNOCENT = {"bounces": 0.005, "deferrals#gmail": 0.01, "deferrals#other": 0.01, "complaints": 0.0002}  # of the mails, or of those
RATE_SPREAD = 0.25  # of a day's rate: one in thousands is twice what it usually is, which would be no noise
MONDAY, ZONE, QUARTER = datetime(2026, 1, 5, tzinfo=UTC), "UTC", timedelta(minutes=15)
_HOURS = np.arange(6, 22)
_FLAT = (1.0,) * 7
NULLS = (  # kind, days looked at, what weekdays bring, what they are mailed
    ("mature", (FIRST, DAYS), _FLAT, _FLAT),
    ("cold", (0, 7), _FLAT, _FLAT),
    ("weekends bring half", (FIRST, DAYS), (1, 1, 1, 1, 1, 0.5, 0.5), _FLAT),
    ("cold, weekends bring half", (0, 14), (1, 1, 1, 1, 1, 0.5, 0.5), _FLAT),
    ("mailed on weekdays", (FIRST, DAYS), _FLAT, (1, 1, 1, 1, 1, 0, 0)),
)
SCENES = (  # figure, what happens, conversions a day, to which multiple, only once clicked, hours
    ("drop_found_24h", "mails bring 40 %", 100, 0.4, False, 24),
    ("small_drop_found_24h", "mails bring 40 %", 10, 0.4, False, 24),
    ("page_found_72h", "the page breaks", 100, 0.0, True, 72),
    ("gain_found_72h", "mails bring double", 100, 2.0, False, 72),
)
_RULES = ("specification", "day", "nowcast")


@dataclass(frozen=True)
class Stream:
    """One org's mails and what they brought, by quarter of an hour."""

    predicted: Floats  # conversions of the mails that leave in it
    clicks: Ints
    came: Ints  # conversions
    mails: dict[str, Ints]  # and what became of them

    def counts(self, start: int, end: int) -> dict[str, int]:
        """As the counters would hold those quarters."""
        return dict(zip(self._sums, (int(of[end] - of[start]) for of in self._sums.values()), strict=True))

    @cached_property
    def _sums(self) -> dict[str, Ints]:
        counted = {
            "predicted_clicks_millionths": np.rint(self.predicted / PER_CLICK * 1e6).astype(np.int64),
            "predicted_conversions_millionths": np.rint(self.predicted * 1e6).astype(np.int64),
            "clicked_mails": self.clicks,
            "mailed_conversions": self.came,
            "conversions%engine": self.came,
            **self.mails,
        }
        return {name: np.concatenate([[0], np.cumsum(of)]) for name, of in counted.items()}


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
    volume: float,
    seed: int,
    shares: tuple[Floats, Floats],
    *,
    factor: float = 1.0,
    since: int = 0,
    page: bool = False,
    brings: tuple[float, ...] = _FLAT,
    mailed: tuple[float, ...] = _FLAT,
) -> Stream:
    """Mails leave from six to ten; from a quarter on they bring another multiple of what was predicted (of a page: once clicked).

    `brings`, `mailed`: by weekday, what mails bring and how many leave.
    """
    random = np.random.default_rng([seed, 2, round(volume)])
    predicted = np.zeros(DAYS * QUARTERS)
    day = np.zeros(QUARTERS)
    day[(_HOURS[:, None] * 4 + np.arange(4)).ravel()] = 1.0
    for d in range(DAYS):
        today = volume * np.exp(0.2 * random.standard_normal()) * mailed[d % 7]
        predicted[d * QUARTERS : (d + 1) * QUARTERS] = today * day / day.sum()
    level = np.exp(random.uniform(np.log(0.75), np.log(1.35)))
    scatter = np.exp(DAY_SPREAD * random.standard_normal(DAYS) - DAY_SPREAD**2 / 2)
    scatter *= np.resize(brings, DAYS) / np.mean(brings)
    usual = predicted * level * np.repeat(scatter, QUARTERS)
    changed = usual * np.where(np.arange(len(predicted)) >= since, factor, 1.0)
    clicks, came = (
        random.poisson(np.convolve(bring, share)[: len(bring)])
        for bring, share in zip(((usual if page else changed) / PER_CLICK, changed), shares, strict=True)
    )
    return Stream(predicted, clicks, came, _mails(predicted, random))


def _mails(predicted: Floats, random: np.random.Generator) -> dict[str, Ints]:
    """Mails that left, and those of them of which providers said something, by the quarter in which they left."""
    sent = np.rint(predicted / PER_CLICK / PER_MAIL).astype(np.int64)
    heard = random.binomial(sent, HEARD)
    found = {"sent": sent, "heard": heard}
    for name, rate in INNOCENT.items():
        of_day = rate * random.gamma(RATE_SPREAD**-2, RATE_SPREAD**2, DAYS)
        found[name] = random.binomial(heard if name == "complaints" else sent, np.repeat(of_day, QUARTERS))
    return found


@dataclass(slots=True)
class Played:
    """What the engine did on a stream."""

    looks: int = 0  # that were not too early
    lowest: int = 100
    moved: tuple[int, ...] = ()  # quarters in which it stepped because of what was seen, raises positive


def played(of: Stream, delay: Delay, every: int, days: tuple[int, int]) -> Played:
    """The live service's looks (`services/velocity`) over these days of the stream, from its beginning at 100 a minute."""
    controls, result = Controls(), Played()
    current = untroubled = controls.sends_per_minute
    stepped_at, troubled_at, known = datetime.fromtimestamp(0, UTC), None, None
    for now in range(days[0] * QUARTERS, days[1] * QUARTERS, every):
        at = MONDAY + now * QUARTER
        today = now // QUARTERS
        if known is None or now % QUARTERS == 0:
            whole = {MONDAY.date() + timedelta(days=d): of.counts(d * QUARTERS, (d + 1) * QUARTERS) for d in _before(today - 1)}
            known = usual(whole, edge=edge_of(at, ZONE), zone=ZONE, delay=delay)
        begin = max(today - 1, 0) * QUARTERS
        hours = {MONDAY + q * QUARTER: of.counts(q, min(q + 4, now)) for q in range(begin, now, 4)}
        clicks, conversions = flows(known, hours, zone=ZONE, delay=delay, stepped_at=stepped_at, now=at)
        verdict = judge(
            conversions,
            clicks,
            trouble=trouble(delivery(hours, stepped_at=stepped_at, now=at), controls),
            current=current,
            untroubled=untroubled,
            most=controls.most_sends_per_minute,
            calm=troubled_at is not None and is_calm(troubled_at, now=at, zone=ZONE),
        )
        current, untroubled = verdict.sends_per_minute, verdict.untroubled
        result.looks += verdict.state != "too_early"
        result.lowest = min(result.lowest, current)
        troubled_at = at if verdict.trouble else troubled_at
        if verdict.acts:
            stepped_at = at
            result.moved += (now if verdict.state == "outperforming_predictions" else -now,)
    return result


def _before(day: int) -> range:
    return range(max(day - SENDS_DAYS, 0), max(day, 0))


def others(of: Stream, delay: Delay, every: int) -> dict[str, Ints]:
    """The other rules' looks at a mature stream: their number, steps up and steps down, (3,)."""
    looks = {rule: np.zeros(3, np.int64) for rule in _RULES}
    for now in range(FIRST * QUARTERS, DAYS * QUARTERS, every):
        quarter, day = slice(now - 1, now), slice(now - QUARTERS, now)
        sends = _buckets(of.predicted, now)
        _, whole = expected(sends, since_days=(now - QUARTERS) / QUARTERS, now_days=now / QUARTERS, conversion=delay)
        for rule, came, said in (
            ("specification", of.came[quarter].sum(), of.predicted[quarter].sum()),
            ("day", of.came[day].sum(), of.predicted[day].sum()),
            ("nowcast", of.came[day].sum(), whole),
        ):
            if said > 0:
                looks[rule] += (1, came > 1.2 * said, came < 0.8 * said)
    return looks


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
    """Streams in which nothing happens at every volume, then streams in which something does."""
    seeds, every, share = (QUICK_SEEDS, 4, landing()) if quick else (SEEDS, 1, landing())
    delay = {seed: fitted(seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds)}
    rows, worst = [], dict.fromkeys(_RULES, 0.0)
    shares, lowest = [], 100
    for kind, days, brings, mailed in NULLS:
        cold, usual_kind = days[0] == 0, kind == "mature"
        for volume in VOLUMES:
            streams = {seed: stream(volume, seed, share, brings=brings, mailed=mailed) for seed in delay}
            engine = [played(of, PRIOR_RATES.delay if cold else delay[seed], every, days) for seed, of in streams.items()]
            steps = sum(len(one.moved) for one in engine)
            shares.append(steps / max(sum(one.looks for one in engine), 1))
            lowest = min(lowest, *(one.lowest for one in engine))
            false = {}
            if usual_kind:
                looks = [others(of, delay[seed], every) for seed, of in streams.items()]
                for rule in _RULES:
                    n = np.sum([one[rule] for one in looks], axis=0)
                    false[rule] = float((n[1] + n[2]) / max(n[0], 1))
                    worst[rule] = max(worst[rule], false[rule])
            a_day = steps / (seeds * (days[1] - days[0]))
            told = f"{a_day:.3f} steps a day, lowest {min(one.lowest for one in engine)}"
            others_told = (f"{false[rule]:.2%}" if usual_kind else "" for rule in _RULES)
            rows.append((f"{kind}, {volume} a day", f"{shares[-1]:.2%}", *others_told, told))
    figures = {
        "false_actuations": max(shares),
        "false_mean": float(np.mean(shares)),
        "lowest_velocity": float(lowest),
        "false_specification": worst["specification"],
        "false_day": worst["day"],
        "false_nowcast": worst["nowcast"],
    }
    wrong = told_of = 0
    for name, what, volume, factor, page, within in SCENES:
        waits = []
        for seed, curve in delay.items():
            since = (FIRST + 2) * QUARTERS + 6 * 4  # six in the morning
            of = stream(volume, seed, share, factor=factor, since=since, page=page)
            moved = played(of, curve, every, (FIRST, DAYS)).moved
            after = [at for at in moved if abs(at) > since]
            right = [abs(at) for at in after if (at > 0) == (factor > 1)]
            waits.append((right[0] - since) / 4 if right else np.inf)
            wrong += bool(after) and (after[0] > 0) != (factor > 1)
            told_of += 1
        figures[name] = float(np.mean(np.array(waits) <= within))
        found = f"{figures[name]:.0%} in {within} h"
        rows.append((f"{what}, {volume} a day", found, "", "", "", f"median {np.median(waits):.1f} h"))
    figures["wrong_way"] = wrong / told_of
    return Result(
        title=f"looks that change the velocity, {seeds} streams of each kind and volume",
        columns=("stream", "engine", "quarter hour ±20 %", "day ±20 %", "day's nowcast ±20 %", "engine"),
        rows=rows,
        figures=figures,
    )


if __name__ == "__main__":
    main(__doc__ or "", measure)
