"""`revenue-engine sync …`: what Everflow's API tells of offers and money, now instead of at the next hour of the schedule."""

from __future__ import annotations

import getpass
from typing import Any

import click

from revenue_engine.clock import from_epoch
from revenue_engine.errors import Refused
from revenue_engine.services.everflow_api import everflow_of
from revenue_engine.services.reconcile import reconcile
from revenue_engine.services.sync_offers import sync_catalogue
from workbench.cli import display
from workbench.cli.connection import Connection

_NO_KEY = "everflow-api-key: `revenue-engine secret everflow-api-key` stores it"
_NO_HURRY = 10**9  # milliseconds: a person at a terminal waits


@click.group("sync")
def group() -> None:
    """Offers, caps, creatives and opt-outs, and the money, from Everflow."""


@group.command("offers")
@click.pass_obj
def offers(connection: Connection) -> None:
    """Read the whole catalogue now. What cannot be understood is stopped and named; what is not listed any more is stopped."""
    w, org = connection.wiring, connection.org
    with display.engine_to_stderr(), everflow_of(w, org) as everflow:
        if everflow is None:
            raise Refused("secret_missing", _NO_KEY)
        told = sync_catalogue(w, everflow, org=org, now=connection.now(), remaining_millis=lambda: _NO_HURRY)
    _show(told)


@group.command("money")
@click.option(
    "--confirm-reversals", is_flag=True, help="Take back what the report lacks, be it suspiciously much: you have looked."
)
@click.pass_obj
def money(connection: Connection, confirm_reversals: bool) -> None:
    """Read Everflow's report now: approve, adjust and take back what it says."""
    confirmed_by = getpass.getuser() if confirm_reversals else ""
    with display.engine_to_stderr():
        told = reconcile(connection.wiring, org=connection.org, now=connection.now(), confirmed_by=confirmed_by)
    if told.get("skipped") == "no_api_key":
        raise Refused("secret_missing", _NO_KEY)
    click.echo(", ".join(f"{n:,} {name}" for name, n in told.items() if n) or "nothing to do")


@group.command("show")
@click.pass_obj
def show(connection: Connection) -> None:
    """What the last sync did, and what it could not."""
    told = connection.wiring.offers.sync_report(connection.org)
    if told is None:
        click.echo("no sync yet")
        return
    click.echo(f"synced {from_epoch(told['synced_at']):%Y-%m-%d %H:%M} UTC")
    _show(told)


def _show(told: dict[str, Any]) -> None:
    counts = ("created", "updated", "unchanged", "stopped", "unread")
    said = ", ".join(f"{told[name]:,} {name}" for name in counts if told.get(name)) or "nothing to do"
    click.echo(f"offers: {told['listed']:,} listed: {said}")
    for list_id, outcome in sorted(told["lists"].items()):
        click.echo(f"suppression list {list_id}: {outcome}")
    for kind in ("problems", "remarks"):
        if told[kind]:
            # two to a cell: four columns of such length leave none of them whole on a terminal
            rows = [(_lines(one["where"], one["field"]), _lines(one["reason"], one.get("detail", ""))) for one in told[kind]]
            display.table(kind, ("what", "why"), rows)


def _lines(*said: str) -> str:
    return "\n".join(line for line in said if line)
