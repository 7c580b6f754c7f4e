"""The world's SES events have exactly the members of the contract fixtures, and mean to the engine what the world means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from revenue_engine.content.mime import build_mail
from revenue_engine.content.render import render
from revenue_engine.intake.human import interaction_of, judge
from revenue_engine.intake.ses import parse_event
from revenue_engine.records.offer import Creative
from tests.shared_data import shared_path
from tests.simulation.letters import shape
from workbench.local.ses_recorder import Mail
from workbench.simulation import behaviour, events
from workbench.simulation.mail import Received, open_mail

AT = datetime(2026, 3, 4, 10, 0, 2, 12_000, tzinfo=UTC)
LINK = "https://www.track.example/28KL6/2CTPL/?sub2=c0412&sub1=1abc"
HTML = '<html><body>Hi {{ first_name }} <a ses:tags="slot:cta1;offer:1042;" href="{{ offer_url }}">Go</a></body></html>'


@pytest.fixture
def mail() -> Received:
    opt_out = "https://u.example.com/u/main/token123"
    content = render(
        Creative("discount", "Daily Deals", "Your offer for today, {{ first_name }}", HTML),
        fields={"first_name": "Zoë"},
        offer_url=LINK,
        unsubscribe_url=opt_out,
        postal_address="1 Main Street",
    )
    mime = build_mail(
        content,
        from_name="Daily Deals",
        from_address="news@mail.example.com",
        to_address="pat@recipient.example",
        reply_to="",
        unsubscribe_url=opt_out,
        feedback_id=("c0412", "1042-discount", "main"),
    )
    tags = {"send_id": "s1", "org": "main", "offer": "1042", "campaign": "c0412"}
    return open_mail(Mail("m1", AT, "engine-main", "news@mail.example.com", ("pat@recipient.example",), tags, mime, {}))


def test_a_mail_is_read_as_its_mailbox_reads_it(mail: Received) -> None:
    assert (mail.link, mail.tracking_id) == (LINK, "1abc")
    assert mail.unsubscribe_url == "https://u.example.com/u/main/token123"
    assert [link.tags for link in mail.links] == [{"slot": ["cta1"], "offer": ["1042"]}]
    assert (mail.send_id, mail.offer, mail.variant) == ("s1", "1042", "discount")


def test_a_mail_nobody_could_unsubscribe_from_is_refused() -> None:
    bare = Mail("m1", AT, "engine", "a@example.com", ("b@example.com",), {}, b"Subject: x\r\n\r\nhello", {})
    with pytest.raises(ValueError, match="opt-out"):
        open_mail(bare)


def _made(mail: Received) -> dict[str, events.Event]:
    later = AT + timedelta(seconds=2)
    return {
        "send": events.send(mail),
        "delivery": events.delivery(mail, later),
        "delivery-delay": events.delivery_delay(mail, later),
        "open": events.opened(mail, later, agent=behaviour.READER, ip="198.51.100.7"),
        "open-apple-mpp": events.opened(mail, later, agent=behaviour.APPLE_PROXY, ip="203.0.113.90"),
        "open-gmail-proxy": events.opened(mail, later, agent=behaviour.GMAIL_PROXY, ip="203.0.113.84"),
        "click": events.clicked(mail, later + timedelta(hours=1), agent=behaviour.READER, ip="198.51.100.7"),
        "click-scanner": events.clicked(mail, later, agent=behaviour.SCANNER, ip="203.0.113.12"),
        "bounce-permanent": events.bounce(mail, later, permanent=True, feedback_id="f1"),
        "bounce-transient": events.bounce(mail, later, permanent=False, feedback_id="f1"),
        "complaint": events.complaint(mail, later, feedback_id="f2"),
    }


@pytest.mark.parametrize("name", sorted([
    "send", "delivery", "delivery-delay", "open", "open-apple-mpp", "open-gmail-proxy", "click", "click-scanner",
    "bounce-permanent", "bounce-transient", "complaint",
]))  # fmt: skip
def test_an_event_has_the_shape_of_its_fixture(name: str, mail: Received) -> None:
    fixture = json.loads(shared_path(f"contracts/ses-event-{name}.json").read_text())
    made = _made(mail)[name]
    fixture["mail"].pop("tags")
    tags = made["mail"].pop("tags")
    made_click, known_click = made.get("click"), fixture.get("click")
    if made_click and known_click:  # which link tags there are is the template's business
        made_click["linkTags"] = known_click["linkTags"] = {}
    known_mail, made_mail = fixture.pop("mail"), made.pop("mail")
    assert shape(made) == shape(fixture)
    # the vendor's sample of a delay leaves the headers out
    assert shape({member: made_mail[member] for member in known_mail}) == shape(known_mail)
    assert tags["ses:configuration-set"] == ["engine-main"]
    assert tags["send_id"] == ["s1"]


def test_the_engine_understands_every_event_as_it_was_meant(mail: Received) -> None:
    made = {name: parse_event(json.dumps(event)) for name, event in _made(mail).items()}
    assert {event.send_id for event in made.values()} == {"s1"}
    touches = {name: event for name, event in made.items() if event.kind in ("open", "click")}
    alone = {name: judge([interaction_of(e)], mail_at=e.mail_at, delivered_at=AT) for name, e in touches.items()}
    human = {name: verdict.human for name, (verdict,) in alone.items()}
    assert human == {"open": True, "open-apple-mpp": False, "open-gmail-proxy": True, "click": True, "click-scanner": False}
    assert {name for name, e in made.items() if e.suppression_status is not None} == {"bounce-permanent", "complaint"}
