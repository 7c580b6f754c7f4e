"""The people of a world as a list that can be imported: what a sender knows of them, and nothing the world keeps to itself."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from workbench.simulation.worlds.people import HOUR_BINS, Profile
from workbench.simulation.worlds.spec import COUNTRIES, PROVIDERS, SOURCES

CATEGORY_NAMES = ("finance", "health", "travel", "home", "fashion", "games")  # of the worlds' categories, and so of topics
_DOMAINS = {"gmail": "gmail.com", "yahoo": "yahoo.com", "outlook": "outlook.com", "icloud": "icloud.com", "other": "example.com"}
# Worlds know a reader's country and his own clock: one zone a country is enough to tell the clocks apart.
_ZONES = {"US": "America/New_York", "UK": "Europe/London", "FR": "Europe/Paris", "ES": "Europe/Madrid"}
_ISO = {"UK": "GB"}
DAYS_OF_MONTH = 30.4
_COLUMNS = """email zone country topics price_sensitivity peak_hour created_at consent_source consent_at
purchases last_purchase_at""".split()


def address_of(profile: Profile, row: int) -> str:
    """Nobody's address: the part before the @ is longer than the large providers allow."""
    return f"simulated-reader-no-such-mailbox-{profile.ids[row]:06d}@{_DOMAINS[PROVIDERS[profile.provider[row]]]}"


def zone_of(profile: Profile, row: int) -> str:
    """IANA zone."""
    return _ZONES[COUNTRIES[profile.country[row]]]


def write_world_csv(profile: Profile, path: Path, *, now: datetime) -> None:
    """The list as `import subscribers` reads it; everybody consented when he signed up."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for row in range(len(profile.ids)):
            country = COUNTRIES[profile.country[row]]
            since = (now - timedelta(days=float(profile.tenure_days[row]))).isoformat()
            topics = ";".join(CATEGORY_NAMES[k] for k in np.flatnonzero(profile.topics[row]))
            seen, source = profile.past_opens[row], SOURCES[profile.source[row]]
            peak = int(seen.argmax()) * 24 // HOUR_BINS + 12 // HOUR_BINS if seen.any() else ""
            who = (address_of(profile, row), zone_of(profile, row), _ISO.get(country, country), topics)
            last = now - timedelta(days=DAYS_OF_MONTH * int(profile.months_since_order[row]))
            orders = (profile.purchases[row], last.isoformat())
            writer.writerow((*who, profile.price_sensitivity[row], peak, since, source, since, *orders))
