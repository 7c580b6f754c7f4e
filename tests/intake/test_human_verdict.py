"""People and machines: a machine is never counted human."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.intake.human import Interaction, Verdict, interaction_of, judge
from revenue_engine.intake.ses import SesEvent, parse_event
from tests.shared_data import shared_path

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"


def fixture(name: str) -> SesEvent:
    return parse_event(shared_path(f"contracts/{name}").read_text())


def made(
    kind: str = "click", *, agent: str = BROWSER, seconds: float = 3_600, tags: tuple[tuple[str, str], ...] = ()
) -> SesEvent:
    sent = datetime(2026, 3, 4, 10, tzinfo=UTC)
    return SesEvent(
        kind,
        "m",
        "s",
        "main",
        None,
        sent + timedelta(seconds=seconds),
        sent,
        user_agent=agent,
        link="https://t.example",
        link_tags=tags,
    )


def alone(event: SesEvent, *, delivered_at: datetime | None = None) -> Verdict:
    """The verdict on an event that is all that is known of its mail."""
    (verdict,) = judge([interaction_of(event)], mail_at=event.mail_at, delivered_at=delivered_at)
    return verdict


@pytest.mark.parametrize(
    ("name", "human", "signs"),
    [
        ("ses-event-open.json", True, ()),
        ("ses-event-open-gmail-proxy.json", True, ("image_proxy",)),
        ("ses-event-open-apple-mpp.json", False, ("apple_privacy_proxy",)),
        ("ses-event-click.json", True, ()),
        ("ses-event-click-scanner.json", False, ("scanner_agent", "too_fast")),
    ],
)
def test_the_fixtures_are_judged(name: str, human: bool, signs: tuple[str, ...]) -> None:
    verdict = alone(fixture(name))
    assert (verdict.human, verdict.signs) == (human, signs)


@pytest.mark.parametrize(
    "agent",
    [
        "Barracuda Sentinel (EE)",
        "Mozilla/5.0 Proofpoint",
        "mimecast",
        "SafeLinks",
        BROWSER.replace("Chrome", "HeadlessChrome"),
        "python-requests/2.31",
        "curl/8.0",
        "Mozilla/5.0 (compatible; bingbot/2.0)",
        "Slackbot 1.0",
        "",
        "Mozilla/5.0",
        " Mozilla/5.0 ",
    ],
)
@pytest.mark.parametrize("kind", ["open", "click"])
def test_scanners_and_bare_agents_are_machines(kind: str, agent: str) -> None:
    assert not alone(made(kind, agent=agent)).human


@pytest.mark.parametrize(
    "agent", ["Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) Chrome/120.0 Mobile", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5)"]
)
def test_telephones_are_people(agent: str) -> None:
    assert alone(made(agent=agent)).human


@pytest.mark.parametrize(("seconds", "human"), [(-5.0, False), (0.0, False), (9.999, False), (10.0, True)])
def test_a_click_sooner_than_ten_seconds_is_a_machines(seconds: float, human: bool) -> None:
    click = made(seconds=seconds)
    assert alone(click).human is human
    assert alone(made(seconds=seconds + 60), delivered_at=click.mail_at + timedelta(seconds=60)).human is human


def test_whoever_finds_the_invisible_link_is_a_machine() -> None:
    assert alone(made(tags=(("slot", "honeypot"),))).signs == ("honeypot",)
    assert alone(made(tags=(("slot", "cta1"),))).human


def test_an_early_open_by_a_readers_own_agent_is_a_persons() -> None:
    assert alone(made("open", seconds=3)).human


def test_probabilities_agree_with_verdicts() -> None:
    machine, proxy, person = (alone(made("open", agent=a)) for a in ("", BROWSER + " YahooMailProxy", BROWSER))
    assert machine.probability < 0.1 < 0.5 <= proxy.probability <= 0.9 < person.probability <= 1


def test_only_opens_and_clicks_are_judged() -> None:
    with pytest.raises(ValueError, match="delivery"):
        alone(made("delivery"))


# --- all that is known of a mail --------------------------------------------------------------------------------------
SENT = datetime(2026, 3, 4, 10, tzinfo=UTC)
AZURE = "40.107.3.2"


def shown(seconds: float, link: str = "a", **changes: object) -> Interaction:
    """A click of a browser, or with `kind="open"` an open."""
    facts = {"kind": "click", "at": SENT + timedelta(seconds=seconds), "agent": BROWSER, "link": link}
    return Interaction(**(facts | {"honeypot": False, "data_centre": False} | changes))  # type: ignore[arg-type]


def verdicts(*mail: Interaction, delivered: float | None = 1) -> list[Verdict]:
    return judge(mail, mail_at=SENT, delivered_at=None if delivered is None else SENT + timedelta(seconds=delivered))


def humans(*mail: Interaction) -> list[bool]:
    return [verdict.human for verdict in verdicts(*mail)]


def test_three_links_within_two_seconds_are_a_machines_whichever_was_told_first() -> None:
    burst = [shown(3_600.0, "a"), shown(3_601.1, "b"), shown(3_602.0, "c")]
    assert humans(*burst) == humans(*reversed(burst)) == [False] * 3
    assert {verdict.signs for verdict in verdicts(*burst)} == {("burst",)}
    assert humans(*burst[:2], shown(3_602.001, "c")) == [True] * 3


def test_one_link_however_often_is_no_burst_and_other_clicks_stay_a_persons() -> None:
    assert humans(*(shown(3_600 + n / 10) for n in range(5))) == [True] * 5
    burst = [shown(30.0 + n / 10, link) for n, link in enumerate("abc")]
    assert humans(*burst, shown(7_200.0)) == [False, False, False, True]


def test_every_click_of_a_long_burst_is_a_machines() -> None:
    assert not any(humans(*(shown(100 + n * 0.9, f"link{n}") for n in range(30))))


def test_the_pictures_that_a_burst_loads_are_a_machines_too() -> None:
    burst = [shown(45.0 + n / 2, link) for n, link in enumerate("abc")]
    mine, another, later = (
        shown(44.0, "", kind="open"),
        shown(44.0, "", kind="open", agent="Mozilla/5.0 (iPhone)"),
        shown(400.0, "", kind="open"),
    )
    assert humans(*burst, mine, another, later)[3:] == [False, True, True]


def test_the_invisible_link_gives_away_what_was_done_around_it() -> None:
    found = shown(3_600.0, "hidden", honeypot=True)
    assert humans(found, shown(3_609.9), shown(3_591.0, "", kind="open"), shown(3_610.1)) == [False, False, False, True]


def test_one_hint_is_not_enough_and_two_are() -> None:
    """A click half a minute after delivery, one from a mail filter's address, two links at once."""
    hasty, cloud = shown(31.0), shown(3_600.0, data_centre=True)
    assert [verdict.signs for verdict in verdicts(hasty, cloud)] == [("hasty",), ("data_centre",)]
    assert humans(hasty, cloud, shown(9_000.0, "a"), shown(9_001.0, "b")) == [True] * 4
    both = shown(31.0, data_centre=True)
    assert humans(both) == [False]
    assert 0.3 < verdicts(both)[0].probability < 0.5 < verdicts(cloud)[0].probability < verdicts(hasty)[0].probability < 0.95


def test_where_mail_filters_click_from_is_told_by_address_and_nothing_else_is() -> None:
    event = made()
    told = {ip: interaction_of(replace(event, ip=ip)).data_centre for ip in (AZURE, "209.222.82.1", "198.51.100.7", "", "x")}
    assert told == {AZURE: True, "209.222.82.1": True, "198.51.100.7": False, "": False, "x": False}
    proxy = replace(made("open", agent=BROWSER + " GoogleImageProxy"), ip=AZURE)
    assert alone(proxy).signs == ("image_proxy",)


def test_links_are_told_apart_by_address_or_tag_and_cannot_be_read_back() -> None:
    one = interaction_of(made(tags=(("slot", "cta1"),)))
    two = interaction_of(made(tags=(("slot", "cta2"),)))
    assert one.link != two.link
    assert "t.example" not in one.link
    assert interaction_of(made("open")).link == ""


def test_a_click_told_before_its_delivery_is_judged_again_by_it() -> None:
    click = shown(605.0)
    assert verdicts(click, delivered=None)[0].human
    assert verdicts(click, delivered=600.0)[0].signs == ("too_fast",)


_interactions = st.builds(
    shown,
    st.floats(0, 30).map(lambda s: round(s, 1)),
    st.sampled_from("abcd"),
    kind=st.sampled_from(["open", "click", "click"]),
    honeypot=st.sampled_from([False, False, False, True]),
    data_centre=st.booleans(),
    agent=st.sampled_from([BROWSER, "Mozilla/5.0"]),
)


@given(st.lists(_interactions, max_size=8), st.lists(_interactions, max_size=3), st.none() | st.integers(0, 20))
def test_more_knowledge_never_speaks_for_a_person(
    known: list[Interaction], more: list[Interaction], delivered: int | None
) -> None:
    before = verdicts(*known, delivered=None)
    after = verdicts(*known, *more, delivered=delivered)
    assert all(now.probability <= then.probability for now, then in zip(after, before, strict=False))
    shuffled = verdicts(*reversed([*known, *more]), delivered=delivered)
    assert list(reversed(shuffled)) == after
