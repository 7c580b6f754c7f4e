"""Hillstrom's randomised e-mails replayed through the engine: never below the best fixed mail beyond noise, and no gain claimed.

    python -m benchmarks.hillstrom [--quick] [--json]

The rows of ../shared/data/hillstrom: a third each got the men's mail, the women's, or none, and what they spent in the two weeks after
is known. The two mails are two offers, and no mail is what the engine may decide as ever. Customers are split in folds. What the mails
of the other folds did (deliveries, visits as clicks, orders, spend) is the engine's evidence, by which it is trained and its posteriors
are folded as on any night; then each held-out customer is a row with his own history and goes through `decide_batch` with the engine's
own settings, exploration included (without ghosts, which are a measurement).

Every decision is valued by what those spent to whom chance had given just that (inverse propensity, 1/3 each). Paired: of each customer
the difference of both policies' terms, 3 · spend · (1{engine's arm} − 1{men's}), averaged over splits. What the engine learned hangs on
who was in the sample too, so the interval is a bootstrap's: customers drawn with replacement, split (copies of one in one fold), learned
from and decided anew; `_given_training` is that of customers alone, as if what was learned were fixed, and too narrow for that.

minus_always_mens         dollars a person; `_low`, `_high`: 95 %
spend_engine, spend_always_mens, spend_nobody   dollars a person, of all customers
minus_always_mens_low_given_training, _high_given_training
share_mens, share_womens, share_none            of the engine's decisions
not_below_beyond_noise    1 where `_high` is at or above zero
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from benchmarks.evidence_ope_data import ARMS, DATA, MENS, NONE, WOMENS
from benchmarks.harness import Result, main
from revenue_engine import __version__
from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.bundle import prior_bundle
from revenue_engine.clock import epoch_seconds
from revenue_engine.context import Cycle, CycleContext, Price, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.ids import stable_hash
from revenue_engine.learning.train import first_passed, train
from revenue_engine.offers.posterior import fold
from revenue_engine.prediction.segments import segment_of
from revenue_engine.records.batch import ROW_DTYPE, Batch
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.evidence import SEGMENTS, Evidence
from revenue_engine.records.offer import Creative, Offer
from revenue_engine.records.subscriber import SCHEMA

FILE = DATA / "hillstrom" / "hillstrom_dev.csv.gz"
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
MAILED = date(2026, 3, 4)  # the two weeks after it are over
MONTH = 30.4 * 86_400
_PAGE = 5_000
_OFFER = {MENS: "1", WOMENS: "2"}
_VARIANT = "standard"


@dataclass(frozen=True, slots=True)
class Customers:
    """(n,) each."""

    person: Ints  # copies of one are the same
    action: Ints  # of ARMS
    visit: Ints
    spend: Floats  # dollars
    batch: Batch  # as the engine knows them

    def __len__(self) -> int:
        return len(self.action)

    def take(self, rows: Ints) -> Customers:
        """These, as often as they are named."""
        batch = Batch(self.batch.subscriber[rows], self.batch.rows[rows], self.batch.decided_at[rows])
        return Customers(self.person[rows], self.action[rows], self.visit[rows], self.spend[rows], batch)


@dataclass(frozen=True, slots=True)
class Replay:
    """What the engine did for every customer, in each of R splits (R, n), and what that is worth."""

    chosen: Ints
    terms: Floats  # (n,) of the difference to always-mens, dollars
    spend: Floats  # (n,) of the engine's own value

    @property
    def interval(self) -> tuple[float, float, float]:
        """The mean difference and its 95 % interval given what was learned, dollars a person."""
        mean, half = float(self.terms.mean()), 1.96 * float(self.terms.std(ddof=1)) / len(self.terms) ** 0.5
        return mean, mean - half, mean + half


def customers() -> Customers:
    """The development rows."""
    with gzip.open(FILE, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    at = epoch_seconds(NOW)
    packed = np.zeros(len(rows), dtype=ROW_DTYPE)
    packed["schema"], packed["decayed_at"] = SCHEMA, at
    packed["draw_key"] = [stable_hash("draw", "hillstrom", row["row_id"]) for row in rows]
    bought = at - (np.array([float(row["recency"]) for row in rows]) - 0.5) * MONTH
    newcomer = np.array([row["newbie"] == "1" for row in rows])
    packed["created_at"] = np.where(newcomer, np.minimum(bought, at - 6 * MONTH), at - 24 * MONTH).astype(np.int64)
    # who bought came to the shop by himself: the newest sign of life that is known of him
    packed["last_human_click_at"] = packed["last_purchase_at"] = bought.astype(np.int64)
    packed["purchases"] = 1
    ids = np.array([f"{int(row['row_id']):07d}" for row in rows]).astype("U26")
    return Customers(
        np.arange(len(rows)),
        np.array([ARMS.index(row["segment"]) for row in rows]),
        np.array([int(row["visit"]) for row in rows]),
        np.array([float(row["spend"]) for row in rows]),
        Batch(ids, packed, np.zeros(len(rows), dtype=np.int64)),
    )


def replay(known: Customers, *, splits: int, folds: int, seed: int = 0) -> Replay:
    """Every customer decided once in each split, by what the other folds' mails did; the same for the same seed."""
    n = len(known.action)
    rng = np.random.default_rng(seed)
    chosen = np.zeros((splits, n), dtype=np.int64)
    for split in range(splits):
        fold_of = rng.permutation(int(known.person.max()) + 1)[known.person] % folds
        for number in range(folds):
            held = fold_of == number
            cycle = _trained(known, ~held, f"{seed}.{split}.{number}")
            for page in np.array_split(np.flatnonzero(held), max(int(held.sum()) // _PAGE, 1)):
                chosen[split, page] = _decided(known.batch, page, cycle)
    weight = known.spend / (1 / len(ARMS))
    spend = weight * (chosen == known.action).mean(axis=0)
    return Replay(chosen, spend - weight * (known.action == MENS), spend)


def deviation(known: Customers, *, samples: int, folds: int, seed: int = 1) -> float:
    """Standard deviation of the mean difference, over bootstrap samples each split and learned from anew."""
    rng = np.random.default_rng(seed)
    means = []
    for sample in range(samples):
        drawn = known.take(rng.integers(0, len(known), len(known)))
        means.append(replay(drawn, splits=1, folds=folds, seed=1_000 * seed + sample).terms.mean())
    return float(np.std(means, ddof=1))


def _trained(known: Customers, seen: Bools, name: str) -> Cycle:
    """A cycle of the engine that has had these customers' mails as its past."""
    evidence = _evidence(known, seen)
    offers = tuple(_offer(arm) for arm in (MENS, WOMENS))
    prior = prior_bundle(NOW, code_version=__version__)
    categories = {offer.offer: offer.category for offer in offers}
    passed = first_passed(train(evidence, categories, NOW, code_version=__version__, champion=prior))
    bundle = passed.bundle if passed else prior
    return prepare(
        CycleContext(
            org=f"hillstrom-{name}",
            cycle_id=f"{NOW:%Y%m%dT%H%M}",
            now=NOW,
            autonomy=Autonomy.FULL,
            controls=Controls(ghost_share=0.0),
            offers=offers,
            posteriors=fold(evidence, offers, bundle.rates, NOW),
            bundle=bundle,
            price=Price(),
            budget_left=len(known.action),
            list_refreshed_at={},
            caps_reached={},
            code_version=__version__,
        )
    )


def _decided(batch: Batch, rows: Ints, cycle: Cycle) -> Ints:
    """The arm of each of these rows."""
    decisions = decide_batch(Batch(batch.subscriber[rows], batch.rows[rows], batch.decided_at[rows]), cycle)
    arm_of = np.array([next(arm for arm, offer in _OFFER.items() if offer == name) for name, _ in cycle.book.arms] + [NONE])
    return np.asarray(arm_of[np.where(decisions.send, decisions.arm, -1)])


def _evidence(known: Customers, seen: Bools) -> list[Evidence]:
    """What the mails of these customers did, as the tables hold it."""
    segment = segment_of(known.batch, epoch_seconds(NOW))
    found = []
    for arm, offer in _OFFER.items():
        for number, name in enumerate(SEGMENTS):
            there = seen & (known.action == arm) & (segment == number)
            spend = known.spend[there]
            counted = Counter(
                deliveries=int(there.sum()),
                opens=int(known.visit[there].sum()),
                clicks=int(known.visit[there].sum()),
                conversions=int((spend > 0).sum()),
                conversion_micros=round(float(spend.sum()) * 1e6),
            )
            found.append(Evidence(MAILED, offer, _VARIANT, name, **counted))
    return found


def _offer(arm: int) -> Offer:
    """A shop's own mail: what an order brings is not listed, but learned."""
    name = ARMS[arm]
    return Offer(
        offer=_OFFER[arm],
        name=name,
        status="active",
        category="clothing",
        currency="USD",
        payout_micros=None,
        payout_percentage=0.0,
        tracking_url="https://track.example/click",
        sub_slot="sub1",
        may_run=True,
        allows_email=True,
        suppression_list=None,
        live_until=None,
        countries=frozenset(),
        creatives=(Creative(_VARIANT, "Shop", name, "<p>Hello</p>"),),
        content_hash=str(arm),
    )


def measure(quick: bool) -> Result:
    """All customers."""
    known = customers()
    folds = 3 if quick else 5
    done = replay(known, splits=4 if quick else 20, folds=folds)
    mean, *given = done.interval
    half = 1.96 * deviation(known, samples=20 if quick else 200, folds=folds)
    low, high = mean - half, mean + half
    fixed = {arm: float(known.spend[known.action == arm].mean()) for arm in (NONE, MENS, WOMENS)}
    share = {arm: float((done.chosen == arm).mean()) for arm in (NONE, MENS, WOMENS)}
    figures = {
        "minus_always_mens": mean,
        "minus_always_mens_low": low,
        "minus_always_mens_high": high,
        "minus_always_mens_low_given_training": given[0],
        "minus_always_mens_high_given_training": given[1],
        "not_below_beyond_noise": float(high >= 0),
        "spend_engine": float(done.spend.mean()),
        "spend_always_mens": fixed[MENS],
        "spend_nobody": fixed[NONE],
        "share_mens": share[MENS],
        "share_womens": share[WOMENS],
        "share_none": share[NONE],
    }
    rows = [("the engine", f"{done.spend.mean():.3f}", f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]")]
    rows += [(f"always {ARMS[arm]}", f"{fixed[arm]:.3f}", "") for arm in (MENS, WOMENS, NONE)]
    claim = (
        "the whole interval lies above 0"
        if low > 0
        else "no gain can be claimed"
        if high >= 0
        else "below always-mens beyond noise"
    )
    return Result(
        title=f"{len(known.action):,} customers, each decided {len(done.chosen)} times by what others did",
        columns=("policy", "spend a person $", "minus always-mens, 95 %"),
        rows=rows,
        figures=figures,
        notes=(f"{claim}; the engine sends {share[MENS]:.1%} men's, {share[WOMENS]:.1%} women's, nobody {share[NONE]:.1%}",),
    )


if __name__ == "__main__":
    main(__doc__ or "", measure)
