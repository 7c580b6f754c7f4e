"""Commands about single decisions: why one came out as it did, and whether a whole cycle decides the same again."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from revenue_engine.aws.items import Item
from revenue_engine.clock import from_epoch, iso_millis
from revenue_engine.money import format_micros
from revenue_engine.services.explain import explain_decisions
from revenue_engine.services.ranked import ranked_offers
from revenue_engine.services.replay import replay_cycle
from revenue_engine.snapshot import decided_by_now
from workbench.cli import display, offer_tables
from workbench.cli.connection import Connection

_OUTCOMES = ("delivered_at", "first_human_open_at", "first_human_click_at", "bounced_at", "complained_at", "unsubscribed_at")


@click.command()
@click.argument("name", metavar="SEND_OR_SUBSCRIBER")
@click.option("--last", type=click.IntRange(1, 100), default=3, show_default=True, help="Of a subscriber: how many decisions.")
@click.option("--offers", is_flag=True, help="Also all offers for the reader, best first, and what is known of each.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def explain(connection: Connection, name: str, last: int, offers: bool, as_json: bool) -> None:
    """Why a mail was sent, or somebody was not mailed: every check with its value, the choice, and what would have changed it."""
    found = explain_decisions(connection.wiring, connection.org, name, last=last)
    ranked = [ranked_offers(connection.wiring, connection.org, one) if offers else None for one in found]
    if as_json:
        documents = [{"record": one.record, "steps": [asdict(step) for step in one.steps]} for one in found]
        added = [{} if one is None else asdict(one) for one in ranked]
        click.echo(json.dumps([one | more for one, more in zip(documents, added, strict=True)], indent=2))
        return
    if not found:
        click.echo(f"{name} has not been decided yet")
    for one, more in zip(found, ranked, strict=True):
        rows = [(step.what, step.verdict, step.detail) for step in one.steps]
        if one.send is not None:
            rows.append(("what became of it", one.send["state"].lower(), _became(one.send)))
        display.table(f"{one.record['subscriber']}: {one.record['action']}", ("step", "", "on record"), rows)
        if more is not None:
            offer_tables.show(more, one.record)


@click.command()
@click.argument("cycle", metavar="CYCLE")
@click.pass_obj
def replay(connection: Connection, cycle: str) -> None:
    """Decide a CYCLE (20260304T1215) again from its stored inputs; exit code 1 when any receipt comes out another."""
    found = replay_cycle(connection.wiring, connection.org, cycle)
    for name, rows in found.fields.most_common():
        click.echo(f"{name}: {rows:,} rows differ, for instance {found.examples.get(name, '-')}")
    for key in found.missing:
        click.echo(f"not on record: {key}")
    if found.differing_rows:
        now = decided_by_now()
        for name, then in found.decided_by.items():
            click.echo(f"{name}: {then} decided then, {'the same' if now[name] == then else now[name]} now")
    verdict = (
        "bit for bit the same"
        if found.same
        else f"{found.differing_rows:,} rows differ, {len(found.missing):,} objects are missing"
    )
    click.echo(f"{found.rows:,} rows in {found.pages:,} pages decided again: {verdict}")
    if not found.same:
        raise SystemExit(1)


def _became(send: Item) -> str:
    known = [(name, send[name]) for name in ("reason", "sent_at", *_OUTCOMES, "human_clicks", "conversions") if name in send]
    facts = [f"{name} {iso_millis(from_epoch(value)) if name.endswith('_at') else value}" for name, value in known]
    earned = [(name.partition("#")[2], micros) for name, micros in sorted(send.items()) if name.startswith("revenue_micros#")]
    return ", ".join([*facts, *(f"revenue {format_micros(micros, currency)}" for currency, micros in earned)])
