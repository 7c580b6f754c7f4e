"""Real customers for models of value: orders of CDNOW's cohort of 1997, and customers of a telephone company.

The rows live in `../shared/data`; see the notes there for where they come from.
"""

from __future__ import annotations

import csv
import gzip
from datetime import date
from pathlib import Path

import numpy as np

from revenue_engine.arrays import Bools, Ints
from revenue_engine.learning.exposures import Exposures
from revenue_engine.learning.purchases import Purchases, purchases

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
START = date(1997, 1, 1)
CALIBRATION_ENDS, HOLDOUT_ENDS = ((day - START).days for day in (date(1997, 9, 30), date(1998, 6, 30)))
_SERVICES = (
    "OnlineSecurity",
    "OnlineBackup",
    "DeviceProtection",
    "TechSupport",
    "StreamingTV",
    "StreamingMovies",
    "MultipleLines",
    "PhoneService",
    "PaperlessBilling",
    "Partner",
    "Dependents",
)
_KINDS = (
    ("Contract", ("One year", "Two year")),
    ("InternetService", ("Fiber optic", "No")),
    ("PaymentMethod", ("Electronic check", "Mailed check", "Credit card (automatic)")),
)


def _rows(folder: str) -> list[dict[str, str]]:
    with gzip.open(next((DATA / folder).glob("*.csv.gz")), "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cdnow() -> tuple[Purchases, Ints]:
    """All orders, days counted from 1 January 1997, amounts in dollars; and the buyers of the published sample of a tenth."""
    rows = _rows("cdnow")
    buyer = np.array([row["customer_id"] for row in rows], dtype=np.int64)
    day = np.array([(date.fromisoformat(row["date"]) - START).days for row in rows], dtype=np.int64)
    amount, items = (np.array([row[name] for row in rows], dtype=np.float64) for name in ("amount", "quantity"))
    sample = np.unique(buyer[np.array([row["in_sample"] == "1" for row in rows])])
    return purchases(buyer, day, amount, items), sample


def telco() -> Exposures:
    """One row a customer, the clock in months. Whoever left in the month he came stayed half of it."""
    rows = _rows("telco_churn")
    months = np.array([row["tenure"] for row in rows], dtype=np.float64)
    columns = {name: _is(rows, name, "Yes") for name in _SERVICES}
    columns |= {f"{name}: {value}": _is(rows, name, value) for name, values in _KINDS for value in values}
    table = np.stack([*columns.values(), np.array([row["MonthlyCharges"] for row in rows], dtype=np.float64)], axis=1)
    names = (*columns, "MonthlyCharges")
    return Exposures(np.zeros(len(rows)), np.maximum(months, 0.5), _is(rows, "Churn", "Yes"), table.astype(np.float64), names)


def _is(rows: list[dict[str, str]], column: str, value: str) -> Bools:
    return np.array([row[column] == value for row in rows])
