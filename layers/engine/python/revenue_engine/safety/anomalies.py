"""What looks wrong about conversions, vectorised: one row or a million go the same way. Shapes: n conversions, K known payouts.

Rules say what cannot be; tests say what chance seldom does. The tests of one conversion share its chance of a false alarm: each p is
multiplied by how many there were (Bonferroni). Thresholds are for a budget of 0.02 % of honest conversions held, 0.5 % reviewed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints
from revenue_engine.records.anomaly import LEAST_CHANCE, Flag, Severity
from revenue_engine.records.send import Touch
from revenue_engine.safety.payouts import NOT_USUAL, payout_scores, two_sided
from revenue_engine.safety.sequential import poisson_at_least

INSTANT_HOLD_SECONDS, INSTANT_REVIEW_SECONDS = 5, 10  # nobody reads a page and fills in a form that fast
REVIEW_BELOW, HOLD_BELOW = 1e-3, 1e-4
RATE_WINDOW = timedelta(hours=24)
CLICK_WINDOW = timedelta(seconds=10)
KNOWN_TO_ALLOW = 3  # duplicates that Everflow has reported of an offer: then its "Allow Duplicate Conversion" is on
SAME_AMOUNT = 0.005  # share that two payouts may differ by

# What an honest conversion is accompanied by in RATE_WINDOW: a second purchase is rare, an offer's later events are not.
OTHERS_OF_MAIL, OTHERS_OF_SUBSCRIBER, OTHERS_OF_CLICK = 0.02, 0.08, 2.0
FURTHER_CLICKS = 0.2  # of one mail in CLICK_WINDOW: people click twice when a page is slow

NONE, REVIEW, HOLD = 0, 1, 2
PAYOUT_SIGNALS = ("payout_high", "payout_low", "payout_not_catalogue")
_SEVERITIES = (None, Severity.REVIEW, Severity.HOLD)


@dataclass(frozen=True, slots=True)
class Conversions:
    """What the detectors look at. (n,) each, but for `known_payouts`."""

    seconds_from_click: Floats  # NaN: no click is known
    before_its_mail: Bools  # the click or the conversion is older than the mail whose id it carries
    payout_micros: Ints
    catalogue_micros: Ints  # 0: hidden, a share of an unknown sale, or an event, whose payout no catalogue names
    from_report: Bools  # the network's own figure, which may differ from the catalogue for its own reasons
    known_payouts: Ints  # (n, K) micros of earlier conversions of the same kind and offer, 0 = none
    duplicate: Bools  # another conversion id under the same (transaction, event)
    known_duplicates: Ints  # of the offer
    others_of_mail: Ints  # other transactions of the mail in RATE_WINDOW before; -1: no mail is credited
    others_of_subscriber: Ints  # other transactions of the subscriber, likewise
    others_of_click: Ints  # other conversions and events of the same transaction, likewise
    further_clicks: Ints  # of the mail within CLICK_WINDOW, the most there ever were

    def __len__(self) -> int:
        return len(self.payout_micros)


@dataclass(frozen=True, slots=True)
class Facts:
    """The same of one conversion."""

    seconds_from_click: float | None
    before_its_mail: bool
    payout_micros: int
    catalogue_micros: int
    from_report: bool
    known_payouts: Sequence[int]
    duplicate: bool
    known_duplicates: int
    others_of_mail: int
    others_of_subscriber: int
    others_of_click: int
    further_clicks: int


@dataclass(frozen=True, slots=True)
class Signal:
    """One detector's answer. `detail` are its figures, (n,) each."""

    name: str
    severity: Codes  # (n,) NONE | REVIEW | HOLD
    detail: dict[str, Floats]


def conversion_flags(facts: Facts) -> tuple[Flag, ...]:
    """The flags of one conversion, in the detectors' order."""
    return tuple(
        Flag(signal.name, severity, {name: float(values[0]) for name, values in signal.detail.items()})
        for signal in signals(_one_row(facts))
        if (severity := _SEVERITIES[signal.severity[0]]) is not None
    )


def _one_row(facts: Facts) -> Conversions:
    row: dict[str, Any] = {field.name: np.asarray([getattr(facts, field.name)]) for field in fields(Facts)}
    seconds = np.nan if facts.seconds_from_click is None else facts.seconds_from_click
    return Conversions(
        **row | {"seconds_from_click": np.array([seconds]), "known_payouts": np.array([facts.known_payouts], np.int64)}
    )


def signals(of: Conversions) -> tuple[Signal, ...]:
    """All detectors on all conversions."""
    seconds = of.seconds_from_click
    with np.errstate(invalid="ignore"):
        instant = np.where(seconds < INSTANT_HOLD_SECONDS, HOLD, np.where(seconds < INSTANT_REVIEW_SECONDS, REVIEW, NONE))
        early = seconds < 0
    timing = {"seconds_from_click": seconds}
    paid = of.payout_micros.astype(np.float64)
    catalogue = of.catalogue_micros.astype(np.float64)
    score, usual = payout_scores(of.payout_micros, of.known_payouts, of.catalogue_micros)
    alike = (np.abs(of.known_payouts - paid[:, None]) <= SAME_AMOUNT * paid[:, None]) & (of.known_payouts > 0)
    # an amount that the catalogue names, or that was paid before, is the offer's: prices are raised, tiers and countries differ
    strange = (np.abs(paid - catalogue) > SAME_AMOUNT * catalogue) & ~alike.any(axis=1)

    counted = (
        ("many_of_mail", of.others_of_mail, OTHERS_OF_MAIL),
        ("many_of_subscriber", of.others_of_subscriber, OTHERS_OF_SUBSCRIBER),
        ("many_of_click", of.others_of_click, OTHERS_OF_CLICK),
        ("machine_like_clicks", of.further_clicks, FURTHER_CLICKS),
    )
    done = np.isfinite(score).astype(np.int64) + sum((counts >= 0).astype(np.int64) for _, counts, _ in counted)
    tests = np.maximum(done, 1)
    payout_level = np.where(np.abs(score) > NOT_USUAL, HOLD, np.minimum(_level(two_sided(score) * tests), REVIEW)) * strange
    payout_detail = {"score": score, "payout_micros": paid, "usual_micros": usual}
    low = np.minimum(payout_level, REVIEW) * (score < 0)  # money that may be missing teaches modesty, no more
    found = [
        Signal("conversion_before_click", _code(HOLD * early), timing),
        Signal("instant_conversion", _code(instant * ~early), timing),
        Signal("before_its_mail", _code(HOLD * of.before_its_mail), {}),
        Signal("payout_high", _code(payout_level * (score > 0)), payout_detail),
        Signal("payout_low", _code(low), payout_detail),
        Signal(
            "payout_not_catalogue",
            _code(REVIEW * (strange & (catalogue > 0) & ~of.from_report)),
            {"payout_micros": paid, "catalogue_micros": catalogue},
        ),
        Signal(
            "duplicate_conversion",
            _code(REVIEW * (of.duplicate & (of.known_duplicates < KNOWN_TO_ALLOW))),
            {"known_duplicates": of.known_duplicates.astype(np.float64)},
        ),
    ]
    for name, counts, mean in counted:
        chance = _poisson(counts, mean)
        level = _level(chance * tests)
        # clicks alone prove no false conversion
        level = np.minimum(level, REVIEW) if name == "machine_like_clicks" else level
        found.append(Signal(name, _code(level), {"others": counts.astype(np.float64), "chance": chance}))
    return tuple(found)


def _level(chance: Floats) -> Ints:
    with np.errstate(invalid="ignore"):
        return np.where(chance < HOLD_BELOW, HOLD, np.where(chance < REVIEW_BELOW, REVIEW, NONE))


def _code(level: Ints) -> Codes:
    return np.asarray(level, dtype=np.uint8)


def _poisson(counts: Ints, mean: float) -> Floats:
    """P(so many or more), each different count reckoned once. Counts below zero, of nothing that is known: 1."""
    values, place = np.unique(counts, return_inverse=True)
    return np.array([max(poisson_at_least(int(value), mean), LEAST_CHANCE) for value in values])[place]


# --- from touches ----------------------------------------------------------------------------------------------------------
def credited_click_at(touches: Sequence[Touch], send_id: str, converted_at: datetime) -> datetime | None:
    """The mail's last click before a conversion, a machine's too: they click links, and convert.

    A click after the conversion proves nothing: those in the text part of a mail pass nobody who counts them.
    """
    clicks = (touch.at for touch in touches if touch.kind == "click" and touch.send_id == send_id)
    return max((at for at in clicks if at <= converted_at), default=None)


def most_further_clicks(touches: Sequence[Touch], send_id: str) -> int:
    """The most clicks of one mail within CLICK_WINDOW after one of them, all taken for a person's. That one is not counted."""
    clicks = sorted(touch.at for touch in touches if touch.kind == "click" and touch.human and touch.send_id == send_id)
    most, first = 0, 0
    for last, at in enumerate(clicks):
        while at - clicks[first] > CLICK_WINDOW:
            first += 1
        most = max(most, last - first)
    return most
