"""A list, a catalogue and models for `benchmarks.cycle`: drawn, seeded, of the shapes that a day-one engine has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine import __version__
from revenue_engine.bundle import Bundle, Parts, prior_bundle, seal
from revenue_engine.clock import epoch_seconds
from revenue_engine.context import Cycle, CycleContext, Price, prepare
from revenue_engine.learning.export import export
from revenue_engine.learning.funnel import CLICK, SALE
from revenue_engine.offers.posterior import fold
from revenue_engine.prediction.features import OFFER, SUBSCRIBER
from revenue_engine.prediction.funnel import FunnelTables, StageTables
from revenue_engine.prediction.platt import Platt
from revenue_engine.prospects import features
from revenue_engine.records.batch import ROW_DTYPE, Batch
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.evidence import SEGMENTS, Evidence
from revenue_engine.records.offer import VARIANTS, Creative, Offer
from revenue_engine.records.subscriber import PROVIDERS, RECENT, SCHEMA, topic_mask, topic_number

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday noon
T, DAY = epoch_seconds(NOW), 86_400
OFFERS, CATEGORIES = 20, ("finance", "health", "home", "travel", "learning")
PAGE_ROWS = 20_000  # as services.cycle_inputs
SEED = 20_260_304
Packed = tuple[list[str], list[bytes], list[int]]


@dataclass(frozen=True, slots=True)
class Models:
    """The same two forests, as LightGBM has them and as tables."""

    boosters: tuple[Any, Any]
    bundle: Bundle


def offers() -> tuple[Offer, ...]:
    """Twenty, one asset each, so that pairs are subscribers times offers for everybody."""
    tones = sorted(VARIANTS)
    return tuple(
        Offer(
            offer=str(1_001 + number),
            name=f"Offer {1_001 + number}",
            status="active",
            category=CATEGORIES[number % len(CATEGORIES)],
            currency="USD",
            payout_micros=10_000_000 + 2_500_000 * number,
            payout_percentage=0.0,
            tracking_url="https://track.example/click",
            sub_slot="sub1",
            may_run=True,
            allows_email=True,
            suppression_list=None,
            live_until=None,
            countries=frozenset(),
            creatives=(Creative(tones[number % len(tones)], "Shop", "A subject for {{ first_name }}", "<p>Hello</p>"),),
            content_hash=str(number),
        )
        for number in range(OFFERS)
    )


def evidence(luck: np.random.Generator) -> list[Evidence]:
    """Ninety days of every offer and segment."""
    found = []
    for offer in offers():
        rate = 0.02 * float(np.exp(0.5 * luck.normal()))
        for day in range(90):
            for segment in SEGMENTS:
                clicks = int(luck.poisson(3))
                found.append(
                    Evidence(
                        day=(NOW - timedelta(days=day + 1)).date(),
                        offer=offer.offer,
                        variant=offer.creatives[0].variant,
                        segment=segment,
                        deliveries=100 + clicks,
                        clicks=clicks,
                        conversions=int(luck.binomial(clicks, min(rate, 0.5))),
                    )
                )
    return found


def rows(n: int, luck: np.random.Generator) -> npt.NDArray[np.void]:
    """(n,) packed rows of people whose time has come: of all ages, a third never clicked, one in eight was mailed too lately."""
    found = np.zeros(n, dtype=ROW_DTYPE)
    found["schema"], found["decayed_at"] = SCHEMA, T - DAY
    found["draw_key"] = luck.integers(1, 2**63, n, dtype=np.uint64)
    found["created_at"] = T - luck.integers(5, 900, n) * DAY
    last = luck.exponential(6.0, n) * DAY
    sends = T - (last[:, None] + np.cumsum(luck.exponential(4.0, (n, RECENT)) * DAY, axis=1)).astype(np.int64)
    found["recent_sends"], found["last_send_at"] = sends, sends[:, 0]
    found["recent_offers"] = luck.integers(1_001, 1_001 + OFFERS, (n, RECENT))
    for name, mean in (("sends", 6.0), ("deliveries", 6.0), ("human_opens", 1.0), ("machine_opens", 2.0), ("human_clicks", 0.4)):
        found[name] = luck.gamma(0.5, 2.0 * mean, n)
    found["conversions"] = luck.random(n) < 0.02
    for name, share in (("last_human_open_at", 0.6), ("last_human_click_at", 0.4), ("last_conversion_at", 0.05)):
        found[name] = np.where(luck.random(n) < share, T - luck.exponential(60.0, n) * DAY, 0)
    found["recent_clicks"][:, 0] = np.where(luck.random(n) < 0.4, topic_number("finance"), 0)
    found["topics"] = np.array([topic_mask([name]) for name in CATEGORIES], dtype=np.uint32)[luck.integers(0, len(CATEGORIES), n)]
    found["price_sensitivity"] = np.where(luck.random(n) < 0.5, luck.random(n), np.nan)
    found["purchases"] = luck.integers(0, 6, n)
    found["last_purchase_at"] = T - luck.integers(5, 700, n) * DAY
    found["peak_hour"] = luck.integers(-1, 24, n)
    found["provider"] = luck.integers(0, len(PROVIDERS), n)
    return found


def page(number: int, n: int) -> Packed:
    """What a page of the due index hands over: keys, packed rows, last decisions."""
    luck = np.random.default_rng([SEED, number])
    packed = rows(n, luck).tobytes()
    size = ROW_DTYPE.itemsize
    keys = [f"{number:06d}{row:020d}" for row in range(n)]
    return keys, [packed[size * row : size * (row + 1)] for row in range(n)], (T - luck.integers(1, 3, n) * DAY).tolist()


def pages(people: int) -> Iterator[Packed]:
    """Pages of so many people, made as they are asked for."""
    for number, first in enumerate(range(0, people, PAGE_ROWS)):
        yield page(number, min(PAGE_ROWS, people - first))


def cycle(bundle: Bundle, people: int) -> Cycle:
    """The context, worked out. The velocity lets 15,000 mails leave in the quarter of an hour."""
    controls = Controls(max_daily_emails=max(people, 1), sends_per_minute=1_000, min_revenue_per_email_micros=0, ghost_share=0.02)
    context = CycleContext(
        org="benchmark",
        cycle_id=f"{NOW:%Y%m%dT%H%M}",
        now=NOW,
        autonomy=Autonomy.FULL,
        controls=controls,
        offers=offers(),
        posteriors=fold(evidence(np.random.default_rng([SEED, 1_000_000])), offers(), bundle.rates, NOW),
        bundle=bundle,
        price=Price(),
        budget_left=controls.max_daily_emails,
        list_refreshed_at={},
        caps_reached={},
        code_version=__version__,
    )
    return prepare(context)


def models(people: int = 20_000) -> Models:
    """Forests trained with the settings of the funnel's stages, each with as many trees as the published prior's."""
    prior = prior_bundle(NOW, code_version=__version__)
    assert prior.funnel is not None
    luck = np.random.default_rng([SEED, 2_000_000])
    batch = Batch(np.arange(people).astype("U26"), rows(people, luck), np.zeros(people, dtype=np.int64))
    at_work = cycle(prior, people)
    of_people, _ = features(batch, at_work)
    arm = luck.integers(0, len(at_work.arms), people)
    matrix = np.concatenate([of_people, at_work.arms[arm]], axis=1)
    seen = np.nan_to_num(matrix)
    seen = (seen - seen.mean(axis=0)) / (seen.std(axis=0) + 1e-6)
    log_odds = seen @ luck.normal(0, 0.15, matrix.shape[1]) + 0.3 * seen[:, 0] * seen[:, -5] - 1.5
    lightgbm: Any = import_module("lightgbm")
    names = [*SUBSCRIBER, *OFFER]
    boosters, stages = [], []
    for shape, stage in ((CLICK, prior.funnel.click), (SALE, prior.funnel.sale)):
        assert stage.trees is not None
        settings = {
            "objective": "binary",
            "num_leaves": shape.leaves,
            "learning_rate": shape.rate,
            "min_data_in_leaf": 40,
            "deterministic": True,
            "num_threads": 1,
            "verbose": -1,
            "seed": SEED,
        }
        data = lightgbm.Dataset(matrix, luck.random(people) < 1.0 / (1.0 + np.exp(-log_odds)), feature_name=names)
        boosters.append(lightgbm.train(settings, data, stage.trees.trees))
        stages.append(StageTables(export(boosters[-1], subscriber=SUBSCRIBER, offer=OFFER), Platt(0.0, 1.0)))
    funnel = FunnelTables(prior.funnel.cross, stages[0], prior.funnel.sale_cross, stages[1], prior.funnel.product)
    parts: Parts = replace(prior.parts, funnel=funnel)
    bundle = seal(parts, trained_at=NOW, code_version=__version__, prior=True, data_fingerprint="", metrics={})
    return Models((boosters[0], boosters[1]), bundle)


def pairs_of(batch: Batch, at_work: Cycle) -> npt.NDArray[np.float32]:
    """The matrix that a library of trees needs: every subscriber with every offer."""
    of_people, _ = features(batch, at_work)
    arms = at_work.arms
    return np.concatenate([np.repeat(of_people, len(arms), axis=0), np.tile(arms, (len(of_people), 1))], axis=1)
