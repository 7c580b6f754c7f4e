"""An org's bundles: by their version, and the champion."""

from __future__ import annotations

from revenue_engine.aws.wiring import Wiring
from revenue_engine.bundle import Bundle, Finder, load
from revenue_engine.errors import Refused


def finder(w: Wiring, org: str) -> Finder:
    """Finds an org's bundles by their version."""
    return lambda version: load(w.bundles.files(org, version))


def champion(w: Wiring, org: str) -> Bundle:
    """What the org decides by. Raises Refused as `bundle.load`: `bundle_missing` before the first."""
    pointer = w.bundles.champion(org)
    if pointer is None:
        raise Refused("bundle_missing", "no champion")
    found = finder(w, org)(pointer["version"])
    if found.version != pointer["version"]:
        raise Refused("bundle_corrupt", f"{found.version} lies under {pointer['version']}")
    return found
