"""`revenue-engine status`: what an operator sees first, in a terminal of 80 columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click

from revenue_engine.clock import from_epoch
from revenue_engine.money import format_micros
from revenue_engine.services.status import status as state_of
from workbench.cli import display
from workbench.cli.connection import Connection

_CONVERSIONS = ("came", "expected", "ratio", "tail")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def status(connection: Connection, as_json: bool) -> None:
    """The switch, the breaker, the last cycles and today's counters."""
    found = state_of(connection.wiring, connection.org, now=connection.now())
    if as_json:
        click.echo(json.dumps(found, default=str, indent=2))
        return
    cycles, currency = found.pop("cycles"), found["currency"]
    found["velocity"] = _velocity(found["velocity"])
    display.table("", ("", ""), [(name, _shown(name, value, currency)) for name, value in _flat(found)])
    if cycles:
        rows = [(cycle["cycle_id"], _cycle(cycle, currency)) for cycle in cycles]
        display.table("the last cycles (UTC)", ("cycle", "what came of it"), rows, whole=("cycle",))


def _cycle(cycle: Mapping[str, Any], currency: str) -> str:
    """One row's words: so many figures side by side would not be read in a terminal."""
    began, ended, took = cycle["started_at"], cycle["ended_at"], cycle["duration_seconds"]
    counts = ("decided", "planned", "sent", "failed", "unknown", "dropped")
    told = {name: f"{cycle[name]:,}" for name in counts if cycle[name] is not None}
    if cycle["predicted_revenue_micros"] is not None:
        told["predicted revenue"] = format_micros(cycle["predicted_revenue_micros"], currency)
    times = [f"{word} {from_epoch(at):%H:%M}" for word, at in (("began", began), ("ended", ended)) if at is not None]
    lasted = [] if took is None else [f"took {took:.0f} s"]
    return ", ".join([cycle["outcome"], *times, *lasted, *(f"{name} {value}" for name, value in told.items())])


def _velocity(told: Mapping[str, Any]) -> dict[str, Any]:
    """With the conversions that it was held against in words; of the last step as well."""
    words = {name: value for name, value in told.items() if name not in _CONVERSIONS}
    if told["last_step"]:
        words["last_step"] = {name: value for name, value in told["last_step"].items() if name not in _CONVERSIONS}
        words["last_step"]["conversions"] = _conversions(told["last_step"])
    return {"conversions": _conversions(told), **words}


def _conversions(look: Mapping[str, Any]) -> str | None:
    """None where no look is on record."""
    came, expected, ratio, tail = (look[name] for name in _CONVERSIONS)
    if expected is None:
        return None
    told = f"{came:,} came where {expected:,.1f} were due by now"
    if ratio is None:
        return f"{told}: too few to say anything"
    return f"{told}: {ratio:.2f} times as many; by chance as {'many or more' if ratio > 1 else 'few or fewer'}: {tail:.2%}"


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(name: str, value: Any, currency: str) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    if name.endswith(("_at", ".since")) and isinstance(value, int):
        moment: datetime = from_epoch(value)
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    if "_micros#" in name:
        return format_micros(value, name.partition("#")[2])
    if name.endswith("_micros"):
        return format_micros(value, currency)
    return str(value)
