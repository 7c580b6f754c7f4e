"""What the value model says of people, as features of the funnel and of the payout: the same when they are fitted and when they serve."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.money import MICROS
from revenue_engine.prediction.features import base_features
from revenue_engine.prediction.segments import DAY, faded
from revenue_engine.records.batch import Batch
from revenue_engine.records.subscriber import HALF_LIFE_DAYS
from revenue_engine.value.model import WEEK, People, ValueModel, value_at
from revenue_engine.value.segments import segments

PER_WEEK = 2.0  # the cadence under which people are compared; which one hardly changes who is worth more
_30_DAYS = 30.0


def mails_so_far(batch: Batch, at: int) -> Floats:
    """(n,) about how many mails people have had, from a counter that fades: at a steady pace r a day over T days it stands at
    r h / ln 2 · (1 − 2^(−T/h))."""
    counted, half_life = faded(batch, "sends", at), HALF_LIFE_DAYS["sends"]
    days = np.maximum((at - batch.column("created_at").astype(np.int64)) / DAY, 1.0)
    pace = counted * math.log(2.0) / half_life / -np.expm1(-days / half_life * math.log(2.0))
    return np.maximum(pace * days, counted)


def people_of(batch: Batch, at: int) -> People:
    """What packed rows say of people, for the value model."""
    return People(
        features=base_features(batch, at),
        sent=mails_so_far(batch, at),
        booked_micros=batch.column("revenue_micros").astype(np.int64),
        clicked=batch.column("recent_clicks").astype(np.int64),
    )


def worth(model: ValueModel, batch: Batch, at: int) -> npt.NDArray[np.float32]:
    """(n, len(features.WORTH)) of people as they are at `at`, epoch seconds."""
    found, hazard = value_at(model, people_of(batch, at), PER_WEEK)
    weeks = _30_DAYS / WEEK
    whole = int(weeks)
    reached = hazard[:, whole - 1] + (weeks - whole) * (hazard[:, whole] - hazard[:, whole - 1])
    columns = (found.predicted_micros / MICROS, found.remaining_micros / MICROS, np.exp(-reached), segments(found))
    return np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)
