"""The per-send part of `benchmarks.models` in worlds: are chances and revenue of sends to come what was said of them?

The engine mails worlds and learns from its own log; features are those its rows had when they were served. A funnel is fitted on the
mornings of `Run.origins` from what was known then of mails at least a fortnight old. Each morning of the days that follow, the level of
each offer is read from what the last weeks' mails had brought until then, and the day's mails are forecast: by blocks and as a whole.
"""

from __future__ import annotations

import numpy as np

from benchmarks.models_world_log import engaged
from benchmarks.models_world_told import Run, together, told
from revenue_engine.arrays import Bools, Ints
from revenue_engine.evaluation.calibration import auc, calibration
from workbench.simulation.worlds import named
from workbench.simulation.worlds.spec import RETAIL

Rows = list[tuple[str, str, str]]
FEWEST_OF_A_DAY = 200.0  # expected conversions
ENGAGED = engaged(named("default"), RETAIL)
RUNS = (
    Run(named("default"), 150_000, 201, (42,), 63),
    *(Run(ENGAGED, 80_000, seed, (42,), 70) for seed in range(202, 208)),
)
QUICK_RUNS = (Run(ENGAGED, 8_000, 201, (28,), 42),)


def world_figures(quick: bool) -> tuple[Rows, dict[str, float]]:
    """Rows of a table and figures."""
    found = [told(run) for run in (QUICK_RUNS if quick else RUNS)]
    blocks, days = (together([getattr(one, name) for one in found]) for name in ("blocks", "days"))
    clicked, sold, click, sale, rates_click, rates = (
        np.concatenate([getattr(one, name) for one in found])
        for name in ("clicked", "sold", "click", "sale", "by_rates_click", "by_rates")
    )
    clicks, sales = calibration(clicked, click), calibration(sold, sale)
    enough = days.conversions >= FEWEST_OF_A_DAY
    near = np.abs(days.actual / days.predicted - 1)[enough] <= 0.15
    over = float(days.actual.sum() / days.predicted.sum())
    coverage, error = float(blocks.inside.mean()), _clustered_error(blocks.inside, blocks.day)
    wider = float((blocks.high - blocks.low).sum() / blocks.oracle_width.sum())
    table = [
        ("sends predicted, conversions", f"{len(sold):,}, {int(sold.sum()):,}", f"{len(found)} worlds, {len(days.day)} days"),
        ("clicked: AUC", f"{auc(clicked, click):.3f}", f"{auc(clicked, rates_click):.3f} by the smoothed rates"),
        ("clicked: slope, error over noise", f"{clicks.slope:.2f}, {clicks.error_over_noise:.1f}", "1, 1"),
        ("bought: AUC", f"{auc(sold, sale):.3f}", f"{auc(sold, rates):.3f} by rates and posteriors"),
        ("bought: slope, chosen actions", f"{sales.slope:.2f}", "1"),
        ("revenue over predicted, chosen actions", f"{over:.3f}", "1"),
        (
            f"blocks of ten conversions inside their 90 % interval, of {len(blocks.day):,}",
            f"{coverage:.3f} ± {error:.3f}",
            f"0.9; standard error over {len(np.unique(blocks.day))} days",
        ),
        ("width of these intervals over that of who knows every chance", f"{wider:.2f}", "1.1"),
        (
            f"days within 15 %, of {int(enough.sum())} that expect 200 conversions",
            f"{near.mean():.2f} ± {near.std() / max(len(near), 1) ** 0.5:.2f}" if len(near) else "none",
            "0.85",
        ),
        ("days inside their 90 % interval", f"{days.inside.mean():.3f}", f"of {len(days.day)}"),
        ("days whose true mean lies inside the 90 % of the mean", f"{days.mean_inside.mean():.3f}", "0.9"),
    ]
    figures = {
        "world_click_auc": auc(clicked, click),
        "world_sale_auc": auc(sold, sale),
        "calibration_slope": sales.slope,
        "revenue_over_predicted": over,
    }
    if not quick:
        figures |= {
            "interval90_coverage": coverage,
            "interval90_coverage_error": error,
            "interval90_aggregates": float(len(blocks.day)),
            "interval90_width_over_oracle": wider,
            "mean90_coverage": float(days.mean_inside.mean()),
            "days_with_200": float(enough.sum()),
        }
    if len(near) and not quick:
        figures["days_within_15"] = float(near.mean())
    return table, figures


def _clustered_error(inside: Bools, cluster: Ints) -> float:
    """Standard error of the share inside when blocks of one day err together."""
    _, place = np.unique(cluster, return_inverse=True)
    sums = np.bincount(place, inside - inside.mean())
    return float(np.sqrt((sums**2).sum()) / len(inside))
