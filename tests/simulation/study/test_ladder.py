"""The ladder of a policy's choices: whoever knows everything climbs each rung, chance none; and the rungs make the mail."""

from __future__ import annotations

import math

import pytest

from tests.simulation.worlds.policies import HOT
from workbench.simulation.study.ladder import ladder


def test_who_knows_everything_climbs_every_rung_and_chance_none() -> None:
    knowing = ladder(HOT, 4, "clairvoyant_sort", people=300, days=20)
    persons, offer, tone, hour, third, best_offer = knowing.factors
    assert min(persons, offer, tone, hour) > 1.05
    assert persons < third and offer <= best_offer + 1e-9
    assert math.prod((persons, offer, tone, hour)) == pytest.approx(knowing.hour / knowing.anybody)
    chance = ladder(HOT, 4, "random", people=300, days=20)
    assert chance.factors[:4] == pytest.approx((1.0, 1.0, 1.0, 1.0), abs=0.15)


def test_who_mails_nobody_has_no_ladder() -> None:
    with pytest.raises(ValueError, match="mails nobody"):
        ladder(HOT, 4, "random", people=300, days=2)
