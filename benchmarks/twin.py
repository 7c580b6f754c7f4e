"""Whether the twin's band for next week's approved revenue holds what it says.

    python -m benchmarks.twin [--quick] [--json]

Eight weeks of log from worlds with known truth, the ninth foretold and then played (see `benchmarks.twin_worlds`).

twin_band_coverage      share of worlds whose ninth week lies in the 80 % band
twin_width_over_oracle  mean width of the band over that of an oracle who knows the week's mails and every true chance
twin_worlds             worlds that were foretold
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, said before NumPy is loaded

from itertools import product

import numpy as np

from benchmarks.harness import Result, main
from benchmarks.twin_worlds import POLICIES, WORLDS, Week, play

FIRST_SEED = 7_000
SEEDS, QUICK_SEEDS = 40, 4  # of each world and policy


def measure(quick: bool) -> Result:
    """Every world under every policy."""
    rows, everything, refused = [], [], 0
    for place, (world, policy) in enumerate(product(WORLDS, POLICIES)):
        first = FIRST_SEED + SEEDS * place  # none has a seed of another, whose offers it would share
        told = [play(world, policy, first + seed) for seed in range(QUICK_SEEDS if quick else SEEDS)]
        weeks = [week for week in told if isinstance(week, Week)]
        refused += len(told) - len(weeks)
        everything += weeks
        rows.append((world, policy, *_cells(weeks)))
    rows.append(("all", "", *_cells(everything)))
    return Result(
        title="the 80 % band of week nine's approved revenue, 20,000 subscribers",
        columns=(
            "world",
            "policy",
            "worlds",
            "in the band",
            "in the oracle's",
            "truth / expected",
            "band / expected",
            "band / oracle's",
        ),
        rows=rows,
        figures={
            "twin_band_coverage": float(np.mean([week.inside for week in everything])),
            "twin_width_over_oracle": float(np.mean([week.width for week in everything])),
            "twin_worlds": float(len(everything)),
        },
        notes=[f"{refused} worlds were refused for too little data"],
    )


def _cells(weeks: list[Week]) -> tuple[str, ...]:
    if not weeks:
        return ("0", "", "", "", "", "")
    return (
        f"{len(weeks)}",
        f"{np.mean([week.inside for week in weeks]):.1%}",
        f"{np.mean([week.oracle_inside for week in weeks]):.1%}",
        f"{sum(week.truth for week in weeks) / sum(week.expected for week in weeks):.3f}",
        f"{np.mean([(week.high - week.low) / week.expected for week in weeks]):.2f}",
        f"{np.mean([week.width for week in weeks]):.2f}",
    )


if __name__ == "__main__":
    main(__doc__ or "", measure)
