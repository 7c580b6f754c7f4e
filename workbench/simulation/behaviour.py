"""What a reader does with a mail: drawn once, keyed by seed, address, mail and kind of event, so in any order the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from revenue_engine.records.offer import tone_of
from revenue_engine.records.subscriber import provider_of
from workbench.simulation.draws import between, chance, exponential, lognormal, uniform
from workbench.simulation.people import Person

# The demo's truths, chosen so that a thousand mails show something: see the package's docstring.
CLICK_BASE = -3.45
CLICK_SPAN = 1.2
BUY_BASE = -1.25
OPEN_LIKELIER = 4.5  # somebody opens so much more often than clicks
HARD_BOUNCE, SOFT_BOUNCE, DELAYED = 0.004, 0.004, 0.01
COMPLAINT, UNSUBSCRIBE = 0.0003, 0.002
SCANNED = {"other": 0.5, "outlook": 0.06}  # mailboxes behind a security gateway
PREFETCHED = {"icloud": 0.95}  # Apple's privacy proxy opens for its readers
_VARIANT = {"standard": 0.0, "soft": 0.05, "urgency": 0.15, "discount": -0.25, "aggressive": -0.1}

READER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
GMAIL_PROXY = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
APPLE_PROXY = "Mozilla/5.0"
SCANNER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/119.0.0.0 Safari/537.36"
QUIET_SCANNER = READER  # tells nothing: only its haste gives it away
HOME_IP, DATA_CENTRE_IP = "198.51.100.7", "203.0.113.12"


@dataclass(frozen=True, slots=True)
class Touch:
    """An open or click that will happen."""

    at: datetime
    kind: str  # open | click
    human: bool
    agent: str


@dataclass(frozen=True, slots=True)
class Reaction:
    """Everything that becomes of one mail. Times are the facts' own; news of them travels later."""

    delivered_at: datetime | None
    delayed_at: datetime | None
    bounced_at: datetime | None
    bounce_permanent: bool
    complained_at: datetime | None
    unsubscribed_at: datetime | None
    scanned_at: datetime | None  # a gateway fetched the opt-out page too: GET, which changes nothing
    touches: tuple[Touch, ...]
    converts_at: datetime | None


def click_probability(person: Person, category: str, variant: str, at: datetime) -> float:
    """P(a person clicks | delivered at this moment)."""
    logit = CLICK_BASE + CLICK_SPAN * person.click_disposition + _liking(person, category) + _variant(person, variant)
    hours_off = (at.astimezone(ZoneInfo(person.zone)).hour + 0.5 - person.reading_hour + 12) % 24 - 12
    return _logistic(logit + 0.25 * math.cos(math.pi * hours_off / 12))


def conversion_probability(person: Person, category: str, variant: str) -> float:
    """P(a purchase | human click)."""
    return _logistic(BUY_BASE + person.buy_disposition + 0.8 * _liking(person, category) + 0.5 * _variant(person, variant))


def react(person: Person, *, send_id: str, category: str, variant: str, at: datetime, seed: int) -> Reaction:
    """The reaction to one mail that the provider took at `at`."""
    key = (person.email, send_id)
    provider = provider_of(person.email)

    def happens(kind: str, probability: float) -> bool:
        return chance(probability, seed, *key, kind)

    def after(kind: str, low_seconds: float, high_seconds: float) -> timedelta:
        return timedelta(seconds=between(low_seconds, high_seconds, seed, *key, kind, "wait"))

    # A mailbox is dead for every mail or for none.
    dead = chance(HARD_BOUNCE, seed, person.email, "dead")
    if dead or happens("soft", SOFT_BOUNCE):
        return Reaction(None, None, at + after("bounce", 1, 5), dead, None, None, None, (), None)
    delayed_at = at + after("delay", 30, 300) if happens("delay", DELAYED) else None
    delivered = (delayed_at or at) + (after("delivery", 240, 1500) if delayed_at else after("delivery", 0.8, 3.5))
    touches: list[Touch] = []
    scanned_at = None
    if chance(SCANNED.get(provider, 0.0), seed, person.email, "scanned"):
        scanned_at = delivered + after("scan", 0.3, 4.0)
        agent = SCANNER if happens("scanner", 0.6) else QUIET_SCANNER
        touches.append(Touch(scanned_at, "click", False, agent))
    proxied = happens("proxy", PREFETCHED.get(provider, 0.0))
    if proxied:
        touches.append(Touch(delivered + after("proxy", 20, 1200), "open", False, APPLE_PROXY))

    p_click = click_probability(person, category, variant, at)
    luck = uniform(seed, *key, "interest")
    clicks, opens = luck < p_click, luck < min(0.9, OPEN_LIKELIER * p_click)
    opened_at = delivered + timedelta(seconds=40) + lognormal(timedelta(hours=1.4), 1.2, seed, *key, "open")
    agent = PHONE if chance(0.55, seed, person.email, "phone") else READER
    converts_at = None
    # Behind Apple's proxy the picture was fetched long ago: SES never sees the reader's own open.
    if opens and not proxied:
        touches.append(Touch(opened_at, "open", True, GMAIL_PROXY if provider == "gmail" else agent))
    if clicks:
        clicked_at = opened_at + after("click", 4, 150)
        touches.append(Touch(clicked_at, "click", True, agent))
        if happens("again", 0.12):
            touches.append(Touch(clicked_at + after("again", 20, 3000), "click", True, agent))
        if happens("buy", conversion_probability(person, category, variant)):
            slow = happens("slow", 0.4)
            wait = exponential(timedelta(hours=6 if slow else 0.5), seed, *key, "buy", "wait")
            converts_at = clicked_at + timedelta(minutes=1) + wait
    return Reaction(
        delivered_at=delivered,
        delayed_at=delayed_at,
        bounced_at=None,
        bounce_permanent=False,
        complained_at=opened_at + after("complaint", 10, 600) if happens("complaint", COMPLAINT) else None,
        unsubscribed_at=opened_at + after("unsubscribe", 5, 120) if happens("unsubscribe", UNSUBSCRIBE) else None,
        scanned_at=scanned_at,
        touches=tuple(touches),
        converts_at=converts_at,
    )


def _liking(person: Person, category: str) -> float:
    if category in ("mens", "womens"):
        return 0.4 if category in person.topics else -0.6
    return -0.1


def _variant(person: Person, variant: str) -> float:
    tone = tone_of(variant)
    return _VARIANT[tone] + (1.0 * person.price_sensitivity if tone == "discount" else 0.0)


def _logistic(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
