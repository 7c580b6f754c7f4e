"""A model bundle: a manifest and the rates, addressed by the hash of their content. Decide refuses what does not fit it exactly
(D5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from revenue_engine.errors import Refused
from revenue_engine.prediction.funnel import RATES_ALONE, FunnelTables
from revenue_engine.prediction.rates import Delay, Rates
from revenue_engine.records.evidence import SEGMENTS
from revenue_engine.records.subscriber import SCHEMA
from revenue_engine.value.index import Habits

MANIFEST = "manifest.json"
RATES = "rates.json"


class Manifest(BaseModel):
    """What the bundle is and what it was made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str  # content hash of everything below and of the rates
    row_schema: int  # the packed rows it reads
    code_version: str
    trained_at: AwareDatetime
    prior: bool  # nothing was learned: the published day-one figures
    data_fingerprint: str
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and its rates."""

    manifest: Manifest
    rates: Rates
    funnel: FunnelTables = RATES_ALONE
    habits: Habits = Habits()

    @property
    def version(self) -> str:
        """The content hash: same data and inputs, same version."""
        return self.manifest.version


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _content_hash(manifest: Mapping[str, Any], rates: Mapping[str, Any]) -> str:
    bare = {name: value for name, value in manifest.items() if name != "version"}
    return hashlib.sha256(_canonical([bare, rates])).hexdigest()[:32]


def seal(
    rates: Rates, *, trained_at: datetime, code_version: str, prior: bool, data_fingerprint: str, metrics: Mapping[str, float]
) -> Bundle:
    """The bundle of these rates, its version computed."""
    manifest = Manifest(
        version="",
        row_schema=SCHEMA,
        code_version=code_version,
        trained_at=trained_at,
        prior=prior,
        data_fingerprint=data_fingerprint,
        metrics=dict(metrics),
    )
    version = _content_hash(manifest.model_dump(mode="json"), rates.model_dump(mode="json"))
    return Bundle(manifest.model_copy(update={"version": version}), rates)


def dump(bundle: Bundle) -> dict[str, bytes]:
    """The bundle's files by name, deterministic to the byte."""
    return {
        MANIFEST: _canonical(bundle.manifest.model_dump(mode="json")),
        RATES: _canonical(bundle.rates.model_dump(mode="json")),
    }


def load(files: Mapping[str, bytes]) -> Bundle:
    """The bundle of these files.

    Raises
    ------
    Refused
        `bundle_missing`, `bundle_corrupt` (unreadable, or its content is not what its version says) or `bundle_schema_mismatch`
        (made for other rows): a decision without a model is no decision (D5).
    """
    if MANIFEST not in files or RATES not in files:
        raise Refused("bundle_missing")
    try:
        manifest = Manifest.model_validate_json(files[MANIFEST])
        if manifest.row_schema != SCHEMA:
            raise Refused("bundle_schema_mismatch", f"made for rows {manifest.row_schema}, here {SCHEMA}")
        rates = Rates.model_validate_json(files[RATES])
    except ValidationError as error:
        raise Refused("bundle_corrupt", str(error)[:300]) from None
    if _content_hash(manifest.model_dump(mode="json"), rates.model_dump(mode="json")) != manifest.version:
        raise Refused("bundle_corrupt", "content does not match its version")
    return Bundle(manifest, rates)


# The day-one prior: round figures of the order e-mail programmes see, the same for every org until its own evidence outweighs
# them.
PRIOR_RATES = Rates(
    click_level=dict(zip(SEGMENTS, (0.012, 0.05, 0.02, 0.006, 0.002), strict=True)),
    open_level=dict(zip(SEGMENTS, (0.20, 0.50, 0.40, 0.10, 0.03), strict=True)),
    unsubscribe_hazard=dict(zip(SEGMENTS, (0.003, 0.001, 0.001, 0.002, 0.003), strict=True)),
    complaint_hazard=dict(zip(SEGMENTS, (0.0004, 0.0001, 0.0002, 0.0004, 0.0006), strict=True)),
    click_ratio={},
    open_ratio={},
    conversions_per_click={"*": 0.02},
    prior_clicks=12.0,
    # about 35 % of conversions within an hour of the click, 60 % within a day, then a tail of five days
    delay=Delay(fast_share=0.5, fast_days=0.035, tail_days=5.0),
)


def prior_bundle(now: datetime, *, code_version: str = "") -> Bundle:
    """The published day-one prior, marked as such: an org can decide from its first cycle on."""
    return seal(PRIOR_RATES, trained_at=now, code_version=code_version, prior=True, data_fingerprint="", metrics={})
