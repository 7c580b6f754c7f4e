"""The rows that models learn from, beside what places them: when, whose, and which arm. The same data gives the same set, in whatever
order and pages it is read.

The newest fifth of the mails whose horizon is over is for the test: no part of a model sees it. Of the mails before, those that did
nothing are thinned to what memory holds, each kept one with the weight of those it stands for; of the test's an even share is kept,
unweighted. Who is kept is a function of the decision's key alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints, Keys
from revenue_engine.draws import mix
from revenue_engine.learning.outcomes import SALE_SECONDS, Outcomes
from revenue_engine.learning.rows import Rows

ROWS_DAYS = 90  # mails older than these teach nothing any more: offers and readers have changed
EVIDENCE_DAYS = 365
TEST_SHARE = 0.2
MOST_ROWS = 1_500_000  # to learn from, and half as many to test on
_SALT = np.uint64(0x7E57_5E7)
Arm = tuple[str, str, str]  # offer, variant, category


@dataclass(frozen=True, slots=True)
class Plan:
    """Which mails are read, settled before the first page is: from outcomes alone."""

    as_of: float  # epoch seconds up to which outcomes are known
    cut: float  # mails from here on are the test's
    share: float  # kept of the mails before that did nothing
    test_share: float  # kept of the test's
    young_share: float  # kept of the censored

    def closed(self, sent_at: Floats) -> Bools:
        """Mails whose horizon is over, (n,). The others are censored: nobody knows yet, so they are no failures."""
        return sent_at <= self.as_of - SALE_SECONDS

    def keep(self, key: Keys, sent_at: Floats, happened: Bools) -> tuple[Bools, Floats]:
        """Which of n mails are kept, and the weight of each, (n,)."""
        old, closed = sent_at < self.cut, self.closed(sent_at)
        chance = np.where(old, np.where(happened, 1.0, self.share), np.where(closed, self.test_share, self.young_share))
        drawn = (mix(key ^ _SALT) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return drawn < chance, np.where(old, 1.0 / chance, 1.0)


def plan(outcomes: Outcomes, *, as_of: float, most_rows: int = MOST_ROWS) -> Plan:
    """The plan of a log with these outcomes."""
    closed = outcomes.sent_at <= as_of - SALE_SECONDS
    half, young = most_rows // 2, int((~closed).sum())
    young_share = min(1.0, half / max(young, 1))
    if not closed.any():
        return Plan(as_of, as_of - SALE_SECONDS, 1.0, 1.0, young_share)
    sent_at = np.sort(outcomes.sent_at[closed])
    cut = float(sent_at[int((1 - TEST_SHARE) * len(sent_at))])
    old = outcomes.sent_at < cut
    busy = int((old & outcomes.happened).sum())
    idle = int(old.sum()) - busy
    share = min(1.0, max(most_rows - busy, most_rows // 10) / max(idle, 1))
    return Plan(as_of, cut, share, min(1.0, half / (len(sent_at) - int(old.sum()))), young_share)


@dataclass(frozen=True, slots=True)
class Part:
    """Some mails, (n,) each."""

    rows: Rows
    key: Keys  # of the decision
    person: Keys
    sent_at: Floats
    hour: Ints  # of the reader's week, 0..167, in which it left
    segment: Ints  # position in SEGMENTS
    arm: Ints  # position in `Dataset.arms`
    payout_micros: Floats  # as the offer listed it
    paid_micros: Floats  # what the mail brought inside the horizon

    def where(self, chosen: Bools | Ints) -> Part:
        """Some of them."""
        return replace(self, rows=self.rows.where(chosen), **{name: getattr(self, name)[chosen] for name in _COLUMNS})

    def __len__(self) -> int:
        return len(self.key)


_COLUMNS = tuple(field.name for field in fields(Part) if field.name != "rows")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Mails in the order of time."""

    old: Part  # to learn from
    test: Part  # the newest closed ones
    young: Part  # censored: what is served now, its outcomes not over and not to be learned from
    arms: tuple[Arm, ...]
    left_out: Mapping[str, int]  # mails by reason
    fingerprint: str  # of all this


def joined(parts: Sequence[Part], arms: Sequence[Arm], by: Plan, left_out: Mapping[str, int]) -> Dataset:
    """The set of these parts, at least one, whose arms are positions in `arms`; in whatever order they were read."""
    whole = concatenated(parts)
    names = sorted(set(arms))
    place = {arm: number for number, arm in enumerate(names)}
    renumbered = np.array([place[arm] for arm in arms], dtype=np.int64)[whole.arm]
    ready = replace(whole, arm=renumbered).where(np.lexsort((whole.key, whole.sent_at)))
    first, second = np.searchsorted(ready.sent_at, by.cut), np.searchsorted(ready.sent_at, by.as_of - SALE_SECONDS, "right")
    old, test, young = (ready.where(np.arange(*ends)) for ends in ((0, first), (first, second), (second, len(ready))))
    return Dataset(old, test, young, tuple(names), dict(left_out), _fingerprint(ready, names))


def concatenated(parts: Sequence[Part]) -> Part:
    """All of them. At least one."""
    rows = Rows(*(np.concatenate([getattr(part.rows, name) for part in parts]) for name in Rows.__slots__))
    return replace(parts[0], rows=rows, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS})


def _fingerprint(part: Part, arms: Sequence[Arm]) -> str:
    digest = hashlib.sha256(repr(arms).encode())
    for values in [getattr(part.rows, name) for name in Rows.__slots__] + [getattr(part, name) for name in _COLUMNS]:
        digest.update(f"{values.dtype.str} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
