"""Small honest inputs of the decision core, for its tests."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from revenue_engine.bundle import Bundle, Finder, Parts, seal
from revenue_engine.clock import epoch_seconds
from revenue_engine.context import Cycle, CycleContext, Price, prepare
from revenue_engine.errors import Refused
from revenue_engine.offers.posterior import fold
from revenue_engine.pacing.index import Habits
from revenue_engine.pacing.solve import solve
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.records.batch import Batch, decode
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.evidence import Evidence
from revenue_engine.records.offer import Creative, Offer
from revenue_engine.records.reasons import REASONS
from revenue_engine.records.subscriber import PROVIDERS, Row, pack

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
T = epoch_seconds(NOW)
HOUR = 3_600
DAY = 24 * HOUR


# the round figures everybody starts with, without what worlds have taught: known answers must not move with it
PLAIN = seal(
    Parts(PRIOR_RATES, solve(Habits())), trained_at=NOW, code_version="test", prior=True, data_fingerprint="", metrics={}
)


def an_offer(number: int = 101, *, variants: Sequence[str] = ("standard", "soft"), **changes: Any) -> Offer:
    """An offer that everybody may get."""
    offer = Offer(
        offer=str(number),
        name=f"Offer {number}",
        status="active",
        category="finance",
        currency="USD",
        payout_micros=20_000_000,
        payout_percentage=0.0,
        tracking_url="https://track.example/click",
        sub_slot="sub1",
        may_run=True,
        allows_email=True,
        suppression_list=None,
        live_until=None,
        countries=frozenset(),
        creatives=tuple(Creative(v, "Shop", f"Subject {v} {number}", "<p>Hello</p>") for v in variants),
        content_hash="h",
    )
    return replace(offer, **changes)


OFFERS = (an_offer(101), an_offer(102, payout_micros=25_000_000), an_offer(103, category="health", variants=("standard",)))


def unpriced(worth: float = np.nan) -> Bundle:
    """The day-one bundle with one worth for everybody in its index; such as no bundle can be loaded with."""
    table = copy(PLAIN.index)
    object.__setattr__(table, "value", np.full_like(table.value, worth))
    return replace(PLAIN, parts=replace(PLAIN.parts, index=table))


def a_row(number: int = 1, **changes: Any) -> Row:
    """A person who clicked two days ago, was mailed five days ago, and lives in UTC."""
    base: dict[str, Any] = {
        "decayed_at": T,
        "draw_key": (number * 0x9E3779B97F4A7C15) % 2**64,
        "created_at": T - 100 * DAY,
        "sends": 4.0,
        "deliveries": 4.0,
        "human_clicks": 1.0,
        "last_send_at": T - 5 * DAY,
        "last_human_click_at": T - 2 * DAY,
        "recent_sends": (T - 5 * DAY, *(0,) * 7),
        "recent_offers": (999, *(0,) * 7),
    }
    return Row(**(base | changes))


def a_page(rows: Sequence[Row], *, decided_at: int = 0) -> Batch:
    """A page of these rows, its subscribers numbered in their order."""
    return decode([f"s{i:07d}" for i in range(len(rows))], [pack(row) for row in rows], [decided_at] * len(rows))


def many(n: int, **changes: Any) -> Batch:
    """A page of n like-minded people."""
    return a_page([a_row(i + 1, **changes) for i in range(n)])


def a_context(
    *, offers: Sequence[Offer] = OFFERS, evidence: Sequence[Evidence] = (), controls: Controls | None = None, **changes: Any
) -> CycleContext:
    """A cycle of the day-one rates at noon."""
    bundle = changes.pop("bundle", None) or PLAIN
    now = changes.get("now", NOW)
    context = CycleContext(
        org="main",
        cycle_id="2026-03-04T12:00",
        now=NOW,
        autonomy=Autonomy.FULL,
        controls=controls or Controls(ghost_share=0.0),
        offers=tuple(offers),
        posteriors=fold(evidence, offers, bundle.rates, now),
        bundle=bundle,
        price=Price(),
        budget_left=1_000,
        list_refreshed_at={},
        caps_reached={},
        code_version="test",
    )
    return replace(context, **changes)


def a_cycle(**changes: Any) -> Cycle:
    """A context, worked out."""
    return prepare(a_context(**changes))


def keep(bundle: Bundle) -> Finder:
    """A store of one bundle."""

    def find(version: str) -> Bundle:
        if version != bundle.version:
            raise Refused("bundle_missing", version)
        return bundle

    return find


PRIOR = keep(PLAIN)


def names(reason: np.ndarray[Any, Any]) -> list[str]:
    """Reasons by name."""
    return [REASONS[r] for r in reason.tolist()]


def a_crowd(n: int = 400) -> Batch:
    rng = np.random.default_rng(2)
    return a_page(
        [
            a_row(
                i + 1,
                zone=int(rng.integers(0, 300)),
                arm=int(rng.choice(3, p=[0.8, 0.15, 0.05])),
                provider=int(rng.integers(0, len(PROVIDERS))),
                last_send_at=T - int(rng.integers(1, 240)) * HOUR,
                sends=float(rng.exponential(3)),
                last_human_click_at=T - int(rng.integers(1, 300)) * DAY,
                recent_offers=(int(rng.integers(100, 105)), 102, *(0,) * 6),
                recent_sends=(T - int(rng.integers(2, 9)) * DAY, T - 8 * DAY, *(0,) * 6),
            )
            for i in range(n)
        ]
    )


def same(one: Decisions, other: Decisions) -> bool:
    return all(getattr(one, f.name).tobytes() == getattr(other, f.name).tobytes() for f in fields(Decisions))
