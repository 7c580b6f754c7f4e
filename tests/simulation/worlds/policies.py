"""A busy world and simple ways to mail one, for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from revenue_engine.arrays import Ints
from revenue_engine.draws import mix
from workbench.simulation.worlds import Mailing, World, named
from workbench.simulation.worlds.spec import CONTENTS

Policy = Callable[[World], Mailing]
NOBODY = np.zeros(0, dtype=np.int64)
NO_MAIL = Mailing(NOBODY, NOBODY, NOBODY, NOBODY)
PEOPLE = 8_000
# A month of it has something of everything.
HOT = replace(
    named("default"),
    name="hot",
    open_rate=0.5,
    click_rate=0.9,
    convert_rate=0.4,
    unsubscribe=0.01,
    complaint=0.01,
    capped=0.0,
    fraud=0.01,
)


def everybody(world: World, offer: int = 0, content: int = 0, hour: int = 9) -> Mailing:
    """All who may be mailed get the same."""
    who = np.flatnonzero(world.state.mailable)
    return Mailing(who, np.full(len(who), offer), np.full(len(who), content), np.full(len(who), hour))


def at_random(every_days: float = 1.0, contents: int = CONTENTS) -> Policy:
    """Everybody mailed with the same chance each day; offers, contents and hours at random, by subscriber and day alone."""

    def mail(world: World) -> Mailing:
        seen = world.observables(world.day)
        running = np.flatnonzero(seen.offer_running)
        luck = _luck(seen.ids, world.day)
        who = np.flatnonzero(seen.mailable & (luck % 10_000 < 10_000 / every_days))
        some = luck[who]
        return Mailing(who, running[some // 10_000 % len(running)], some // 1_000_003 % contents, some // 100_000_007 % 24)

    return mail


def _luck(ids: Ints, day: int) -> Ints:
    return (mix(mix(ids.astype(np.uint64)) + np.uint64(day)) >> np.uint64(1)).astype(np.int64)


def without(policy: Policy, row: int, days: range) -> Policy:
    """The same, but one person gets no mail on these days."""

    def mail(world: World) -> Mailing:
        plan = policy(world)
        keep = (plan.who != row) | (world.day not in days)
        return Mailing(plan.who[keep], plan.offer[keep], plan.content[keep], plan.hour[keep])

    return mail
