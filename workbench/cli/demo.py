"""`revenue-engine demo`: the whole engine on this machine for a simulated day, against a world that answers."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from revenue_engine.aws import clients, wiring
from workbench.cli import display
from workbench.cli.demo_report import report
from workbench.cli.demo_scene import ORG, Scene, bundled, prepare
from workbench.cli.demo_world import world_scene
from workbench.local.plane import Plane
from workbench.simulation import day
from workbench.simulation.everflow import EverflowApi
from workbench.simulation.stage.render import event_log_hash
from workbench.simulation.truth import Truth
from workbench.simulation.worlds import NAMES, WorldSpec, named

_MARK = ".revenue-engine-demo"


@click.command()
@click.option("--subscribers", default=2_000, show_default=True, type=click.IntRange(10, 40_000), help="How many readers.")
@click.option("--seed", default=7, show_default=True, help="The same seed, the same day.")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 14), help="Simulated days.")
@click.option("--cycles", default=None, type=click.IntRange(1, 96 * 14), help="15-minute cycles, instead of whole days.")
@click.option(
    "--start",
    default=f"{day.START:%Y-%m-%dT%H:%M}",
    show_default=True,
    type=click.DateTime(["%Y-%m-%dT%H:%M"]),
    help="When simulated time begins, UTC.",
)
@click.option(
    "--out",
    default=Path("demo-out"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="What is left to look at.",
)
@click.option("--world", default=None, type=click.Choice(NAMES), help="Play a world with known truth, instead of the sample.")
@click.option(
    "--seed-file",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of the sealed world: what its constants are drawn from.",
)
@click.option("--serve", is_flag=True, help="Keep it running afterwards, with its HTTP API on localhost.")
def demo(
    subscribers: int,
    seed: int,
    days: int,
    cycles: int | None,
    start: datetime,
    out: Path,
    world: str | None,
    seed_file: Path | None,
    serve: bool,
) -> None:
    """Run the whole engine on this machine for a simulated day: nothing leaves it, no account is needed."""
    begun = time.perf_counter()
    stop, start = cycles or days * day.CYCLES_A_DAY, start.replace(tzinfo=UTC)
    spec = _spec(world, seed_file, start)
    _empty(out)
    randomness = random.Random(seed)  # keys and identities too: the same seed gives the same day
    api = EverflowApi(f"demo-{randomness.randbytes(12).hex()}")
    wiring.forget()
    clients.forget()
    with (
        _logs(out / "functions.log") as take_log,
        api.serve() as everflow,
        Plane.start(now=start, outbox=out / "outbox", parameters={"EverflowBaseUrl": everflow}) as plane,
    ):
        click.echo(f"the stack of {_counted(plane)} stands, from infra/golden/template.json")
        ground, end, stage = prepare(plane, subscribers, randomness, out, api), day.end_of(start, stop), None
        if spec is None:
            scene = bundled(ground, subscribers, seed, origin=everflow, end=end)
        else:
            scene, stage = world_scene(ground, spec, subscribers, seed, end=end)
        with _clock(stop) as show:

            def each(n: int) -> None:
                show(n, plane, scene.truth)
                take_log(plane)

            day.run(plane, cycles=stop, each=each)
        found = day.examine(
            plane,
            scene.w,
            scene.truth,
            org=ORG,
            out=out,
            controls=scene.controls,
            never=scene.never,
            forbidden=scene.forbidden,
        )
        take_log(plane)
        report(found, scene.truth, currency=scene.controls.currency, seconds=time.perf_counter() - begun)
        if stage is not None:
            click.echo(f"what the world told: {len(stage.told):,} records, sha256 {event_log_hash(stage.told)}")
        click.echo(f"mails: {out}/outbox   decisions: {out}/decisions   functions' log: {out}/functions.log")
        for line in found.wrong:
            click.echo(f"MISMATCH {line}", err=True)
        if serve:
            _serve(plane, scene, take_log)
    sys.exit(1 if found.wrong else 0)


def _spec(world: str | None, seed_file: Path | None, start: datetime) -> WorldSpec | None:
    """The world that is asked for; None = the bundled sample."""
    if world is None and seed_file is None:
        return None
    if start < day.START:
        raise click.UsageError(f"a world's first day begins {day.START:%Y-%m-%dT%H:%M}: --start may not come before")
    try:
        return named(world or "", seed_file)
    except ValueError as bad:
        raise click.UsageError(str(bad)) from None


def _empty(out: Path) -> None:
    """Starts with an empty folder; refuses to empty one that no demo has made."""
    if out.exists() and any(out.iterdir()):
        if not (out / _MARK).exists():
            raise click.ClickException(f"{out} is not empty and was not made by a demo: choose another --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).touch()


@contextmanager
def _logs(path: Path) -> Iterator[Callable[[Plane], None]]:
    """What functions print goes to a file; the block calls what it is given now and then."""
    with path.open("w", encoding="utf-8") as file, display.engine_logs_to(file):

        def take(plane: Plane) -> None:
            while plane.executor.log:
                file.write(plane.executor.log.popleft() + "\n")
            file.flush()  # somebody may be reading it

        yield take


@contextmanager
def _clock(cycles: int) -> Iterator[Callable[[int, Plane, Truth], None]]:
    """A progress bar of simulated time with running counts, on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=False) as progress:
        task = progress.add_task("", total=cycles, counts="")

        def show(n: int, plane: Plane, truth: Truth) -> None:
            counts = f"{truth.accepted:,} mails  {truth.human_clicks:,} clicks  {truth.conversions():,} conversions"
            progress.update(task, completed=n, description=f"{plane.clock.now():%a %d %b %H:%M} UTC", counts=counts)

        yield show


def _counted(plane: Plane) -> str:
    deployment = plane.deployment
    return f"{len(deployment.functions)} functions, {len(deployment.queues)} queues, {len(deployment.rules)} schedules"


def _serve(plane: Plane, scene: Scene, take_log: Callable[[Plane], None]) -> None:
    """Simulated time goes on at the pace of real time until the operator interrupts."""
    with plane.serve() as origin, plane.serve_aws() as endpoint:
        click.echo(f"in another terminal: revenue-engine --endpoint-url {endpoint} status   (or quarantine list, import …)")
        click.echo(f"postbacks:   {origin}{scene.webhook_path}?kind=conversion&transaction_id=…&payout=…&offer_id=…&sub1=…")
        click.echo(f"opt-out:     {origin}/u/{ORG}/<token of a mail's List-Unsubscribe header>")
        click.echo(f"console:     curl -H 'authorization: AWS4-HMAC-SHA256 local' {origin}/console/{ORG}/status")
        click.echo("Ctrl-C ends it.")
        try:
            while True:
                time.sleep(1)
                with plane.executor.lock:
                    plane.run_until(plane.clock.now() + timedelta(seconds=1))
                    take_log(plane)
        except KeyboardInterrupt:
            return
