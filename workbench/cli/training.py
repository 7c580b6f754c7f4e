"""The command that trains: from the stack's stores or from a log on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from revenue_engine import __version__
from revenue_engine.bundle import dump
from revenue_engine.clock import from_epoch
from revenue_engine.errors import BadInput
from revenue_engine.services import train as training
from revenue_engine.training import run, run_value
from workbench.cli import display
from workbench.cli.connection import Connection
from workbench.logs.learning import source_in

_WHY = {
    "too_few_clicks": "too few clicks for rates",
    "rates_off": "rates do not add up to the clicks that were",
    "worse": "predicts the newest mails worse than the champion",
    "too_few_events": "too few clicks among the newest mails to judge by",
    "not_better": "not better than the champion by more than chance",
    "sales_worse": "predicts sales worse than the champion",
}
MOST_SHIFTED = 8


@click.command()
@click.argument("folder", metavar="[LOGS]", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="The same data and seed, the same bundles.")
@click.option(
    "--out", default=None, type=click.Path(file_okay=False, path_type=Path), help="With LOGS: where to write the bundles."
)
@click.option("--value", is_flag=True, help="Lifetime value, from 400 days of mail, instead of rates, funnel and payouts.")
@click.pass_obj
def train(connection: Connection, folder: Path | None, seed: int, out: Path | None, value: bool) -> None:
    """Make bundles of what the stack knows, and one of them champion if it predicts better and means what it says.

    With LOGS (`logs export LOGS --inputs`) nothing is published: it says what would become of that log.
    """

    def told(what: str) -> None:
        click.echo(what, err=True)

    if folder is None:
        if out is not None:
            raise click.UsageError("--out belongs to LOGS: a stack's bundles lie in its bucket")
        what = "value" if value else "funnel"
        w, now = connection.wiring, connection.now()
        with display.engine_to_stderr():
            report = training.train(w, org=connection.org, now=now, what=what, seed=seed, progress=told)
        show(report)
        return
    try:
        source, until = source_in(folder)
        now = from_epoch(int(until))
        if value:
            trained = run_value(source, now, code_version=__version__, progress=told)
        else:
            trained = run(source, now, code_version=__version__, seed=seed, progress=told)
    except BadInput as bad:
        click.echo(f"Error: {bad}", err=True)
        raise SystemExit(2) from None
    if out is not None:
        for one in trained.candidates:
            place = out / one.bundle.version
            place.mkdir(parents=True, exist_ok=True)
            for name, body in dump(one.bundle).items():
                (place / name).write_bytes(body)
    show(trained.report(), would=True)


def show(report: Mapping[str, Any], *, would: bool = False) -> None:
    """The metrics of every bundle made, the gate's verdict on each, and the champion's drift."""
    made: Sequence[Mapping[str, Any]] = report["candidates"]
    names = list(dict.fromkeys(name for one in made for name in one["metrics"]))
    if report["refused"]:
        click.echo(f"no value model: {report['refused']}")
    if made:
        display.table(
            "bundles",
            ("", *(one["name"] for one in made)),
            [
                ("version", *(one["version"] for one in made)),
                *((name.replace("_", " "), *(_number(one["metrics"].get(name)) for one in made)) for name in names),
                ("the gate", *("passed" if one["passed"] else ", ".join(map(_why, one["reasons"])) for one in made)),
            ],
            whole=[one["name"] for one in made],
        )
    display.table("mails", ("", "count"), [(name.replace("_", " "), f"{n:,}") for name, n in report["mails"].items()])
    _show_drift(report["drift"])
    promoted = report["promoted"]
    if promoted is None:
        click.echo(f"the champion stays: {report['champion']}")
    else:
        click.echo(f"{'would become' if would else 'is now'} champion: {promoted}, before {report['champion']}")


def _show_drift(drift: Mapping[str, Any]) -> None:
    shifted = sorted(drift["features"].items(), key=lambda pair: -pair[1])[:MOST_SHIFTED]
    rows = [(f"{name} predictions, shift", f"{index:.3f}") for name, index in drift["predictions"].items()]
    rows += [(f"{name.replace('_', ' ')}, shift", f"{index:.3f}") for name, index in shifted]
    for name, found in drift["meant"].items():
        rows.append((f"{name}s, predicted over actual", f"{found['level']:.3f} of {found['events']:,}"))
        rows.append((f"{name}s, slope", f"{found['slope']:.2f} ± {found['slope_error']:.2f}"))
    if rows:
        display.table("the champion now (a shift above 0.25 is one)", ("", ""), rows)
    for alarm in drift["alarms"]:
        click.echo(f"drift: {alarm.replace('_', ' ')}")


def _why(reason: str) -> str:
    return _WHY.get(reason, reason.replace("_", " "))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value == round(value) and abs(value) >= 1 else f"{value:.5g}"
