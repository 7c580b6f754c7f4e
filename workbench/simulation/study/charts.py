"""Pictures of a study: cash and the list over time, and what each policy comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.simulation.study.compare import Summary
from workbench.simulation.study.trial import BOUND, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT, _DPI = 9.0, 5.0, 120


def draw(folder: Path, trials: Sequence[Trial], found: Sequence[Summary], *, title: str) -> list[Path]:
    """`cash.png`, `list.png` and `net.png` in the folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _chart(folder / "cash.png", title, "cash so far, dollars", lambda axes: _lines(axes, trials, found, "cash_by_week")),
        _chart(
            folder / "list.png",
            title,
            "share of the list that can still be reached",
            lambda axes: _lines(axes, trials, found, "alive_by_week"),
        ),
        _chart(folder / "net.png", title, "dollars, mean over seeds", lambda axes: _bars(axes, found)),
    ]


def _chart(path: Path, title: str, label: str, fill: Callable[[Axes], None]) -> Path:
    from matplotlib.figure import Figure  # takes a second to load, and only pictures need it

    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    fill(axes)
    figure.savefig(path, dpi=_DPI)
    return path


def _lines(axes: Axes, trials: Sequence[Trial], found: Sequence[Summary], name: str) -> None:
    """A mean a policy; the best first in the legend."""
    from matplotlib.ticker import MaxNLocator

    means = {}
    for summary in found:
        rows = [getattr(t, name) for t in trials if t.policy == summary.policy and t.world == trials[0].world]
        if summary.policy != BOUND:
            means[summary.policy] = np.mean(rows, axis=0)
    for policy, values in sorted(means.items(), key=lambda item: -item[1][-1]):
        axes.plot(np.arange(1, len(values) + 1), values, label=policy, linewidth=2.5 if policy == "engine" else 1.3)
    axes.set_xlabel("week")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _bars(axes: Axes, found: Sequence[Summary]) -> None:
    """Cash, on it the worth of the list left where it was asked for, and the bound as a line."""
    shown = sorted((s for s in found if s.policy != BOUND), key=lambda s: s.net.value)
    names, cash = [s.policy for s in shown], [s.cash.value for s in shown]
    axes.barh(names, cash, xerr=np.nan_to_num([s.cash.half_width for s in shown]), label="cash", color="tab:blue")
    if any(s.list_value.value for s in shown):
        axes.barh(
            names,
            [s.list_value.value for s in shown],
            left=cash,
            label="list left, in a new engine's hands",
            color="tab:green",
            alpha=0.5,
        )
    for bound in (s.cash.value for s in found if s.policy == BOUND):
        axes.axvline(bound, color="tab:blue", linestyle="--", label="more cash than this\nno policy can earn")
    axes.set_ylabel("")
    axes.set_xlabel("dollars, mean over seeds")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
