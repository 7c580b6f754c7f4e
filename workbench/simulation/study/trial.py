"""One trial: a policy from a cold start in the world of one seed, then what the list it leaves is still worth."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from revenue_engine.arrays import Floats
from workbench.simulation.study.bound import upper_bound
from workbench.simulation.study.play import Days, play
from workbench.simulation.study.policy import Setting
from workbench.simulation.study.prospects import prospects
from workbench.simulation.study.registry import ORACLE, policy
from workbench.simulation.worlds import World, WorldSpec

CAP_SHARE = 0.35  # of the list, a day
BOUND = "lagrangian_bound"
Progress = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How large trials are."""

    people: int
    days: int
    list_days: int  # for which the list that is left goes on being mailed; 0 = its value is not asked for

    @property
    def daily_cap(self) -> int:
        """Mails."""
        return round(CAP_SHARE * self.people)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one. Money in dollars."""

    world: str
    seed: int
    policy: str
    cash: float
    kept: float  # share of the list's first worth that is left: `worth_per_mail` of those who can still be reached
    list_value: float  # earned by the oracle with the list that was left
    own_list_value: float  # earned by the policy itself, going on
    mails: int
    complaints: int
    exits: int  # opted out, complained or bounced for good
    alive: float  # share of the list that can still be reached
    cash_by_week: tuple[float, ...]  # in all so far, at the end of each
    alive_by_week: tuple[float, ...]

    @property
    def net(self) -> float:
        """Cash and the list that is left."""
        return self.cash + self.list_value

    def document(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self) | {"cash_by_week": list(self.cash_by_week), "alive_by_week": list(self.alive_by_week)}


def trial_of(document: dict[str, Any]) -> Trial:
    """The reverse of `Trial.document`. Raises TypeError or KeyError for another document."""
    weeks = {name: tuple(document[name]) for name in ("cash_by_week", "alive_by_week")}
    return Trial(**{**document, **weeks})


def run(spec: WorldSpec, seed: int, name: str, size: Size, *, each: Progress = lambda: None) -> Trial:
    """The trial of this policy, or of the bound; the same every time. `each` is called after every simulated day.

    Raises ValueError for a policy that there is not.
    """
    world = World(spec, seed, size.people)
    if name == BOUND:
        return _bound(world, spec, seed, size, each)
    setting = Setting(size.people, spec.offers, size.days + size.list_days, size.daily_cap, seed)
    mine = policy(name, setting, world)
    worth = worth_per_mail(world)
    days = play(world, mine, size.days, each=each)
    kept = float(worth @ _reach(world) / worth.sum())
    list_value = own = 0.0
    if size.list_days:
        left = copy.deepcopy(world)
        list_value = play(left, policy(ORACLE, setting, left), size.list_days, each=each).cash
        own = list_value if name == ORACLE else play(world, mine, size.list_days, each=each).cash
    return _trial(spec, seed, name, size, days, kept, list_value, own)


def worth_per_mail(world: World) -> Floats:
    """(n,) micros that the best mail to each person, rested, would bring this morning."""
    everybody = np.arange(len(world.profile.ids))
    today = prospects(world, everybody, world.day, world.commons.running(world.day))
    return np.asarray(today.seen * -np.expm1(-today.open_rate) * today.envelope[:, 0])


def _reach(world: World) -> Floats:
    """(n,) 1 for readers, for the silent what the hope of their return is worth when a year's wait is worth nothing, 0 for the gone."""
    hope = world.spec.return_per_day / (world.spec.return_per_day + 1 / 365)
    gone = world.truth.leaving | world.truth.dead
    return np.where(gone, 0.0, np.where(world.truth.lapsed, hope, 1.0))


def _trial(spec: WorldSpec, seed: int, name: str, size: Size, days: Days, kept: float, list_value: float, own: float) -> Trial:
    ends = [min(end, size.days) - 1 for end in range(7, size.days + 7, 7)]
    return Trial(
        world=spec.name,
        seed=seed,
        policy=name,
        cash=days.cash,
        kept=kept,
        list_value=list_value,
        own_list_value=own,
        mails=int(days.mails.sum()),
        complaints=int(days.complaints.sum()),
        exits=int((days.complaints + days.unsubscribes + days.bounces).sum()),
        alive=float(days.alive[-1]) / size.people,
        cash_by_week=tuple(np.round(np.cumsum(days.cash_micros)[ends] / 1e6, 2).tolist()),
        alive_by_week=tuple(np.round(days.alive[ends] / size.people, 4).tolist()),
    )


def _bound(world: World, spec: WorldSpec, seed: int, size: Size, each: Progress) -> Trial:
    cash = upper_bound(world, size.days, size.daily_cap, each=each)
    return Trial(spec.name, seed, BOUND, cash, 1.0, 0.0, 0.0, 0, 0, 0, 1.0, (), ())
