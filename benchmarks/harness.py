"""What every benchmark shares: its options, its table, and the last line that a machine reads."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Result:
    """A table for people (`columns`, `rows`, `notes`) and named numbers for machines."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Mapping[str, float]
    notes: Sequence[str] = ()


def alone(module: str) -> None:
    """One thread on one processor. NumPy's BLAS reads how many threads it may have only when it is loaded, so begin again."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])


def main(description: str, measure: Callable[[bool], Result]) -> None:
    """Runs `measure(quick)` and prints its table; with `--json` the last line is `{"figures": {name: number}}`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a smaller run, at most a minute")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    result = measure(options.quick)
    table = Table(*result.columns, title=result.title)
    for row in result.rows:
        table.add_row(*row)
    console = Console(width=120)
    console.print(table)
    for note in result.notes:
        console.print(note, highlight=False)
    if options.json:
        print(json.dumps({"figures": dict(result.figures)}))
    else:
        for name, value in result.figures.items():
            console.print(f"{name}: {value:g}", highlight=False)
