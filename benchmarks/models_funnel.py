"""The funnel part of `benchmarks.models`: stages on real sets that nobody here has tuned to, beside constants and published figures."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from revenue_engine.arrays import Bools, Floats
from revenue_engine.evaluation.calibration import auc, calibration
from revenue_engine.learning.stage import Shape, fit_stage
from revenue_engine.prediction.platt import logit

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SPLITS, QUICK_SPLITS = 5, 2
_TRAINED = 0.7
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
Table = dict[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Set:
    """Features and an outcome of one real set, in the order of the file."""

    features: Floats
    happened: Bools
    shape: Shape


@dataclass(frozen=True, slots=True)
class Score:
    """Means over splits, on rows no part of the stage has seen."""

    auc: float
    error_over_noise: float
    slope: float
    skill: float


def funnel_figures(quick: bool) -> tuple[list[tuple[str, str, str]], dict[str, float]]:
    """Rows of a table and figures; empty where `../shared/data` is missing."""
    if not DATA.exists():
        return [("real sets", "left out", "need ../shared/data")], {}
    splits = QUICK_SPLITS if quick else SPLITS
    opened, clicked = (_scored(_takehome(name), splits) for name in ("opened", "clicked"))
    read, bought = _scored(_crm(), splits), _scored(_hillstrom(), splits)
    rows = [
        ("e-mail exercise, opened: AUC", f"{opened.auc:.4f}", "0.5 for a constant"),
        ("e-mail exercise, clicked: AUC", f"{clicked.auc:.4f}", "0.737 published (random forest)"),
        (
            "e-mail exercise, clicked: calibration error over noise",
            f"{clicked.error_over_noise:.2f}",
            "1 for a model that is right",
        ),
        ("e-mail exercise, clicked: slope", f"{clicked.slope:.2f}", "1"),
        ("CRM e-mails, read: AUC", f"{read.auc:.4f}", "0.5 for a constant"),
        ("hillstrom, bought: skill", f"{bought.skill:.4f}", "0 for the base rate"),
    ]
    figures = {
        "email_open_auc": opened.auc,
        "email_click_auc": clicked.auc,
        "email_click_ece_over_noise": clicked.error_over_noise,
        "crm_open_auc": read.auc,
        "hillstrom_conversion_skill": bought.skill,
    }
    return rows, figures


def _scored(of: Set, splits: int) -> Score:
    """Trained on 70 % of the rows, in an order drawn afresh for each split (these sets have no time), measured on the rest."""
    scores = []
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(of.happened))
        old, new = np.split(order, [int(_TRAINED * len(order))])
        base = float(logit(np.array([of.happened[old].mean()]))[0])
        stage = fit_stage(of.features[old], of.happened[old], np.full(len(old), base), shape=of.shape, seed=seed)
        predicted = stage.predict(of.features[new], np.full(len(new), base))
        found = calibration(of.happened[new], predicted)
        scores.append((auc(of.happened[new], predicted), found.error_over_noise, found.slope, found.skill))
    return Score(*np.mean(scores, axis=0).tolist())


def _takehome(outcome: str) -> Set:
    """The e-mail exercise: content, time, country and past purchases."""
    table = _read("email_takehome/email_takehome_dev.csv.gz")
    columns = [
        _is(table["email_text"], "long_email"),
        _is(table["email_version"], "personalized"),
        _numbers(table["hour"]),
        _codes(table["weekday"], _WEEKDAYS),
        *(_is(table["user_country"], country) for country in ("US", "UK", "FR")),
        _numbers(table["user_past_purchases"]),
    ]
    return Set(np.stack(columns, axis=1), _numbers(table[outcome]) > 0, Shape(leaves=4, rate=0.05))


def _crm() -> Set:
    """E-mails of a CRM: read or acknowledged, against ignored."""
    table = _read("crm_email_status/crm_email_status.csv.gz")
    names = [name for name in table if name not in ("Email_ID", "Customer_Location", "Email_Status")]
    columns = [*(_numbers(table[name]) for name in names), _codes(table["Customer_Location"], tuple("ABCDEFG"))]
    return Set(np.stack(columns, axis=1), _numbers(table["Email_Status"]) > 0, Shape(leaves=24, rows_per_leaf=80, rate=0.05))


def _hillstrom() -> Set:
    """A retailer's customers: who bought within two weeks of the test."""
    table = _read("hillstrom/hillstrom_dev.csv.gz")
    words: Mapping[str, tuple[str, ...]] = {
        "zip_code": ("Urban", "Surburban", "Rural"),
        "channel": ("Web", "Phone", "Multichannel"),
        "segment": ("No E-Mail", "Womens E-Mail", "Mens E-Mail"),
    }
    columns = [
        *(_numbers(table[name]) for name in ("recency", "history", "mens", "womens", "newbie")),
        *(_codes(table[name], known) for name, known in words.items()),
    ]
    return Set(
        np.stack(columns, axis=1), _numbers(table["conversion"]) > 0, Shape(leaves=4, rows_per_leaf=500, rate=0.02, ridge=50.0)
    )


def _read(name: str) -> Table:
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as file:
        head, *lines = list(csv.reader(file))
    return dict(zip(head, zip(*lines, strict=True), strict=True))


def _numbers(values: Sequence[str]) -> Floats:
    """Blank is not known."""
    return np.array([float(value) if value else np.nan for value in values])


def _codes(values: Sequence[str], known: Sequence[str]) -> Floats:
    place: Callable[[str], float] = {word: float(number) for number, word in enumerate(known)}.get  # type: ignore[assignment]
    return np.array([np.nan if place(value) is None else place(value) for value in values])


def _is(values: Sequence[str], word: str) -> Floats:
    return np.array([float(value == word) for value in values])
