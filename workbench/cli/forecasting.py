"""The command that says what sends will bring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from revenue_engine.money import format_micros
from workbench.cli import display
from workbench.cli.evidence import bad_input
from workbench.logs import read_log
from workbench.logs.evidence import survey
from workbench.logs.planned import KEYS, Forecast, forecast_of, read_planned

MOST_ROWS = 40


@click.command()
@click.argument("folder", metavar="LOGS", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--by", type=click.Choice(KEYS), multiple=True, default=("day",), show_default=True, help="What makes a group.")
@click.option("--waiting", is_flag=True, help="Of plans that waited for a person at the export, instead.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def forecast(folder: Path, by: tuple[str, ...], waiting: bool, as_json: bool) -> None:
    """What groups of sends will bring, and between which bounds nine of ten such groups end."""
    with bad_input():
        log, known = read_log(folder), survey(folder)
        left = read_planned(folder, waiting=False)
        planned = read_planned(folder, waiting=True) if waiting else left
        said = forecast_of(planned, left, log, by, as_of=known.until)
    rows = _documents(said, by)
    if as_json:
        click.echo(json.dumps({"currency": known.currency, "level_from_days": said.learned_days, "groups": rows}, indent=2))
        return
    if not rows:
        click.echo("no sends")
        return
    shown = [
        (
            *(str(row[name]) for name in by),
            f"{row['sends']:,}",
            f"{row['expected_conversions']:.1f}",
            *(format_micros(row[f"{name}_micros"], known.currency) for name in ("predicted", "low", "high", "came")),
        )
        for row in rows[:MOST_ROWS]
    ]
    columns = (*by, "sends", "conversions", "predicted", "from", "to", "by now")
    display.table("90 of 100 groups end between the bounds", columns, shown)
    if len(rows) > MOST_ROWS:
        click.echo(f"and {len(rows) - MOST_ROWS} more: --json shows all")


def _documents(said: Forecast, by: tuple[str, ...]) -> list[dict[str, Any]]:
    told = said.found.told
    return [
        {
            **dict(zip(by, label, strict=True)),
            "sends": int(said.found.sends[g]),
            "expected_conversions": round(float(told.conversions[g]), 4),
            "predicted_micros": round(float(told.mean_micros[g])),
            "low_micros": round(float(told.low_micros[g])),
            "high_micros": round(float(told.high_micros[g])),
            "came_micros": int(said.came_micros[g]),
            "level_error": round(float(said.found.level_error[g]), 4),
        }
        for g, label in enumerate(said.found.labels)
    ]
