"""`revenue-engine simulate`: policies against each other in worlds whose truth is known."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from revenue_engine.errors import BadInput
from workbench.cli import display
from workbench.cli.twin import foretell
from workbench.simulation.study import charts, compare
from workbench.simulation.study.batch import tasks, trials
from workbench.simulation.study.compare import Mean, Summary
from workbench.simulation.study.registry import ENGINE, LEARNERS, NAMES, ORACLE
from workbench.simulation.study.trial import BOUND, HEIRS, Size, Trial
from workbench.simulation.twin import load
from workbench.simulation.worlds import NAMES as WORLDS
from workbench.simulation.worlds import WorldSpec, named
from workbench.simulation.worlds.offers import HORIZON

ALL = "all"


@click.command()
@click.option("--days", default=90, show_default=True, type=click.IntRange(7, HORIZON - 20))
@click.option("--subscribers", default=20_000, show_default=True, type=click.IntRange(100, 200_000))
@click.option("--world", default="default", show_default=True, type=click.Choice(WORLDS), help="What people and offers are like.")
@click.option("--twin", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="A world fitted to a log, by --fit.")
@click.option("--seed-file", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Of the sealed world.")
@click.option(
    "--policies",
    default=",".join(NAMES),
    show_default=True,
    help=f"Separated by commas. `{BOUND}` is what no policy can earn more than, {ALL} is every policy and it (minutes a seed).",
)
@click.option(
    "--seeds", default=20, show_default=True, type=click.IntRange(1, 1_000), help="How many worlds; intervals need five."
)
@click.option(
    "--list-days",
    default=0,
    show_default=True,
    type=click.IntRange(0, 365),
    help="Go on for so many days with each list that is left, to see what it is worth in dollars.",
)
@click.option("--jobs", default=os.cpu_count() or 1, show_default="all cores", type=click.IntRange(1), help="Trials at a time.")
@click.option(
    "--out",
    default=Path("simulation-out"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Charts, and every trial as a line of JSON.",
)
@click.option(
    "--fit",
    "logs",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Instead: fit a world to the log in this folder (`logs export`) and forecast its next week's approved revenue.",
)
@click.option("--as-of", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="When that log ends, UTC; else at its newest line.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def simulate(
    days: int,
    subscribers: int,
    world: str,
    twin: Path | None,
    seed_file: Path | None,
    policies: str,
    seeds: int,
    list_days: int,
    jobs: int,
    out: Path,
    logs: Path | None,
    as_of: datetime | None,
    as_json: bool,
) -> None:
    """Play policies against each other in simulated worlds, each in the very same ones, and say what each would earn.

    With --fit it looks at an org's own log instead: what the next week will bring, with an 80 % band. Ends with exit code 1 when an
    engine did better than can be learned: then the world told it something.
    """
    if logs is not None:
        _alone(("world", "seed_file", "twin", "policies", "seeds", "days", "subscribers", "list_days"))
        with _writing(out):
            foretell(logs, out, as_of, as_json=as_json)
        return
    spec, names = load(twin).spec if twin else _spec(world, seed_file), _policies(policies)
    size = Size(subscribers, days, list_days, HEIRS)
    if days + list_days >= HORIZON:
        raise BadInput("--list-days", "too_many", f"with --days together at most {HORIZON - 1}")
    found: list[Trial] = []
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
    todo = tasks(spec, names, range(seeds), size)
    with (out / "trials.ndjson").open("w", encoding="utf-8") as file, _bar(len(todo), size, jobs) as (each_day, each_trial):
        for trial in trials(todo, jobs=jobs, each_day=each_day):
            found.append(trial)
            file.write(json.dumps(trial.document()) + "\n")
            file.flush()
            each_trial()
    found.sort(key=lambda trial: (trial.seed, names.index(trial.policy)))
    summaries = compare.summaries(found, spec.name)
    pictures = charts.draw(
        out, found, summaries, title=f"{spec.name} world, {subscribers:,} subscribers, {days} days, {seeds} seeds"
    )
    leaks = compare.leaks(summaries)
    if as_json:
        click.echo(json.dumps({"policies": [_document(s) for s in summaries], "leaks": leaks}, indent=2, allow_nan=False))
    else:
        _show(found, summaries, spec, size)
        click.echo(f"charts: {', '.join(str(path) for path in pictures)}; every trial: {out / 'trials.ndjson'}")
    if leaks:
        raise click.ClickException("; ".join(leaks))


def _alone(others: Sequence[str]) -> None:
    """Options that say nothing beside --fit must not look as if they did."""
    context = click.get_current_context()
    for name in others:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise BadInput(f"--{name.replace('_', '-')}", "not_with_fit", "--fit looks at a log, not at policies in a world")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput("--out", "not_writable", f"{out}: {error.strerror}") from None


def _spec(world: str, seed_file: Path | None) -> WorldSpec:
    try:
        return named(world, seed_file)
    except ValueError as error:
        raise BadInput("--seed-file", "not_fit", str(error)) from None


def _policies(text: str) -> list[str]:
    """In the order asked for; the oracle joins where something learns, for whoever learns is measured by it."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == [ALL]:
        names = [*NAMES, BOUND]
    unknown = [name for name in names if name not in (*NAMES, BOUND)]
    if unknown or not names:
        raise BadInput("--policies", "unknown_policy", f"{', '.join(unknown) or 'none'}; there are {', '.join((*NAMES, BOUND))}")
    names = list(dict.fromkeys(names))
    if names == [BOUND]:
        raise BadInput("--policies", "nothing_to_play", f"{BOUND} is what policies are compared with")
    return names if ORACLE in names or not set(names) & set(LEARNERS) else [*names, ORACLE]


def _show(found: Sequence[Trial], summaries: Sequence[Summary], spec: WorldSpec, size: Size) -> None:
    of_list = bool(size.list_days)
    seeds = summaries[0].seeds
    title = f"{spec.name} world, {size.people:,} subscribers, {size.days} days, mean of {seeds} seeds{' (95 %)' if seeds >= 5 else ''}"
    heads = ("policy", "cash, $", *(("net, $",) if of_list else ()), "regret", "of bound")
    display.table(title, heads, [_money(s, of_list) for s in summaries], whole=("policy",))
    if of_list:
        lists = [
            (s.policy, _dollars(s.list_value), _dollars(s.oracle_list_value), _dollars(s.own_list_value))
            for s in summaries
            if s.policy != BOUND
        ]
        title = f"what the list that is left brings in {size.list_days} more days"
        display.table(title, ("policy", "a new engine, $", "the oracle, $", "the policy itself, $"), lists, whole=("policy",))
    rows = [
        (s.policy, f"{s.kept:.1%}", f"{s.alive:.1%}", f"{s.mails:,.0f}", f"{s.complaints_rate:.3%}", f"{s.exits:,.0f}")
        for s in summaries
        if s.policy != BOUND
    ]
    heads = ("policy", "value kept", "alive", "mails", "complaints", "exits")
    display.table("what becomes of the list", heads, rows, whole=("policy",))
    reference = ENGINE if any(s.policy == ENGINE for s in summaries) else summaries[0].policy
    pairs = []
    for s in summaries:
        if s.policy not in (reference, BOUND):
            cash, net = (compare.difference(found, spec.name, reference, s.policy, net=net) for net in (False, True))
            assert cash is not None and net is not None
            pairs.append((f"{reference} - {s.policy}", _dollars(cash), *((_dollars(net),) if of_list else ())))
    if pairs:
        columns = ("the first less the second", "cash, $", *(("net, $",) if of_list else ()))
        display.table("paired, in the same worlds (95 %)", columns, pairs)


def _document(s: Summary) -> dict[str, Any]:
    """An interval that there is not is null: NaN is no JSON."""
    document = asdict(s)
    for value in document.values():
        if isinstance(value, dict) and value["half_width"] != value["half_width"]:
            value["half_width"] = None
    return document


def _money(s: Summary, of_list: bool) -> tuple[str, ...]:
    if s.policy == BOUND:
        return s.policy, _dollars(s.cash), *(("",) if of_list else ()), "", ""
    net = (_dollars(s.net),) if of_list else ()
    regret = "" if s.of_oracle is None else f"{1 - s.of_oracle:.2f}"
    return s.policy, _dollars(s.cash), *net, regret, "" if s.of_bound is None else f"{s.of_bound:.2f}"


def _dollars(of: Mean) -> str:
    return f"{of.value:,.0f}" if of.half_width != of.half_width else f"{of.value:,.0f} ± {of.half_width:,.0f}"


@contextmanager
def _bar(count: int, size: Size, jobs: int) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Progress on stderr: of days where one process simulates, of trials where several do."""
    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task, days = progress.add_task("simulating", total=count), size.days + len(size.heirs) * size.list_days
        ended, passed = 0, 0

        def each_day() -> None:
            nonlocal passed
            passed += 1
            progress.update(task, completed=ended + min(passed / days, 1.0))

        def each_trial() -> None:
            nonlocal ended, passed
            ended, passed = ended + 1, 0
            progress.update(task, completed=ended)
            if not console.is_terminal and ended * 10 // count > (ended - 1) * 10 // count:
                print(f"{ended} of {count} trials", file=sys.stderr)

        yield each_day, each_trial
