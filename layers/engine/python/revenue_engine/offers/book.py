"""The catalogue as arrays, and who may get what. Shapes: n rows, O offers, A arms; an arm is one (offer, variant)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_low

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Bools, Ints
from revenue_engine.clock import CYCLE, epoch_seconds
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Controls
from revenue_engine.records.offer import Creative, Offer, ineligible_reason, may_go_to
from revenue_engine.records.subscriber import country_code

Arm = tuple[str, str]  # offer, variant
_DAY = 86_400
REST_DAYS = 30  # who is mailed once a week comes back after seven, and what kept a mail from him holds for longer
NEVER = 1 << 40  # epoch seconds: the end of what has none


@dataclass(frozen=True, slots=True)
class OfferBook:
    """Offers sorted by number and their arms sorted by variant within: the order depends on the catalogue alone."""

    offers: tuple[Offer, ...]
    arms: tuple[Arm, ...]
    creatives: tuple[Creative, ...]  # (A,)
    offer_of_arm: npt.NDArray[np.intp]  # (A,) positions in `offers`
    numbers: npt.NDArray[np.int64]  # (O,) ascending, as packed rows keep them
    payout_micros: Ints  # (A,) per conversion, 0 = unknown
    open_offers: Bools  # (O,) may be mailed to anybody at all now
    closed: tuple[tuple[str, str], ...]  # (offer, why nobody may be mailed it now)


def sorted_offers(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Offers by number."""
    return tuple(sorted(offers, key=lambda offer: offer.number))


def arms_of(offers: tuple[Offer, ...]) -> tuple[Arm, ...]:
    """The arms of sorted offers, in the order every array of the cycle has."""
    return tuple((offer.offer, variant) for offer in offers for variant in sorted(c.variant for c in offer.creatives))


def make_book(
    offers: Iterable[Offer],
    *,
    controls: Controls,
    now: datetime,
    list_refreshed_at: Mapping[str, datetime],
    mean_payouts: Mapping[str, int],
    caps_reached: Mapping[str, str],
) -> OfferBook:
    """The book of this moment.

    Parameters
    ----------
    list_refreshed_at
        When each advertiser's suppression list was last taken in.
    mean_payouts
        Micros per observed conversion, used only where the offer hides its payout.
    caps_reached
        Of offers that pay for nothing more now: which cap (`offers.caps.reached`).
    """
    ordered = sorted_offers(offers)
    usual = _usual_payouts(ordered, controls.currency)
    payouts = [
        o.payout_micros if o.payout_micros is not None else mean_payouts.get(o.offer, usual.get(o.category)) for o in ordered
    ]
    reasons = [
        _closed_reason(offer, payout, controls, now, list_refreshed_at, caps_reached)
        for offer, payout in zip(ordered, payouts, strict=True)
    ]
    creatives = [sorted(offer.creatives, key=lambda c: c.variant) for offer in ordered]
    counts = [len(c) for c in creatives]
    offer_of_arm = np.repeat(np.arange(len(ordered)), counts)
    return OfferBook(
        offers=ordered,
        arms=arms_of(ordered),
        creatives=tuple(c for group in creatives for c in group),
        offer_of_arm=offer_of_arm,
        numbers=np.array([offer.number for offer in ordered], dtype=np.int64),
        payout_micros=np.repeat(np.array([p or 0 for p in payouts], dtype=np.int64), counts),
        open_offers=np.array([reason is None for reason in reasons], dtype=np.bool_),
        closed=tuple((offer.offer, reason) for offer, reason in zip(ordered, reasons, strict=True) if reason is not None),
    )


def _usual_payouts(offers: tuple[Offer, ...], currency: str) -> dict[str, int]:
    """The middle payout listed in this currency by category, of all where a category lists none: what to expect of an offer that hides
    its own until it has paid (a share of the sale)."""
    listed: dict[str, list[int]] = {}
    for offer in offers:
        if offer.payout_micros and offer.currency == currency:  # a number of yen says nothing of dollars (M1)
            listed.setdefault(offer.category, []).append(offer.payout_micros)
    every = [micros for some in listed.values() for micros in some]
    return {o.category: int(median_low(listed.get(o.category, every))) for o in offers} if every else {}


def _closed_reason(
    offer: Offer,
    payout: int | None,
    controls: Controls,
    now: datetime,
    list_refreshed_at: Mapping[str, datetime],
    caps_reached: Mapping[str, str],
) -> str | None:
    reason = ineligible_reason(offer, now=now)
    if reason is not None:
        return reason
    if offer.live_until is not None and offer.live_until < now + CYCLE:
        return "offer_expires_in_cycle"  # the cycle's last mail would come to its execution when the offer is over
    if offer.currency != controls.currency:
        return "currency_not_converted"  # two currencies are never compared (M1)
    if payout is None or payout <= 0:
        return "payout_unknown"
    if payout > controls.max_payout_micros:
        return "payout_above_limit"
    if offer.suppression_list is not None:
        refreshed = list_refreshed_at.get(offer.suppression_list)
        # P1: a list we never took in, or too old, may miss the very person we would mail
        if refreshed is None or now - refreshed > timedelta(days=controls.suppression_max_age_days):
            return "suppression_list_stale"
    return caps_reached.get(offer.offer)


def last_end(book: OfferBook, eligible: Bools) -> Ints:
    """When the last of the offers ends whose arms a row may get, epoch seconds, (n,) of (n, A); `NEVER` for who may get none."""
    ends = [offer.live_until for offer in book.offers]
    if not any(ends):
        return np.full(len(eligible), NEVER, dtype=np.int64)
    until = np.array([NEVER if end is None else epoch_seconds(end) for end in ends], dtype=np.int64)
    last: Ints = np.where(eligible, until[book.offer_of_arm], 0).max(axis=1, initial=0)
    return np.where(last > 0, last, NEVER)


def lately_mailed(book: OfferBook, batch: Batch, *, now: int, gap_days: int) -> Bools:
    """Offers a person was mailed within the gap, (n, O). A row remembers its last RECENT sends, and controls allow no gap that with the
    week's cap could reach further back."""
    return _since(book, batch, "recent_offers", "recent_sends", after=now - gap_days * _DAY)


def at_rest(book: OfferBook, batch: Batch, *, now: int, gap_days: int) -> Bools:
    """Offers of which no mail could be made for a person within `REST_DAYS`, or the gap where that is longer, (n, O)."""
    return _since(book, batch, "rested_offers", "rested_at", after=now - max(gap_days, REST_DAYS) * _DAY)


def _since(book: OfferBook, batch: Batch, offers_column: str, times_column: str, *, after: int) -> Bools:
    found = np.zeros((len(batch), len(book.offers)), dtype=np.bool_)
    if not found.size:
        return found
    offers = batch.column(offers_column).astype(np.int64)
    times = batch.column(times_column).astype(np.int64)
    position = np.minimum(np.searchsorted(book.numbers, offers), len(book.numbers) - 1)
    hit = (book.numbers[position] == offers) & (times > after) & (times > 0)
    row, place = np.nonzero(hit)
    found[row, position[row, place]] = True
    return found


def barred_by_country(book: OfferBook, batch: Batch) -> Bools:
    """Offers whose rules about countries keep them from a person, (n, O)."""
    countries, of_row = np.unique(batch.column("country"), return_inverse=True)
    allowed = [[may_go_to(offer, country_code(int(number))) for offer in book.offers] for number in countries]
    return ~np.array(allowed, dtype=np.bool_).reshape(len(countries), len(book.offers))[of_row.reshape(-1)]
