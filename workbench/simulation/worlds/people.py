"""Who the subscribers are: what only the world knows of them, and what a list knows. n people, K categories."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import lgamma

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Keys
from workbench.simulation.worlds import keyed
from workbench.simulation.worlds.keyed import Of
from workbench.simulation.worlds.spec import CATEGORIES, TONES, WorldSpec

# Shares and relative open rates by country, purchases and recency: e-mail take-home exercise and hillstrom (test_calibration.py).
_COUNTRY_WEIGHTS = np.array([0.602, 0.199, 0.100, 0.099])
_COUNTRY_OPENS = np.array([1.155, 1.16, 0.365, 0.365])
_PURCHASE_WEIGHTS = np.array(
    [0.1393, 0.1364, 0.1299, 0.1213, 0.1078, 0.0907, 0.0746, 0.0604, 0.0442, 0.0327, 0.0239, 0.0151, 0.0098, 0.0139]
)
_PURCHASE_OPENS = np.array([0.361, 0.893, 0.963, 1.06, 1.08, 1.12, 1.20, 1.20, 1.36, 1.36, 1.38, 1.45, 1.45, 1.7])
_PURCHASE_CLICKS = np.array([0.045, 0.465, 0.70, 0.69, 0.83, 0.93, 1.15, 1.06, 1.38, 1.82, 2.0, 2.0, 2.6, 3.2])
_RECENCY_WEIGHTS = np.array([0.140, 0.1185, 0.0931, 0.0790, 0.0699, 0.0718, 0.0632, 0.0540, 0.0998, 0.1190, 0.0549, 0.0368])
_RECENCY_SLOPE = 0.062  # of log interest per month since the last order, to month 9
_RECENCY_MEAN = float(np.exp(-_RECENCY_SLOPE * np.minimum(np.arange(12), 8)) @ _RECENCY_WEIGHTS / _RECENCY_WEIGHTS.sum())
_PROVIDER_WEIGHTS = np.array([0.48, 0.16, 0.14, 0.12, 0.10])
_PROVIDER_PROXIES = np.array([0.9, 1.0, 0.8, 1.8, 0.6])  # relative share behind a privacy proxy; weighted mean 1
_PROVIDER_SCANS = np.array([0.05, 0.05, 1.5, 0.05, 7.5])  # relative share behind a link scanner; weighted mean 1
_SOURCE_WEIGHTS = np.array([0.45, 0.40, 0.15])
_SOURCE_UNSUBSCRIBES = np.array([0.35, 1.0, 2.2])
_SOURCE_COMPLAINTS = np.array([0.01, 1.0, 4.0])
_SOURCE_DEATHS = np.array([0.3, 0.8, 3.6])
_PEAK_WEIGHTS, _PEAKS = np.array([0.30, 0.35, 0.35]), np.array([9.0, 12.5, 20.0])
PAST_HOURS = 8  # openings of the past that a list may know
HOUR_BINS = 6  # of four hours
_INTEREST_POWER, _INTEREST_FLOOR = 0.7, 0.25
_TONE_SPREAD = 0.30
SHOP_SHAPE, SHOP_WEEKS, SHOP_A, SHOP_B = 0.243, 4.414, 0.793, 2.426  # BG/NBD of CDNOW (Fader, Hardie, Lee 2005)


@dataclass(frozen=True)
class People:
    """Known to the world alone; (n,) each unless said otherwise. Rates are factors around 1."""

    keys: Keys
    open_rate: Floats
    click_rate: Floats
    convert_rate: Floats
    visit_rate: Floats
    interest: Floats  # (n, K) in offers of a category
    tone: Floats  # (n, tones) liking of a tone
    thrift: Floats  # true price sensitivity, 0 to 1
    peak_hour: Floats
    shop_per_day: Floats  # orders of his own accord
    shop_leaves: Floats  # chance that an order was the last
    basket: Floats  # size of his orders
    half_life_days: Floats
    annoyed_above: Floats  # mails in seven days; infinite for those whose patience wears down smoothly
    frailty: Floats  # of exits
    unsubscribes: Floats  # factor by source
    complains: Floats
    dead: Bools  # mailbox was dead before the first mail
    proxied: Bools
    scanned: Bools


@dataclass(frozen=True)
class Profile:
    """Known to the list on the first day; (n,) each unless said otherwise."""

    ids: np.ndarray
    tenure_days: Floats  # since signing up, on day 0
    source: Codes
    country: Codes
    provider: Codes
    device: Codes
    topics: Bools  # (n, K) declared interests
    topics_known: Bools  # without a declaration the row of `topics` is false throughout
    past_opens: Codes  # (n, HOUR_BINS) openings of the past by four-hour bin
    price_sensitivity: Floats  # a noisy guess, 0 to 1
    purchases: Codes  # orders before day 0
    months_since_order: Floats  # on day 0, 1 to 12


def people(spec: WorldSpec, seed: int, ids: np.ndarray) -> tuple[People, Profile]:
    """Each person is a function of the world's constants, its seed and his id."""
    keys = keyed.person_keys(seed, ids)
    n = len(ids)
    source = keyed.choices(keys, Of.SOURCE, _SOURCE_WEIGHTS)
    country = keyed.choices(keys, Of.COUNTRY, _COUNTRY_WEIGHTS)
    provider = keyed.choices(keys, Of.PROVIDER, _PROVIDER_WEIGHTS)
    purchases = keyed.choices(keys, Of.PURCHASES, _PURCHASE_WEIGHTS)
    months = 1 + keyed.choices(keys, Of.RECENCY, _RECENCY_WEIGHTS)
    recent = np.exp(-_RECENCY_SLOPE * np.minimum(months - 1, 8)) / _RECENCY_MEAN
    taste, interest = _taste(spec, keys)
    z = [keyed.normals(keys, Of.TRAITS, index) for index in range(4)]
    sd = spec.trait_spread
    opens = _lognormal(z[0], sd)
    clicks = _lognormal(0.5 * z[0] + 0.866 * z[1], 0.8 * sd)
    # who orders often of his own accord also converts more
    converts = _lognormal(0.3 * z[0] + 0.3 * z[1] + 0.9 * z[2], 0.9 * sd)
    peak, past_opens = _hours(keys, n)
    thrift = 1 / (1 + np.exp(-(0.9 * keyed.normals(keys, Of.PRICE) - 0.3 * z[2])))
    topics, topics_known = _topics(spec, keys, taste)
    annoyable = keyed.happens(keys, Of.ANNOYABLE, spec.annoyable)
    patience = 2.0 + 4.0 * keyed.uniforms(keys, Of.ANNOYABLE, 1)
    truth = People(
        keys=keys,
        open_rate=opens * _COUNTRY_OPENS[country] * _PURCHASE_OPENS[purchases] * recent,
        click_rate=clicks * _PURCHASE_CLICKS[purchases],
        convert_rate=converts,
        visit_rate=recent * _lognormal(0.5 * z[0] + 0.866 * z[3], 0.8),
        interest=interest,
        tone=np.stack([_lognormal(keyed.normals(keys, Of.TONE, i), _TONE_SPREAD) for i in range(len(TONES))], axis=1),
        thrift=thrift,
        peak_hour=peak,
        shop_per_day=spec.shop_scale * keyed.gammas(keys, Of.SHOP_RATE, SHOP_SHAPE) / SHOP_WEEKS / 7,
        shop_leaves=_beta(keys, Of.SHOP_LEAVING, SHOP_A, SHOP_B),
        basket=_lognormal(keyed.normals(keys, Of.BASKET) - 0.4 * (thrift - 0.5), 0.35),
        half_life_days=spec.half_life_days * np.exp(spec.half_life_spread * keyed.normals(keys, Of.HALF_LIFE)),
        annoyed_above=np.where(annoyable, patience, np.inf),
        frailty=keyed.gammas(keys, Of.FRAILTY, 1.5) / 1.5,
        unsubscribes=_SOURCE_UNSUBSCRIBES[source],
        complains=_SOURCE_COMPLAINTS[source],
        dead=keyed.happens(keys, Of.DEAD_FROM_START, spec.dead_from_start * _SOURCE_DEATHS[source]),
        proxied=keyed.happens(keys, Of.PROXY, np.minimum(spec.privacy_proxy * _PROVIDER_PROXIES[provider], 1.0)),
        scanned=keyed.happens(keys, Of.SCANNER, np.minimum(spec.scanned * _PROVIDER_SCANS[provider], 1.0)),
    )
    known = Profile(
        ids=ids,
        tenure_days=np.floor(-300.0 * np.log(keyed.uniforms(keys, Of.TENURE))),
        source=source.astype(np.uint8),
        country=country.astype(np.uint8),
        provider=provider.astype(np.uint8),
        device=keyed.choices(keys, Of.DEVICE, np.array([0.62, 0.30, 0.08])).astype(np.uint8),
        topics=topics,
        topics_known=topics_known,
        past_opens=past_opens,
        price_sensitivity=np.clip(thrift + 0.15 * keyed.normals(keys, Of.PRICE, 1), 0, 1).round(2),
        purchases=purchases.astype(np.uint8),
        months_since_order=months.astype(np.float64),
    )
    for field in fields(known):
        getattr(known, field.name).flags.writeable = False  # a policy is handed these very arrays
    return truth, known


def picked(of: People, rows: np.ndarray) -> People:
    """The same of some people."""
    return People(**{field.name: getattr(of, field.name)[rows] for field in fields(of)})


def _lognormal(z: Floats, sd: float) -> Floats:
    """Mean 1 for a standard normal `z`."""
    return np.exp(sd * z - sd**2 / 2)


def _taste(spec: WorldSpec, keys: Keys) -> tuple[Floats, Floats]:
    """Dirichlet shares of categories and the interest they make, mean 1 over people; (n, K) both."""
    a, k = spec.taste_concentration, CATEGORIES
    parts = np.stack([keyed.gammas(keys, Of.TASTE, a, index) for index in range(k)], axis=1)
    taste = parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-300)
    p = _INTEREST_POWER
    mean = np.exp(p * np.log(k) + lgamma(a + p) - lgamma(a) + lgamma(k * a) - lgamma(k * a + p))
    return taste, _INTEREST_FLOOR + (1 - _INTEREST_FLOOR) * (k * taste) ** p / mean


def _topics(spec: WorldSpec, keys: Keys, taste: Floats) -> tuple[Bools, Bools]:
    """Declared where taste and a whim exceed a bar: correlation with taste about 0.6; 30 % declare nothing."""
    noise = np.stack([keyed.normals(keys, Of.TOPIC, index) for index in range(CATEGORIES)], axis=1)
    known = keyed.happens(keys, Of.TOPICS_MISSING, 0.7)
    return (taste + 0.13 * noise > 0.28) & known[:, None], known


def _hours(keys: Keys, n: int) -> tuple[Floats, Codes]:
    """The hour somebody likes best, and a coarse histogram of past openings around it: between none and PAST_HOURS of them."""
    peak = _PEAKS[keyed.choices(keys, Of.PEAK, _PEAK_WEIGHTS)] + 1.5 * keyed.normals(keys, Of.PEAK, 1)
    seen = np.floor((PAST_HOURS + 1) * keyed.uniforms(keys, Of.PAST_HOUR, 1_000))
    histogram = np.zeros((n, HOUR_BINS), dtype=np.uint8)
    for index in range(PAST_HOURS):
        at = (peak + 4.0 * keyed.normals(keys, Of.PAST_HOUR, index)) % 24
        histogram[np.arange(n), np.minimum((at * HOUR_BINS / 24).astype(np.int64), HOUR_BINS - 1)] += seen > index
    return peak % 24, histogram


def _beta(keys: Keys, of: Of, a: float, b: float) -> Floats:
    x, y = keyed.gammas(keys, of, a, 0), keyed.gammas(keys, of, b, 1)
    return x / np.maximum(x + y, 1e-300)
