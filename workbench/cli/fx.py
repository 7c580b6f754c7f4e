"""Exchange rates: one dated rate per currency, in the controls."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import click

from revenue_engine.aws import names
from revenue_engine.clock import day_in
from revenue_engine.fx import check_day
from revenue_engine.money import parse_currency
from revenue_engine.records.controls import parse_controls
from workbench.cli import display
from workbench.cli.connection import Connection


@click.group()
def fx() -> None:
    """Rates at which money of other currencies enters the org's sums; each booking keeps the one it was booked at."""


@fx.command("list")
@click.pass_obj
def fx_list(connection: Connection) -> None:
    """Every rate in force."""
    controls = connection.wiring.parameters.controls(connection.org)
    rows = [(currency, rate.rate, rate.as_of) for currency, rate in sorted(controls.fx_rates.items())]
    if not rows:
        click.echo("no rates")
        return
    display.table("", ("1 unit of", f"in {controls.currency}", "as of"), rows)


@fx.command("set")
@click.argument("currency")
@click.argument("rate")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), default=None, help="The day the rate is of; today if left out.")
@click.pass_obj
def fx_set(connection: Connection, currency: str, rate: str, as_of: datetime | None) -> None:
    """Set what one unit of CURRENCY is worth, e.g. `EUR 1.0832`. It holds for what is booked from now on."""
    parameters, org = connection.wiring.parameters, connection.org
    stored = parameters.controls_document(org)
    controls = parse_controls(stored)
    document: dict[str, Any] = json.loads(stored)
    today = day_in(connection.now(), controls.zone)
    of: date = as_of.date() if as_of else today
    check_day(of, today=today, field="as_of")
    code = parse_currency(currency, field="currency")
    document["fx_rates"] = document.get("fx_rates", {}) | {code: {"rate": rate, "as_of": of.isoformat()}}
    changed = json.dumps(document)
    parse_controls(changed)
    parameters.put(names.controls_parameter(connection.stage, org), changed)
    click.echo(f"1 {code} = {rate} {controls.currency}, as of {of}")
