"""`demo --world`: a world on arrays, played on the plane."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np

from revenue_engine.intake.everflow import parse_offers
from workbench.cli.demo_scene import Ground, Scene
from workbench.simulation.stage.cast import write_world_csv
from workbench.simulation.stage.catalogue import members
from workbench.simulation.stage.reader_clock import FIRST_DAY
from workbench.simulation.stage.stage import Stage
from workbench.simulation.worlds import WorldSpec
from workbench.simulation.worlds.people import people


def world_scene(ground: Ground, spec: WorldSpec, subscribers: int, seed: int, *, end: datetime) -> tuple[Scene, Stage]:
    """Readers and offers of a world; an offer that comes later is listed by the network from then on, and a sync finds it."""
    plane, now = ground.plane, ground.plane.clock.now()
    _, profile = people(spec, seed, np.arange(subscribers, dtype=np.int64))
    write_world_csv(profile, ground.out / "subscribers.csv", now=now)
    stage = Stage(plane, spec, seed, profile, webhook_path=ground.webhook_path, end=end)
    arrives = stage.commons.offers.arrives
    today = (now.date() - FIRST_DAY).days
    for member, day in zip(members(stage.commons.offers), arrives.tolist(), strict=True):
        if day <= today:
            ground.api.offers.append(member)
        else:  # when that day has begun everywhere
            plane.at(now + timedelta(days=day - today), lambda member=member: ground.api.offers.append(member))  # type: ignore[misc]
    ground.load(f"{subscribers:,} people of the {spec.name} world", parse_offers(json.dumps(ground.api.offers)).offers)
    ground.go(stage.truth)
    return Scene(ground.w, stage.truth, ground.controls, ground.webhook_path, frozenset(), frozenset()), stage
