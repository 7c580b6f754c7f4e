"""Policies by name. Those that are judged see what a sender may see, and nothing else: only the others are handed the world."""

from __future__ import annotations

from collections.abc import Callable

from workbench.simulation.study.baselines import OPERATORS, WeeklyTrueEpc
from workbench.simulation.study.clairvoyant import ClairvoyantIndex, ClairvoyantSort
from workbench.simulation.study.engine.engine import Engine, OneContent, SameModelsSort
from workbench.simulation.study.policy import Policy, Setting
from workbench.simulation.study.spec_loop import SpecLoop
from workbench.simulation.worlds import World

ORACLE = "clairvoyant_index"
ENGINE = "engine"
ONE_CONTENT = "engine_one_content"  # played against the engine where content and hours do nothing, and nowhere else
UNCAPPED = ("daily_blast",)
LEARNERS = (ENGINE, "same_models_sort")  # what must stay clear of the oracle: see `compare.leaks`
BLIND: dict[str, Callable[[Setting], Policy]] = {
    **OPERATORS,
    "spec_loop": SpecLoop,
    "same_models_sort": SameModelsSort,
    ENGINE: Engine,
}
KNOWING: dict[str, Callable[[Setting, World], Policy]] = {
    "weekly_true_epc": WeeklyTrueEpc,
    "clairvoyant_sort": ClairvoyantSort,
    ORACLE: ClairvoyantIndex,
}
NAMES = (
    "random",
    "daily_blast",
    "best_single_offer",
    "weekly_own_data",
    "weekly_true_epc",
    "spec_loop",
    "same_models_sort",
    ENGINE,
    "clairvoyant_sort",
    ORACLE,
)


def policy(name: str, setting: Setting, world: World) -> Policy:
    """A new policy of this name. Raises ValueError for another name."""
    if name == ONE_CONTENT:
        return OneContent(setting)
    if name in BLIND:
        return BLIND[name](setting)
    if name in KNOWING:
        return KNOWING[name](setting, world)
    raise ValueError(f"no policy {name!r}; there are {', '.join(NAMES)}")
