"""Conversions and offer-days that look wrong: shown, released, rejected."""

from __future__ import annotations

import getpass
import json
from typing import Any

import click

from revenue_engine.errors import BadInput
from revenue_engine.money import format_micros
from revenue_engine.services import anomaly_desk
from workbench.cli import display
from workbench.cli.connection import Connection


@click.group()
def anomalies() -> None:
    """Conversions that look wrong. Those on hold are booked, but nothing is learned from them until somebody decides."""


@anomalies.command("list")
@click.option("--settled", is_flag=True, help="Those that were decided on, instead of those that wait.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def anomalies_list(connection: Connection, settled: bool, as_json: bool) -> None:
    """Every one with its signals, the oldest first."""
    found = anomaly_desk.listed(connection.wiring, connection.org, settled=settled, now=connection.now())
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("no anomalies")
        return
    rows = [(one["key"], one["at"][:16], one["offer"], _amount(one), _signals(one), _verdict(one)) for one in found]
    display.table("", ("key", "at", "offer", "payout", "signals", "decided"), rows, whole=("key",))


@anomalies.command("release")
@click.argument("key")
@click.pass_obj
def anomalies_release(connection: Connection, key: str) -> None:
    """Nothing is wrong with it: learn from the conversion, or take no more notice of the offer's day."""
    _decide(connection, key, "released")


@anomalies.command("reject")
@click.argument("key")
@click.pass_obj
def anomalies_reject(connection: Connection, key: str) -> None:
    """It is false: give up its provisional money, and never learn from it."""
    _decide(connection, key, "rejected")


def _decide(connection: Connection, key: str, verdict: anomaly_desk.Verdict) -> None:
    by, now = getpass.getuser(), connection.now()
    if not anomaly_desk.decide(connection.wiring, connection.org, key, verdict=verdict, by=by, now=now):
        raise BadInput("key", "nothing_waits", key[:100])
    click.echo(verdict)


def _amount(one: dict[str, Any]) -> str:
    return format_micros(one["payout_micros"], one["currency"]) if "payout_micros" in one else ""


def _signals(one: dict[str, Any]) -> str:
    return "\n".join(f"{flag['severity']}: {flag['signal']} {_figures(flag['detail'])}".rstrip() for flag in one["flags"])


def _figures(detail: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in detail.items())


def _verdict(one: dict[str, Any]) -> str:
    return ", ".join(sorted(set(one.get("settled", {}).values())))
