"""Whether a person opened or clicked, or a machine in a person's name (contracts 4.5, 4.6).

A machine interaction is never counted human: when nothing speaks for a person, it was none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from revenue_engine.intake.ses import SesEvent

# Security gateways click within seconds; nobody reads a mail that fast.
MACHINE_CLICK_WINDOW = timedelta(seconds=10)
HONEYPOT = ("slot", "honeypot")  # the link tag of the invisible link

_APPLE_PROXY_AGENT = "Mozilla/5.0"  # Mail Privacy Protection shows this and nothing more
_IMAGE_PROXY = re.compile(r"GoogleImageProxy|ggpht\.com|YahooMailProxy", re.IGNORECASE)
_SCANNER = re.compile(
    r"barracuda|proofpoint|mimecast|safe ?links|headlesschrome|phantomjs|python-requests|python-urllib|aiohttp|httpx|curl/|wget"
    r"|go-http-client|java/|okhttp|libwww|(?<!cu)bot\b|crawler|spider|scanner",  # Cubot makes telephones
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`human` decides what is counted; `probability` that it was a person, for people; `signs`, what spoke against or for it."""

    human: bool
    probability: float
    signs: tuple[str, ...]


def judge(event: SesEvent, *, delivered_at: datetime | None) -> Verdict:
    """The verdict on an open or click; `delivered_at` None = not known, then the time SES took the mail stands in.

    Probabilities are working values, not measurements: 0.95 for a reader's own agent, 0.7 behind an image proxy whose later
    fetches may be prefetches, 0.02 for machines. Raises ValueError on another kind of event.
    """
    if event.kind not in ("open", "click"):
        raise ValueError(f"{event.kind} is no interaction")
    agent = event.user_agent.strip()
    signs: list[str] = []
    if not agent:
        signs.append("no_agent")
    if agent == _APPLE_PROXY_AGENT:
        signs.append("apple_privacy_proxy" if event.kind == "open" else "bare_agent")
    if _SCANNER.search(agent):
        signs.append("scanner_agent")
    if event.kind == "click":
        if HONEYPOT in event.link_tags:
            signs.append("honeypot")
        if event.at - (delivered_at or event.mail_at) < MACHINE_CLICK_WINDOW:
            signs.append("too_fast")
    if signs:
        return Verdict(False, 0.02, tuple(signs))
    if event.kind == "open" and _IMAGE_PROXY.search(agent):
        return Verdict(True, 0.7, ("image_proxy",))
    return Verdict(True, 0.95, ())
