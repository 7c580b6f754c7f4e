"""The models that are learned: how well they predict what they had not seen.

    python -m benchmarks.models [--quick] [--json]

cdnow_*            who spends how much in 39 weeks, from the 39 weeks before (`_bgnbd`: the simple model alone); mae is never a target
telco_concordance  whether those who leave first were put in front
hazard_*           survival under a cadence changed by a quarter, in worlds; NumPy against lifelines
ltv_*              ranking by lifetime value in a world, as a share of the ranking by the truth; at 0.97 it is a leak
email_*, crm_*, hillstrom_*   stages of the funnel on real sets: ranking, calibration error over its noise, skill
world_*, calibration_slope    the funnel in worlds, on sends to come; with revenue_over_predicted, and in the full run
                   interval90_coverage (blocks of ten conversions; _error: its standard error over days, _width_over_oracle: width by
                   that of who knows every chance), mean90_coverage (bounds of a day's mean) and days_within_15 (days that expect 200)
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, said before NumPy is loaded: for so little, threads only wait

from benchmarks.harness import Result, main
from benchmarks.models_funnel import funnel_figures
from benchmarks.models_value import value_figures
from benchmarks.models_world import world_figures


def measure(quick: bool) -> Result:
    """Every part on one core."""
    parts = (value_figures(quick), funnel_figures(quick), world_figures(quick))
    return Result(
        title="Models on what they had not seen",
        columns=("what", "measured", "beside it"),
        rows=[row for rows, _ in parts for row in rows],
        figures={name: value for _, figures in parts for name, value in figures.items()},
    )


if __name__ == "__main__":
    main(__doc__ or "", measure)
