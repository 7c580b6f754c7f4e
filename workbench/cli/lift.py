"""The command that shows what the engine's arm brings more than the fixed one, or why that cannot be said yet."""

from __future__ import annotations

import json
from typing import Any

import click

from revenue_engine.money import format_micros
from revenue_engine.services.lift import document, look
from workbench.cli import display
from workbench.cli.connection import Connection


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def lift(connection: Connection, as_json: bool) -> None:
    """What people of the engine bring more than those of the fixed weekly mail: approved money, by the randomised arms."""
    found = document(look(connection.wiring, connection.org, now=connection.now()))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{found['org']}: {found['currency']}, approved by now, {found['days']:.0f} days a person on average")
    display.table("arms", ("", "due", "people", "still reachable", "payers", "a person brought", "adjusted"), _arms(found))
    shown = found["lift"]
    if shown is None:
        click.echo(f"no lift yet: {_why(found, 'lift')}")
    else:
        rows = [
            ("a person, more", *_interval(shown["per_person_micros"], _money)),
            ("in all", *_interval(shown["incremental_micros"], _money)),
            ("over the fixed mail's revenue", *_interval(shown["relative"], "{:+.1%}".format)),
        ]
        display.table("engine against fixed mail, valid at every look", ("", "value", "95 %"), rows)
    wanted = f"a lift of {found['effect_waited_for']:.0%} would show"
    if found["more_days"] is None:
        if shown is not None or found["why"]["more_days"] != found["why"]["lift"]:
            click.echo(f"nobody knows when {wanted}: {_why(found, 'more_days')}")
    else:
        click.echo(f"about {found['more_days']:.0f} more days until {wanted}" if found["more_days"] else f"by now {wanted}")
    if found["people_of_other_shares"]:
        click.echo(f"{found['people_of_other_shares']:,} people were given their arm by other shares: they are not in it")


def _arms(found: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, health in found["health"].items():
        arm = found["arms"].get(name)
        share = f"{health['reachable'] / health['people']:.1%}" if health["people"] else "-"
        money = (f"{arm['payers']:,}", _money(arm["plain"]), _money(arm["adjusted"])) if arm else ("-", "-", "-")
        rows.append((name, f"{found['shares'][name]:.1%}", f"{health['people']:,}", share, *money))
    return rows


def _interval(bounds: dict[str, Any], shown: Any) -> tuple[str, str]:
    low, high = (None if bounds[side] is None else shown(bounds[side]) for side in ("lower", "upper"))
    return shown(bounds["value"]), f"{low or 'no bound'} to {high or 'no bound'}"


def _money(micros: int) -> str:
    return format_micros(micros, "", decimals=4).strip()


def _why(found: dict[str, Any], what: str) -> str:
    why = found["why"][what]
    return f"{why['reason'].replace('_', ' ')} ({why['detail']})"
