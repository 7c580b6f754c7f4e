"""What the funnel's models look at: one schema, one function, the same when they are fitted and when they serve. Shapes: n rows, A arms.

Subscriber features come from the packed row alone, so a stored page gives again what was served; time is the planned send's, in the
reader's zone. Offer features come from the cycle's own tables. What depends on both (a declared interest in the offer's category) is a
small table of its own, for trees are scored by side (decisions/0025). Not known is NaN; trees know what to do with it.
"""

from __future__ import annotations

import hashlib
import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats
from revenue_engine.prediction.segments import DAY, engagement_score, faded, segment_of
from revenue_engine.records.batch import Batch
from revenue_engine.records.offer import VARIANTS, Creative, tone_of
from revenue_engine.records.subscriber import HALF_LIFE_DAYS, SCHEMA, UNKNOWN, topic_mask, topic_number
from revenue_engine.records.zones import ZONES

FATIGUE_HALF_LIFE_DAYS = 4.0
_PRIOR_MAILS, _PRIOR_CLICK, _PRIOR_OPEN = 10.0, 0.02, 0.2  # what a person's own rates are drawn towards
BASE = (
    "click_rate",
    "open_rate",
    "machine_open_share",
    "engagement_score",
    "deliveries",
    "conversions",
    "revenue_dollars",
    "days_since_click",
    "days_since_open",
    "days_since_conversion",
    "days_since_send",
    "mails_of_week",
    "fatigue",
    "tenure_days",
    "local_hour",
    "local_weekday",
    "hours_from_peak",
    "price_sensitivity",
    "provider",
    "segment",
    "order_dollars",  # mean of what conversions brought
    "purchases_of_quarter",
    "is_peak_hour",
    "buying_cycle",
    "purchases",  # before he came
    "days_since_purchase",  # the last of these
    "country",
    "source",
    "browsing",  # of late, as an intake may tell; no row has it yet
)
WORTH = (
    "predicted_ltv_dollars",
    "remaining_ltv_dollars",
    "survival_30d",
    "value_segment",
)  # by the value model, where there is one
SUBSCRIBER = (*BASE, *WORTH)
OFFER = (
    "payout_dollars",
    "click_ratio",
    "conversions_per_click",
    "epc_dollars",
    *(f"is_{variant}" for variant in VARIANTS),
    "category",
    "personalisation",
)
CROSS = ("topic_declared", "topic_other", "days_since_offer", "clicks_of_topic", "clicks_of_others")
_MOST_DAYS = 365.0
_PEAK_HOURS = 2.0  # as near to a reader's peak hour is his optimal time
_QUARTER_DAYS = 90.0
_CLICK_CYCLE_DAYS, _CONVERSION_CYCLE_DAYS = 3.0, 14.0  # after which being about to buy has halved
_FIELDS = re.compile(r"{{-?\s*(\w+)")
Table = npt.NDArray[np.float32]


def schema_hash() -> str:
    """Names the features and the rows they are read from: a bundle made for others is refused (D5)."""
    tempers = _PEAK_HOURS, _CLICK_CYCLE_DAYS, _CONVERSION_CYCLE_DAYS
    text = repr((SCHEMA, SUBSCRIBER, OFFER, CROSS, FATIGUE_HALF_LIFE_DAYS, _PRIOR_MAILS, _PRIOR_CLICK, _PRIOR_OPEN, *tempers))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def subscriber_features(batch: Batch, at: int, worth: Table | None = None) -> Table:
    """(n, len(SUBSCRIBER)) of people who would be mailed at `at`, epoch seconds.

    `worth` (n, len(WORTH)) is what the value model says of them (`value.worth`); without one it is not known.
    """
    known = np.full((len(batch), len(WORTH)), np.nan, dtype=np.float32) if worth is None else worth
    return np.concatenate([base_features(batch, at), known], axis=1)


def base_features(batch: Batch, at: int) -> Table:
    """(n, len(BASE)): what the packed row alone says."""
    deliveries, clicks, opens, machine = (
        faded(batch, name, at) for name in ("deliveries", "human_clicks", "human_opens", "machine_opens")
    )
    hour, weekday = _local(batch, at)
    peak = batch.column("peak_hour").astype(np.float64)
    away = np.abs((hour - peak + 12) % 24 - 12)
    sends = batch.column("recent_sends").astype(np.int64)
    ago = np.where(sends > 0, (at - sends) / DAY, np.inf)
    columns = (
        (clicks + _PRIOR_MAILS * _PRIOR_CLICK) / (deliveries + _PRIOR_MAILS),
        (opens + _PRIOR_MAILS * _PRIOR_OPEN) / (deliveries + _PRIOR_MAILS),
        np.where(opens + machine > 0, machine / np.maximum(opens + machine, 1e-9), np.nan),
        engagement_score(batch, at, np.full(len(batch), _PRIOR_CLICK)),
        deliveries,
        faded(batch, "conversions", at),
        batch.column("revenue_micros") / 1e6,
        *(_days_since(batch, f"last_{what}_at", at) for what in ("human_click", "human_open", "conversion", "send")),
        (ago < 7).sum(axis=1),
        np.exp2(-ago / FATIGUE_HALF_LIFE_DAYS).sum(axis=1),
        np.minimum((at - batch.column("created_at").astype(np.int64)) / DAY, 10 * _MOST_DAYS),
        hour,
        weekday,
        np.where(peak >= 0, away, np.nan),
        batch.column("price_sensitivity"),
        batch.column("provider"),
        segment_of(batch, at),
        *_buying(batch, at),
        np.where(peak >= 0, away <= _PEAK_HOURS, np.nan),
        _buying_cycle(batch, at),
        np.where(batch.column("purchases") < UNKNOWN, batch.column("purchases"), np.nan),
        _days_since(batch, "last_purchase_at", at),
        batch.column("country"),
        batch.column("source"),
        np.full(len(batch), np.nan),
    )
    return np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)


def offer_features(
    payout_micros: Floats,
    click_ratio: Floats,
    conversions_per_click: Floats,
    variants: list[str],
    categories: list[str],
    creatives: list[Creative],
) -> Table:
    """(A, len(OFFER)) of arms: payout, click rate over its segments', net conversions per click, the tone, the category's number (as in
    the mask of topics), and how personal the asset is; (A,) each."""
    dollars = payout_micros / 1e6
    columns = (dollars, click_ratio, conversions_per_click, dollars * conversions_per_click)
    tones = [[float(tone_of(variant) == known) for variant in variants] for known in VARIANTS]
    told = [[_category(category) for category in categories], [personalisation(one.subject, one.html) for one in creatives]]
    return np.stack([np.asarray(column, dtype=np.float32) for column in (*columns, *tones, *told)], axis=1)


@lru_cache(maxsize=1_024)
def personalisation(subject: str, html: str) -> float:
    """How much of an asset is about its reader, 0 to 1: one less a half to the power of his merge fields, those of the subject twice."""
    of_subject, of_body = ({name for name in _FIELDS.findall(text) if name != "offer_url"} for text in (subject, html))
    return 1.0 - 0.5 ** (2 * len(of_subject) + len(of_body))


def merge_fields(html: str) -> str:
    """The merge fields of a body alone: to `personalisation` the same as the whole of it."""
    return " ".join(f"{{{{{name}}}}}" for name in sorted(set(_FIELDS.findall(html))))


def _category(name: str) -> int:
    """The number of its bit in a mask of topics."""
    return topic_mask([name]).bit_length() - 1


def cross_features(batch: Batch, at: int, offer_numbers: npt.NDArray[np.int64], categories: list[str]) -> Table:
    """(n, O, len(CROSS)) of people and offers: 1 where a declared interest is the offer's category, 1 where it is another's; neither for
    those who declared nothing. Days since the offer's last mail, as far back as the row remembers; of the clicks it remembers, those on
    the offer's topic, and the others."""
    declared = batch.column("topics").astype(np.int64)[:, None]
    hit = (declared & np.array([topic_mask([category]) for category in categories], dtype=np.int64)) != 0
    # a remembered mail or click at a time: all of them with all offers at once would not stay in the cache
    last = np.zeros(hit.shape, dtype=np.int64)
    for sent, offer in zip(batch.column("recent_sends").T, batch.column("recent_offers").T, strict=True):
        same = offer.astype(np.int64)[:, None] == offer_numbers
        np.maximum(last, sent.astype(np.int64)[:, None] * same, out=last)
    topics = np.array([topic_number(category) for category in categories], dtype=np.uint8)
    of_topic, clicks = np.zeros(hit.shape, dtype=np.uint8), np.zeros((len(batch), 1), dtype=np.uint8)
    for clicked in batch.column("recent_clicks").T:
        known = (clicked > 0)[:, None]
        of_topic += (clicked[:, None] == topics) & known
        clicks += known
    found = np.empty((*hit.shape, len(CROSS)), dtype=np.float32)
    found[..., 0] = hit
    found[..., 1] = (declared != 0) & ~hit
    found[..., 2] = np.where(last > 0, np.minimum((at - last) / DAY, _MOST_DAYS), np.nan)
    found[..., 3] = of_topic
    found[..., 4] = clicks - of_topic
    return found


def _buying(batch: Batch, at: int) -> tuple[Floats, Floats]:
    """Mean dollars of a conversion, NaN without any, and conversions a quarter at the present pace, (n,) each.

    The row keeps all revenue and conversions that fade. At a steady pace r a day since somebody came, T days ago, these stand at
    r h / ln 2 · (1 − 2^(−T/h)); all there were are then r T.
    """
    counted = np.maximum(faded(batch, "conversions", at), 0.0)
    days = np.maximum((at - batch.column("created_at").astype(np.int64)) / DAY, 1.0)
    half_life = HALF_LIFE_DAYS["conversions"]
    pace = counted * math.log(2.0) / half_life / -np.expm1(-days / half_life * math.log(2.0))
    dollars = batch.column("revenue_micros") / 1e6
    return np.where(counted > 0, dollars / np.maximum(pace * days, 1.0), np.nan), pace * _QUARTER_DAYS


def _buying_cycle(batch: Batch, at: int) -> Floats:
    """(n,) 1 for somebody who clicked or bought just now, halved with time; 0 for who never did."""
    click, conversion = (_days_since(batch, f"last_{what}_at", at) for what in ("human_click", "conversion"))
    lately = [np.exp2(-days / half) for days, half in ((click, _CLICK_CYCLE_DAYS), (conversion, _CONVERSION_CYCLE_DAYS))]
    return np.asarray(np.fmax(np.fmax(*lately), 0.0))


def _days_since(batch: Batch, name: str, at: int) -> Floats:
    """NaN for never."""
    moment = batch.column(name).astype(np.int64)
    return np.where(moment > 0, np.clip((at - moment) / DAY, 0.0, _MOST_DAYS), np.nan)


def _local(batch: Batch, at: int) -> tuple[Floats, Floats]:
    """Hour of the day, with its part, and weekday (Monday 0) on each reader's clock, (n,) each."""
    zones, of_row = np.unique(batch.column("zone"), return_inverse=True)
    moment = datetime.fromtimestamp(at, UTC)
    local = [moment.astimezone(ZoneInfo(ZONES[zone])) for zone in zones.tolist()]
    hours = np.array([when.hour + when.minute / 60 for when in local])
    weekdays = np.array([float(when.weekday()) for when in local])
    return hours[of_row.reshape(-1)], weekdays[of_row.reshape(-1)]
