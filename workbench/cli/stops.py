"""`revenue-engine stops …`: what the judge has stopped, and letting it go again."""

from __future__ import annotations

import getpass

import click

from revenue_engine.clock import from_epoch
from revenue_engine.errors import BadInput
from revenue_engine.services import breaker as breaking
from workbench.cli import display
from workbench.cli.connection import Connection


@click.group()
def stops() -> None:
    """Offers, variants, segments and mailbox providers that are mailed no more, because trouble came from them."""


@stops.command("list")
@click.pass_obj
def stops_list(connection: Connection) -> None:
    """All in force, with the reason and the figures."""
    found = breaking.stopped(connection.wiring, connection.org, now=connection.now())
    rows = [
        (
            stop.cause.key,
            stop.reason,
            f"{from_epoch(stop.since):%Y-%m-%d %H:%M}",
            f"{from_epoch(stop.until):%Y-%m-%d %H:%M}" if stop.until is not None else "a person lifts it",
            stop.detail,
        )
        for stop in found
    ]
    if not rows:
        click.echo("nothing is stopped")
        return
    display.table("", ("key", "reason", "since (UTC)", "until (UTC)", "figures"), rows, whole=("key",))


@stops.command("lift")
@click.argument("key")
@click.pass_obj
def stops_lift(connection: Connection, key: str) -> None:
    """Let what KEY names (`offer#1042`) be mailed again, under your name: what came before is judged."""
    if not breaking.lift_stop(connection.wiring, connection.org, key, by=getpass.getuser(), now=connection.now()):
        raise BadInput("key", "not_stopped", key[:60])
    click.echo(f"{key} may be mailed again")
