"""Worlds on arrays: many subscribers and offers with known truth, stepped day by day, for studies of policies.

Mail is an impulse that competes with others for a person's attention: chances come from rates (1 − exp(−rate)) with floors,
saturations and thresholds. No engine model has this form, so none can be right by construction.
"""

from workbench.simulation.worlds.commons import Commons
from workbench.simulation.worlds.events import Agent, DayEvents, Kind
from workbench.simulation.worlds.spec import NAMES, WorldSpec, named
from workbench.simulation.worlds.truth import Chances, Truth
from workbench.simulation.worlds.world import Mailing, Observables, World

__all__ = [
    "NAMES",
    "Agent",
    "Chances",
    "Commons",
    "DayEvents",
    "Kind",
    "Mailing",
    "Observables",
    "Truth",
    "World",
    "WorldSpec",
    "named",
]
