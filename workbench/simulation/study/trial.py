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
from workbench.simulation.study.policy import Policy, Setting
from workbench.simulation.study.prospects import prospects
from workbench.simulation.study.registry import ENGINE, ORACLE, policy
from workbench.simulation.worlds import World, WorldSpec

CAP_SHARE = 0.35  # of the list, a day
BOUND = "lagrangian_bound"
ITSELF = "the policy itself"
HEIRS = (ENGINE, ORACLE, ITSELF)  # to whom the list that is left can be handed
Progress = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How large trials are."""

    people: int
    days: int
    list_days: int  # for which the list that is left goes on being mailed; 0 = its value is not asked for
    heirs: tuple[str, ...] = (ENGINE,)  # of HEIRS: each of them takes over the same list

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
    list_value: float  # earned with the list that was left by an engine that begins anew on the day it is handed over
    oracle_list_value: float  # by the oracle; 0, as the others, where it is not asked for
    own_list_value: float  # by the policy itself, going on
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
    values = _values(world, mine, setting, size, each) if size.list_days else {}
    return _trial(spec, seed, name, size, days, kept, values)


def _values(world: World, mine: Policy, setting: Setting, size: Size, each: Progress) -> dict[str, float]:
    """Dollars that each heir earns with the list. Nothing of what the policy has learned is handed over, but to itself."""
    found = {}
    for heir in (ENGINE, ORACLE):
        if heir in size.heirs:
            left = copy.deepcopy(world)
            found[heir] = play(left, policy(heir, setting, left), size.list_days, each=each).cash
    if ITSELF in size.heirs:
        found[ITSELF] = play(world, mine, size.list_days, each=each).cash
    return found


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


def _trial(spec: WorldSpec, seed: int, name: str, size: Size, days: Days, kept: float, values: dict[str, float]) -> Trial:
    ends = [min(end, size.days) - 1 for end in range(7, size.days + 7, 7)]
    return Trial(
        world=spec.name,
        seed=seed,
        policy=name,
        cash=days.cash,
        kept=kept,
        list_value=values.get(ENGINE, 0.0),
        oracle_list_value=values.get(ORACLE, 0.0),
        own_list_value=values.get(ITSELF, 0.0),
        mails=int(days.mails.sum()),
        complaints=int(days.complaints.sum()),
        exits=int((days.complaints + days.unsubscribes + days.bounces).sum()),
        alive=float(days.alive[-1]) / size.people,
        cash_by_week=tuple(np.round(np.cumsum(days.cash_micros)[ends] / 1e6, 2).tolist()),
        alive_by_week=tuple(np.round(days.alive[ends] / size.people, 4).tolist()),
    )


def _bound(world: World, spec: WorldSpec, seed: int, size: Size, each: Progress) -> Trial:
    cash = upper_bound(world, size.days, size.daily_cap, each=each)
    return Trial(spec.name, seed, BOUND, cash, 1.0, 0.0, 0.0, 0.0, 0, 0, 0, 1.0, (), ())
