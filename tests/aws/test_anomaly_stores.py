"""Known payouts, listed anomalies and flagged offer-days, as they read back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.payouts import SLOTS
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.anomaly import LEAST_CHANCE, Flag, Severity
from revenue_engine.records.conversion import Arrival
from tests.builders import NOW, Org

T = epoch_seconds(NOW)
TODAY = date(2026, 3, 4)
INSTANT = Flag("instant_conversion", Severity.HOLD, {"seconds_from_click": 2.5})
MANY = Flag("many_of_mail", Severity.REVIEW, {"others": 2.0, "chance": LEAST_CHANCE})
FACTS = {"offer": "1042", "payout_micros": 32_500_000, "currency": "USD", "converted_at": T}


def arrival(org: Org, **changes: object) -> Arrival:
    made = Arrival(
        org=org.name,
        kind="conversion",
        transaction_id="t",
        event_id="0",
        event_name="",
        payout_micros=5_000_000,
        currency=None,
        offer="1042",
        sub1="",
        source="postback",
        conversion_id=None,
        converted_at=NOW,
        received_at=NOW,
        receipt_id="r",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def known(org: Org, key: str = "one that asks", currency: str = "USD", **changes: object) -> tuple[list[int], int]:
    found = org.w.payouts.known(arrival(org, **changes), currency=currency, key=key)
    return sorted(found.micros), found.duplicates


def remember(org: Org, key: str, micros: int, *, paid: bool = True, duplicate: bool = False, **changes: object) -> None:
    conversion = arrival(org, payout_micros=micros, **changes)
    org.w.payouts.remember(conversion, currency="USD", key=key, paid=paid, duplicate=duplicate)


# --- payouts ------------------------------------------------------------------------------------------------------------
def test_payouts_are_known_by_offer_currency_and_kind_and_never_to_the_conversion_that_asks(org: Org) -> None:
    assert known(org) == ([], 0)
    for key, micros in (("a", 5), ("b", 7), ("b", 7), ("b", 8)):
        remember(org, key, micros)
    remember(org, "e", 9, kind="event", event_name="Upsell", event_id="77")
    remember(org, "o", 11, offer="7")
    assert known(org) == ([5, 8], 0)
    assert known(org, key="a") == ([8], 0)
    assert known(org, currency="EUR") == ([], 0)
    assert known(org, kind="event", event_name="Upsell", event_id="") == ([9], 0)
    assert known(org, offer="7") == ([11], 0)


def test_what_was_strange_or_nothing_is_not_remembered_and_duplicates_are_counted_once(org: Org) -> None:
    remember(org, "a", 5, paid=False)
    remember(org, "b", 0)
    assert known(org) == ([], 0)
    for _ in range(2):
        remember(org, "a#1", 5, paid=False, duplicate=True)
    remember(org, "b#1", 6, duplicate=True)
    assert known(org) == ([6], 2)
    assert known(org, key="b#1") == ([], 1)


def test_no_more_payouts_are_kept_than_there_are_slots_and_the_new_replace_the_old(org: Org) -> None:
    for n in range(3 * SLOTS):
        remember(org, f"k{n}", 1_000 + n)
    micros, _ = known(org)
    assert SLOTS * 0.8 < len(micros) <= SLOTS
    assert sum(amount >= 1_000 + 2 * SLOTS for amount in micros) > len(micros) / 2


# --- the list -----------------------------------------------------------------------------------------------------------
def raise_(org: Org, *flags: Flag, at: int = 0) -> None:
    commit([org.w.anomalies.raising(org.name, "key", flags, facts=FACTS, now=NOW + timedelta(seconds=at))])


def test_a_conversion_is_listed_once_with_all_its_flags(org: Org) -> None:
    raise_(org, INSTANT)
    raise_(org, INSTANT, MANY, at=60)
    (found,) = org.w.anomalies.all(org.name)
    assert found == org.w.anomalies.get(org.name, "key")
    assert found.flags == found.waiting == (INSTANT, MANY)
    assert (found.key, found.first_flagged_at) == ("key", T)
    assert (found.offer, found.payout_micros, found.currency, found.converted_at) == tuple(FACTS.values())


def test_what_was_decided_stays_decided_and_a_new_signal_waits_anew(org: Org) -> None:
    assert not org.w.anomalies.settle(org.name, "key", ["x"], verdict="released", by="alex", at=T)
    assert org.w.anomalies.get(org.name, "key") is None
    raise_(org, INSTANT)
    assert org.w.anomalies.settle(org.name, "key", [INSTANT.signal], verdict="released", by="alex", at=T)
    raise_(org, INSTANT, at=60)
    found = org.w.anomalies.get(org.name, "key")
    assert found is not None
    assert (found.waiting, dict(found.settled)) == ((), {INSTANT.signal: "released"})
    raise_(org, MANY, at=90)
    org.w.anomalies.settle(org.name, "key", [INSTANT.signal], verdict="rejected", by="kim", at=T)
    found = org.w.anomalies.get(org.name, "key")
    assert found is not None
    assert (found.waiting, dict(found.settled)) == ((MANY,), {INSTANT.signal: "released"})


# --- offer-days ---------------------------------------------------------------------------------------------------------
def burst(severity: Severity, conversions: int = 30) -> Flag:
    return Flag("conversion_burst", severity, {"conversions": conversions})


def test_an_offer_day_is_noted_once_and_again_when_it_becomes_graver(org: Org) -> None:
    days = org.w.offer_days
    assert days.get(org.name, TODAY, "7", "conversion_burst") is None
    said = [
        days.flag(org.name, TODAY, "7", burst(severity, n), now=NOW + timedelta(hours=n))
        for n, severity in enumerate((Severity.REVIEW, Severity.REVIEW, Severity.HOLD, Severity.HOLD, Severity.REVIEW))
    ]
    assert said == [True, False, True, False, False]
    found = days.get(org.name, TODAY, "7", "conversion_burst")
    assert found is not None
    assert (found.flag, found.since, found.dismissed) == (burst(Severity.HOLD, 2), NOW + timedelta(hours=2), False)
    assert found.key == "offer_day#2026-03-04#7#conversion_burst"


def test_what_a_person_dismissed_is_not_raised_again(org: Org) -> None:
    days = org.w.offer_days
    days.flag(org.name, TODAY, "7", burst(Severity.REVIEW), now=NOW)
    (found,) = days.since(org.name, TODAY)
    assert [days.dismiss(org.name, found.key, by="alex", at=T) for _ in range(2)] == [True, False]
    assert not days.dismiss(org.name, "breaker", by="alex", at=T)
    assert not days.flag(org.name, TODAY, "7", burst(Severity.HOLD), now=NOW)
    (found,) = days.since(org.name, TODAY)
    assert found.dismissed and found.flag.severity is Severity.REVIEW


def test_days_are_read_from_one_on(org: Org) -> None:
    for n in range(3):
        org.w.offer_days.flag(org.name, TODAY - timedelta(days=n), "7", burst(Severity.HOLD), now=NOW)
    assert [day.day for day in org.w.offer_days.since(org.name, TODAY - timedelta(days=1))] == [TODAY - timedelta(days=1), TODAY]
