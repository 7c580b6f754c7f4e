"""Commands that look at a running stack and steer it."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import click

from revenue_engine.aws import names
from revenue_engine.clock import day_in, from_epoch
from revenue_engine.errors import BadInput, Refused
from revenue_engine.fx import check_day
from revenue_engine.money import format_micros
from revenue_engine.records.controls import parse_autonomy, parse_controls
from revenue_engine.services import approvals as approving
from revenue_engine.services import breaker as breaking
from revenue_engine.services import quarantine as quarantining
from revenue_engine.services.books import books_currency, check_currency
from revenue_engine.services.setup import set_up
from workbench.cli import display
from workbench.cli.connection import Connection
from workbench.cli.secret import show_postback_urls


@click.command()
@click.pass_obj
def init(connection: Connection) -> None:
    """Make the org's secrets and its day-one model. Running it again changes nothing."""
    made = set_up(connection.wiring, connection.org, now=connection.now())
    for thing in made.created or ("nothing: everything was there",):
        click.echo(f"created {thing}" if made.created else thing)
    if made.webhook_path is not None:
        show_postback_urls(connection, made.webhook_path)


@click.group()
def autonomy() -> None:
    """The operator's switch: off | shadow | approval | canary | full."""


@autonomy.command("show")
@click.pass_obj
def autonomy_show(connection: Connection) -> None:
    """What it stands at."""
    click.echo(connection.wiring.parameters.autonomy(connection.org).value)


@autonomy.command("set")
@click.argument("value")
@click.pass_obj
def autonomy_set(connection: Connection, value: str) -> None:
    """Turn it. `off` stops every mail within 15 seconds."""
    wanted = parse_autonomy(value).value
    connection.wiring.parameters.put(names.autonomy_parameter(connection.stage, connection.org), wanted)
    click.echo(wanted)


@click.group()
def controls() -> None:
    """Goals, thresholds, caps and hours: one JSON document."""


@controls.command("show")
@click.pass_obj
def controls_show(connection: Connection) -> None:
    """The document in force, defaults filled in; one that is refused as it stands, and why."""
    parameters = connection.wiring.parameters
    try:
        shown = parameters.controls(connection.org).model_dump_json(indent=2)
    except Refused:
        click.echo(parameters.controls_document(connection.org))  # somebody has to mend it
        raise
    click.echo(shown)


@controls.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def controls_set(connection: Connection, file: Path) -> None:
    """Replace the document by FILE; what it leaves out has the default. A value beyond a limit is refused by name."""
    try:
        document = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput("file", "not_utf8") from None
    wanted = parse_controls(document)
    check_currency(connection.wiring, connection.org, wanted)
    for currency, rate in wanted.fx_rates.items():
        check_day(rate.as_of, today=day_in(connection.now(), wanted.zone), field=f"fx_rates.{currency}.as_of")
    connection.wiring.parameters.put(names.controls_parameter(connection.stage, connection.org), document)
    click.echo("controls set")


@click.group()
def quarantine() -> None:
    """Postbacks that could not be understood, or contradict the books: kept, never lost."""


@quarantine.command("list")
@click.option("--replayed", is_flag=True, help="Those that a replay has settled, instead of those that wait.")
@click.option("--before", default="", help="The next page, as the last one named it.")
@click.pass_obj
def quarantine_list(connection: Connection, replayed: bool, before: str) -> None:
    """Entries with their reasons, newest first, a page at a time."""
    page = quarantining.page(connection.wiring, connection.org, replayed=replayed, before=before)
    rows = [(e["receipt_id"], e["sk"][:16], e["field"], e["reason"], e.get("detail", "")) for e in page.entries]
    if rows:
        display.table("", ("receipt", "received", "field", "reason", "detail"), rows, whole=("receipt",))
    elif not page.before:
        click.echo("nothing in quarantine")
    if page.before:
        click.echo(f"{page.more} more, or more than that: quarantine list --before {page.before}")


@quarantine.command("replay")
@click.argument("receipt", required=False)
@click.option("--all", "everything", is_flag=True, help="Every entry that can be replayed.")
@click.pass_obj
def quarantine_replay(connection: Connection, receipt: str | None, everything: bool) -> None:
    """Queue an entry again, when its cause is gone. It closes when it has been booked."""
    if (receipt is None) == (not everything):
        raise click.UsageError("give a RECEIPT, or --all")
    w, org = connection.wiring, connection.org
    queued = quarantining.replay(w, org, receipt) if receipt else quarantining.replay_all(w, org)
    if receipt and not queued:
        raise BadInput("receipt", "no_open_entry", receipt[:40])
    click.echo(f"{int(queued)} queued again")


@click.group()
def breaker() -> None:
    """What stops all mail by itself when something is wrong."""


@breaker.command("close")
@click.pass_obj
def breaker_close(connection: Connection) -> None:
    """Close it under your name: you have seen why it opened."""
    if not breaking.close_by_hand(connection.wiring, connection.org, by=getpass.getuser(), now=connection.now()):
        raise BadInput("breaker", "not_open", "nothing is changed")
    click.echo("breaker closed")


@click.group()
def approvals() -> None:
    """Plans that wait for a person, when the switch stands at `approval`."""


@approvals.command("list")
@click.pass_obj
def approvals_list(connection: Connection) -> None:
    """Every plan on record."""
    currency = books_currency(connection.wiring, connection.org)
    rows = [
        (
            p["approval_id"],
            p["status"],
            p["sends"],
            format_micros(p["predicted_revenue_micros"], currency),
            from_epoch(p["valid_until"]),
            ", ".join(p.get("not_routine", ())),
        )
        for p in approving.listed(connection.wiring, connection.org, now=connection.now())
    ]
    if not rows:
        click.echo("no plans")
        return
    display.table("", ("plan", "status", "sends", "predicted revenue", "valid until", "not routine"), rows, whole=("plan",))


@approvals.command("show")
@click.argument("plan")
@click.pass_obj
def approvals_show(connection: Connection, plan: str) -> None:
    """What a plan would mail, to whom, and why it has not approved itself."""
    found = connection.wiring.control.approval(connection.org, plan)
    if found is None:
        raise BadInput("plan", "unknown", plan[:60])
    currency, groups = books_currency(connection.wiring, connection.org), found.get("groups", [])
    rows = [
        (
            f"{g['offer']} {g['offer_name']}",
            g["variant"],
            g["subject"],
            g["segment"],
            g["sends"],
            format_micros(g["predicted_revenue_micros"], currency),
        )
        for g in groups
        if "smaller_groups" not in g
    ]
    display.table("", ("offer", "variant", "subject", "segment", "sends", "predicted revenue"), rows)
    for g in (g for g in groups if "smaller_groups" in g):
        earns = format_micros(g["predicted_revenue_micros"], currency)
        click.echo(f"and {g['sends']} sends in {g['smaller_groups']} smaller groups, {earns}")
    if found.get("not_routine"):
        click.echo(f"not routine: {', '.join(found['not_routine'])}")
    if approving.waits(found, connection.now()):
        try:
            _say_outside_hours(connection, found)
        except Refused as refused:  # controls that cannot be read: the plan can
            click.echo(f"who of its readers may be mailed now is not known: {refused}")


@approvals.command("approve")
@click.argument("plan")
@click.pass_obj
def approvals_approve(connection: Connection, plan: str) -> None:
    """Let a plan go."""
    queued = approving.approve(connection.wiring, connection.org, plan, by=getpass.getuser(), now=connection.now())
    click.echo(f"{queued} sends queued")
    _say_outside_hours(connection, connection.wiring.control.approval(connection.org, plan) or {})


def _say_outside_hours(connection: Connection, plan: dict[str, Any]) -> None:
    controls = connection.wiring.parameters.controls(connection.org)
    if outside := approving.outside_hours(plan, controls, now=connection.now()):
        click.echo(f"{outside} of its readers are outside their sending hours now: approved now, their mails are dropped")


@approvals.command("reject")
@click.argument("plan")
@click.pass_obj
def approvals_reject(connection: Connection, plan: str) -> None:
    """Never send a plan."""
    if not approving.reject(connection.wiring, connection.org, plan, by=getpass.getuser(), now=connection.now()):
        raise BadInput("plan", "does_not_wait", f"{plan[:60]}: unknown, decided, or too old")
    click.echo("rejected")
