"""Looks at each conversion before it is booked, with what the stores know of its offer, mail and subscriber.

What is flagged is booked like anything else: the money is counted, listed, and, when the flag says hold, not learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from revenue_engine.attribution.facts import Credit
from revenue_engine.aws import names, observe
from revenue_engine.aws.items import Item
from revenue_engine.aws.timeline import touches_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, iso_millis
from revenue_engine.records.anomaly import Flag, Severity
from revenue_engine.records.controls import Controls
from revenue_engine.records.conversion import Arrival
from revenue_engine.records.offer import Offer
from revenue_engine.safety.anomalies import (
    PAYOUT_SIGNALS,
    RATE_WINDOW,
    Facts,
    conversion_flags,
    credited_click_at,
    most_further_clicks,
)
from revenue_engine.safety.offer_days import BURST

CLOCKS_DIFFER = timedelta(minutes=5)  # ours and the network's, at most


def flags_for(
    w: Wiring,
    arrival: Arrival,
    key: str,
    *,
    credit: Credit | None,
    history: Sequence[Item],
    offer: Offer,
    currency: str,
    controls: Controls,
) -> tuple[Flag, ...]:
    """What is suspicious of an arrival that is to be booked under this ledger key. Reads only; asking again is harmless.

    `history` is the credited subscriber's timeline of the attribution window before the arrival.
    """
    known = w.payouts.known(arrival, currency=currency, key=key)
    others_of_mail = others_of_subscriber = others_of_click = further_clicks = -1
    clicked_at = arrival.clicked_at
    if credit is not None:
        others_of_mail, others_of_subscriber, others_of_click = _others(history, arrival, key, credit)
        touches = touches_of(history)
        clicked_at = clicked_at or credited_click_at(touches, credit.send_id, arrival.converted_at)
        further_clicks = most_further_clicks(touches, credit.send_id)
    flags = conversion_flags(
        Facts(
            seconds_from_click=None if clicked_at is None else (arrival.converted_at - clicked_at).total_seconds(),
            before_its_mail=_before_its_mail(arrival, credit),
            payout_micros=arrival.payout_micros,
            catalogue_micros=_catalogue_micros(arrival, offer, currency),
            from_report=arrival.source == "report",
            known_payouts=known.micros,
            duplicate=key != arrival.key,
            known_duplicates=known.duplicates,
            others_of_mail=others_of_mail,
            others_of_subscriber=others_of_subscriber,
            others_of_click=others_of_click,
            further_clicks=further_clicks,
        )
    )
    burst = _burst_of_the_day(w, arrival, controls)
    return flags if burst is None else (*flags, burst)


def held_for(flags: Sequence[Flag]) -> tuple[str, ...]:
    """The signals that keep the conversion from learning."""
    return tuple(sorted(flag.signal for flag in flags if flag.severity is Severity.HOLD))


def listing(
    w: Wiring, arrival: Arrival, key: str, flags: Sequence[Flag], *, currency: str, now: datetime
) -> list[dict[str, Any]]:
    """What lists the flags, for the transaction that books the conversion: no action when there are none."""
    if not flags:
        return []
    facts = {
        "offer": arrival.offer,
        "payout_micros": arrival.payout_micros,
        "currency": currency,
        "converted_at": epoch_seconds(arrival.converted_at),
    }
    return [w.anomalies.raising(arrival.org, key, flags, facts=facts, now=now)]


def after_booking(w: Wiring, arrival: Arrival, key: str, flags: Sequence[Flag], *, currency: str) -> None:
    """Sounds the alarm, and remembers the amount as the offer's: one the report confirms, or that nothing speaks against.

    After the transaction: that it is lost with a crash does no harm, and doing it again neither.
    """
    if flags:
        observe.count(names.METRIC_ANOMALIES, arrival.org)
    paid = arrival.source == "report" or not any(flag.signal in PAYOUT_SIGNALS for flag in flags)
    w.payouts.remember(arrival, currency=currency, key=key, paid=paid, duplicate=key != arrival.key)


def _others(history: Sequence[Item], arrival: Arrival, key: str, credit: Credit) -> tuple[int, int, int]:
    """Booked in RATE_WINDOW before: other transactions of the mail and of the subscriber, others under the same transaction."""
    since = iso_millis(arrival.converted_at - RATE_WINDOW)
    booked = {
        item["key"]: item["send_id"]
        for item in history
        if item["kind"] == "conversion" and item["key"] != key and item["sk"] >= since
    }
    transactions = {(_transaction(other), send_id) for other, send_id in booked.items()}
    foreign = {one for one in transactions if one[0] != arrival.transaction_id}
    of_mail = {transaction for transaction, send_id in foreign if send_id == credit.send_id}
    of_click = sum(_transaction(other) == arrival.transaction_id for other in booked)
    return len(of_mail), len({transaction for transaction, _ in foreign}), of_click


def _transaction(key: str) -> str:
    return key.split("#", 3)[2]


def _before_its_mail(arrival: Arrival, credit: Credit | None) -> bool:
    """The id was not in the world yet."""
    if credit is None:
        return False
    return min(arrival.converted_at, arrival.clicked_at or arrival.converted_at) < credit.claimed_at - CLOCKS_DIFFER


def _catalogue_micros(arrival: Arrival, offer: Offer, currency: str) -> int:
    """What the catalogue names for such a conversion; 0 when it names nothing that could be compared."""
    comparable = arrival.kind == "conversion" and not offer.payout_percentage and currency == offer.currency
    return (offer.payout_micros or 0) if comparable else 0


def _burst_of_the_day(w: Wiring, arrival: Arrival, controls: Controls) -> Flag | None:
    """That of the offer's day. What converted before the alarm is listed, and not held: most of it is honest."""
    day = w.offer_days.get(arrival.org, day_in(arrival.converted_at, controls.zone), arrival.offer, BURST)
    if day is None or day.dismissed:
        return None
    held = day.flag.severity is Severity.HOLD and arrival.converted_at >= day.since
    return Flag(BURST, Severity.HOLD if held else Severity.REVIEW, day.flag.detail)
