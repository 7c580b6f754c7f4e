"""The readers: a seeded sample of the customers of a real e-mail test where its file is at hand, else made up alike.

Only customers' traits are taken from the test (`hillstrom`: recency, money spent, what they bought, where they live); names,
addresses, mailboxes and behaviour are made up. No address exists: the part before the @ is longer than the large mailbox providers allow.
"""

from __future__ import annotations

import csv
import gzip
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from workbench.simulation.draws import between, chance, normal, pick, uniform

HILLSTROM = Path(__file__).resolve().parents[3] / "shared" / "data" / "hillstrom" / "hillstrom_dev.csv.gz"
# What a list brings along from its former sender.
FORMER_OPT_OUTS = 0.01

_PROVIDERS = (
    ("gmail.com", 0.48),
    ("yahoo.com", 0.16),
    ("outlook.com", 0.14),
    ("icloud.com", 0.12),
    ("example.com", 0.06),
    ("example.org", 0.04),
)
_NAMES = """Ada Alma Amos Anna Asa Bea Ben Cal Cara Cleo Cora Dan Dora Edie Eli Ella Ezra Fay Finn Flora Gus Hal Hana Hope Ida
Ira Iris Ivy Jack Jane Joan Joel Jude June Kit Kurt Lena Leo Lila Lou Luke Mae Max Mia Milo Nan Ned Nell Nora Otis Otto Pam Paul
Pia Rae Rex Rosa Ruth Sam Seth Sol Tess Theo Tom Una Vera Wes Zoe""".split()
_CITIES = ("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles")
# Where town and country people live, roughly: weights of _CITIES.
_LIVING = {
    "Urban": (0.46, 0.22, 0.05, 0.03, 0.24),
    "Surburban": (0.47, 0.28, 0.06, 0.03, 0.16),  # as the test's file spells it
    "Rural": (0.38, 0.40, 0.12, 0.02, 0.08),
}
_COLUMNS = """email first_name zone country topics price_sensitivity created_at consent_source consent_at status
profile.months_since_order profile.spent_last_year""".split()


@dataclass(frozen=True, slots=True)
class Person:
    """One reader: what the list knows of him, and what only the world knows (his dispositions, on a logit scale)."""

    number: int
    email: str
    first_name: str
    zone: str
    topics: tuple[str, ...]
    status: str  # active | unsubscribed
    price_sensitivity: float
    consent_at: datetime  # he signed up then
    history_dollars: float
    recency_months: int
    # known to the world alone
    click_disposition: float
    buy_disposition: float
    reading_hour: float  # of his own day


def demo_people(n: int, seed: int, *, now: datetime, source: Path = HILLSTROM) -> tuple[list[Person], str]:
    """`n` people and where their traits come from.

    Raises ValueError when the file of the e-mail test has fewer rows than asked for.
    """
    if source.exists():
        with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if n > len(rows):
            raise ValueError(f"{n} people asked for, the e-mail test has {len(rows)}")
        chosen = random.Random(seed).sample(rows, n)
        return [_person(i, row, seed, now) for i, row in enumerate(chosen)], f"{n:,} of the hillstrom e-mail test's customers"
    return [_person(i, _made_up_row(i, seed), seed, now) for i in range(n)], f"{n:,} made-up people"


def _made_up_row(i: int, seed: int) -> dict[str, str]:
    """Traits with about the spread of the real test's customers."""
    mens = chance(0.55, seed, "mens", i)
    return {
        "recency": str(1 + int(12 * uniform(seed, "recency", i) ** 1.4)),
        "history": f"{max(29.99, math.exp(5.06 + 0.95 * normal(seed, 'history', i))):.2f}",
        "mens": str(int(mens)),
        "womens": str(int(not mens or chance(0.18, seed, "womens", i))),
        "zip_code": pick((("Surburban", 0.45), ("Urban", 0.40), ("Rural", 0.15)), seed, "place", i),
        "newbie": str(int(chance(0.5, seed, "newbie", i))),
        "channel": pick((("Web", 0.44), ("Phone", 0.44), ("Multichannel", 0.12)), seed, "channel", i),
    }


def _person(i: int, row: dict[str, str], seed: int, now: datetime) -> Person:
    history, recency = float(row["history"]), int(row["recency"])
    topics = tuple(topic for topic in ("mens", "womens") if row[topic] == "1")
    months = between(1, 12, seed, "age", i) if row["newbie"] == "1" else between(12, 48, seed, "age", i)
    signed_up = (now - timedelta(days=30.4 * months)).astimezone(UTC).replace(microsecond=0)
    spender = math.log(history / 240.0)
    online = row["channel"] != "Phone"
    return Person(
        number=i,
        email=f"simulated-reader-no-such-mailbox-{i:06d}@{pick(_PROVIDERS, seed, 'provider', i)}",
        first_name=_NAMES[int(uniform(seed, "name", i) * len(_NAMES))],
        zone=pick(tuple(zip(_CITIES, _LIVING[row["zip_code"]], strict=True)), seed, "zone", i),
        topics=topics,
        status="unsubscribed" if chance(FORMER_OPT_OUTS, seed, "former", i) else "active",
        price_sensitivity=round(1.0 / (1.0 + math.exp(0.9 * spender + 0.5 * normal(seed, "thrift", i))), 3),
        consent_at=signed_up,
        history_dollars=history,
        recency_months=recency,
        click_disposition=0.35 * online - 0.05 * (recency - 5) + 0.15 * spender + 0.6 * normal(seed, "click", i),
        buy_disposition=0.25 * spender - 0.04 * (recency - 5) + 0.4 * normal(seed, "buy", i),
        reading_hour=pick(((7.5, 0.3), (12.5, 0.25), (20.0, 0.45)), seed, "hour", i) + 1.2 * normal(seed, "habit", i),
    )


def write_subscribers_csv(people: Sequence[Person], path: Path) -> None:
    """The list as `import subscribers` reads it: what a former sender would hand over, and nothing the world keeps to itself."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for p in people:
            since = p.consent_at.isoformat()
            facts = (p.zone, "US", ";".join(p.topics), p.price_sensitivity, since, "shop checkout", since, p.status)
            writer.writerow((p.email, p.first_name, *facts, p.recency_months, f"{p.history_dollars:.2f}"))


def advertiser_opt_outs(people: Sequence[Person], seed: int, *, share: float = 0.04) -> list[str]:
    """Addresses of readers who once told the advertiser to leave them alone."""
    return [p.email for p in people if chance(share, seed, "advertiser", p.number)]
