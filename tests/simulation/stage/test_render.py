"""A world's rows as the records of SES and Everflow: their members, each fact once, and the same log however the rows come."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from revenue_engine.intake.everflow import RawPostback, understand_postback
from revenue_engine.intake.human import interaction_of, judge
from revenue_engine.intake.ses import parse_event
from revenue_engine.records.subscriber import provider_of
from tests.shared_data import shared_path
from tests.simulation.letters import sent, shape
from tests.simulation.worlds.policies import HOT, NO_MAIL, at_random
from workbench.simulation import behaviour
from workbench.simulation.report import postback_of
from workbench.simulation.stage.render import News, OneClick, Postback, Renderer, Sent, event_log_hash
from workbench.simulation.worlds import Agent, Kind, Mailing, World
from workbench.simulation.worlds.events import Facts, Flaw, joined

SEED, PEOPLE, MAILED_DAYS, DAYS = 11, 400, 5, 280
SPEC = replace(HOT, convert_rate=1.5, reversed=0.3, fraud=0.05, dead_from_start=0.02, complaint=0.08)
FIXTURES = {
    (Kind.DELIVERY, Agent.NONE): "delivery",
    (Kind.HARD_BOUNCE, Agent.NONE): "bounce-permanent",
    (Kind.SOFT_BOUNCE, Agent.NONE): "bounce-transient",
    (Kind.COMPLAINT, Agent.NONE): "complaint",
    (Kind.OPEN, Agent.BROWSER): "open",
    (Kind.OPEN, Agent.PHONE): "open",
    (Kind.OPEN, Agent.GMAIL_PROXY): "open-gmail-proxy",
    (Kind.OPEN, Agent.APPLE_PROXY): "open-apple-mpp",
    (Kind.OPEN, Agent.SCANNER): "open",
    (Kind.OPEN, Agent.QUIET_SCANNER): "open",
    (Kind.CLICK, Agent.BROWSER): "click",
    (Kind.CLICK, Agent.PHONE): "click",
    (Kind.CLICK, Agent.SCANNER): "click-scanner",
    (Kind.CLICK, Agent.QUIET_SCANNER): "click",
}


@dataclass(frozen=True)
class Told:
    """A world's whole story, mailed at random for some days."""

    world: World
    facts: Facts
    sent: dict[tuple[int, int], Sent]
    renderer: Renderer
    news: list[News]

    def first(self, *kinds: Kind) -> list[News]:
        return [news for news in self.news if not news.again and self.facts.kind[news.fact] in kinds]


def _played(parts: int) -> Told:
    """Rows by the day where `parts` is 0, else by the mailing, each day's in so many parts."""
    world, policy, renderer = World(SPEC, SEED, PEOPLE), at_random(1.2), Renderer(SEED)
    letters: dict[tuple[int, int], Sent] = {}
    batches: list[Facts] = []
    for day in range(DAYS):
        mailing = policy(world) if day < MAILED_DAYS else NO_MAIL
        letters |= sent(world, day, mailing)
        for chosen in np.array_split(np.arange(len(mailing.who)), max(parts, 1)) if len(mailing.who) else ():
            some = Mailing(mailing.who[chosen], mailing.offer[chosen], mailing.content[chosen], mailing.hour[chosen])
            rows = world.mail(day, some)
            if parts:
                batches.append(rows)
        world.evening(day)
        if not parts:
            assert world.truth.facts is not None
            batches.append(world.truth.facts)
    news, before = [], 0
    for rows in batches:
        news += [replace(one, fact=one.fact + before) for one in renderer.render(rows, letters)]
        before += len(rows)
    return Told(world, joined(batches), letters, renderer, news)


@pytest.fixture(scope="module")
def told() -> Told:
    return _played(parts=0)


def _fixture(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(shared_path(f"contracts/ses-event-{name}.json").read_text())
    return document


def test_every_record_has_the_members_of_its_fixture(told: Told) -> None:
    seen = set()
    for news in told.news:
        if not isinstance(news.payload, dict):
            continue
        kind = (Kind(int(told.facts.kind[news.fact])), Agent(int(told.facts.agent[news.fact])))
        seen.add(kind)
        made, known = json.loads(json.dumps(news.payload)), _fixture(FIXTURES[kind])
        for record in (made, known):
            record["mail"].pop("tags")
            record.get("click", {}).pop("linkTags", None)  # which tags there are is the template's business
        assert shape(made) == shape(known), kind
    assert seen == set(FIXTURES)


def test_every_fact_is_told_once_and_some_are_told_again(told: Told) -> None:
    silent = np.isin(told.facts.kind, (Kind.APPROVAL, Kind.REVERSAL))
    first = Counter(news.fact for news in told.news if not news.again)
    assert sorted(first) == np.flatnonzero(~silent).tolist()
    assert set(first.values()) == {1}
    again = [news for news in told.news if news.again]
    assert 0.01 < len(again) / len(first) < 0.03
    payload = {news.fact: news.payload for news in told.news if not news.again}
    assert all(payload[news.fact] == news.payload for news in again)
    assert not any(isinstance(news.payload, OneClick) for news in again)


def test_some_news_is_late_and_out_of_order(told: Told) -> None:
    late = []
    for news in told.news:
        row = int(told.facts.row[news.fact]), int(told.facts.sent_day[news.fact])
        waited = news.at - told.sent[row].clock.moment(float(told.facts.at[news.fact]))
        assert news.again or timedelta(0) <= waited <= timedelta(minutes=25)
        if not news.again:
            late.append(waited >= timedelta(minutes=2))
    assert 0.02 < np.mean(late) < 0.04
    by_mail = defaultdict(list)
    for news in sorted(told.news, key=lambda news: news.at):
        if not news.again:
            by_mail[int(told.facts.row[news.fact]), int(told.facts.sent_day[news.fact])].append(told.facts.at[news.fact])
    assert sum(times != sorted(times) for times in by_mail.values()) > 5


@pytest.mark.parametrize("parts", [1, 9])
def test_the_log_does_not_depend_on_how_the_rows_come(told: Told, parts: int) -> None:
    other = _played(parts)
    assert event_log_hash(other.news) == event_log_hash(told.news)
    assert sorted(map(repr, other.renderer.deals)) == sorted(map(repr, told.renderer.deals))


def test_another_seed_is_another_log(told: Told) -> None:
    """The same rows, travelling otherwise."""
    assert event_log_hash(Renderer(SEED + 1).render(told.facts, told.sent)) != event_log_hash(told.news)


def test_the_engine_takes_people_for_people_and_machines_for_machines(told: Told) -> None:
    """Of a quiet scanner three links in two seconds give it away, but for the few that take longer over them."""
    verdicts: dict[tuple[Kind, Agent], Counter[bool]] = defaultdict(Counter)
    by_mail: dict[tuple[int, int], list[News]] = defaultdict(list)
    for news in told.first(Kind.DELIVERY, Kind.OPEN, Kind.CLICK):
        by_mail[int(told.facts.row[news.fact]), int(told.facts.sent_day[news.fact])].append(news)
    for delivered, *touches in by_mail.values():
        arrived = parse_event(json.dumps(delivered.payload))
        shown = [interaction_of(parse_event(json.dumps(news.payload))) for news in touches]
        judged = judge(shown, mail_at=arrived.mail_at, delivered_at=arrived.at)
        for news, verdict in zip(touches, judged, strict=True):
            kind = (Kind(int(told.facts.kind[news.fact])), Agent(int(told.facts.agent[news.fact])))
            verdicts[kind][verdict.human] += 1
    assert {agent for (_, agent), found in verdicts.items() if not found[False]} == {
        Agent.BROWSER,
        Agent.PHONE,
        Agent.GMAIL_PROXY,
    }
    assert {agent for (_, agent), found in verdicts.items() if not found[True]} >= {Agent.APPLE_PROXY, Agent.SCANNER}
    for touched in (Kind.OPEN, Kind.CLICK):
        quiet = verdicts[touched, Agent.QUIET_SCANNER]
        assert quiet[True] < 0.1 * quiet.total()


def test_machines_click_all_links_and_people_the_first(told: Told) -> None:
    slots: dict[bool, set[str]] = defaultdict(set)
    for news in told.first(Kind.CLICK):
        assert isinstance(news.payload, dict)
        slots[bool(told.facts.human[news.fact])] |= set(news.payload["click"]["linkTags"]["slot"])
    assert slots == {True: {"cta1"}, False: {"cta1", "cta2", "cta3"}}


def test_gmail_tells_of_no_complaint(told: Told) -> None:
    complaints = told.first(Kind.COMPLAINT)
    assert len(complaints) > 3
    addresses = [news.payload["mail"]["destination"][0] for news in complaints if isinstance(news.payload, dict)]
    assert len(addresses) == len(complaints)
    assert all(provider_of(address) != "gmail" for address in addresses)
    silent = told.world.state.hostile & (told.world.profile.provider == 0)
    silent[told.facts.of(Kind.UNSUBSCRIBE).row] = False
    assert silent.sum() > 3  # those who complained there


def test_an_unsubscribe_is_a_post_to_its_own_mail(told: Told) -> None:
    leavers = told.first(Kind.UNSUBSCRIBE)
    assert len(leavers) > 3
    for news in leavers:
        row, day = int(told.facts.row[news.fact]), int(told.facts.sent_day[news.fact])
        assert news.payload == OneClick(f"/u/main/{row}-{day}")


# --- money -------------------------------------------------------------------------------------------------------------------
def test_every_postback_says_what_its_row_says(told: Told) -> None:
    known = json.loads(shared_path("contracts/everflow-postback-cases.json").read_text())["cases"][0]["query"]
    for news in told.first(Kind.CONVERSION, Kind.REBILL):
        assert isinstance(news.payload, Postback)
        query = news.payload.query
        assert set(query) <= set(known)
        text = "&".join(f"{name}={value.replace(' ', '%20')}" for name, value in query.items())
        arrival = understand_postback(RawPostback("r1", "main", news.at, "GET", text, "", ""))
        fact = news.fact
        mail = told.sent[int(told.facts.row[fact]), int(told.facts.sent_day[fact])].mail
        rebill = told.facts.kind[fact] == Kind.REBILL
        assert (arrival.payout_micros, arrival.sub1, arrival.offer) == (told.facts.micros[fact], mail.tracking_id, mail.offer)
        assert (arrival.kind, arrival.event_id == "0") == (("event", False) if rebill else ("conversion", True))
        sale = int(told.facts.sale_micros[fact])
        assert query["sale_amount"] == ("" if rebill else f"{sale // 10_000 / 100:g}")


def test_flaws_are_posted_as_they_come_in_life(told: Told) -> None:
    """Posted twice: word for word; a second id: another click, the same sale; a false sale: a click of its own."""
    by_mail: dict[tuple[int, int], dict[Flaw, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for news in told.first(Kind.CONVERSION):
        assert isinstance(news.payload, Postback)
        mail = int(told.facts.row[news.fact]), int(told.facts.sent_day[news.fact])
        by_mail[mail][Flaw(int(told.facts.flaw[news.fact]))].append(news.payload.query)
    seen = set()
    for posted in by_mail.values():
        seen |= set(posted)
        if Flaw.POSTED_TWICE in posted:
            assert posted[Flaw.POSTED_TWICE] == posted[Flaw.NONE]
        for other in (Flaw.SECOND_ID, Flaw.BURST):
            if other in posted and Flaw.NONE in posted:
                one, two = posted[other][0], posted[Flaw.NONE][0]
                assert one["transaction_id"] != two["transaction_id"]
                assert one["sub1"] == two["sub1"]
    assert seen == set(Flaw)


def test_a_rebill_is_an_event_on_the_click_of_its_sale(told: Told) -> None:
    sales = {deal.sub1: deal for deal in told.renderer.deals if deal.kind == "conversion" and deal.approves_at is not None}
    rebills = [deal for deal in told.renderer.deals if deal.kind == "event"]
    assert len(rebills) > 10
    assert all(deal.transaction_id == sales[deal.sub1].transaction_id for deal in rebills if deal.sub1 in sales)
    assert len({(deal.transaction_id, deal.event_id) for deal in rebills}) == len(rebills)
    assert len({deal.conversion_id for deal in told.renderer.deals}) == len(told.renderer.deals)
    assert {postback_of(deal)["event_name"] for deal in rebills} >= {"Rebill 1", "Rebill 2"}


def test_user_agents_are_those_of_their_class(told: Told) -> None:
    found = defaultdict(set)
    for news in told.first(Kind.OPEN, Kind.CLICK):
        assert isinstance(news.payload, dict)
        member = "open" if "open" in news.payload else "click"
        found[Agent(int(told.facts.agent[news.fact]))].add(news.payload[member]["userAgent"])
    assert found == {
        Agent.BROWSER: {behaviour.READER},
        Agent.PHONE: {behaviour.PHONE},
        Agent.GMAIL_PROXY: {behaviour.GMAIL_PROXY},
        Agent.APPLE_PROXY: {behaviour.APPLE_PROXY},
        Agent.SCANNER: {behaviour.SCANNER},
        Agent.QUIET_SCANNER: {behaviour.QUIET_SCANNER},
    }
