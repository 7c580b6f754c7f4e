"""What off-policy evaluation is judged on: cases shared with Open Bandit Pipeline, the Open Bandit sample, Hillstrom's mails.

The real rows live in `../shared/data`; goldens in `benchmarks/golden`, made by `make_ope.py` there.
"""

from __future__ import annotations

import base64
import csv
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from revenue_engine.arrays import Floats, Ints
from revenue_engine.draws import Stream, uniforms
from revenue_engine.evaluation.logs import Logged
from revenue_engine.evaluation.outcome import cell_means

GOLDEN = Path(__file__).parent / "golden"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CAMPAIGNS = {"all": 80, "men": 34, "women": 46}  # arms
POSITIONS = 3
ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
NONE, MENS, WOMENS = range(3)


def golden(name: str) -> Any:
    """A golden file of this folder."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


# (rows, arms, seed, how far the target concentrates on few arms)
OBP_CASES = ((400, 2, 1, 1.0), (1_000, 5, 2, 1.0), (2_000, 12, 3, 2.0), (3_000, 5, 4, 6.0), (1_500, 30, 5, 3.0))
OBP_PARAMETERS = (0.0, 0.5, 1.0, 3.0, 20.0, 1e6)


def obp_case(rows: int, arms: int, seed: int, sharpness: float) -> Logged:
    """A log by keyed draws, which no version of NumPy changes: binary rewards in even seeds, amounts in odd ones."""

    def draws(purpose: int, columns: int) -> Floats:
        flat = uniforms(seed * 100 + purpose, np.arange(rows * columns, dtype=np.uint64), Stream.UNIFORM)
        return flat.reshape(rows, columns)

    def distribution(purpose: int, power: float) -> Floats:
        shares = draws(purpose, arms) ** power + 1e-3
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    logging, target = distribution(1, 1.0), distribution(2, sharpness)
    action = np.minimum((np.cumsum(logging, axis=1) < draws(3, 1)).sum(axis=1), arms - 1).astype(np.int64)
    amount = draws(4, 1)[:, 0]
    reward = np.where(amount < 0.1, 1.0 if seed % 2 == 0 else 400.0 * amount, 0.0)
    propensity = logging[np.arange(rows), action]
    return Logged(action, reward, propensity, target, np.arange(rows), 0.2 * draws(5, arms), logging)


@dataclass(frozen=True)
class Shop:
    """Open Bandit rows of a campaign under one policy, (n,)."""

    action: Ints
    position: Ints  # from 0
    click: Floats
    propensity: Floats


def shop(campaign: str, policy: str) -> Shop:
    """The sample's rows."""
    with gzip.open(DATA / "obd" / f"{campaign}_{policy}.csv.gz", "rt", newline="") as lines:
        rows = [row[2:6] for row in csv.reader(lines)][1:]
    columns = np.array(rows, dtype=np.float64).T
    return Shop(columns[0].astype(np.int64), columns[1].astype(np.int64) - 1, columns[2], columns[3])


def thompson(campaign: str) -> Floats:
    """The production policy's shares by position, (positions, arms), from 100,000 draws of its published prior."""
    return np.array(golden("obd_thompson")[campaign], dtype=np.float64).T / 100_000


def shop_log(rows: Shop, by_position: Floats) -> Logged:
    """The rows seen by a policy that knows the position alone. The model: click rates of the items, of other rows."""
    n, arms = len(rows.action), by_position.shape[1]
    people = np.arange(n)  # the sample does not say who saw what
    cell = np.zeros(n, dtype=np.int64)
    predicted = cell_means(rows.action, rows.click, cell, people, arms=arms, cells=1, strength=200.0)
    return Logged(rows.action, rows.click, rows.propensity, by_position[rows.position], people, predicted)


@dataclass(frozen=True)
class Mails:
    """Hillstrom's customers, (n,): who got what, spent what, and a segment by recency, history and what they bought."""

    row_id: Ints
    action: Ints
    spend: Floats
    segment: Ints
    features: Floats  # (n, F)

    @property
    def propensity(self) -> Floats:
        return np.full(len(self.action), 1 / len(ARMS))


SEGMENTS = 3 * 4  # recency in thirds, goods bought


def mails() -> Mails:
    """The development rows."""
    with gzip.open(DATA / "hillstrom" / "hillstrom_dev.csv.gz", "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))

    def column(name: str) -> Floats:
        return np.array([row[name] for row in rows], dtype=np.float64)

    def coded(name: str) -> Floats:
        values = [row[name] for row in rows]
        order = {value: i for i, value in enumerate(sorted(set(values)))}
        return np.array([order[value] for value in values], dtype=np.float64)

    recency, mens, womens = column("recency"), column("mens"), column("womens")
    features = np.stack([recency, column("history"), mens, womens, coded("zip_code"), column("newbie"), coded("channel")], axis=1)
    segment = np.digitize(recency, (4, 8)) * 4 + 2 * mens + womens
    action = np.array([ARMS.index(row["segment"]) for row in rows])
    return Mails(column("row_id").astype(np.int64), action, column("spend"), segment.astype(np.int64), features)


def naive_choices(customers: int) -> list[Ints]:
    """Arms by LightGBM T-learners that saw other customers only, (customers,), one array for each of several splits."""
    packed = [np.frombuffer(base64.b64decode(text), dtype=np.uint8) for text in golden("hillstrom_t_learner")["choices"]]
    bits = [np.unpackbits(codes)[: 2 * customers].reshape(customers, 2) for codes in packed]
    return [(2 * pair[:, 0] + pair[:, 1]).astype(np.int64) for pair in bits]


def pack(choices: Ints) -> str:
    """Two bits an arm."""
    bits = np.stack([choices // 2, choices % 2], axis=1).astype(np.uint8).ravel()
    return base64.b64encode(np.packbits(bits).tobytes()).decode()
