"""A model bundle: a manifest and its parts, a file each, addressed by the hash of their content. Decide refuses what does not fit it
exactly (D5).

The manifest names every file with the hash of its bytes, and the version is the hash of the manifest: so the version names all bytes.
A part that was not learned has no file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from revenue_engine.arrays import Floats
from revenue_engine.errors import Refused
from revenue_engine.pacing import curve, index
from revenue_engine.pacing.index import Habits
from revenue_engine.pacing.solve import solve
from revenue_engine.prediction import funnel, payout, rates
from revenue_engine.prediction.features import schema_hash
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.records.subscriber import SCHEMA
from revenue_engine.value import model

MANIFEST = "manifest.json"
PRIOR_FOLDER = Path(__file__).parent / "prior"  # what `python -m workbench.simulation.prior` writes


class Manifest(BaseModel):
    """What the bundle is and what it was made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str  # hash of all else in here
    row_schema: int  # the packed rows it reads
    feature_schema: str  # and what is read of them (`features.schema_hash`)
    code_version: str
    trained_at: AwareDatetime
    prior: bool  # nothing of this org was learned: what everybody starts with
    data_fingerprint: str
    seed: int
    metrics: dict[str, float]
    files: dict[str, str]  # name → SHA-256 of its bytes


@dataclass(frozen=True, slots=True)
class Parts:
    """What was learned; None for a part that was not."""

    rates: rates.Rates
    index: index.ValueTable
    funnel: funnel.FunnelTables | None = None
    payout: payout.PayoutTables | None = None
    value: model.ValueModel | None = None
    hours: Floats | None = None  # (168,) pacing.curve


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and its parts. Two bundles are equal when their manifests are: these name all bytes."""

    manifest: Manifest
    parts: Parts = field(compare=False)

    @property
    def version(self) -> str:
        """The content hash: same data, seed and inputs, same version."""
        return self.manifest.version

    @property
    def rates(self) -> rates.Rates:
        """Smoothed rates: every bundle has them."""
        return self.parts.rates

    @property
    def index(self) -> index.ValueTable:
        """What a mail costs its reader's future: every bundle has it."""
        return self.parts.index

    @property
    def funnel(self) -> funnel.FunnelTables | None:
        """Per-send trees, which start from the rates."""
        return self.parts.funnel

    @property
    def payout(self) -> payout.PayoutTables | None:
        """What a conversion pays."""
        return self.parts.payout

    @property
    def value(self) -> model.ValueModel | None:
        """Lifetime value of people."""
        return self.parts.value

    @property
    def hours(self) -> Floats:
        """(168,) When in their week people click: what all have in common. Flat until it was learned."""
        return curve.FLAT if self.parts.hours is None else self.parts.hours


Finder = Callable[[str], Bundle]  # by version; raises Refused as `load`


@dataclass(frozen=True, slots=True)
class _Form:
    """How a part is stored. `load` raises ValueError or Refused for bytes that are none of it."""

    file: str
    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]


_FORMS: Mapping[str, _Form] = {
    "rates": _Form("rates.json", rates.dump, rates.load),
    "index": _Form("index.npz", index.dump, index.load),
    "funnel": _Form("funnel.npz", funnel.dump, funnel.load),
    "payout": _Form("payout.npz", payout.dump, payout.load),
    "value": _Form("value.npz", model.dump, model.load),
    "hours": _Form("hours.json", curve.dump, curve.load),
}

_NEEDED = ("rates", "index")


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _content_hash(manifest: Manifest) -> str:
    return hashlib.sha256(_canonical(manifest.model_dump(mode="json", exclude={"version"}))).hexdigest()[:32]


def _files(parts: Parts) -> dict[str, bytes]:
    found = {form.file: (form, getattr(parts, name)) for name, form in _FORMS.items()}
    return {file: form.dump(part) for file, (form, part) in found.items() if part is not None}


def seal(
    parts: Parts,
    *,
    trained_at: datetime,
    code_version: str,
    prior: bool,
    data_fingerprint: str,
    seed: int = 0,
    metrics: Mapping[str, float],
) -> Bundle:
    """The bundle of these parts, its version computed."""
    manifest = Manifest(
        version="",
        row_schema=SCHEMA,
        feature_schema=schema_hash(),
        code_version=code_version,
        trained_at=trained_at,
        prior=prior,
        data_fingerprint=data_fingerprint,
        seed=seed,
        metrics=dict(metrics),
        files={name: hashlib.sha256(raw).hexdigest() for name, raw in _files(parts).items()},
    )
    return Bundle(manifest.model_copy(update={"version": _content_hash(manifest)}), parts)


def dump(bundle: Bundle) -> dict[str, bytes]:
    """The bundle's files by name, deterministic to the byte."""
    return {MANIFEST: _canonical(bundle.manifest.model_dump(mode="json")), **_files(bundle.parts)}


def load(files: Mapping[str, bytes]) -> Bundle:
    """The bundle of these files; files that its manifest does not name are not looked at.

    Raises
    ------
    Refused
        `bundle_missing`, `bundle_corrupt` (unreadable, or its content is not what its version says) or `bundle_schema_mismatch`
        (made for other rows or features): a decision without a model is no decision (D5).
    """
    if MANIFEST not in files:
        raise Refused("bundle_missing")
    manifest = _manifest(files[MANIFEST])
    for made_for, here in ((manifest.row_schema, SCHEMA), (manifest.feature_schema, schema_hash())):
        if made_for != here:
            raise Refused("bundle_schema_mismatch", f"made for {made_for}, here {here}")
    if _content_hash(manifest) != manifest.version:
        raise Refused("bundle_corrupt", "content does not match its version")
    for name, digest in manifest.files.items():
        if name not in files:
            raise Refused("bundle_missing", name)
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise Refused("bundle_corrupt", name)
    unknown = sorted(set(manifest.files) - {form.file for form in _FORMS.values()})
    missing = sorted({_FORMS[name].file for name in _NEEDED} - set(manifest.files))
    if unknown or missing:
        raise Refused("bundle_corrupt", f"unknown {unknown}, missing {missing}")
    try:
        found = {name: form.load(files[form.file]) for name, form in _FORMS.items() if form.file in manifest.files}
        return Bundle(manifest, Parts(**found))
    except (ValueError, Refused) as error:
        raise Refused("bundle_corrupt", str(error)[:300]) from None


def _manifest(raw: bytes) -> Manifest:
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise Refused("bundle_corrupt", str(error)[:300]) from None


def prior_bundle(now: datetime, *, code_version: str = "") -> Bundle:
    """The published day-one prior, marked as such: an org can decide from its first cycle on."""
    tables, hours, about = _prior()
    return seal(
        Parts(PRIOR_RATES, solve(Habits()), tables, hours=hours),
        trained_at=now,
        code_version=code_version,
        prior=True,
        data_fingerprint=about["data_fingerprint"],
        seed=about["seed"],
        metrics=about["metrics"],
    )


def prior_hours() -> Floats:
    """(168,) The hours of the week that everybody starts with."""
    return _prior()[1]


@cache
def _prior() -> tuple[funnel.FunnelTables, Floats, dict[str, Any]]:
    about: dict[str, Any] = json.loads((PRIOR_FOLDER / "about.json").read_bytes())
    tables = funnel.load((PRIOR_FOLDER / "funnel.npz").read_bytes())
    return tables, curve.load((PRIOR_FOLDER / "hours.json").read_bytes()), about
