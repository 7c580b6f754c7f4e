"""Scores of every subscriber with every offer: NumPy from tables, beside LightGBM.

    python -m benchmarks.scoring [--quick] [--json]

Four stage models (open, click, conversion, value) of 100 to 200 trees with 31 leaves are trained on drawn rows with 18 features of the
subscriber and 8 of the offer, and exported. Then all of them score the same subscribers with the same 20 offers, one thread on one
processor, run after run in turn; the median of processor time counts.

ratio_numpy_vs_lightgbm_batched   LightGBM's raw scores of the ready matrix of pairs, against features in and raw scores out
ratio_numpy_vs_lightgbm_with_pairs   the same with the time to build that matrix, which tables never need
ratio_numpy_vs_row_loop           one `predict` per pair and model on a sample, extrapolated
max_raw_difference                of all raw scores of all models
chosen_equal                      share of choices that are the same, by each model and by their product, where the best two of LightGBM's
                                  scores are 1e-5 apart or more
bits_equal_across_batches         1 when batches of other sizes give the same bits
megabytes_beside_result           most memory held while scoring, the result left out
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from statistics import median
from time import process_time
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.harness import Result, alone, main
from revenue_engine.arrays import Floats
from revenue_engine.learning.export import export
from revenue_engine.prediction.scorer import Scorer, chosen
from revenue_engine.prediction.tables import TreeTables

SEED = 20_260_314
SUBSCRIBER = tuple(f"subscriber_{number:02}" for number in range(18))
OFFER = tuple(f"offer_{number}" for number in range(8))
CATALOGUE, OFFERS = 200, 20  # trained on, scored
TREES = {"open": 100, "click": 150, "conversion": 150, "value": 200}
TOO_CLOSE = 1e-5
SETTINGS = {
    "num_leaves": 31,
    "learning_rate": 0.05,
    "min_data_in_leaf": 40,
    "deterministic": True,
    "num_threads": 1,
    "verbose": -1,
}

Features = npt.NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is trained, scored and repeated."""

    rows: int
    subscribers: int
    runs: int
    looped: int  # pairs that go through the row loop
    trees: Mapping[str, int]


FULL = Size(120_000, 50_000, 5, 1_000, TREES)
QUICK = Size(60_000, 5_000, 5, 300, TREES)


def subscribers_drawn(rows: int, luck: np.random.Generator) -> Features:
    """Scores, counts full of zeros, codes and ages in days, of which three in a hundred are missing, (rows, 18)."""
    drawn = np.concatenate(
        [
            luck.normal(size=(rows, 6)),
            luck.poisson(0.8, (rows, 6)),
            luck.integers(0, 5, (rows, 3)),
            luck.exponential(30.0, (rows, 3)),
        ],
        axis=1,
    )
    return np.where(luck.random(drawn.shape) < 0.03, np.nan, drawn).astype(np.float32)


def offers_drawn(rows: int, luck: np.random.Generator) -> Features:
    """Rates and amounts, and codes, (rows, 8)."""
    return np.concatenate([luck.normal(size=(rows, 4)), luck.integers(0, 6, (rows, 4))], axis=1).astype(np.float32)


def pairs_of(subscribers: Features, offers: Features) -> Features:
    """The matrix that a library of trees needs: every subscriber with every offer, (n · m, 26)."""
    repeated = np.repeat(subscribers, len(offers), axis=0)
    return np.concatenate([repeated, np.tile(offers, (len(subscribers), 1))], axis=1)


def trained(size: Size, catalogue: Features, luck: np.random.Generator) -> dict[str, Any]:
    """A booster of each stage. The truth has both sides alone and together, and kinks."""
    people = subscribers_drawn(size.rows, luck)
    offers = catalogue[luck.integers(0, len(catalogue), size.rows)]
    seen = np.nan_to_num(people)
    matrix = np.concatenate([people, offers], axis=1)
    lightgbm: Any = import_module("lightgbm")
    boosters = {}
    for stage, trees in size.trees.items():
        log_odds = (
            seen[:, :6] @ luck.normal(0, 0.3, 6)
            + np.log1p(seen[:, 6:12]) @ luck.normal(0, 0.4, 6)
            + offers @ luck.normal(0, 0.2, 8)
            + 0.3 * seen[:, 0] * offers[:, 0]
            + 0.4 * (seen[:, 7] > 1) * (offers[:, 5] > 2)
            - 0.01 * seen[:, 15]
            - 1.5
        )
        if stage == "value":
            label, objective = luck.gamma(2.0, np.exp(0.3 * log_odds)) + 1e-3, "gamma"
        else:
            label, objective = luck.random(size.rows) < 1.0 / (1.0 + np.exp(-log_odds)), "binary"
        data = lightgbm.Dataset(matrix, label, feature_name=[*SUBSCRIBER, *OFFER])
        boosters[stage] = lightgbm.train({**SETTINGS, "objective": objective, "seed": SEED}, data, trees)
    return boosters


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Processor seconds, and what the work gave."""
    begin = process_time()
    given = work()
    return process_time() - begin, given


def by_tables(tables: Sequence[TreeTables], subscribers: Features, offers: Features) -> list[Floats]:
    """Raw scores of each model, (n, m); the offers are made ready here, too."""
    return [Scorer(one, offers).raw(subscribers) for one in tables]


def by_lightgbm(boosters: Sequence[Any], pairs: Features) -> list[Floats]:
    """Raw scores of each model, flat."""
    return [booster.predict(pairs, raw_score=True, num_threads=1) for booster in boosters]


def by_row_loop(boosters: Sequence[Any], pairs: Features) -> None:
    """As the specification has it: every pair for itself."""
    for row in pairs:
        for booster in boosters:
            booster.predict(row[None], num_threads=1)


def log_expected(tables: Sequence[TreeTables], raw: Sequence[Floats]) -> Floats:
    """Logarithm of the product of all stages."""
    return np.asarray(sum(np.log(one.predicted(scores)) for one, scores in zip(tables, raw, strict=True)))


def agreement(ours: Floats, theirs: Floats) -> tuple[int, int, int]:
    """Subscribers whose best two offers are apart in `theirs`, those of them who get the same from `ours`, and those of all."""
    best_two = np.partition(theirs, -2, axis=1)[:, -2:]
    apart = best_two[:, 1] - best_two[:, 0] >= TOO_CLOSE
    same = chosen(ours) == theirs.argmax(axis=1)
    return int(apart.sum()), int((apart & same).sum()), int(same.sum())


def batches_agree(scorer: Scorer, subscribers: Features, whole: Floats) -> bool:
    """Whether one by one and odd batches give the bits of all at once."""
    few = min(len(subscribers), 3_000)
    for step in (1, 7, 611):
        last = min(few, 50 * step)
        parts = [scorer.raw(subscribers[first : min(first + step, last)]) for first in range(0, last, step)]
        if np.concatenate(parts).tobytes() != whole[:last].tobytes():
            return False
    return True


def held(scorer: Scorer, subscribers: Features) -> float:
    """Most megabytes held while scoring, without the result."""
    tracemalloc.start()
    result = scorer.raw(subscribers)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (most - result.nbytes) / 1e6


def measure(quick: bool, size: Size | None = None) -> Result:
    """All of them on the same pairs: a million, a tenth of it if `quick`, or as many as said."""
    size = size or (QUICK if quick else FULL)
    luck = np.random.default_rng(SEED)
    catalogue = offers_drawn(CATALOGUE, luck)
    named = trained(size, catalogue, luck)
    boosters = list(named.values())
    tables = [export(booster, subscriber=SUBSCRIBER, offer=OFFER) for booster in boosters]
    subscribers, offers = subscribers_drawn(size.subscribers, luck), catalogue[:OFFERS]
    build, pairs = timed(lambda: pairs_of(subscribers, offers))
    looped = pairs[luck.choice(len(pairs), size.looped, replace=False)]

    runs = []
    for _ in range(size.runs):
        numpy_seconds, ours = timed(lambda: by_tables(tables, subscribers, offers))
        lightgbm_seconds, flat = timed(lambda: by_lightgbm(boosters, pairs))
        loop_seconds, _ = timed(lambda: by_row_loop(boosters, looped))
        runs.append((numpy_seconds / len(pairs), lightgbm_seconds / len(pairs), loop_seconds / len(looped)))
    theirs = [scores.reshape(len(subscribers), OFFERS) for scores in flat]
    numpy_each, lightgbm_each, loop_each = (median(column) for column in zip(*runs, strict=True))
    build_each = build / len(pairs)

    judged = [*zip(ours, theirs, strict=True), (log_expected(tables, ours), log_expected(tables, theirs))]
    apart, equal, equal_of_all = np.sum([agreement(mine, other) for mine, other in judged], axis=0).tolist()
    choices = len(judged) * len(subscribers)
    scorers = [Scorer(one, offers) for one in tables]
    figures = {
        "ratio_numpy_vs_lightgbm_batched": lightgbm_each / numpy_each,
        "ratio_numpy_vs_lightgbm_with_pairs": (lightgbm_each + build_each) / numpy_each,
        "ratio_numpy_vs_row_loop": loop_each / numpy_each,
        "max_raw_difference": max(float(np.abs(mine - other).max()) for mine, other in zip(ours, theirs, strict=True)),
        "chosen_equal": equal / max(apart, 1),
        "bits_equal_across_batches": float(
            all(batches_agree(scorer, subscribers, scores) for scorer, scores in zip(scorers, ours, strict=True))
        ),
        "megabytes_beside_result": max(held(scorer, subscribers) for scorer in scorers),
        "numpy_pairs_per_second": 1 / numpy_each,
    }
    grown = ", ".join(f"{stage} {trees}" for stage, trees in size.trees.items())
    ratios = sorted(theirs_each / ours_each for ours_each, theirs_each, _ in runs)
    return Result(
        title=f"{len(pairs):,} pairs ({len(subscribers):,} subscribers, {OFFERS} offers), {len(tables)} models, one thread",
        columns=("who", "us a pair", "pairs/s", "NumPy faster"),
        rows=[
            _row("NumPy, from tables", numpy_each, numpy_each),
            _row("LightGBM, all pairs at once", lightgbm_each, numpy_each),
            _row("LightGBM, with building the pairs", lightgbm_each + build_each, numpy_each),
            _row("LightGBM, pair by pair", loop_each, numpy_each),
        ],
        figures=figures,
        notes=(
            f"Median of {size.runs} runs in turn; against LightGBM's batch {ratios[0]:.1f} to {ratios[-1]:.1f} x in single runs.",
            f"Pair by pair: timed on {len(looped):,} pairs a run and extrapolated, it is as slow with each.",
            f"Choices: {choices:,}, of which {choices - apart:,} are too close to call; {equal_of_all:,} of all are the same.",
            f"Trees: {grown}; {_splits(boosters)} of the splits are on the subscriber.",
        ),
    )


def _row(who: str, each: float, ours: float) -> tuple[str, str, str, str]:
    return who, f"{each * 1e6:.3g}", f"{1 / each:,.0f}", "" if each == ours else f"{each / ours:.1f} x"


def _splits(boosters: Sequence[Any]) -> str:
    used = sum(booster.feature_importance("split") for booster in boosters)
    return f"{used[: len(SUBSCRIBER)].sum() / used.sum():.0%}"


if __name__ == "__main__":
    alone("benchmarks.scoring")
    main(__doc__ or "", measure)
