"""What becomes of the mails of one day in mailboxes: bounces, machines, readers, opt-outs, complaints; sales are `sales`' part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from revenue_engine.arrays import Bools, Floats, Keys
from workbench.simulation.worlds import keyed
from workbench.simulation.worlds.events import DAY, Agent, Facts, Kind, Mails, facts
from workbench.simulation.worlds.keyed import Of
from workbench.simulation.worlds.response import SOFT_BOUNCES, Response, respond
from workbench.simulation.worlds.sales import false_sales, mean_micros, sales
from workbench.simulation.worlds.spec import DEVICES, PROVIDERS

if TYPE_CHECKING:
    from workbench.simulation.worlds.world import Mailing, World

# Hours from delivery to a person's first opening, at these quantiles (subject_line_rct, from the first opening seen).
_LAG_AT = np.array([0.0, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0])
_LAG_HOURS = np.array([0.01, 0.36, 0.74, 1.35, 4.2, 17.9, 33.3, 125.6, 200.6])
_PREFETCHED, _PREFETCH_HOURS = 0.95, 2.5
_SCANS, _SCANNED_LINKS, _NAMED_SCANNERS = 0.92, 3, 0.6
_CLICKS_AGAIN = 0.12
# Providers tell senders of complaints through feedback loops; Gmail tells nobody. In the order of `spec.PROVIDERS`.
TELLS = np.array([0.0, 0.95, 0.90, 0.50, 0.30])
_GMAIL, _DESKTOP = PROVIDERS.index("gmail"), DEVICES.index("desktop")


@dataclass(frozen=True)
class Outcome:
    """What nobody tells of the mails of one day; (m,) each, in the order of the mailing."""

    delivered: Bools
    seen: Bools  # where its reader looks
    opened: Bools  # by a person, whether a picture told or not
    clicked: Bools
    bought: Bools
    unsubscribed: Bools
    complained: Bools
    expected_micros: Floats  # before anything happened: what a study counts, for sampled payouts are mostly noise


def deliver(world: World, day: int, mailing: Mailing) -> list[Facts]:
    """All rows that these mails will ever cause; changes the world's state and its commons."""
    who, people, state = mailing.who, world.people, world.state
    keys = keyed.day_keys(people.keys[who], day)
    mails = Mails(who, np.full(len(who), day, dtype=np.int64), mailing.offer, mailing.content)
    response = respond(world, day, who, mailing.offer, mailing.content, mailing.hour)
    sent_at = day * DAY + 3_600 * mailing.hour + 3_600 * mailing.minutes(keys)

    hard = response.gone > 0
    soft = ~hard & keyed.happens(keys, Of.SOFT_BOUNCE, SOFT_BOUNCES)
    delivered = ~hard & ~soft
    arrived_at = sent_at + 0.8 + 3 * keyed.uniforms(keys, Of.TRANSIT)
    seen = delivered & keyed.happens(keys, Of.PLACEMENT, response.inbox)
    there = seen & (response.attentive > 0)
    opened = there & keyed.happens(keys, Of.OPEN, response.open)
    clicked = opened & keyed.happens(keys, Of.CLICK, response.click)
    opened_at = arrived_at + 3_600 * np.interp(keyed.uniforms(keys, Of.OPEN_LAG), _LAG_AT, _LAG_HOURS)
    clicked_at = opened_at + 4 + 146 * keyed.uniforms(keys, Of.CLICK_LAG)

    rows = [
        facts(mails.where(hard), Kind.HARD_BOUNCE, arrived_at[hard]),
        facts(mails.where(soft), Kind.SOFT_BOUNCE, arrived_at[soft]),
        facts(mails.where(delivered), Kind.DELIVERY, arrived_at[delivered]),
        *_machines(world, keys, mails, delivered, seen, arrived_at),
        *_readers(world, keys, mails, opened, clicked, opened_at, clicked_at),
    ]
    pays = _pays(world, mails, clicked_at)
    bought = clicked & pays & keyed.happens(keys, Of.CONVERT, response.convert)
    rows += sales(
        world.spec, world.commons.offers, people.basket[who[bought]], keys[bought], mails.where(bought), clicked_at[bought]
    )
    at_risk = np.flatnonzero(delivered)
    rows.append(
        false_sales(
            world.spec, world.commons.offers, world.offer_keys(), day, keys[at_risk], mails.where(at_risk), arrived_at[at_risk]
        )
    )
    unsubscribed, complained, exits = _exits(world, keys, mails, response, there, opened, opened_at)
    rows += exits
    state.mailed(day, who, mailing.offer, seen, response.lapse)
    state.hostile[who[unsubscribed | complained]] = True
    world.commons.mailed(day, world.profile.provider[who[delivered]].astype(np.int64), complained[delivered])
    expected = response.reads * response.convert * pays
    expected *= mean_micros(world.spec, world.commons.offers, people.basket[who], mailing.offer)
    world.truth.outcome = Outcome(delivered, seen, opened, clicked, bought, unsubscribed, complained, expected)
    return rows


def _machines(world: World, keys: Keys, mails: Mails, delivered: Bools, seen: Bools, arrived_at: Floats) -> list[Facts]:
    """Apple's proxy fetches pictures of what lies in the inbox; scanners follow every link before delivery is a minute old."""
    fetched = np.flatnonzero(seen & world.people.proxied[mails.row])
    fetched = fetched[keyed.happens(keys[fetched], Of.PREFETCH, _PREFETCHED)]
    fetched_at = arrived_at[fetched] + 20 + 3_600 * _PREFETCH_HOURS * keyed.exponentials(keys[fetched], Of.PREFETCH_LAG)
    rows = [facts(mails.where(fetched), Kind.OPEN, fetched_at, agent=Agent.APPLE_PROXY, human=False)]
    scanned = np.flatnonzero(delivered & world.people.scanned[mails.row])
    scanned = scanned[keyed.happens(keys[scanned], Of.SCAN, _SCANS)]
    some = keys[scanned]
    named = keyed.happens(some, Of.SCAN, _NAMED_SCANNERS, 1)
    agent = np.where(named, Agent.SCANNER, Agent.QUIET_SCANNER).astype(np.uint8)
    at = arrived_at[scanned] + 0.3 + 50 * keyed.uniforms(some, Of.SCAN_LAG) ** 2
    rows.append(facts(mails.where(scanned), Kind.OPEN, at, agent=agent, human=False))
    for link in range(_SCANNED_LINKS):
        at = at + 0.1 + keyed.uniforms(some, Of.SCAN_LAG, 1 + link)
        rows.append(facts(mails.where(scanned), Kind.CLICK, at, agent=agent, part=link, human=False))
    return rows


def _readers(
    world: World, keys: Keys, mails: Mails, opened: Bools, clicked: Bools, opened_at: Floats, clicked_at: Floats
) -> list[Facts]:
    """What a person's reading leaves: behind Apple's proxy his opening is not seen, his click is."""
    phone = np.where(world.profile.device[mails.row] == _DESKTOP, Agent.BROWSER, Agent.PHONE).astype(np.uint8)
    shown = opened & ~world.people.proxied[mails.row]
    agent = np.where(world.profile.provider[mails.row] == _GMAIL, np.uint8(Agent.GMAIL_PROXY), phone)
    again = np.flatnonzero(clicked)
    again = again[keyed.happens(keys[again], Of.AGAIN, _CLICKS_AGAIN)]
    later = clicked_at[again] + 20 + 2_980 * keyed.uniforms(keys[again], Of.AGAIN, 1)
    return [
        facts(mails.where(shown), Kind.OPEN, opened_at[shown], agent=agent[shown]),
        facts(mails.where(clicked), Kind.CLICK, clicked_at[clicked], agent=phone[clicked]),
        facts(mails.where(again), Kind.CLICK, later, agent=phone[again]),
    ]


def _pays(world: World, mails: Mails, clicked_at: Floats) -> Bools:
    """Where a click may sell: not on a page that is down, nor where an offer has stopped."""
    return world.commons.running(world.day)[mails.offer] & ~world.commons.offers.broken(mails.offer, clicked_at)


def _exits(
    world: World, keys: Keys, mails: Mails, response: Response, there: Bools, opened: Bools, opened_at: Floats
) -> tuple[Bools, Bools, list[Facts]]:
    """Who opts out, who complains, and the rows that tell of it."""
    chance = np.where(opened, response.unsubscribe_opened, response.unsubscribe_unopened)
    complains = there & keyed.happens(keys, Of.COMPLAINT, response.complaint)
    unsubscribes = there & ~complains & keyed.happens(keys, Of.UNSUBSCRIBE, chance)
    acts_at = opened_at + 5 + 115 * keyed.uniforms(keys, Of.EXIT_LAG)
    told = complains & keyed.happens(keys, Of.COMPLAINT, TELLS[world.profile.provider[mails.row]], 1)
    told_at = acts_at + 3_600 * 6 * keyed.exponentials(keys, Of.COMPLAINT_LAG)
    rows = [
        facts(mails.where(unsubscribes), Kind.UNSUBSCRIBE, acts_at[unsubscribes]),
        facts(mails.where(told), Kind.COMPLAINT, told_at[told]),
    ]
    return unsubscribes, complains, rows
