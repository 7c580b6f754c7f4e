"""The twin on disk: JSON with the world's constants, the fingerprint of the log they are from, and how like the log it is."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from revenue_engine.errors import BadInput
from workbench.simulation.twin.moments import NAMES, Moments
from workbench.simulation.twin.world import Twin
from workbench.simulation.worlds import WorldSpec

FORM = 1


def save(path: Path, twin: Twin) -> None:
    """Replaces the file."""
    shown = {"log": _table(twin.log), "world": _table(twin.world)}
    text = orjson.dumps(
        {"form": FORM, "source": twin.source, "spec": asdict(twin.spec), "moments": shown}, option=orjson.OPT_INDENT_2
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text + b"\n")


def load(path: Path) -> Twin:
    """Raises BadInput for a file that is no twin, or one of other constants than a world has now."""
    try:
        told = orjson.loads(path.read_bytes())
        known = {field.name for field in fields(WorldSpec)}
        if told["form"] != FORM or set(told["spec"]) != known:
            raise BadInput(path.name, "other_form", f"written by another version; fit it again to {told['source'][:12]}")
        shown = told["moments"]
        return Twin(WorldSpec(**told["spec"]), told["source"], _moments(shown["log"]), _moments(shown["world"]))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BadInput(path.name, "no_twin", f"{type(error).__name__}: {error}") from None


def _table(of: Moments) -> dict[str, dict[str, float | None]]:
    rows = zip(NAMES, of.values.tolist(), of.errors.tolist(), strict=True)
    return {name: {"value": value, "error": error} for name, value, error in rows}  # orjson writes NaN as null


def _moments(table: dict[str, dict[str, Any]]) -> Moments:
    values, errors = (np.array([table[name][key] for name in NAMES], dtype=np.float64) for key in ("value", "error"))
    return Moments(values, errors)
