"""Mails of a world without an engine, and the shapes of records."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from revenue_engine.content.mime import build_mail
from revenue_engine.content.render import render
from revenue_engine.intake.everflow import parse_offers
from tests.simulation.worlds.policies import HOT
from workbench.local.ses_recorder import Mail
from workbench.simulation.mail import Received, open_mail
from workbench.simulation.stage.cast import address_of, zone_of
from workbench.simulation.stage.catalogue import members, number_of
from workbench.simulation.stage.reader_clock import ReaderClock
from workbench.simulation.stage.render import Sent
from workbench.simulation.worlds import Mailing, World


def shape(value: Any) -> Any:
    """Members and types, not values; of a list, its first element."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(member) for member in value[:1]]
    return type(value).__name__


def sent(world: World, day: int, mailing: Mailing) -> dict[tuple[int, int], Sent]:
    """Every mail of a mailing, by row and day."""
    profile, found = world.profile, {}
    for who, offer in zip(mailing.who.tolist(), mailing.offer.tolist(), strict=True):
        person, clock = int(profile.ids[who]), ReaderClock.of(zone_of(profile, who))
        at = clock.moment(86_400.0 * day)
        mail = replace(
            _template(),
            message_id=f"m{person}-{day}",
            at=at,
            address=address_of(profile, who),
            tags={"send_id": f"s{person}-{day}", "org": "main", "offer": number_of(offer), "campaign": "c1"},
            tracking_id=f"t{person}-{day}",
            unsubscribe_url=f"https://u.example.com/u/main/{person}-{day}",
        )
        found[who, day] = Sent(mail, person, clock)
    return found


@cache
def _template() -> Received:
    """One mail with a creative of a world, as it leaves."""
    offer = parse_offers(json.dumps(members(World(HOT, 1, 10).commons.offers)[:1])).offers[0]
    opt_out = "https://u.example.com/u/main/token"
    content = render(
        offer.creatives[0],
        fields={},
        offer_url="https://www.track.example/28KL6/2001X/?sub1=1abc",
        unsubscribe_url=opt_out,
        postal_address="1 Main Street",
    )
    mime = build_mail(
        content,
        from_name="Sample Brand",
        from_address="deals@mail.example.com",
        to_address="pat@recipient.example",
        reply_to="",
        unsubscribe_url=opt_out,
        feedback_id=("c1", "2001-standard", "main"),
    )
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    tags = {"send_id": "s1", "org": "main", "offer": "2001", "campaign": "c1"}
    return open_mail(Mail("m1", at, "engine-main", "deals@mail.example.com", ("pat@recipient.example",), tags, mime, {}))
