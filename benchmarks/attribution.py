"""Credit by four models: conversions per second of one core, beside a Python loop and two packages.

All get the same conversions with 1 to 20 touches and give the credit of 50 arms by last click, linear, time decay and position. The
engine and the loop give micros that add up to every payout, and double a click's decay; the packages give floats, know no clicks
(the engine is compared with them on touches that are all clicks), and ChannelAttribution has no decay and no positions.
Time is processor time, the best of a few runs, of data already in each one's own form: arrays by length, lists, a polars frame of
lists, strings. How long it takes to get there is noted.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness import Result, main
from revenue_engine.arrays import Bools, Ints
from revenue_engine.attribution.journeys import Journeys, credit, lay_out
from revenue_engine.attribution.models import MODELS
from revenue_engine.attribution.shares import decayed

ARMS, MOST_TOUCHES, WINDOW_DAYS = 50, 20, 30
HALF_LIFE_DAYS, CLICK_WEIGHT = 7.0, 2.0
DAY_MILLIS, HOUR_MILLIS = 86_400_000, 3_600_000
CONVERTED_AT = 1_770_000_000_000
AT_A_TIME = 1 << 17  # touches
LOOPED = 20_000  # conversions the loop is timed on: it is as slow with each


@dataclass(frozen=True)
class Batch:
    """Conversions (m,) and their touches, oldest first, one conversion's after another's."""

    amounts: Ints
    starts: Ints
    at_millis: Ints
    clicked: Bools
    arms: npt.NDArray[np.uint8]

    def first(self, conversions: int) -> Batch:
        """The first so many conversions."""
        touches = self.starts[conversions]
        return Batch(
            self.amounts[:conversions],
            self.starts[: conversions + 1],
            self.at_millis[:touches],
            self.clicked[:touches],
            self.arms[:touches],
        )

    def all_clicks(self) -> Batch:
        """The same with nothing but clicks, which is what a package takes every touch for."""
        return replace(self, clicked=np.ones_like(self.clicked))

    @cached_property
    def lists(self) -> tuple[list[Any], ...]:
        """What a loop reads fastest."""
        return tuple(column.tolist() for column in (self.amounts, self.starts, self.at_millis, self.clicked, self.arms))

    def laid_out(self) -> tuple[Journeys, ...]:
        """What the engine reads fastest."""
        return lay_out(self.starts, self.at_millis, self.clicked, self.arms)

    def names(self) -> list[str]:
        """Of the arms."""
        return [f"arm{arm:02}" for arm in range(ARMS)]


def drawn(conversions: int, seed: int) -> Batch:
    """Payouts of 1 to 80 dollars after 1 to 20 touches in 30 days, three in ten of them clicks."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, MOST_TOUCHES + 1, conversions)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    touches = int(starts[-1])
    ages = random.integers(0, WINDOW_DAYS * DAY_MILLIS, touches)
    # within a conversion the oldest first: ages fit below a conversion's number
    ages = ages[np.argsort(np.repeat(np.arange(conversions), lengths) * (WINDOW_DAYS * DAY_MILLIS + 1) - ages)]
    return Batch(
        random.integers(1_000_000, 80_000_000, conversions),
        starts,
        CONVERTED_AT - ages,
        random.random(touches) < 0.3,
        random.integers(0, ARMS, touches).astype(np.uint8),
    )


def engine(journeys: Sequence[Journeys], amounts: Ints, *, click_weight: float = CLICK_WEIGHT) -> Ints:
    """The engine's credit, (models, arms), micros."""
    return credit(journeys, amounts, n_channels=ARMS, half_life_days=HALF_LIFE_DAYS, click_weight=click_weight)


def engine_time_decay(journeys: Sequence[Journeys], amounts: Ints) -> npt.NDArray[np.float64]:
    """Time decay alone and not rounded, from the engine's weights, (arms,): what a package's one model gives."""
    total = np.zeros(ARMS)
    for side in journeys:
        step = max(1, AT_A_TIME // len(side.at_millis))
        for first in range(0, len(side.conversions), step):
            some = slice(first, first + step)
            weights = decayed(side.at_millis[:, some], side.clicked[:, some], half_life_days=HALF_LIFE_DAYS, click_weight=1)
            weights *= amounts[side.conversions[some]] / weights.sum(axis=0)
            total += np.bincount(side.channels[:, some].ravel(), weights.ravel(), ARMS)
    return total


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Largest remainders, in plain Python."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    left = total - sum(parts)
    if left:
        rests = [total * weight % whole for weight in weights]
        for i in sorted(range(len(parts)), key=rests.__getitem__, reverse=True)[:left]:
            parts[i] += 1
    return parts


def loop(amounts: list[int], starts: list[int], at_millis: list[int], clicked: list[bool], arms: list[int]) -> list[list[int]]:
    """The same credit, one conversion after another."""
    totals = [[0] * ARMS for _ in MODELS]
    by_last, *by_split = totals
    half_life = HALF_LIFE_DAYS * DAY_MILLIS
    for c, amount in enumerate(amounts):
        mine = slice(starts[c], starts[c + 1])
        times, clicks, own = at_millis[mine], clicked[mine], arms[mine]
        n, latest = len(times), times[-1]
        last = next((i for i in range(n - 1, -1, -1) if clicks[i]), n - 1)
        by_last[own[last]] += amount
        decay = [
            round(2.0 ** ((at - latest) / half_life) * (CLICK_WEIGHT if click else 1.0) * 2**40)
            for at, click in zip(times, clicks, strict=True)
        ]
        position = [2 * (n - 2), *[1] * (n - 2), 2 * (n - 2)] if n > 2 else [1] * n
        for total, weights in zip(by_split, ([1] * n, decay, position), strict=True):
            for arm, part in zip(own, split(amount, weights), strict=True):
                total[arm] += part
    return totals


def polars_frame(batch: Batch) -> Any:
    """marketing-attribution-models' own form: a row for each journey, lists of channels and of hours before the conversion."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    pl = import_module("polars")
    touches = pl.DataFrame(
        {
            "journey_id": np.repeat(np.arange(len(batch.amounts)), np.diff(batch.starts)),
            "channels": pl.Series(np.array(batch.names())[batch.arms]).cast(pl.Categorical),
            "time_till_conv": (CONVERTED_AT - batch.at_millis) / HOUR_MILLIS,
        }
    )
    return (
        touches.group_by("journey_id", maintain_order=True)
        .agg("channels", "time_till_conv")
        .with_columns(
            pl.col("journey_id").cast(pl.String),
            pl.lit(True).alias("has_conversion"),
            pl.lit(1, dtype=pl.Int64).alias("weight"),
            pl.Series("conversion_value", batch.amounts.astype(np.float64)),
        )
    )


def by_package(frame: Any, model: str) -> list[float]:
    """marketing-attribution-models' credit of the arms by one model, computed once (its `run_` methods compute it twice)."""
    mam = import_module("mam")
    models = {
        "last_click": mam.LastClickModel(),
        "linear": mam.LinearModel(),
        "time_decay": mam.TimeDecayModel(half_life_hours=HALF_LIFE_DAYS * 24),
        "position_based": mam.PositionBasedModel(),
    }
    got = models[model].get_aggregated_results(frame)
    by_name = dict(zip(got["channels"].to_list(), got["attribution"].to_list(), strict=True))
    return [by_name.get(f"arm{arm:02}", 0.0) for arm in range(ARMS)]


def path_frame(batch: Batch) -> Any:
    """ChannelAttribution's own form: a row for each journey, its path in one string."""
    names = np.array(batch.names())[batch.arms].tolist()
    starts = batch.starts.tolist()
    paths = [">".join(names[begin:end]) for begin, end in pairwise(starts)]
    frame = import_module("pandas").DataFrame
    return frame({"path": paths, "conversions": np.ones(len(paths)), "value": batch.amounts.astype(np.float64)})


def by_channel_attribution(frame: Any) -> list[list[float]]:
    """ChannelAttribution's last touch and linear credit of the arms; it computes first touch besides."""
    got = import_module("ChannelAttribution").heuristic_models(frame, "path", "conversions", "value", sep=">", flg_pro=False)
    rows = got.set_index("channel_name").reindex([f"arm{arm:02}" for arm in range(ARMS)]).fillna(0)
    return [rows[f"{name}_touch_value"].tolist() for name in ("last", "linear")]


def best(runs: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """Shortest processor time in seconds, and what the work gave."""
    seconds, given = [], None
    for _ in range(runs):
        begin = process_time()
        given = work()
        seconds.append(process_time() - begin)
    return min(seconds), given


def within_a_micro_a_touch(micros: Ints, floats: Sequence[Sequence[float]], batch: Batch) -> bool:
    """Whether exact credit and unrounded credit are the same, but for what rounding may do at most."""
    touches = np.bincount(batch.arms, minlength=ARMS)
    return bool((np.abs(micros - np.array(floats)) <= touches + 1e-12 * np.abs(micros)).all())


def measure(quick: bool, conversions: int | None = None) -> Result:
    """All of them on the same conversions, a million unless `quick` or said otherwise."""
    many = conversions or (200_000 if quick else 1_000_000)
    batch = drawn(many, seed=20260302)
    few = batch.first(min(LOOPED, many))
    seconds_to_lay_out, journeys = best(2, batch.laid_out)
    seconds, _ = best(5, lambda: engine(journeys, batch.amounts))
    ours = seconds / many
    seconds, looped = best(3, lambda: loop(*few.lists))
    theirs = seconds / len(few.amounts)
    equal = [engine(few.laid_out(), few.amounts).tolist() == looped]
    ratio, laid = theirs / ours, seconds_to_lay_out / many
    rows = [
        ("revenue engine, arrays", "all four, micros", f"{1 / ours:,.0f}", "", f"{laid * 1e6:.2f}"),
        ("Python loop, lists", "all four, micros", f"{1 / theirs:,.0f}", f"{ratio:.1f} x", ""),
    ]
    figures = {
        "conversions_per_second": 1 / ours,
        "ratio_vs_python_loop": ratio,
        "ratio_vs_python_loop_with_layout": theirs / (ours + laid),
    }
    clicks = batch.all_clicks()
    for row, more, agrees in _packages(clicks, clicks.laid_out(), ours):
        rows.append(row)
        figures |= more
        equal.append(agrees)
    return Result(
        title=f"Attribution of {many:,} conversions with 1 to {MOST_TOUCHES} touches, one core",
        columns=("who", "credit", "conversions/s", "engine faster", "own form, us"),
        rows=rows,
        figures={**figures, "totals_equal": float(all(equal))},
        notes=(
            f"Python loop: timed on {len(few.amounts):,} of them. Its totals and the engine's are equal to the micro; the packages' are "
            "within a micro a touch, the most that rounding can do.",
            "own form: put there once for any number of runs, and not in the other times. With it in the engine's time alone, the engine "
            f"is {theirs / (ours + laid):.1f} x as fast as the loop.",
        ),
    )


Row = tuple[str, str, str, str, str]


def _packages(batch: Batch, journeys: Sequence[Journeys], ours: float) -> Iterator[tuple[Row, dict[str, float], bool]]:
    """Row, figures and agreement of each package that is installed; only a row of one that is not. `ours` is for all four models."""
    many = len(batch.amounts)
    exact = engine(journeys, batch.amounts)
    name = "marketing-attribution-models 2.1.1"
    if find_spec("mam"):
        making, frame = best(1, lambda: polars_frame(batch))
        timed = {model: best(2, partial(by_package, frame, model)) for model in MODELS}
        agrees = within_a_micro_a_touch(exact, [timed[model][1] for model in MODELS], batch)
        whole = sum(seconds for seconds, _ in timed.values()) / many
        made = f"{making / many * 1e6:.2f}"
        row = name, "all four, floats", f"{1 / whole:,.0f}", f"{whole / ours:.1f} x", made
        yield row, {"ratio_vs_marketing_attribution_models": whole / ours}, agrees

        alone, total = best(5, lambda: engine_time_decay(journeys, batch.amounts))
        alone, theirs = alone / many, timed["time_decay"][0] / many
        same = bool(np.allclose(total, timed["time_decay"][1], rtol=1e-9, atol=0))
        yield ("revenue engine, arrays", "time decay alone, floats", f"{1 / alone:,.0f}", "", ""), {}, same
        row = name, "time decay alone, floats", f"{1 / theirs:,.0f}", f"{theirs / alone:.1f} x", made
        yield row, {"ratio_vs_marketing_attribution_models_time_decay": theirs / alone}, same
    else:
        yield (name, "not installed", "", "", ""), {}, True
    name = "ChannelAttribution 2.2.5"
    if find_spec("ChannelAttribution") and find_spec("matplotlib"):
        with contextlib.redirect_stdout(io.StringIO()):  # it advertises on import
            making, frame = best(1, lambda: path_frame(batch))
            seconds, got = best(1, lambda: by_channel_attribution(frame))
        agrees = within_a_micro_a_touch(exact[[MODELS.index("last_click"), MODELS.index("linear")]], got, batch)
        each = seconds / many
        row = name, "first, last, linear, floats", f"{1 / each:,.0f}", f"{each / ours:.1f} x", f"{making / many * 1e6:.2f}"
        yield row, {"ratio_vs_channel_attribution": each / ours}, agrees
    else:
        yield (name, "not installed: no wheels, needs a C++ compiler", "", "", ""), {}, True


if __name__ == "__main__":
    main(__doc__ or "", measure)
