"""What a demo plays, set up as an operator would on his first day: the bundled readers and offers. `demo_world` plays a named world."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.records.controls import Controls, Sender
from revenue_engine.records.offer import Offer
from revenue_engine.services.catalogue import import_offers, import_suppression_list
from revenue_engine.services.setup import set_up
from workbench.cli.connection import Connection
from workbench.cli.files import catalogue_of, opt_outs_of, subscribers_of
from workbench.cli.importing import load_subscribers
from workbench.local.plane import Plane
from workbench.simulation.everflow import EverflowApi
from workbench.simulation.people import Person, advertiser_opt_outs, demo_people, write_subscribers_csv
from workbench.simulation.report import known, listed
from workbench.simulation.truth import Truth
from workbench.simulation.world import World

OFFERS = Path(__file__).resolve().parents[1] / "data" / "offers.json"
ORG = "main"
ADVERTISERS_LIST = "12"


@dataclass(frozen=True)
class Scene:
    """Everything set up."""

    w: Wiring
    truth: Truth
    controls: Controls
    webhook_path: str
    never: frozenset[str]  # addresses that opted out before
    forbidden: frozenset[tuple[str, str]]  # (address, offer) of advertisers' lists


@dataclass(frozen=True)
class Ground:
    """An org that is set up and has neither readers nor offers; its autonomy is off."""

    plane: Plane
    w: Wiring
    controls: Controls
    webhook_path: str
    randomness: random.Random  # keys and identities too: the same seed gives the same day
    api: EverflowApi
    out: Path

    def load(self, source: str, offers: tuple[Offer, ...]) -> None:
        """Imports the readers of `subscribers.csv` and these offers, and says so."""
        now, randbytes = self.plane.clock.now(), self.randomness.randbytes
        found = subscribers_of(self.out / "subscribers.csv", mapping={}, now=now)
        loaded = load_subscribers(self.w, ORG, found.records, now=now, random_bytes=randbytes)
        import_offers(self.w, ORG, offers)
        counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in sorted(loaded.items()))
        click.echo(f"subscribers: {source}: {counts}; {len(offers)} offers; autonomy full")

    def go(self, truth: Truth) -> None:
        """Switches autonomy on; the network's report shows what the world knows."""
        self.w.parameters.put(names.autonomy_parameter(self.plane.stage, ORG), "full")
        now = self.plane.clock.now
        self.api.listed = lambda start, until: listed(truth, start, until, now())
        self.api.known = lambda conversion_id: known(truth, conversion_id, now())


def prepare(plane: Plane, subscribers: int, randomness: random.Random, out: Path, api: EverflowApi) -> Ground:
    """The org, by the same functions as an operator's commands."""
    w = Connection(ORG, plane.stage, clock=plane.clock.now).wiring
    made = set_up(w, ORG, now=plane.clock.now(), random_bytes=randomness.randbytes)
    assert made.webhook_path is not None, "a fresh stack has no token yet"
    plane.put_secrets(ORG, {names.EVERFLOW_API_KEY: api.api_key})
    controls = _controls(subscribers)
    w.parameters.put(names.controls_parameter(plane.stage, ORG), controls.model_dump_json())
    return Ground(plane, w, controls, made.webhook_path, randomness, api, out)


def bundled(ground: Ground, subscribers: int, seed: int, *, origin: str, end: datetime) -> Scene:
    """The bundled scene; `origin` is that of the network's API."""
    plane, now = ground.plane, ground.plane.clock.now()
    people, source = demo_people(subscribers, seed, now=now)
    write_subscribers_csv(people, ground.out / "subscribers.csv")
    catalogue = catalogue_of(OFFERS).offers
    ground.load(source, catalogue)
    forbidden = _import_advertisers_list(ground.w, people, catalogue, seed, ground.out, now=now)
    _serve_catalogue(ground.api, origin, ground.out)
    offers = {offer.offer: offer for offer in catalogue}
    world = World(plane, people, offers, webhook_path=ground.webhook_path, seed=seed, end=end)
    world.bustle(now, end - now)
    ground.go(world.truth)
    never = frozenset(person.email for person in people if person.status != "active")
    return Scene(ground.w, world.truth, ground.controls, ground.webhook_path, never, forbidden)


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
