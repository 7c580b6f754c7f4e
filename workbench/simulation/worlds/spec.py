"""What a world is made of: its constants, the worlds known by name, and the sealed one whose constants nobody has seen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from workbench.simulation.worlds.keyed import Of, person_keys, uniforms

CATEGORIES = 6
TONES = ("standard", "soft", "urgency", "discount", "aggressive")  # the engine's variants
FORMATS = ("personalised short", "personalised long", "generic short", "generic long")
CONTENTS = len(TONES) * len(FORMATS)  # content = tone + 5 * format: codes below 5 are the engine's variants in the best format
COUNTRIES = ("US", "UK", "FR", "ES")
PROVIDERS = ("gmail", "yahoo", "outlook", "icloud", "other")
SOURCES = ("confirmed", "checkout", "sweepstakes")
DEVICES = ("phone", "desktop", "tablet")


@dataclass(frozen=True)
class WorldSpec:
    """Constants of a world. Rates and chances are per delivered mail unless the name says otherwise."""

    name: str
    # response of an average person to an average offer (calibrated: tests/simulation/test_calibration.py)
    open_rate: float = 0.1249
    click_rate: float = 0.1940
    convert_rate: float = 0.0509
    trait_spread: float = 0.55  # sd of log rates between people
    content_strength: float = 1.0  # exponent of everything a content does
    time_strength: float = 1.0  # exponent of everything an hour or a weekday does
    taste_concentration: float = 0.5  # of the Dirichlet over categories
    # fatigue
    half_life_days: float = 4.0
    half_life_spread: float = 0.5
    tired_at: float = 6.0  # fatigue that halves the chance of being read
    wear_out: float = 0.25  # per recent mail of the same offer
    annoyable: float = 0.10  # share of people with a threshold instead of a slope
    # exits
    unsubscribe: float = 0.0038
    complaint: float = 0.0002
    exits_tired_at: float = 4.0
    dead_from_start: float = 0.006
    death_per_day: float = 0.00005
    lapse_per_day: float = 0.0006
    lapse_per_mail: float = 0.0009
    return_per_day: float = 0.0015
    # offers
    offers: int = 12
    payout_dollars: float = 24.0
    drift: float = 0.03  # sd per day of an offer's log rates; they revert with `reversion`
    reversion: float = 0.03
    breaks_per_day: float = 0.002
    arriving: float = 0.4  # share of offers that come after the first day
    capped: float = 0.5  # share of offers with a weekly cap and a budget
    weekly_cap_per_thousand: float = 2.0  # conversions per week and 1,000 subscribers
    reversed: float = 0.04
    reversal_days: float = 9.0
    rebilling: float = 0.25  # share of offers that pay again each month
    # machines, fraud, mailbox providers
    privacy_proxy: float = 0.50
    scanned: float = 0.06
    fraud: float = 0.001  # of conversions, each kind; bursts come per offer and day at twice this
    inbox: float = 0.95  # placement of a sender without complaints
    complaints_halving: float = 0.003  # complaint rate at which a provider puts half of the mail elsewhere; infinite = never
    # people outside our reach: visits and orders of their own accord
    visits_per_day: float = 0.004
    visit_converts: float = 0.0  # zero: orders follow habit, not visits
    shop_scale: float = 1.0  # of the repeat-purchase rate
    start_day_of_year: int = 60
    start_weekday: int = 0  # Monday
    fixed_appeals: tuple[float, ...] | None = None  # of offers that are there from the first day, without drift, caps or breaks


_DEFAULT = WorldSpec("default")
_WORLDS = {
    "default": _DEFAULT,
    "fatigued": replace(
        _DEFAULT,
        name="fatigued",
        tired_at=3.0,
        wear_out=0.4,
        annoyable=0.25,
        unsubscribe=0.012,
        complaint=0.0055,
        exits_tired_at=2.5,
        lapse_per_mail=0.002,
    ),
    "drifting": replace(_DEFAULT, name="drifting", drift=0.12, reversion=0.05, breaks_per_day=0.01, arriving=0.7, capped=0.7),
    "placebo": replace(_DEFAULT, name="placebo", content_strength=0.0, time_strength=0.0),
}
NAMES = (*_WORLDS, "sealed")
# Hillstrom's e-mail test: two offers (the mens and the womens mail), customers who also come by themselves.
RETAIL = replace(
    _DEFAULT,
    name="retail",
    offers=2,
    fixed_appeals=(1.0, 0.51),
    open_rate=0.45,
    click_rate=0.45,
    convert_rate=0.066,
    visits_per_day=0.0082,
    visit_converts=0.047,
    shop_scale=0.0,
    fraud=0.0,
)

# Factors between which a sealed world's constants lie, around those of the default world.
_SEALED = {
    "open_rate": (0.7, 1.4),
    "click_rate": (0.7, 1.4),
    "convert_rate": (0.6, 1.6),
    "trait_spread": (0.6, 1.5),
    "content_strength": (0.2, 1.8),
    "time_strength": (0.2, 1.8),
    "taste_concentration": (0.5, 3.0),
    "half_life_days": (0.5, 2.0),
    "tired_at": (0.4, 1.5),
    "wear_out": (0.5, 2.5),
    "annoyable": (0.3, 3.0),
    "unsubscribe": (0.5, 3.0),
    "complaint": (0.5, 5.0),
    "exits_tired_at": (0.5, 1.5),
    "lapse_per_day": (0.5, 2.0),
    "lapse_per_mail": (0.3, 3.0),
    "payout_dollars": (0.5, 2.0),
    "drift": (0.3, 4.0),
    "breaks_per_day": (0.0, 5.0),
    "arriving": (0.3, 2.0),
    "capped": (0.0, 2.0),
    "reversed": (0.5, 3.0),
    "privacy_proxy": (0.8, 1.2),
    "scanned": (0.5, 2.5),
    "fraud": (0.0, 3.0),
}


def named(name: str, seed_file: Path | None = None) -> WorldSpec:
    """The world of this name; "sealed" draws its constants from the bytes of a file that is kept outside the repository.

    Raises ValueError for an unknown name, a sealed world without a file or with an empty one, and a file for another world.
    """
    if (name == "sealed") != (seed_file is not None):
        raise ValueError("a seed file belongs to the sealed world, and to no other")
    if seed_file is not None:
        return drawn(seed_file.read_bytes())
    if name not in _WORLDS:
        raise ValueError(f"no world {name!r}; there are {', '.join(NAMES)}")
    return _WORLDS[name]


def drawn(secret: bytes) -> WorldSpec:
    """A world whose constants these bytes draw. Raises ValueError for none."""
    if not secret.strip():
        raise ValueError("the seed file of a sealed world is empty")
    seed = int.from_bytes(hashlib.sha256(secret.strip()).digest()[:7], "big")
    known = {field.name: getattr(_DEFAULT, field.name) for field in fields(_DEFAULT)}
    luck = uniforms(person_keys(seed, np.arange(len(_SEALED))), Of.TRAITS)
    drawn = {name: known[name] * (low + (high - low) * u) for (name, (low, high)), u in zip(_SEALED.items(), luck, strict=True)}
    return replace(_DEFAULT, name="sealed", **drawn)
