"""A training run from a decision log: how much memory ten million decisions take, and how long.

    python -m benchmarks.training [--quick] [--json]

The log is synthetic and read as a stored one is: gzip NDJSON receipts, pages of packed rows and contexts, every decision a mail with an
outcome, which is the most memory a log can ask for. `peak_mb` is the whole process, the making of the log included; it is to stay below
10 GB at ten million decisions. The quick run has half a million. `gate_*` are of lists of the default world (`benchmarks.training_world`).
"""

from __future__ import annotations

import gzip
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.harness import Result, main
from benchmarks.training_world import gate_figures
from revenue_engine.arrays import Floats
from revenue_engine.audit import decision_id, receipts
from revenue_engine.bundle import Bundle, prior_bundle
from revenue_engine.clock import cycle_id_at, epoch_seconds
from revenue_engine.context import CycleContext, Price, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.draws import mix
from revenue_engine.learning.outcomes import Mail, Sale
from revenue_engine.log_pages import Stored
from revenue_engine.offers.posterior import fold
from revenue_engine.prediction.features import SUBSCRIBER, subscriber_features
from revenue_engine.records.batch import ROW_DTYPE, Batch
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.evidence import Evidence
from revenue_engine.records.offer import Creative, Offer
from revenue_engine.records.subscriber import PROVIDERS, SCHEMA
from revenue_engine.snapshot import save_context, save_page
from revenue_engine.training import Source, Trained, run

PAGE_ROWS = 20_000
ROWS, QUICK_ROWS = 10_000_000, 500_000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
FIRST_DAYS, LAST_DAYS = 85, 3  # before NOW: mails of the last fortnight are censored
LIMIT_MB = 10_000
_DAY = 86_400


def _offer(number: int) -> Offer:
    return Offer(
        offer=str(number),
        name=f"Offer {number}",
        status="active",
        category=("finance", "health", "home")[number % 3],
        currency="USD",
        payout_micros=5_000_000 * (1 + number % 7),
        payout_percentage=0.0,
        tracking_url="https://track.example/click",
        sub_slot="sub1",
        may_run=True,
        allows_email=True,
        suppression_list=None,
        live_until=None,
        countries=frozenset(),
        creatives=tuple(Creative(variant, "Shop", "A subject", "<p>Hello</p>") for variant in ("soft", "standard")),
        content_hash="h",
    )


@dataclass(frozen=True, slots=True)
class SyntheticLog:
    """Pages of one list of people, decided again and again over three months."""

    pages: int
    page: Batch
    context: CycleContext
    lines: bytes  # the receipts of the context's own cycle
    chance: Floats  # (n,) true chance of a click
    bundle: Bundle

    def started(self, number: int) -> datetime:
        """When a page's cycle began."""
        days = FIRST_DAYS - (FIRST_DAYS - LAST_DAYS) * number / self.pages
        minutes = round(days * 96) * 15
        return NOW - timedelta(minutes=minutes) + timedelta(hours=number % 4)

    def cycle_id(self, number: int) -> str:
        """A page is a cycle of its own."""
        return f"{cycle_id_at(self.started(number))}-{number:04d}"

    def mails(self) -> Iterator[Mail]:
        """Every decision left and was delivered."""
        for number in range(self.pages):
            random = np.random.default_rng(number)
            clicked = random.random(len(self.page)) < self.chance
            cycle, at = self.cycle_id(number), epoch_seconds(self.started(number))
            for row, (who, yes) in enumerate(zip(self.page.subscriber.tolist(), clicked.tolist(), strict=True)):
                name = decision_id(cycle, who)
                yield Mail(name, f"{number}-{row}", at + row % 900, at + 4_000.0 if yes else None)

    def sales(self) -> Iterator[Sale]:
        """One of fifty clicks buys, as the prior has it."""
        for number in range(self.pages):
            random = np.random.default_rng(number)
            bought = np.flatnonzero((random.random(len(self.page)) < self.chance) & (random.random(len(self.page)) < 1 / 50))
            at = epoch_seconds(self.started(number)) + 9_000.0
            yield from (Sale(f"{number}-{row}", at, True, 20_000_000) for row in bought.tolist())

    def stored(self) -> Iterator[Stored]:
        """As they lie in the bucket."""
        for number in range(self.pages):
            cycle, now = self.cycle_id(number), self.started(number)
            rows = save_page(self._page_at(now))
            lines = self.lines.replace(self.context.cycle_id.encode(), cycle.encode())
            context = save_context(replace(self.context, cycle_id=cycle, now=now))
            yield Stored(gzip.compress(lines, compresslevel=1, mtime=0), rows, context)

    def _page_at(self, now: datetime) -> Batch:
        """The same people, as long after what they did: nothing drifts."""
        rows = self.page.rows.copy()
        for name in ("decayed_at", "created_at", "last_human_click_at", "last_send_at"):
            rows[name] = rows[name].astype(np.int64) + epoch_seconds(now) - epoch_seconds(self.context.now)
        return Batch(self.page.subscriber, rows, self.page.decided_at)

    def evidence(self) -> list[Evidence]:
        """Some, of every day."""
        return [
            Evidence((NOW - timedelta(days=day)).date(), "1001", "soft", "clicker", deliveries=10_000, clicks=300)
            for day in range(1, FIRST_DAYS)
        ]


def synthetic_log(decisions: int) -> SyntheticLog:
    """A log of so many decisions, in whole pages."""
    n = min(PAGE_ROWS, decisions)
    random = np.random.default_rng(0)
    rows = np.zeros(n, dtype=ROW_DTYPE)
    at = epoch_seconds(NOW - timedelta(days=FIRST_DAYS + 1))
    rows["schema"], rows["decayed_at"], rows["created_at"] = SCHEMA, at, at - 200 * _DAY
    rows["draw_key"] = mix(np.arange(n, dtype=np.uint64))
    rows["deliveries"] = rows["sends"] = random.exponential(8, n)
    rows["human_clicks"] = rows["deliveries"] * random.beta(0.4, 8, n)
    rows["last_human_click_at"] = at - random.integers(1, 300, n) * _DAY
    rows["last_send_at"] = at - 5 * _DAY
    rows["provider"] = random.integers(0, len(PROVIDERS), n)
    rows["peak_hour"] = random.integers(0, 24, n)
    page = Batch(np.array([f"s{i:025d}" for i in range(n)]), rows, np.zeros(n, dtype=np.int64))
    bundle, offers = prior_bundle(NOW), tuple(_offer(1_001 + number) for number in range(20))
    now = NOW - timedelta(days=FIRST_DAYS)
    context = CycleContext(
        org="bench",
        cycle_id="the-cycle-id",
        now=now.replace(hour=12),
        autonomy=Autonomy.FULL,
        controls=Controls(ghost_share=0.0, fixed_policy_share=0.0, no_mail_share=0.0),
        offers=offers,
        posteriors=fold([], offers, bundle.rates, now),
        bundle=bundle,
        price=Price(),
        budget_left=n,
        list_refreshed_at={},
        caps_reached={},
        code_version="bench",
    )
    cycle = prepare(context)
    decisions_made = decide_batch(page, cycle)
    lines = receipts(decisions_made, page, cycle, page_key="page", context_key="context", granted=n)
    own = subscriber_features(page, cycle.now)[:, SUBSCRIBER.index("click_rate")].astype(np.float64)
    return SyntheticLog(decisions // n, page, context, lines, np.minimum(0.01 + 0.4 * own, 0.5), bundle)


def trained_on(log: SyntheticLog) -> Trained:
    """A run on it."""
    source = Source(
        evidence=log.evidence(),
        categories={offer.offer: offer.category for offer in log.context.offers},
        champion=log.bundle,
        bundle_of=lambda version: log.bundle,
        mails=log.mails(),
        sales=log.sales(),
        pages=log.stored(),
    )
    begun = time.perf_counter()
    return run(
        source,
        NOW,
        code_version="bench",
        progress=lambda what: print(f"{time.perf_counter() - begun:7.1f} s  {what}", file=sys.stderr),
    )


def measure(quick: bool) -> Result:
    """One run."""
    decisions = QUICK_ROWS if quick else ROWS
    log = synthetic_log(decisions)
    before, begun = _peak_mb(), time.process_time()
    trained = trained_on(log)
    seconds, peak = time.process_time() - begun, _peak_mb()
    read = log.pages * len(log.page)
    rows = [
        ("decisions read", f"{read:,}", f"{len(log.lines) * log.pages / 1e9:.1f} GB of receipts, unzipped"),
        ("mails learned from, tested on", f"{trained.mails['learned_from']:,}, {trained.mails['tested_on']:,}", ""),
        ("peak memory, MB", f"{peak:,.0f}", f"{LIMIT_MB:,} at ten million; {before:,.0f} before the run"),
        ("processor time, s", f"{seconds:,.0f}", f"{read / seconds:,.0f} decisions a second, log-making and fitting included"),
    ]
    rows += [(f"bundle {one.name}", one.bundle.version, ", ".join(one.verdict.reasons) or "passed") for one in trained.candidates]
    more, figures = gate_figures(quick)
    return Result(
        title="A training run from a decision log",
        columns=("what", "measured", "beside it"),
        rows=[*rows, *more],
        figures={"decisions": float(read), "peak_mb": peak, "seconds": seconds, **figures},
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000  # kB on Linux


if __name__ == "__main__":
    main(__doc__ or "", measure)
