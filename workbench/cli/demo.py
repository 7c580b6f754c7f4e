"""`revenue-engine demo`: the whole engine on this machine for a simulated day, against a world that answers."""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from revenue_engine.aws import clients, names, wiring
from revenue_engine.aws.wiring import Wiring
from revenue_engine.records.controls import Controls, Sender
from revenue_engine.records.offer import Offer
from revenue_engine.services.catalogue import import_offers, import_suppression_list
from revenue_engine.services.setup import set_up
from workbench.cli import display
from workbench.cli.connection import Connection
from workbench.cli.demo_report import report
from workbench.cli.files import catalogue_of, opt_outs_of, subscribers_of
from workbench.cli.importing import load_subscribers
from workbench.local.plane import Plane
from workbench.simulation import day
from workbench.simulation.everflow import EverflowApi
from workbench.simulation.people import Person, advertiser_opt_outs, demo_people, write_subscribers_csv
from workbench.simulation.world import World

OFFERS = Path(__file__).resolve().parents[1] / "data" / "offers.json"
ORG = "main"
ADVERTISERS_LIST = "12"
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
@click.option("--serve", is_flag=True, help="Keep it running afterwards, with its HTTP API on localhost.")
def demo(subscribers: int, seed: int, days: int, cycles: int | None, start: datetime, out: Path, serve: bool) -> None:
    """Run the whole engine on this machine for a simulated day: nothing leaves it, no account is needed."""
    begun = time.perf_counter()
    _empty(out)
    stop, start = cycles or days * day.CYCLES_A_DAY, start.replace(tzinfo=UTC)
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
        scene = _prepare(plane, subscribers, seed, randomness, out, api, end=day.end_of(start, stop))
        _serve_catalogue(api, everflow, out)
        with _clock(stop) as show:

            def each(n: int) -> None:
                show(n, plane, scene.world)
                take_log(plane)

            day.run(plane, cycles=stop, each=each)
        found = day.examine(
            plane,
            scene.w,
            scene.world,
            org=ORG,
            out=out,
            controls=scene.controls,
            never=scene.never,
            forbidden=scene.forbidden,
        )
        take_log(plane)
        report(found, scene.world.truth, currency=scene.controls.currency, seconds=time.perf_counter() - begun)
        click.echo(f"mails: {out}/outbox   decisions: {out}/decisions   functions' log: {out}/functions.log")
        for line in found.wrong:
            click.echo(f"MISMATCH {line}", err=True)
        if serve:
            _serve(plane, scene)
    sys.exit(1 if found.wrong else 0)


@dataclass(frozen=True)
class Scene:
    """Everything set up."""

    w: Wiring
    world: World
    controls: Controls
    webhook_path: str
    never: frozenset[str]
    forbidden: frozenset[tuple[str, str]]


def _prepare(
    plane: Plane, subscribers: int, seed: int, randomness: random.Random, out: Path, api: EverflowApi, *, end: datetime
) -> Scene:
    """What an operator does on the first day, by the same functions as his commands."""
    connection = Connection(ORG, plane.stage, clock=plane.clock.now)
    w, now = connection.wiring, plane.clock.now()
    made = set_up(w, ORG, now=now, random_bytes=randomness.randbytes)
    assert made.webhook_path is not None, "a fresh stack has no token yet"
    plane.put_secrets(ORG, {names.EVERFLOW_API_KEY: api.api_key})
    controls = _controls(subscribers)
    w.parameters.put(names.controls_parameter(plane.stage, ORG), controls.model_dump_json())

    people, source = demo_people(subscribers, seed, now=now)
    write_subscribers_csv(people, out / "subscribers.csv")
    loaded = load_subscribers(
        w, ORG, subscribers_of(out / "subscribers.csv", mapping={}).records, now=now, random_bytes=randomness.randbytes
    )
    catalogue = catalogue_of(OFFERS)
    import_offers(w, ORG, catalogue.offers)
    forbidden = _import_advertisers_list(w, people, catalogue.offers, seed, out, now=now)
    w.parameters.put(names.autonomy_parameter(plane.stage, ORG), "full")
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in sorted(loaded.items()))
    click.echo(f"subscribers: {source}: {counts}; {len(catalogue.offers)} offers; autonomy full")

    offers = {offer.offer: offer for offer in catalogue.offers}
    world = World(plane, people, offers, webhook_path=made.webhook_path, seed=seed, end=end)
    world.bustle(now, end - now)
    api.listed = lambda start, until: world.network.listed(start, until, plane.clock.now())
    api.known = lambda conversion_id: world.network.known(conversion_id, plane.clock.now())
    never = frozenset(person.email for person in people if person.status != "active")
    return Scene(w, world, controls, made.webhook_path, never, forbidden)


def _serve_catalogue(api: EverflowApi, origin: str, out: Path) -> None:
    """The same offers by the API, for the schedule's syncs, and the advertiser's file where their details say it lies."""
    path = f"/suppression/{ADVERTISERS_LIST}.txt"
    api.files[path] = (out / f"suppression-{ADVERTISERS_LIST}.txt").read_bytes()
    api.offers = json.loads(OFFERS.read_text(encoding="utf-8"))["offers"]
    for member in api.offers:
        if str(member["suppression_list_id"]) == ADVERTISERS_LIST:
            member["relationship"]["email_optout"] = {"suppression_file_link": f"{origin}{path}"}


def _controls(subscribers: int) -> Controls:
    return Controls(
        zone="America/New_York",
        sender=Sender(
            from_address="deals@mail.example.com",
            reply_to="help@example.com",
            postal_address="Sample Sender, 1 Sample Street, Springfield",
        ),
        max_daily_emails=max(1, subscribers * 2 // 5),
    )


def _import_advertisers_list(
    w: Wiring, people: list[Person], offers: tuple[Offer, ...], seed: int, out: Path, *, now: datetime
) -> frozenset[tuple[str, str]]:
    """The list as a file, imported; who may not be mailed which offer."""
    opted_out = advertiser_opt_outs(people, seed)
    file = out / f"suppression-{ADVERTISERS_LIST}.txt"
    file.write_text("email\n" + "".join(f"{address}\n" for address in opted_out), encoding="utf-8")
    found = opt_outs_of(file)
    import_suppression_list(w, ORG, ADVERTISERS_LIST, found.hashes, people=found.people, now=now)
    return frozenset((address, o.offer) for o in offers if o.suppression_list == ADVERTISERS_LIST for address in opted_out)


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

        yield take


@contextmanager
def _clock(cycles: int) -> Iterator[Callable[[int, Plane, World], None]]:
    """A progress bar of simulated time with running counts, on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=False) as progress:
        task = progress.add_task("", total=cycles, counts="")

        def show(n: int, plane: Plane, world: World) -> None:
            truth = world.truth
            counts = f"{truth.accepted:,} mails  {truth.human_clicks:,} clicks  {truth.conversions():,} conversions"
            progress.update(task, completed=n, description=f"{plane.clock.now():%a %d %b %H:%M} UTC", counts=counts)

        yield show


def _counted(plane: Plane) -> str:
    deployment = plane.deployment
    return f"{len(deployment.functions)} functions, {len(deployment.queues)} queues, {len(deployment.rules)} schedules"


def _serve(plane: Plane, scene: Scene) -> None:
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
        except KeyboardInterrupt:
            return
