"""Commands about one person: what is known, and forgetting it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from revenue_engine.services import people
from workbench.cli.connection import Connection


@click.group()
def person() -> None:
    """What is known of one person, and forgetting it."""


@person.command("export")
@click.argument("address")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None, help="A file instead of the screen.")
@click.pass_obj
def export(connection: Connection, address: str, out: Path | None) -> None:
    """Everything kept of ADDRESS, as JSON: consent with its source and time, declared facts, mails, events, money."""
    found = people.export_person(connection.wiring, connection.org, address)
    text = json.dumps(found, indent=2, sort_keys=True, default=str)
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n")
    if found["person"] is None:
        known = f"on the list of those never mailed ({found['suppressed']['reason']})" if found["suppressed"] else "not known"
        click.echo(f"nobody by this address; it is {known}", err=True)


@person.command("erase")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(connection: Connection, address: str, yes: bool) -> None:
    """Forget who ADDRESS was. It is never mailed again, by no import either; the money books stay."""
    if not yes:
        click.confirm("This cannot be undone. Erase?", abort=True)
    found = people.erase_person(connection.wiring, connection.org, address, now=connection.now())
    click.echo("erased" if found else "nobody by this address; it will not be mailed all the same")
