"""Whether a person opened or clicked, or a machine in a person's name (contracts 4.5, 4.6).

All interactions of one mail are judged together, and again whenever more is known of it: a scanner's first click shows what it was
by the clicks that follow, and a click told before its delivery by the delivery. More knowledge only ever speaks against a person,
so a verdict sinks and never rises, in whatever order the events come.

Signs add up as log-odds. The weights are working values, not measurements: each of `_PROOFS` decides alone; of `_HINTS` it takes two.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from revenue_engine.intake.ses import SesEvent

# Security gateways click within seconds; nobody reads a mail that fast.
MACHINE_CLICK_WINDOW = timedelta(seconds=10)
HASTY_CLICK_WINDOW = timedelta(seconds=60)
# Nobody follows so many different links so quickly.
BURST_LINKS, BURST_WINDOW = 3, timedelta(seconds=2)
HONEYPOT_REACH = timedelta(seconds=10)  # whoever found the invisible link was at work for so long
HONEYPOT = ("slot", "honeypot")  # the link tag of the invisible link

_APPLE_PROXY_AGENT = "Mozilla/5.0"  # Mail Privacy Protection shows this and nothing more
_IMAGE_PROXY = re.compile(r"GoogleImageProxy|ggpht\.com|YahooMailProxy", re.IGNORECASE)
_SCANNER = re.compile(
    r"barracuda|proofpoint|mimecast|safe ?links|ciscosecureemail|headlesschrome|phantomjs|python-requests|python-urllib|aiohttp|httpx"
    r"|curl/|wget|go-http-client|java/|okhttp|libwww|(?<!cu)bot\b|crawler|spider|scanner",  # Cubot makes telephones
    re.IGNORECASE,
)
# Addresses of mail filters: Barracuda's (campus.barracuda.com, Email Gateway Defense) and Microsoft's (Exchange Online Protection, id 10 of
# "Microsoft 365 URLs and IP address ranges", which lists where it takes mail, not where it follows links from). A hint, no proof.
_DATA_CENTRES = tuple(
    ipaddress.ip_network(text)
    for text in (
        "64.235.144.0/20", "209.222.80.0/21",
        "40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17", "2a01:111:f400::/48", "2a01:111:f403::/48",
    )
)  # fmt: skip

_PERSON = math.log(0.95 / 0.05)  # a reader's own agent, and nothing against it
_PROOFS = {
    "no_agent": -7.0,
    "bare_agent": -7.0,
    "apple_privacy_proxy": -7.0,
    "scanner_agent": -7.0,
    "honeypot": -7.0,
    "burst": -7.0,
    "too_fast": -7.0,
}
_HINTS = {
    "image_proxy": math.log(0.7 / 0.3) - _PERSON,  # a person's open, but later fetches may be prefetches
    "data_centre": -2.0,
    "hasty": -1.5,
    "two_links": -2.0,
}
_WEIGHTS = _PROOFS | _HINTS


@dataclass(frozen=True, slots=True)
class Interaction:
    """An open or click of one mail, as far as a verdict needs it: neither address nor link can be read from it (P4)."""

    kind: str  # open | click
    at: datetime
    agent: str
    link: str  # tells the links of a mail apart; "" for an open
    honeypot: bool
    data_centre: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """`human` decides what is counted; `probability` that it was a person, for people; `signs`, what spoke against or for it."""

    human: bool
    probability: float
    signs: tuple[str, ...]


def interaction_of(event: SesEvent) -> Interaction:
    """What an open or click shows. Raises ValueError on another kind of event."""
    if event.kind not in ("open", "click"):
        raise ValueError(f"{event.kind} is no interaction")
    link = f"{event.link}\x1f{event.link_tags}" if event.kind == "click" else ""
    return Interaction(
        kind=event.kind,
        at=event.at,
        agent=event.user_agent.strip()[:300],
        link=link and hashlib.sha256(link.encode()).hexdigest()[:16],
        honeypot=HONEYPOT in event.link_tags,
        data_centre=_is_data_centre(event.ip),
    )


def judge(mail: Sequence[Interaction], *, mail_at: datetime, delivered_at: datetime | None) -> list[Verdict]:
    """The verdicts on all that is known of one mail, in the order given.

    `delivered_at` None = not known yet, then the time SES took the mail stands in.
    """
    clicks = sorted((one for one in mail if one.kind == "click"), key=lambda one: one.at)
    pots = [click.at for click in clicks if click.honeypot]
    burst = _within(clicks, BURST_LINKS)
    pairs = _within(clicks, 2)
    since = max(mail_at, delivered_at or mail_at)
    return [_verdict(_signs(one, since=since, pots=pots, burst=burst, pairs=pairs)) for one in mail]


def _signs(
    one: Interaction, *, since: datetime, pots: Sequence[datetime], burst: Sequence[Interaction], pairs: Sequence[Interaction]
) -> tuple[str, ...]:
    signs: list[str] = []
    if not one.agent:
        signs.append("no_agent")
    if one.agent == _APPLE_PROXY_AGENT:
        signs.append("apple_privacy_proxy" if one.kind == "open" else "bare_agent")
    if _SCANNER.search(one.agent):
        signs.append("scanner_agent")
    if any(abs(one.at - pot) <= HONEYPOT_REACH for pot in pots):
        signs.append("honeypot")
    if one.kind == "open":
        # who follows every link has loaded the pictures too, with the same agent
        if any(abs(one.at - click.at) <= BURST_WINDOW and one.agent == click.agent for click in burst):
            signs.append("burst")
        if _IMAGE_PROXY.search(one.agent):
            signs.append("image_proxy")  # which always sits in a data centre
        elif one.data_centre:
            signs.append("data_centre")
        return tuple(signs)
    if one in burst:
        signs.append("burst")
    elif one in pairs:
        signs.append("two_links")
    waited = one.at - since
    if waited < MACHINE_CLICK_WINDOW:
        signs.append("too_fast")
    elif waited < HASTY_CLICK_WINDOW:
        signs.append("hasty")
    if one.data_centre:
        signs.append("data_centre")
    return tuple(signs)


def _verdict(signs: tuple[str, ...]) -> Verdict:
    probability = 1.0 / (1.0 + math.exp(-_PERSON - sum(_WEIGHTS[sign] for sign in signs)))
    return Verdict(probability >= 0.5, round(probability, 4), signs)


def _within(clicks: Sequence[Interaction], links: int) -> list[Interaction]:
    """The clicks, by time, of every window in which so many different links were followed."""
    found: list[Interaction] = []
    last = 0  # clicks before it are in `found` already, or in no window
    start = 0
    for end, click in enumerate(clicks):
        while click.at - clicks[start].at > BURST_WINDOW:
            start += 1
        if len({other.link for other in clicks[start : end + 1]}) >= links:
            found += clicks[max(start, last) : end + 1]
            last = end + 1
    return found


@lru_cache(maxsize=4_096)
def _is_data_centre(ip: str) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:  # none given, or no address
        return False
    return any(address in network for network in _DATA_CENTRES)
