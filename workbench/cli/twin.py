"""`revenue-engine simulate --fit LOGS`: next week's approved revenue of an org, and a world with its rates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from revenue_engine.errors import BadInput
from workbench.cli import display
from workbench.logs import read_log
from workbench.logs.columns import Columns, columns
from workbench.simulation.twin import Refusal, likened, save, view
from workbench.simulation.twin.forecast import forecast_of

_SEED = 20_260_302  # of the forecast's draws: the same log, the same band
FILE = "twin.json"
_CLOCKS_DIFFER = 86_400.0


def foretell(logs: Path, out: Path, as_of: datetime | None, *, as_json: bool) -> None:
    """Shows the forecast, fits the twin, and leaves it in `out`. A log that tells too little is answered with the reason."""
    out.mkdir(parents=True, exist_ok=True)
    of = columns(read_log(logs))
    now = _newest(of, logs) if as_of is None else as_of.replace(tzinfo=UTC).timestamp()
    told = forecast_of(of, now=now, random=np.random.default_rng(_SEED))
    if not as_json:
        click.echo(f"as of {datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC: {view.headline(told)}")
        if not isinstance(told, Refusal):
            display.table("what it is made of", ("", "expected"), view.rows(told))
    # what a log says after its own end is no part of it, for the world as little as for the forecast
    cut_off = isinstance(told, Refusal) and told.reason == "later_lines"
    if not cut_off:
        click.echo("fitting a world to the log: up to a minute", err=True)
    twin = told if isinstance(told, Refusal) and cut_off else likened(of, now)
    if isinstance(twin, Refusal):
        saved = {"refused": twin.reason, "detail": twin.detail}
        text = f"no world fitted: {twin.reason} ({twin.detail})"
    else:
        save(out / FILE, twin)
        saved, text = {"file": str(out / FILE), "source": twin.source}, f"a world with these rates: {out / FILE}"
    if as_json:
        click.echo(json.dumps({**view.figures(told), "twin": saved}, indent=2))
        return
    if not isinstance(twin, Refusal):
        display.table("the world fitted to the log", view.MOMENT_COLUMNS, view.moment_rows(twin))
    click.echo(text)


def _newest(of: Columns, logs: Path) -> float:
    """The newest moment the log knows of: nothing after it can have been seen."""
    times = (of.sent_at, of.clicked_at, of.unsubscribed_at, of.complained_at, of.sale_at)
    newest = [float(np.nanmax(some)) for some in times if np.isfinite(some).any()]
    if not newest:
        raise BadInput(str(logs), "empty", "the log has neither mails nor conversions")
    last = float(np.ceil(max(newest)))
    if last > datetime.now(UTC).timestamp() + _CLOCKS_DIFFER:
        raise BadInput(
            str(logs), "in_the_future", f"its newest line is of {datetime.fromtimestamp(last, UTC):%Y-%m-%d}; say --as-of"
        )
    return last
