"""A training run from an org's data, wherever it lies: mails are read as they were served, bundles made and judged, and what was found is
written down. Pure: the shell reads, and moves the pointer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from revenue_engine.bundle import Bundle, Finder
from revenue_engine.clock import iso_millis
from revenue_engine.errors import Refused
from revenue_engine.learning.dataset import MOST_ROWS, Dataset, plan
from revenue_engine.learning.drift import NOTHING_KNOWN, Drift, drift
from revenue_engine.learning.outcomes import Mail, Sale, gather
from revenue_engine.learning.people import MOST_MAILS, mail_plan
from revenue_engine.learning.train import Candidate, first_passed, train, train_habits, train_value
from revenue_engine.log_pages import Stored
from revenue_engine.records.evidence import Evidence
from revenue_engine.served import dataset, mails_of_people


@dataclass(frozen=True, slots=True)
class Source:
    """What an org has to learn from. `mails`, `sales` and `pages` are read once, in this order."""

    evidence: Sequence[Evidence]
    categories: Mapping[str, str]  # of offers
    champion: Bundle
    bundle_of: Finder
    mails: Iterable[Mail]
    sales: Iterable[Sale]
    pages: Iterable[Stored]


@dataclass(frozen=True, slots=True)
class Trained:
    """Candidates, the most wanted first, and what the champion's predictions have become."""

    at: datetime
    champion: str  # version
    what: str  # funnel | value
    candidates: tuple[Candidate, ...]
    mails: Mapping[str, int]  # read, by what they were for or why they were left out
    drift: Drift = NOTHING_KNOWN
    refused: str = ""  # why there is no value model

    @property
    def promoted(self) -> Candidate | None:
        """What becomes champion, if anything does."""
        return first_passed(self.candidates)

    def report(self) -> dict[str, Any]:
        """As JSON can hold it."""
        promoted = self.promoted
        return {
            "at": iso_millis(self.at),
            "what": self.what,
            "refused": self.refused,
            "champion": self.champion,
            "promoted": None if promoted is None else promoted.bundle.version,
            "candidates": [
                {
                    "name": one.name,
                    "version": one.bundle.version,
                    "passed": one.verdict.passed,
                    "reasons": list(one.verdict.reasons),
                    "metrics": dict(one.bundle.manifest.metrics),
                }
                for one in self.candidates
            ],
            "drift": asdict(self.drift) | {"alarms": list(self.drift.alarms)},
            "mails": dict(self.mails),
        }


def run(
    source: Source,
    now: datetime,
    *,
    code_version: str,
    seed: int = 0,
    most_rows: int = MOST_ROWS,
    progress: Callable[[str], None] = lambda what: None,
) -> Trained:
    """Rates, funnel and payout: reads, trains and judges. `progress` is told each step in words."""
    progress("outcomes")
    outcomes = gather(source.mails, source.sales)
    by = plan(outcomes, as_of=now.timestamp(), most_rows=most_rows)
    progress(f"{len(outcomes):,} delivered mails; decisions")
    data = dataset(source.pages, source.bundle_of, outcomes, by, progress=_millions(progress))
    progress(f"fitting {len(data.old):,} mails, test on {len(data.test):,}")
    candidates = train(
        source.evidence,
        dict(source.categories) | {offer: category for offer, _, category in data.arms},
        now,
        code_version=code_version,
        champion=source.champion,
        data=data,
        seed=seed,
    )
    progress("drift")
    return Trained(
        at=now,
        champion=source.champion.version,
        what="funnel",
        candidates=candidates,
        drift=drift(data, source.champion.rates, source.champion.funnel),
        mails=_mails(data),
    )


def run_value(
    source: Source,
    now: datetime,
    *,
    code_version: str,
    most_mails: int = MOST_MAILS,
    progress: Callable[[str], None] = lambda what: None,
) -> Trained:
    """The list's habits, and lifetime value on top. A log too short for it is no error: the report says so."""
    progress("outcomes")
    outcomes = gather(source.mails, source.sales)
    by = mail_plan(outcomes, as_of=now.timestamp(), most_mails=most_mails)
    progress(f"{len(outcomes):,} delivered mails; decisions")
    log, meant, left_out = mails_of_people(source.pages, source.bundle_of, outcomes, by, progress=_millions(progress))
    mails = {"learned_from": len(log.day)} | {name: n for name, n in sorted(left_out.items()) if n}
    progress(f"fitting {len(log.day):,} mails of {by.last_day + 1} whole days")
    habits = train_habits(meant, code_version=code_version, champion=source.champion)
    # where they are the champion's, there is nothing to make
    candidates = (habits,) if habits.bundle.index.habits != source.champion.index.habits else ()
    try:
        value = train_value(log, by.last_day, code_version=code_version, champion=habits.bundle)
    except Refused as refused:
        return Trained(now, source.champion.version, "value", candidates, mails, refused=str(refused))
    return Trained(now, source.champion.version, "value", (value, *candidates), mails)


def _millions(progress: Callable[[str], None]) -> Callable[[int], None]:
    """Tells of every million decisions that were read."""
    read = 0

    def each(lines: int) -> None:
        nonlocal read
        before, read = read, read + lines
        if read // 1_000_000 > before // 1_000_000:
            progress(f"{read:,} decisions")

    return each


def _mails(data: Dataset) -> dict[str, int]:
    kept = {"learned_from": len(data.old), "tested_on": len(data.test), "censored": len(data.young)}
    return kept | {name: n for name, n in sorted(data.left_out.items()) if n}
