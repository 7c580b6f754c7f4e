"""Published credits come out: a small fixture, ten thousand paths, and a month of timed touches."""

from __future__ import annotations

import csv
import gzip
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from revenue_engine.arrays import Floats
from revenue_engine.attribution.data_driven import Paths, markov, removal_effects, shapley
from revenue_engine.attribution.journeys import credit, lay_out
from revenue_engine.attribution.models import MODELS, allocate_all, touches_per_mail
from revenue_engine.records.send import Touch
from tests.shared_data import shared_path

UNIT = 10**10  # so fine that whole units of a few paths are their credits to 1e-9
# path, conversions, value, journeys without a conversion
SMALL = [
    ("ABC", 10, 100, 90),
    ("AC", 5, 60, 80),
    ("BCC", 4, 44, 50),
    ("A", 8, 72, 200),
    ("B", 3, 33, 150),
    ("CA", 2, 15, 60),
    ("AB", 0, 0, 40),
]
# channel: first, last, linear, Markov
PUBLISHED = {
    "alpha": (6308, 8447, 7574.719, 5344.948),
    "beta": (2831, 989, 2083.500, 2527.352),
    "delta": (1, 5, 1.725, 4.614),
    "epsilon": (99, 531, 272.170, 599.571),
    "eta": (3164, 4167, 3539.951, 3340.847),
    "gamma": (165, 92, 121.042, 171.145),
    "iota": (4606, 3355, 3857.096, 3884.615),
    "kappa": (74, 230, 137.964, 274.363),
    "lambda": (902, 1207, 1035.258, 1282.847),
    "mi": (2, 2, 2.222, 1.722),
    "theta": (1606, 653, 1022.801, 1971.913),
    "zeta": (27, 107, 136.552, 381.063),
}


def paths_of(rows: Sequence[tuple[Sequence[str], float, float, float]]) -> tuple[list[str], Paths]:
    """Channel names in order, and the paths by their numbers."""
    names = sorted({name for path, *_ in rows for name in path})
    channels = np.array([names.index(name) for path, *_ in rows for name in path])
    starts = np.concatenate([[0], np.cumsum([len(path) for path, *_ in rows])])
    conversions, value, nulls = (np.array([row[i] for row in rows], np.float64) for i in (1, 2, 3))
    return names, Paths(starts, channels, conversions, value, nulls, len(names))


def heuristics(paths: Paths, amounts: Floats) -> dict[str, Floats]:
    """By each model, what the channels get: every step of a path is a click of its own, a day after the one before."""
    steps = np.arange(paths.starts[-1])
    journeys = lay_out(paths.starts, steps * 86_400_000, np.ones(len(steps), np.bool_), paths.channels)
    units = np.rint(amounts * UNIT).astype(np.int64)
    got = credit(journeys, units, n_channels=paths.n_channels, half_life_days=7, click_weight=2)
    return {model: total / UNIT for model, total in zip(MODELS, got, strict=True)}


def first_touch(paths: Paths, amounts: Floats) -> Floats:
    return np.bincount(paths.channels[paths.starts[:-1]], amounts, paths.n_channels).astype(np.float64)


def small() -> Paths:
    return paths_of(SMALL)[1]


@pytest.fixture(scope="module")
def ten_thousand() -> tuple[list[str], Paths]:
    with gzip.open(shared_path("data/attribution_paths/channelattribution_paths.csv.gz"), "rt") as lines:
        rows = [
            (row["path"].split(" > "), *(float(row[f"total_{name}"]) for name in ("conversions", "conversion_value", "null")))
            for row in csv.DictReader(lines, delimiter=";")
        ]
    return paths_of(rows)  # type: ignore[arg-type]


def test_the_small_fixture_by_the_heuristics() -> None:
    paths = small()
    conversions, value = heuristics(paths, paths.conversions), heuristics(paths, paths.value)
    assert first_touch(paths, paths.conversions).tolist() == [23, 7, 2]
    assert first_touch(paths, paths.value).tolist() == [232, 77, 15]
    assert conversions["last_click"].tolist() == [10, 3, 19]
    assert value["last_click"].tolist() == [87, 33, 204]
    assert conversions["linear"] == pytest.approx([14 + 5 / 6, 7 + 2 / 3, 9.5], abs=1e-9)
    assert value["linear"] == pytest.approx([142 + 5 / 6, 81, 100 + 1 / 6], abs=1e-9)


def test_the_small_fixture_by_markov() -> None:
    paths = small()
    assert removal_effects(paths) == pytest.approx([0.6405566, 0.4294279, 0.6376290], abs=5e-8)
    assert markov(paths).conversions == pytest.approx([12.0037769, 8.0473091, 11.9489140], abs=5e-8)
    assert markov(paths).conversions.sum() == pytest.approx(32, abs=1e-12)
    assert markov(paths).value == pytest.approx(markov(paths).conversions * 324 / 32, abs=1e-12)


def test_the_small_fixture_by_an_exact_solution_of_the_chain() -> None:
    exact = [float(effect) for effect in exact_removal_effects(SMALL, "ABC")]
    assert removal_effects(small()) == pytest.approx(exact, abs=1e-12)
    assert markov(small()).conversions == pytest.approx([32 * effect / sum(exact) for effect in exact], abs=1e-12)


def exact_removal_effects(rows: Sequence[tuple[str, int, int, int]], names: str) -> list[Fraction]:
    """Each channel taken out of the chain in turn, and the chain solved again in fractions, as the definition says."""
    steps: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for path, conversions, _, nulls in rows:
        for before, after in zip("^" + path, path, strict=False):
            steps[before][after] += conversions + nulls
        steps[path[-1]]["conversion"] += conversions
        steps[path[-1]]["null"] += nulls

    def conversion(without: str) -> Fraction:
        states = [name for name in "^" + names if name != without]
        # rows of (I - Q) x = p, eliminated by Gauss and Jordan
        table = [
            [int(a == b) - Fraction(steps[a][b], sum(steps[a].values())) for b in states]
            + [Fraction(steps[a]["conversion"], sum(steps[a].values()))]
            for a in states
        ]
        for i, pivot in enumerate(table):
            pivot[:] = [x / pivot[i] for x in pivot]
            for row in table:
                if row is not pivot:
                    row[:] = [x - row[i] * y for x, y in zip(row, pivot, strict=True)]
        return table[0][-1]

    return [1 - conversion(name) / conversion("") for name in names]


def test_ten_thousand_paths_by_every_published_column(ten_thousand: tuple[list[str], Paths]) -> None:
    names, paths = ten_thousand
    assert (paths.conversions.sum(), round(paths.value.sum(), 2), paths.nulls.sum()) == (19_785, 74_802.97, 68_602)
    got = heuristics(paths, paths.conversions)
    columns = (first_touch(paths, paths.conversions), got["last_click"], got["linear"], markov(paths).conversions)
    for column, numbers in enumerate(columns):
        want = [PUBLISHED[name][column] if name in PUBLISHED else 0 for name in names]
        assert numbers == pytest.approx(want, abs=5.01e-4)


def test_data_driven_credits_of_ten_thousand_paths_sum_to_what_was_earned(ten_thousand: tuple[list[str], Paths]) -> None:
    for credits_ in (markov(ten_thousand[1]), shapley(ten_thousand[1])):
        assert credits_.conversions.sum() == pytest.approx(19_785, abs=1e-6)
        assert credits_.value.sum() == pytest.approx(ten_thousand[1].value.sum(), abs=1e-6)


def test_a_month_of_touches_is_ordered_windowed_and_credited_to_the_micro() -> None:
    """Every row is a touch, a conversion's own row the click that led to it; each is a mail of its own."""
    touches: dict[str, list[Touch]] = defaultdict(list)
    earned: list[tuple[str, datetime, int]] = []
    with gzip.open(shared_path("data/attribution_paths/touches_july2018.csv.gz"), "rt") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            at, kind = datetime.fromisoformat(row["time"]), "click" if row["interaction"] == "conversion" else "open"
            touches[row["customer_id"]].append(Touch(kind, at, f"{number:05}", True, 1.0))
            if kind == "click":
                earned.append((row["customer_id"], at, round(float(row["conversion_value"]) * 1_000_000)))
    assert (len(earned), sum(micros for _, _, micros in earned)) == (1_838, 11_423_500_000)
    shuffler = random.Random(1)
    totals: dict[str, int] = {model: 0 for model in MODELS}
    for customer, at, micros in earned:
        mine = shuffler.sample(touches[customer], len(touches[customer]))
        counted = touches_per_mail(mine, at, 7)
        assert {t.send_id for t in counted} == {t.send_id for t in mine if timedelta(0) <= at - t.at < timedelta(days=7)}
        assert all((a.at, a.kind == "click") <= (b.at, b.kind == "click") for a, b in pairwise(counted))
        for model, shares in allocate_all(micros, counted, half_life_days=7, click_weight=2).items():
            assert sum(share.micros for share in shares) == micros
            totals[model] += sum(share.micros for share in shares)
    assert set(totals.values()) == {11_423_500_000}
