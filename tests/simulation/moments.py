"""Moments of real data that the default world is calibrated to.

python -m tests.simulation.moments            writes golden/moments.json from ../shared/data
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
GOLDEN = Path(__file__).parent / "golden" / "moments.json"
FILES = {
    "takehome": "email_takehome/email_takehome_dev.csv.gz",
    "hillstrom": "hillstrom/hillstrom_dev.csv.gz",
    "cdnow": "cdnow/cdnow_transactions.csv.gz",
    "opens": "subject_line_rct/subject_line_rct.csv.gz",
}
MOST_PURCHASES = 10  # more are put together
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
QUANTILES = (0.25, 0.5, 0.75, 0.9)
COHORT_DAYS = 273  # 39 weeks
QUARTER_DAYS = 91


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / FILES[name], "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def takehome() -> dict[str, Any]:
    """Random mailing of 70,000: rates, and relative click rates by group."""
    mails, opens, clicks = 0, 0, 0
    groups: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for row in _rows("takehome"):
        opened, clicked = int(row["opened"]), int(row["clicked"])
        mails, opens, clicks = mails + 1, opens + opened, clicks + clicked
        of = {
            "country": row["user_country"],
            "version": row["email_version"],
            "length": row["email_text"],
            "weekday": row["weekday"],
            "purchases": str(min(int(row["user_past_purchases"]), MOST_PURCHASES)),
        }
        for kind, value in of.items():
            groups[kind][value][0] += 1
            groups[kind][value][1] += clicked
    relative = {
        kind: {value: round(c / n / (clicks / mails), 4) for value, (n, c) in sorted(values.items())}
        for kind, values in groups.items()
    }
    return {"open": opens / mails, "click": clicks / mails, "click_to_open": clicks / opens, "relative_click": relative}


def hillstrom() -> dict[str, Any]:
    """Visits, conversions and spend of the two weeks after a mail, by arm and by recency."""
    rows = list(_rows("hillstrom"))
    visit, bought = np.array([int(r["visit"]) for r in rows]), np.array([int(r["conversion"]) for r in rows])
    spend, arm = np.array([float(r["spend"]) for r in rows]), np.array([r["segment"] for r in rows])
    months = np.array([int(r["recency"]) for r in rows])
    paid, none = spend[spend > 0], arm == "No E-Mail"
    effects = {}
    for name in ("Mens", "Womens"):
        mailed = arm == f"{name} E-Mail"
        effects[name.lower()] = {
            "visit": visit[mailed].mean() - visit[none].mean(),
            "spend": spend[mailed].mean() - spend[none].mean(),
            "spend_se": float(np.sqrt(spend[mailed].var() / mailed.sum() + spend[none].var() / none.sum())),
        }
    return {
        "conversion_given_visit": bought.sum() / visit.sum(),
        "zero_spend": (spend == 0).mean(),
        "spend_mean": paid.mean(),
        "spend_cv": paid.std(ddof=1) / paid.mean(),
        "spend_log_sd": np.log(paid).std(ddof=1),
        "effects": effects,
        "visit_by_recency": [visit[months == month].mean() for month in range(1, 13)],
    }


def cdnow() -> dict[str, Any]:
    """Repeat purchases of a cohort in the 39 weeks after the first one; one purchase a day at most."""
    days: dict[str, set[date]] = defaultdict(set)
    for row in _rows("cdnow"):
        days[row["customer_id"]].add(date.fromisoformat(row["date"]))
    repeats, gaps, quarters = [], [], np.zeros(COHORT_DAYS // QUARTER_DAYS)
    for dates in days.values():
        ages = [(day - min(dates)).days for day in sorted(dates)]
        ages = [age for age in ages if age <= COHORT_DAYS]
        repeats.append(len(ages) - 1)
        gaps += [later - earlier for earlier, later in pairwise(ages)]
        for age in ages[1:]:
            quarters[min((age - 1) // QUARTER_DAYS, len(quarters) - 1)] += 1
    counts = np.array(repeats)
    return {
        "repeats": counts.mean(),
        "none": (counts == 0).mean(),
        "five_or_more": (counts >= 5).mean(),
        "repeats_by_quarter": list(quarters / len(counts)),
        "median_gap_days": float(np.median(gaps)),
    }


def opens() -> dict[str, Any]:
    """Hours from the first opening anybody made to each one's own."""
    hours = np.array([float(row["open_hours"]) for row in _rows("opens") if row["open"] == "1"])
    return {"lag_hours": {str(q): float(np.quantile(hours - hours.min(), q)) for q in QUANTILES}}


def computed() -> dict[str, Any]:
    """All of them, six digits."""
    parts = {"takehome": takehome(), "hillstrom": hillstrom(), "cdnow": cdnow(), "opens": opens()}
    return {name: _rounded(moments) for name, moments in parts.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{float(value):.6g}")


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({"command": "python -m tests.simulation.moments", **computed()}, indent=1) + "\n")
