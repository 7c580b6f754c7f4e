"""The first calibrated model: smoothed rates.

A rate is a level per segment times ratios that say how an offer's category, the offer, its variant, and the variant in this very
segment differ from what stands above them; an unseen one has ratio 1, so it inherits. `learning/rates.py` fits them; here they
are read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from revenue_engine.arrays import Floats
from revenue_engine.records.evidence import SEGMENTS

Probability = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0, lt=1_000, allow_inf_nan=False)]
HIGHEST_RATE = 0.95  # a product of ratios is cut here
ANY_CATEGORY = "*"


class Delay(BaseModel):
    """P(conversion within an age of its click) for clicks that convert: a fast part and an exponential tail."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fast_share: Probability
    fast_days: Annotated[float, Field(gt=0, le=2)]
    tail_days: Annotated[float, Field(gt=0, le=60)]

    def arrived(self, from_days: Floats, to_days: Floats) -> Floats:
        """Mean of G(age) over clicks whose ages lie evenly in [from, to] days; of the same shape. Zero-width: G itself."""
        return (
            1.0
            - self.fast_share * _mean_left(from_days, to_days, self.fast_days)
            - (1.0 - self.fast_share) * _mean_left(from_days, to_days, self.tail_days)
        )


def _mean_left(from_days: Floats, to_days: Floats, scale: float) -> Floats:
    """Mean of exp(-age/scale) over [from, to]. Taking G at the mean age instead would overstate it: G is concave."""
    width = to_days - from_days
    wide = width > 1e-9
    mean = -np.expm1(-np.where(wide, width, 1.0) / scale) * scale / np.where(wide, width, 1.0)
    return np.asarray(np.exp(-from_days / scale) * np.where(wide, mean, 1.0))


class Rates(BaseModel):
    """Probabilities per delivered mail and segment, ratios, hazards per send and the prior of conversions per click."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    click_level: dict[str, Probability]
    open_level: dict[str, Probability]
    unsubscribe_hazard: dict[str, Probability]
    complaint_hazard: dict[str, Probability]
    click_ratio: dict[str, Ratio]  # keys of `keys_of`
    open_ratio: dict[str, Ratio]
    conversions_per_click: dict[str, Probability]  # per category, "*" for any other
    prior_clicks: Annotated[float, Field(gt=0, le=10_000)]  # b0: what that prior is worth
    delay: Delay
    category_delay: dict[str, Delay] = {}  # of categories known well enough to have their own

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name in ("click_level", "open_level", "unsubscribe_hazard", "complaint_hazard"):
            if set(getattr(self, name)) != set(SEGMENTS):
                raise ValueError(f"{name}: must have exactly the segments {SEGMENTS}")
        if ANY_CATEGORY not in self.conversions_per_click:
            raise ValueError("conversions_per_click: must have '*'")
        return self

    def prior_conversion(self, category: str) -> float:
        """Conversions per click to expect of a category before any evidence."""
        return self.conversions_per_click.get(category, self.conversions_per_click[ANY_CATEGORY])


def dump(rates: Rates) -> bytes:
    """As JSON, the same bytes for the same rates."""
    return json.dumps(rates.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def load(raw: bytes) -> Rates:
    """The inverse. Raises ValueError (pydantic's ValidationError) for what is not understood."""
    return Rates.model_validate_json(raw)


def keys_of(segment: str, category: str, offer: str, variant: str) -> tuple[str, str, str, str]:
    """The ratios that apply to an arm in a segment, from general to special."""
    return f"category:{category}", f"offer:{offer}", f"arm:{offer}/{variant}", f"cell:{segment}/{offer}/{variant}"


def by_segment(values: dict[str, float]) -> Floats:
    """A per-segment table as an array, (S,)."""
    return np.array([values[name] for name in SEGMENTS], dtype=np.float64)


def table(levels: dict[str, float], ratios: dict[str, float], arms: Sequence[tuple[str, str, str]]) -> Floats:
    """The rate of each segment and arm, (S, A). `arms` are (offer, variant, category)."""
    result = np.empty((len(SEGMENTS), len(arms)))
    for s, segment in enumerate(SEGMENTS):
        for a, (offer, variant, category) in enumerate(arms):
            ratio = math.prod(ratios.get(key, 1.0) for key in keys_of(segment, category, offer, variant))
            result[s, a] = min(levels[segment] * ratio, HIGHEST_RATE)
    return result
