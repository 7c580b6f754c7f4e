"""Value: what people will bring, and how long they stay. Parts: CDNOW and telco (real), hazard and lifetime value (worlds)."""

from __future__ import annotations

from benchmarks.models_value_cdnow import Part, cdnow_figures
from benchmarks.models_value_data import DATA
from benchmarks.models_value_hazard import hazard_figures
from benchmarks.models_value_telco import telco_figures
from benchmarks.models_value_world import ltv_figures

# Other seeds than those that anything was chosen on.
QUICK_SEEDS, SEEDS = range(101, 102), range(101, 107)


def value_figures(quick: bool) -> Part:
    """Rows of a table and named figures. What needs `../shared/data` is left out where that is missing."""
    seeds = QUICK_SEEDS if quick else SEEDS
    if DATA.exists():
        parts = [cdnow_figures(), telco_figures()]
    else:
        parts = [([("CDNOW and telco", "left out", "../shared/data is not here")], {})]
    parts += [hazard_figures(seeds), ltv_figures(seeds)]
    return [row for rows, _ in parts for row in rows], {name: value for _, figures in parts for name, value in figures.items()}
