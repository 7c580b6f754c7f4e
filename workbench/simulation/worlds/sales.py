"""What becomes of a human click: a sale or none, when it is told, what it pays, and what is taken back or false about it."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats, Ints, Keys
from workbench.simulation.worlds import keyed
from workbench.simulation.worlds.events import DAY, Facts, Flaw, Kind, Mails, facts
from workbench.simulation.worlds.keyed import Of
from workbench.simulation.worlds.offers import FAST_MINUTES, FAST_SPREAD, NEXT_HOURS, NEXT_SPREAD, Offers
from workbench.simulation.worlds.spec import WorldSpec

MICROS = 1_000_000
# Baskets: log-normal with a wider lower half, between the test's least and largest order (hillstrom: mean 116.4, CV 0.93, log-sd 0.84).
BASKET_MEDIAN, SPREAD_BELOW, SPREAD_ABOVE, LEAST_SALE, LARGEST_SALE = 90.0, 1.4, 0.8, 29.99, 499.0
MONTHS, REBILL_SHARE, STAYS = 6, 0.3, 0.7  # rebills at most, payout of one, chance that the next one follows
PARTIAL, CHARGEBACK = 0.2, 0.1  # of reversals; a partial one takes half, a charge-back comes three times as late
CUT, CUT_TO = 0.03, 0.9  # of approvals
_BURST_SHARE = 0.03  # of an offer's mails on a day of attack
_TELLS_WITHIN_S = 20.0

_LOG_BASKETS = np.linspace(-4, 4, 161)


def _dollars(basket: Floats, z: Floats) -> Floats:
    """Of a sale, for a standard normal `z`; broadcast."""
    spread = np.where(z < 0, SPREAD_BELOW, SPREAD_ABOVE)
    return np.asarray(np.clip(BASKET_MEDIAN * basket * np.exp(spread * z), LEAST_SALE, LARGEST_SALE))


_QUANTILES = np.array([NormalDist().inv_cdf((k + 0.5) / 512) for k in range(512)])
_MEANS = _dollars(np.exp(_LOG_BASKETS)[:, None], _QUANTILES[None, :]).mean(axis=1)


def mean_micros(spec: WorldSpec, offers: Offers, basket: Floats, offer: Ints) -> Floats:
    """Expected payout of a conversion in the end, micros: with rebills, without what is reversed or cut; broadcast."""
    sale = np.interp(np.log(basket), _LOG_BASKETS, _MEANS) * MICROS
    first = np.where(offers.payout_micros[offer] > 0, offers.payout_micros[offer], offers.share[offer] * sale)
    rebills = REBILL_SHARE * sum(STAYS**month for month in range(1, MONTHS + 1))
    kept = (1 - spec.reversed * (1 - PARTIAL / 2)) * (1 - CUT * (1 - CUT_TO))
    return np.asarray(first * kept * (1 + rebills * offers.rebills[offer]))


def sales(spec: WorldSpec, offers: Offers, basket: Floats, keys: Keys, buys: Mails, clicked_at: Floats) -> list[Facts]:
    """All that follows a purchase after this click; `keys` of the person and the day of the mail, (m,) each."""
    offer = buys.offer
    flaw = _flaws(spec, keys)
    wait = np.where(flaw == Flaw.INSTANT, 1 + 6 * keyed.uniforms(keys, Of.FLAW_SIZE), _wait(offers, keys, offer))
    at = clicked_at + wait
    sale = _sale(keys, basket)
    payout = np.where(offers.payout_micros[offer] > 0, offers.payout_micros[offer], _cents(offers.share[offer] * sale))
    outlier = flaw == Flaw.OUTLIER
    payout = np.where(outlier, _cents(payout * (5 + 5 * keyed.uniforms(keys, Of.FLAW_SIZE, 1))), payout)
    told_at = at + _TELLS_WITHIN_S * keyed.uniforms(keys, Of.DELAY, 3)
    shown = np.where((flaw == Flaw.INSTANT) | outlier, flaw, Flaw.NONE).astype(np.uint8)
    rows = [facts(buys, Kind.CONVERSION, told_at, micros=payout, sale_micros=sale, flaw=shown)]
    for number, (copy, lag_s) in enumerate(((Flaw.POSTED_TWICE, 600.0), (Flaw.SECOND_ID, 40_000.0))):
        again = flaw == copy
        later = told_at[again] + lag_s * keyed.exponentials(keys[again], Of.FLAW_SIZE, 2)
        rows.append(
            facts(
                buys.where(again), Kind.CONVERSION, later, part=number, micros=payout[again], sale_micros=sale[again], flaw=copy
            )
        )
    return [*rows, *_afterwards(spec, offers, keys, buys, at, payout)]


def false_sales(spec: WorldSpec, offers: Offers, offer_keys: Keys, day: int, keys: Keys, mails: Mails, at: Floats) -> Facts:
    """Conversions nobody made: on a day of attack a share of an offer's mails converts within the hours after."""
    attacked = keyed.happens(keyed.day_keys(offer_keys, day), Of.OFFER_BURST, 2 * spec.fraud)
    chosen = attacked[mails.offer] & keyed.happens(keys, Of.BURST, _BURST_SHARE)
    some, offer = keys[chosen], mails.offer[chosen]
    sale = _sale(some, np.ones(len(some)))
    payout = np.where(offers.payout_micros[offer] > 0, offers.payout_micros[offer], _cents(offers.share[offer] * sale))
    when = at[chosen] + 3_600 + 14_400 * keyed.uniforms(some, Of.BURST, 1)
    return facts(mails.where(chosen), Kind.CONVERSION, when, micros=payout, sale_micros=sale, flaw=Flaw.BURST)


def _wait(offers: Offers, keys: Keys, offer: Ints) -> Floats:
    """Seconds from click to conversion: minutes, the next day, or a long tail, by category."""
    weights = offers.waits[offer]
    ticket = keyed.uniforms(keys, Of.DELAY_PART)
    z = keyed.normals(keys, Of.DELAY)
    fast = FAST_MINUTES * 60 * np.exp(FAST_SPREAD * z)
    following = NEXT_HOURS * 3_600 * np.exp(NEXT_SPREAD * z)
    tail = offers.tail_days[offer] * DAY * keyed.exponentials(keys, Of.DELAY, 2)
    part = np.where(ticket < weights[:, 0], fast, np.where(ticket < weights[:, 0] + weights[:, 1], following, tail))
    return part + 12.0


def _sale(keys: Keys, basket: Floats) -> Ints:
    return _cents(_dollars(basket, keyed.normals(keys, Of.SALE)) * MICROS)


def _cents(micros: npt.NDArray[np.floating[Any]]) -> Ints:
    return np.round(micros / 10_000).astype(np.int64) * 10_000


def _flaws(spec: WorldSpec, keys: Keys) -> Ints:
    """At most one flaw a conversion, each kind with the same chance."""
    kinds = (Flaw.POSTED_TWICE, Flaw.SECOND_ID, Flaw.INSTANT, Flaw.OUTLIER)
    number = np.floor(keyed.uniforms(keys, Of.FLAW) / max(spec.fraud, 1e-300))
    return np.where(number < len(kinds), 1 + np.minimum(number, len(kinds)), Flaw.NONE).astype(np.int64)


def _afterwards(spec: WorldSpec, offers: Offers, keys: Keys, buys: Mails, at: Floats, payout: Ints) -> list[Facts]:
    """Reversals, approvals at the end of the hold for what was not reversed before, and rebills."""
    luck = keyed.uniforms(keys, Of.REVERSAL_KIND)
    lag_days = spec.reversal_days * keyed.exponentials(keys, Of.REVERSAL_LAG) * np.where(luck > 1 - CHARGEBACK, 3.0, 1.0)
    lag_days /= 1 + 2 * CHARGEBACK  # the mean of all is as stated
    taken = keyed.happens(keys, Of.REVERSED, spec.reversed)
    amount = np.where(luck < PARTIAL, _cents(payout / 2), payout)
    hold = offers.hold_days[buys.offer]
    rows = [facts(buys.where(taken), Kind.REVERSAL, at[taken] + lag_days[taken] * DAY, micros=-amount[taken])]
    approved = ~(taken & (lag_days < hold))
    cut = keyed.happens(keys, Of.APPROVAL, CUT)
    final = np.where(cut, _cents(payout * CUT_TO), payout)
    rows.append(facts(buys.where(approved), Kind.APPROVAL, (at + hold * DAY)[approved], micros=final[approved]))
    stays = offers.rebills[buys.offer] & ~taken
    for month in range(1, MONTHS + 1):
        stays = stays & keyed.happens(keys, Of.REBILL, STAYS, month)
        share = _cents(REBILL_SHARE * payout[stays])
        rows.append(facts(buys.where(stays), Kind.REBILL, at[stays] + 30 * month * DAY, part=month, micros=share))
    return rows
