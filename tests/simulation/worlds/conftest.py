"""A busy world that has been mailed at random for 30 days and left alone for 60."""

from __future__ import annotations

import pytest

from tests.simulation.worlds.policies import HOT, NO_MAIL, PEOPLE, at_random
from workbench.simulation.worlds import World
from workbench.simulation.worlds.events import Facts, joined


@pytest.fixture(scope="session")
def hot() -> tuple[World, Facts]:
    """The world and all facts of its 90 days."""
    world, policy, history = World(HOT, 5, PEOPLE), at_random(), []
    for day in range(90):
        world.step(day, policy(world) if day < 30 else NO_MAIL)
        assert world.truth.facts is not None
        history.append(world.truth.facts)
    return world, joined(history)
