"""Fraud among conversions: what the engine's detectors find of it, and what they hold of honest money.

    python -m benchmarks.fraud [--quick] [--json]

Each world is a stream of two months (`benchmarks.fraud_worlds`), booked hour by hour: what is flagged depends on nothing that came
later. The detectors are the engine's own, with their constants, which were chosen on worlds of other seeds. Figures:

recall                  of the false conversions, those flagged, refused or known as repetitions
recall_of_booked        the same without what is never booked: repetitions and forged ids
held_legitimate         of the honest ones, those held back from learning, for whatever reason
held_bystanders         of these, those held because their offer's day really was attacked
review_share            of the honest ones, those a person is asked to look at
false_offer_days        offer-days with an alarm of a burst that were not attacked by one, of all
false_breaks            offer-days taken for a broken landing page, of all: no page breaks here
missed_bursts           of the offer-days attacked, those without an alarm
naive_*                 the same of mean and deviation, z > 3, on payouts, delays and conversion rates, with hindsight
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.fraud_worlds import DAY, DAYS, HONEST, HOUR, KINDS, NUMBER, OFFERS, Stream, World
from benchmarks.harness import Result, main
from revenue_engine import ids
from revenue_engine.arrays import Bools, Codes, Floats, Ints
from revenue_engine.aws.payouts import SLOTS
from revenue_engine.intake.everflow import classify_sub1
from revenue_engine.records.anomaly import Flag, Severity
from revenue_engine.safety import offer_days
from revenue_engine.safety.anomalies import HOLD, NONE, PAYOUT_SIGNALS, RATE_WINDOW, REVIEW, Conversions, signals
from revenue_engine.safety.offer_days import Finding, Morning
from revenue_engine.safety.silence import Bucket

SEEDS = range(9_000, 9_040)  # constants were chosen on seeds below 100
QUICK_SEEDS = SEEDS[:8]
BREAKS_LOOKED_FOR_EVERY_HOURS = 6  # the judge looks every hour, and finds them sooner
CAUGHT = 3  # never booked at all: a repetition, or a forged id in quarantine


@dataclass(frozen=True)
class Verdicts:
    """Of one stream; (n,) each."""

    level: Codes  # NONE | REVIEW | HOLD | CAUGHT
    naive: Bools
    stream: Stream
    missed_bursts: int
    false_offer_days: int
    false_breaks: int


def judged(seed: int) -> Verdicts:
    """One world, booked."""
    stream = World(seed).stream()
    caught = _caught(stream)
    level = np.where(caught, CAUGHT, NONE).astype(np.uint8)
    others = _others(stream, caught)
    history = _History()
    conversions, clean = np.zeros((DAYS, 24, OFFERS), dtype=np.int64), np.ones((DAYS, OFFERS), dtype=bool)
    alarm, breaks = np.zeros((DAYS, OFFERS), dtype=np.uint8), np.zeros((DAYS, OFFERS), dtype=bool)
    hours = np.searchsorted(stream.booked_at, np.arange(DAYS * 24 + 1) * HOUR)
    mornings: list[Morning | None] = []
    for hour in range(DAYS * 24):
        day, of_day = divmod(hour, 24)
        if of_day == 0:
            mornings = _mornings(stream.clicks, conversions, clean, day)
        rows = np.arange(hours[hour], hours[hour + 1])
        rows = rows[~caught[rows]]
        if len(rows):
            batch = history.batch(stream, rows, others)
            found = {signal.name: signal.severity for signal in signals(batch)}
            own = np.max(list(found.values()), axis=0)
            level[rows] = np.maximum(own, alarm[day, stream.offer[rows]])
            history.remember(stream, rows[np.max([found[name] for name in PAYOUT_SIGNALS], axis=0) == NONE])
            np.add.at(history.duplicates, stream.offer[rows], stream.second_id[rows])
            np.add.at(conversions[day, of_day], stream.offer[rows[own < HOLD]], 1)
        if of_day == 23:
            today = np.arange(hours[day * 24], hours[hour + 1])
            history.remember(stream, today[stream.kind[today] == NUMBER[HONEST]])  # the network's report knows them all
        for offer, flag in _alerts(stream.clicks, conversions, mornings, day, of_day):
            clean[day, int(offer)] = False
            breaks[day, int(offer)] |= flag.signal == offer_days.BREAK
            if flag.signal == offer_days.BURST:
                alarm[day, int(offer)] = max(alarm[day, int(offer)], HOLD if flag.severity is Severity.HOLD else REVIEW)
    # the report of the next morning brings every conversion again: those before an alarm are listed too
    days = (stream.booked_at // DAY).astype(int)
    level = np.maximum(level, np.where(~caught & (alarm[days, stream.offer] > NONE), REVIEW, NONE)).astype(np.uint8)
    return Verdicts(
        level=level,
        naive=_naive(stream, caught),
        stream=stream,
        missed_bursts=int((stream.burst_days & (alarm == NONE)).sum()),
        false_offer_days=int((~stream.burst_days & (alarm > NONE)).sum()),
        false_breaks=int(breaks.sum()),
    )


# --- before the books ------------------------------------------------------------------------------------------------------
def _caught(stream: Stream) -> Bools:
    """Repetitions, which the ledger's key holds off, and ids that are not ours."""
    key, seen = b"k" * 32, set[tuple[int, bool]]()
    caught = np.zeros(len(stream), dtype=bool)
    for row in range(len(stream)):
        send = ids.send_id(key, org="org", subscriber=str(stream.person[row]), decision_id=str(stream.mail[row]))
        signed_with = b"guessed" * 5 if stream.kind[row] == NUMBER["forged id"] else key
        sub1 = ids.tracking_id(signed_with, org="org", send_id=send)
        arrival = (int(stream.transaction[row]), bool(stream.event[row]))
        caught[row] = classify_sub1(key, sub1, "org").status != "ours" or (not stream.second_id[row] and arrival in seen)
        if not caught[row]:
            seen.add(arrival)
    return caught


def _others(stream: Stream, caught: Bools) -> dict[str, Ints]:
    """What was booked in RATE_WINDOW before each conversion; (n,) each."""
    booked = np.flatnonzero(~caught)
    _, first = np.unique(stream.transaction[booked], return_index=True)
    firsts = np.zeros(len(stream), dtype=bool)
    firsts[booked[first]] = True
    opened_at = np.full(int(stream.transaction.max()) + 1, -np.inf)
    opened_at[stream.transaction[firsts]] = stream.booked_at[firsts]
    own = (~firsts) & (opened_at[stream.transaction] >= stream.booked_at - RATE_WINDOW.total_seconds())
    return {
        "mail": _before(stream.mail, stream.booked_at, firsts) - own,
        "person": _before(stream.person, stream.booked_at, firsts) - own,
        "click": _before(stream.transaction, stream.booked_at, ~caught),
    }


def _before(group: Ints, at: Floats, counts: Bools) -> Ints:
    """How many of the counted rows of its group lie in RATE_WINDOW before each row."""
    window, span = RATE_WINDOW.total_seconds(), DAYS * DAY * 4.0
    places = np.sort(group[counts] * span + at[counts])
    mine = group * span + at
    return np.asarray(np.searchsorted(places, mine) - np.searchsorted(places, mine - window))


class _History:
    """The payouts that the Offers table keeps: a ring of slots per offer and kind of conversion."""

    def __init__(self) -> None:
        self.slots = np.zeros((2 * OFFERS, SLOTS), dtype=np.int64)
        self.duplicates = np.zeros(OFFERS, dtype=np.int64)

    def batch(self, stream: Stream, rows: Ints, others: dict[str, Ints]) -> Conversions:
        """What the engine looks at."""
        return Conversions(
            seconds_from_click=stream.seconds_from_click[rows],
            before_its_mail=np.zeros(len(rows), dtype=bool),
            payout_micros=stream.payout[rows],
            catalogue_micros=stream.catalogue[rows],
            from_report=np.zeros(len(rows), dtype=bool),
            known_payouts=self.slots[stream.offer[rows] * 2 + stream.event[rows]],
            duplicate=stream.second_id[rows],
            known_duplicates=self.duplicates[stream.offer[rows]],
            others_of_mail=others["mail"][rows],
            others_of_subscriber=others["person"][rows],
            others_of_click=others["click"][rows],
            further_clicks=stream.further_clicks[rows],
        )

    def remember(self, stream: Stream, rows: Ints) -> None:
        """What they paid is known from now on."""
        self.slots[stream.offer[rows] * 2 + stream.event[rows], stream.transaction[rows] % SLOTS] = stream.payout[rows]


# --- offer-days ------------------------------------------------------------------------------------------------------------
def _mornings(clicks: Ints, conversions: Ints, clean: Bools, day: int) -> list[Morning | None]:
    """Of every offer, as of the start of a day."""
    first = max(day - offer_days.LOOK_BACK_DAYS, 0)
    by_day = clicks[first:day].sum(axis=1).T.tolist()
    booked, ok = conversions[first:day].sum(axis=1).T.tolist(), clean[first:day].T.tolist()
    return [offer_days.morning(by_day[offer], booked[offer], ok[offer]) for offer in range(OFFERS)]


def _alerts(clicks: Ints, conversions: Ints, mornings: list[Morning | None], day: int, hour: int) -> list[tuple[str, Flag]]:
    """What the judge raises at the end of an hour."""
    tests: list[Finding] = []
    first = max(day - offer_days.LOOK_BACK_DAYS, 0)
    whole = max(day - (offer_days.LOOK_BACK_DAYS - offer_days.WHOLE_DAYS), first)
    looks = hour % BREAKS_LOOKED_FOR_EVERY_HOURS == BREAKS_LOOKED_FOR_EVERY_HOURS - 1
    begins = max(day - offer_days.BREAK_DAYS, first) - first
    by_day = [of[first:whole].sum(axis=1).T.tolist() for of in (clicks, conversions)]
    by_hour = [
        of[whole : day + 1].reshape(-1, OFFERS)[: 24 * (day - whole) + hour + 1].T.tolist() for of in (clicks, conversions)
    ]
    for offer, before in enumerate(mornings):
        if before is None:
            continue
        so_far = [int(of[day, : hour + 1, offer].sum()) for of in (clicks, conversions)]
        tests.append(offer_days.burst(str(offer), before, clicks=so_far[0], conversions=so_far[1], hours=hour + 1.0))
        if not looks:
            continue
        days, hours = (zip(*(of[offer] for of in known), strict=True) for known in (by_day, by_hour))
        buckets = [*(Bucket(24.0, *of) for of in days), *(Bucket(1.0, *of) for of in hours)]
        tests.append(offer_days.broken(str(offer), before.before, buckets, begins=begins, others_sold=len(buckets)))
    return offer_days.alerts(tests)


# --- a peer ----------------------------------------------------------------------------------------------------------------
def _naive(stream: Stream, caught: Bools) -> Bools:
    """Mean and deviation, z > 3: payouts and delays of each offer, conversion rates of each offer-day; with hindsight."""
    flagged = caught.copy()
    clicks = np.maximum(stream.clicks.sum(axis=1), 1)
    day, conversions = (stream.booked_at // DAY).astype(int), np.zeros((DAYS, OFFERS))
    np.add.at(conversions, (day[~caught], stream.offer[~caught]), 1)
    rates = conversions / clicks
    for offer in range(OFFERS):
        for event in (False, True):
            rows = np.flatnonzero((stream.offer == offer) & (stream.event == event) & ~caught)
            for values in (stream.payout[rows].astype(np.float64), stream.seconds_from_click[rows]):
                if len(rows) > 2:
                    flagged[rows] |= np.abs(values - values.mean()) > 3 * max(values.std(), 1e-9)
        for judged_day in range(offer_days.CLEAN_DAYS, DAYS):
            before = rates[judged_day - offer_days.CLEAN_DAYS : judged_day, offer]
            if rates[judged_day, offer] > before.mean() + 3 * before.std():
                flagged |= (stream.offer == offer) & (day == judged_day)
    return flagged


def measure(quick: bool) -> Result:
    """All worlds together."""
    verdicts = [judged(seed) for seed in (QUICK_SEEDS if quick else SEEDS)]
    kind = np.concatenate([v.stream.kind for v in verdicts])
    level = np.concatenate([v.level for v in verdicts])
    naive = np.concatenate([v.naive for v in verdicts])
    beside = np.concatenate([_beside_fraud(v.stream) for v in verdicts])
    honest = kind == NUMBER[HONEST]
    rows = []
    for name in KINDS[1:]:
        of = kind == NUMBER[name]
        stopped = (level[of] >= HOLD).mean()
        rows.append((name, f"{of.sum()}", f"{(level[of] > NONE).mean():.3f}", f"{stopped:.3f}", f"{naive[of].mean():.3f}"))
    figures = {
        "recall": float((level[~honest] > NONE).mean()),
        "recall_of_booked": float((level[~honest & (level != CAUGHT)] > NONE).mean()),
        "held_legitimate": float((level[honest] >= HOLD).mean()),
        "review_share": float((level[honest] == REVIEW).mean()),
        "held_bystanders": float((level[honest & beside] >= HOLD).sum() / honest.sum()),
        "false_offer_days": sum(v.false_offer_days for v in verdicts) / (len(verdicts) * DAYS * OFFERS),
        "false_breaks": sum(v.false_breaks for v in verdicts) / (len(verdicts) * DAYS * OFFERS),
        "missed_bursts": sum(v.missed_bursts for v in verdicts) / max(sum(int(v.stream.burst_days.sum()) for v in verdicts), 1),
        "naive_recall": float(naive[~honest].mean()),
        "naive_flagged_legitimate": float(naive[honest].mean()),
    }
    return Result(
        title=f"fraud in {len(kind):,} conversions of {len(verdicts)} worlds",
        columns=("injected", "conversions", "found", "held or refused", "mean and deviation, z > 3"),
        rows=rows,
        figures=figures,
        notes=(
            "The time of every click is taken as known; the report of the next morning brings every conversion a second time.",
        ),
    )


def _beside_fraud(stream: Stream) -> Bools:
    """Whether a conversion is of an offer-day with at least three false ones: an alarm there is no false one."""
    day = (stream.booked_at // DAY).astype(int)
    false = np.zeros((DAYS, OFFERS), dtype=np.int64)
    np.add.at(false, (day, stream.offer), stream.kind != NUMBER[HONEST])
    return np.asarray(false[day, stream.offer] >= 3)


if __name__ == "__main__":
    main(__doc__ or "", measure)
