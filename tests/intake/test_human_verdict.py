"""People and machines: a machine is never counted human."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from revenue_engine.intake.human import judge
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
    verdict = judge(fixture(name), delivered_at=None)
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
    assert not judge(made(kind, agent=agent), delivered_at=None).human


@pytest.mark.parametrize(
    "agent", ["Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) Chrome/120.0 Mobile", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5)"]
)
def test_telephones_are_people(agent: str) -> None:
    assert judge(made(agent=agent), delivered_at=None).human


@pytest.mark.parametrize(("seconds", "human"), [(-5.0, False), (0.0, False), (9.999, False), (10.0, True)])
def test_a_click_sooner_than_ten_seconds_is_a_machines(seconds: float, human: bool) -> None:
    click = made(seconds=seconds)
    assert judge(click, delivered_at=None).human is human
    assert judge(made(seconds=seconds + 60), delivered_at=click.mail_at + timedelta(seconds=60)).human is human


def test_whoever_finds_the_invisible_link_is_a_machine() -> None:
    assert judge(made(tags=(("slot", "honeypot"),)), delivered_at=None).signs == ("honeypot",)
    assert judge(made(tags=(("slot", "cta1"),)), delivered_at=None).human


def test_an_early_open_by_a_readers_own_agent_is_a_persons() -> None:
    assert judge(made("open", seconds=3), delivered_at=None).human


def test_probabilities_agree_with_verdicts() -> None:
    machine, proxy, person = (judge(made("open", agent=a), delivered_at=None) for a in ("", BROWSER + " YahooMailProxy", BROWSER))
    assert machine.probability < 0.1 < 0.5 <= proxy.probability <= 0.9 < person.probability <= 1


def test_only_opens_and_clicks_are_judged() -> None:
    with pytest.raises(ValueError, match="delivery"):
        judge(made("delivery"), delivered_at=None)
