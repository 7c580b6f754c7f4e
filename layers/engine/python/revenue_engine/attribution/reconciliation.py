"""What a whole report says about booked money: which rows are no news, which conversions it no longer lists, what it never confirmed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from revenue_engine.attribution.ledger import Entry
from revenue_engine.records.conversion import Arrival

EDGE = timedelta(days=1)  # of a window: what lies so near may be in or out by a time zone
ABSENCES = 2  # whole reports in a row that must lack a conversion
BETWEEN_ABSENCES = timedelta(hours=12)  # two readings of one bad hour are one
FEW_REVERSALS, SHARE_OF_REVERSALS = 5, 0.05  # more at once are held: a person looks before the month's money is taken back


@dataclass(frozen=True, slots=True)
class Booked:
    """What the entries of one key sum to, and what they last said."""

    conversion_id: str | None
    provisional_micros: int
    approved_micros: int
    reported: bool  # it is in the org's currency too, or nothing
    conversions: int
    currency: str
    converted_at: datetime
    credited: bool


@dataclass(frozen=True, slots=True)
class Absence:
    """How often whole reports have lacked a conversion."""

    key: str
    times: int
    last_at: datetime


def booked_of(entries: Iterable[tuple[str, Entry]]) -> dict[str, Booked]:
    """By ledger key, from entries in the order they were booked."""
    found: dict[str, Booked] = {}
    for key, entry in entries:
        position, before = entry.position, found.get(key)
        amounts = position.amounts
        kept = before or Booked(None, 0, 0, False, 0, "", position.converted_at, False)
        moved = kept.currency not in ("", position.place.currency)
        found[key] = Booked(
            conversion_id=entry.receipt_id if entry.source == "report" else kept.conversion_id,
            provisional_micros=amounts.provisional_micros + (0 if moved else kept.provisional_micros),
            approved_micros=amounts.approved_micros + (0 if moved else kept.approved_micros),
            reported=bool(amounts.reported_approved_micros) or kept.reported,
            conversions=amounts.conversions + kept.conversions,
            currency=position.place.currency,
            converted_at=position.converted_at,
            credited=position.place.send_id is not None,
        )
    return found


def is_known(row: Arrival, booked: Booked | None) -> bool:
    """Whether a row says what the books say: most do, and need no second look. Money without a mail, or a rate, always gets one."""
    if booked is None or not booked.credited or (row.payout_micros and not booked.reported):
        return False
    return replace(booked, provisional_micros=0, reported=True) == Booked(
        conversion_id=row.conversion_id,
        provisional_micros=0,
        approved_micros=row.payout_micros,
        reported=True,
        conversions=1,
        currency=row.currency or "",
        converted_at=row.converted_at,
        credited=True,
    )


def unlisted_in(booked: Mapping[str, Booked], listed: Collection[str], *, start: datetime, end: datetime) -> dict[str, str]:
    """Conversion id → key of approved conversions well inside the window that a whole report does not list."""
    return {
        one.conversion_id: key
        for key, one in booked.items()
        if one.conversion_id is not None
        and one.conversions > 0
        and start + EDGE <= one.converted_at <= end - EDGE
        and one.conversion_id not in listed
    }


def absence_after(before: Absence | None, key: str, *, read_at: datetime) -> Absence:
    """One more reading without it."""
    if before is None or before.times == 0:
        return Absence(key, 1, read_at)
    return before if read_at - before.last_at < BETWEEN_ABSENCES else Absence(key, before.times + 1, read_at)


def too_many(reversals: int, booked: Mapping[str, Booked]) -> bool:
    """Whether so many at once look like a fault rather than like an advertiser."""
    approved = sum(one.conversions > 0 and one.conversion_id is not None for one in booked.values())
    return reversals > max(FEW_REVERSALS, SHARE_OF_REVERSALS * approved)


def unconfirmed(booked: Mapping[str, Booked], *, before: datetime) -> list[str]:
    """Keys of conversions from before a moment that only postbacks have told of, those given up lately among them: whoever gave
    them up may have died before all was told."""
    return [key for key, one in booked.items() if one.conversion_id is None and one.converted_at < before]
