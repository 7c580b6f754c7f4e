"""A cycle's inputs as bytes, written once before the first claim: what retry and replay read (D6). Same inputs, same bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import orjson
from pydantic import ValidationError

from revenue_engine import __version__
from revenue_engine.bundle import Bundle, Finder
from revenue_engine.clock import parse_iso
from revenue_engine.context import CycleContext, Price
from revenue_engine.errors import Refused
from revenue_engine.offers.posterior import Posteriors
from revenue_engine.pacing.warm_up import Room
from revenue_engine.prediction.features import merge_fields
from revenue_engine.records.batch import ROW_DTYPE, Batch
from revenue_engine.records.controls import Autonomy, Controls, stored_controls
from revenue_engine.records.offer import Offer, offer_document, offer_of


def save_page(batch: Batch) -> bytes:
    """The page as a NumPy archive: packed rows as they were, no pickle, no time stamps."""
    file = io.BytesIO()
    np.savez_compressed(file, subscriber=batch.subscriber.astype("S26"), rows=batch.rows, decided_at=batch.decided_at)
    return file.getvalue()


def load_page(raw: bytes) -> Batch:
    """The page of these bytes. Raises Refused: `snapshot_unreadable`, or `row_schema_mismatch` for other rows (D5)."""
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            subscriber, rows, decided_at = archive["subscriber"], archive["rows"], archive["decided_at"]
    except (ValueError, KeyError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise Refused("snapshot_unreadable", str(error)[:200]) from None
    if rows.dtype != ROW_DTYPE:
        raise Refused("row_schema_mismatch")
    return Batch(subscriber.astype("U26"), rows, decided_at)


def save_context(context: CycleContext) -> bytes:
    """The context as JSON. Of creatives' bodies merge fields alone are kept, and `html_hash` names them. The bundle is
    named by its version, under which it lies unchanged."""
    posteriors = context.posteriors
    return orjson.dumps(
        {
            "org": context.org,
            "cycle_id": context.cycle_id,
            "now": context.now.isoformat(),
            "autonomy": context.autonomy.value,
            "controls": _controls_document(context.controls),
            "offers": [_offer_document(offer) for offer in context.offers],
            "posteriors": {
                "arms": posteriors.arms,
                "shape": posteriors.shape.tolist(),
                "rate": posteriors.rate.tolist(),
                "clicks": posteriors.clicks.tolist(),
                "kept": posteriors.kept.tolist(),
                "mean_payouts": posteriors.mean_payouts,
                "segment_share": posteriors.segment_share.tolist(),
                "shared": posteriors.shared.tolist(),
                "spread": posteriors.spread,
            },
            "bundle": context.bundle.version,
            "price": asdict(context.price),
            "budget_left": context.budget_left,
            "list_refreshed_at": {name: at.isoformat() for name, at in context.list_refreshed_at.items()},
            "caps_reached": dict(context.caps_reached),
            "code_version": context.code_version,
            "stopped_segments": list(context.stopped_segments),
            "stopped_providers": list(context.stopped_providers),
            "spoken_for": context.spoken_for,
            "taken_before": context.taken_before,
            "rooms": {provider: asdict(room) for provider, room in context.rooms.items()},
            "let_through_share": context.let_through_share,
            "numpy": np.__version__,  # whose samplers drew: other versions may draw otherwise (NEP 19)
        },
        option=orjson.OPT_SORT_KEYS,
    )


def load_context(raw: bytes, bundle_of: Finder) -> CycleContext:
    """The context of these bytes, with the bundle that `bundle_of` finds by its version.

    Raises Refused("snapshot_unreadable"), what `bundle_of` raises, or `bundle_corrupt` when it finds another version.
    """
    try:
        document = orjson.loads(raw)
        posteriors = document["posteriors"]
        arms = tuple((offer, variant) for offer, variant in posteriors["arms"])
        return CycleContext(
            org=document["org"],
            cycle_id=document["cycle_id"],
            now=parse_iso(document["now"]),
            autonomy=Autonomy(document["autonomy"]),
            controls=stored_controls(document["controls"]),
            offers=tuple(offer_of(item) for item in document["offers"]),
            posteriors=Posteriors(
                arms=arms,
                shape=np.array(posteriors["shape"], dtype=np.float64),
                rate=np.array(posteriors["rate"], dtype=np.float64),
                clicks=np.array(posteriors["clicks"], dtype=np.float64),
                kept=np.array(posteriors["kept"], dtype=np.float64),
                mean_payouts=posteriors["mean_payouts"],
                segment_share=np.array(posteriors["segment_share"], dtype=np.float64),
                shared=np.array(posteriors.get("shared", np.zeros_like(posteriors["shape"])), dtype=np.float64),
                spread=posteriors["spread"],
            ),
            bundle=_bundle(document["bundle"], bundle_of),
            price=Price(**document["price"]),
            budget_left=document["budget_left"],
            list_refreshed_at={name: parse_iso(at) for name, at in document["list_refreshed_at"].items()},
            caps_reached=document["caps_reached"],
            code_version=document["code_version"],
            stopped_segments=tuple(document["stopped_segments"]),
            stopped_providers=tuple(document["stopped_providers"]),
            spoken_for=tuple(document["spoken_for"]),
            taken_before=tuple(document.get("taken_before", ())),  # engines before knew of none
            rooms={provider: Room(**room) for provider, room in document["rooms"].items()},
            let_through_share=document["let_through_share"],
        )
    except (orjson.JSONDecodeError, ValidationError, KeyError, TypeError, ValueError) as error:
        raise Refused("snapshot_unreadable", f"{type(error).__name__}: {str(error)[:200]}") from None


def decided_by(raw: bytes) -> dict[str, str]:
    """Which NumPy and which code a stored context was decided by; a context that `load_context` reads."""
    document = orjson.loads(raw)
    return {"NumPy": document.get("numpy", "unknown"), "code": document["code_version"]}


def decided_by_now() -> dict[str, str]:
    """The same of this process."""
    return {"NumPy": np.__version__, "code": __version__}


def bundle_version(raw: bytes) -> str:
    """Which bundle a stored context names. Raises Refused("snapshot_unreadable")."""
    try:
        version = orjson.loads(raw)["bundle"]
        if not isinstance(version, str):
            raise TypeError("the bundle is no version")  # engines before carried it whole
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Refused("snapshot_unreadable", f"{type(error).__name__}: {str(error)[:200]}") from None
    return version


def controls_version(controls: Controls) -> str:
    """Names a controls document by its content."""
    return hashlib.sha256(orjson.dumps(_controls_document(controls), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _controls_document(controls: Controls) -> dict[str, Any]:
    return controls.model_dump(mode="json") | {"enabled_weekdays": sorted(controls.enabled_weekdays)}


def _bundle(version: str, bundle_of: Finder) -> Bundle:
    found = bundle_of(version)
    if found.version != version:
        raise Refused("bundle_corrupt", f"{found.version} lies under {version}")
    return found


def _offer_document(offer: Offer) -> dict[str, Any]:
    """Of a body its merge fields: no decision reads more of it (`features.personalisation`)."""
    creatives = (creative.without_body(merge_fields(creative.html)) for creative in offer.creatives)
    return offer_document(replace(offer, creatives=tuple(creatives)))
