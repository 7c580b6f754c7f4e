"""Commands for the secrets: what others gave us, and the path tokens of the postback route."""

from __future__ import annotations

import click

from revenue_engine.aws import names
from revenue_engine.clock import from_epoch
from revenue_engine.services import tokens
from workbench.cli import display
from workbench.cli.connection import Connection

# Everflow replaces what is in braces; the names before = are ours.
_MACROS = "&".join(
    f"{ours}={{{theirs}}}"
    for ours, theirs in (
        ("transaction_id", "transaction_id"),
        ("payout", "payout_amount"),
        ("offer_id", "offer_id"),
        ("sub1", "sub1"),
        ("event_id", "event_id"),
        ("event_name", "event_name"),
    )
)


def show_postback_urls(connection: Connection, path: str) -> None:
    """What to put into Everflow; `path` has the token in it, which nothing shows again."""
    base = connection.wiring.value(names.PUBLIC_BASE_URL)
    click.echo("partner postbacks to set up in Everflow; the token in them is shown this once:")
    for kind in ("conversion", "event"):
        click.echo(f"{base}{path}?kind={kind}&{_MACROS}")


@click.group()
def secret() -> None:
    """The API key of Everflow, and the tokens of the postback URLs."""


@secret.command("set")
@click.argument("name", type=click.Choice([names.EVERFLOW_API_KEY]))
@click.pass_obj
def secret_set(connection: Connection, name: str) -> None:
    """Store a secret that others gave you; it is asked for, and not shown."""
    value = click.prompt(name, hide_input=True).strip()
    connection.wiring.parameters.put(names.secret_parameter(connection.stage, connection.org, name), value, secure=True)


@secret.command("tokens")
@click.pass_obj
def secret_tokens(connection: Connection) -> None:
    """The tokens of the postback URLs, by a mark, and when postbacks came with them."""
    uses = tokens.uses(connection.wiring, connection.org)
    rows = [(u.mark, "live" if u.live else "retired", _time(u.first_seen_at), _time(u.last_seen_at)) for u in uses]
    display.table("", ("token", "", "first postback", "last postback"), rows)


@secret.command("rotate")
@click.pass_obj
def secret_rotate(connection: Connection) -> None:
    """Make a new token for the postback URLs. The old one stays good until you retire it."""
    show_postback_urls(connection, tokens.rotate(connection.wiring, connection.org))
    click.echo("the old URLs stay good: change both in Everflow, then `revenue-engine secret retire`")


@secret.command("retire")
@click.option("--force", is_flag=True, help="Now, for a token that has leaked: whether or not the feed has moved to the new one.")
@click.pass_obj
def secret_retire(connection: Connection, force: bool) -> None:
    """End the older token, once postbacks come with the new one alone."""
    mark = tokens.retire(connection.wiring, connection.org, now=connection.now(), force=force)
    click.echo(f"token {mark} is retired: within 15 seconds, what comes with it goes to the quarantine")


def _time(at: int | None) -> str:
    return "-" if at is None else f"{from_epoch(at):%Y-%m-%d %H:%M} UTC"
