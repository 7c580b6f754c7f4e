"""The instruments that later claims are measured with: off-policy evaluation, the lift of randomised arms, mis-split arms."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, said before NumPy is loaded: for so little, threads only wait

from benchmarks.evidence_lift import lift_figures
from benchmarks.evidence_ope import ope_figures
from benchmarks.harness import Result, main


def measure(quick: bool) -> Result:
    """Every part on one core; what needs `../shared/data` is left out where that is missing."""
    parts = (ope_figures(quick), lift_figures(quick))
    return Result(
        title="Evidence before and after the engine acts",
        columns=("what", "measured", "beside it"),
        rows=[row for rows, _ in parts for row in rows],
        figures={name: value for _, figures in parts for name, value in figures.items()},
    )


if __name__ == "__main__":
    main(__doc__, measure)
