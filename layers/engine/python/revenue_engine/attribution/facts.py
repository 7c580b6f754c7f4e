"""What is known of one conversion: facts that are only ever added, so that neither order nor repetition can matter (M2).

`merge` is a join: commutative, associative and idempotent (a state-based CRDT, Shapiro et al. 2011). Money is a function of the facts
(`attribution.position`), never of the way they came. One exception: an exchange rate is frozen at first sight (M1). Times are whole
milliseconds, as they are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from revenue_engine.records.conversion import Arrival
from revenue_engine.records.send import Touch

MAX_CLAIMS = 20  # amounts kept of one key: a feed that names more of them is shouting


@dataclass(frozen=True, slots=True)
class Claim:
    """One amount that postbacks named, by its earliest arrival."""

    amount_micros: int
    currency: str
    offer: str
    received_at: datetime
    receipt_id: str
    converted_at: datetime


@dataclass(frozen=True, slots=True)
class Reported:
    """What the report said when it was last read. `listed` is False once it no longer knows the conversion: reversed."""

    read_at: datetime
    conversion_id: str
    amount_micros: int
    currency: str
    offer: str
    converted_at: datetime
    clicked_at: datetime | None
    listed: bool


@dataclass(frozen=True, slots=True)
class Credit:
    """The mail an authentic tracking id names: the deterministic click. `evidence_currency` is that of the offer mailed."""

    send_id: str
    subscriber: str
    offer: str
    variant: str
    segment: str
    campaign: str
    policy: str
    evidence_currency: str
    claimed_at: datetime
    click_at: datetime | None  # the first human click of the mail, when one is known
    click_revision: int = 0  # how often that had changed when it was read: a click may turn out a machine's


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known of one conversion; the empty one knows nothing."""

    claims: tuple[Claim, ...] = ()  # earliest first
    reported: Reported | None = None
    credit: Credit | None = None
    touches: tuple[Touch, ...] = ()  # of the credited subscriber, any order
    rejected_at: datetime | None = None  # provisional money was given up: too old, or a person said so
    held_for: tuple[str, ...] = ()  # signals that keep it from learning ...
    released: tuple[str, ...] = ()  # ... and those that a person, or the report in time, has overruled
    fx_rates: tuple[tuple[str, str], ...] = ()  # (currency, org currency per unit), frozen at first sight (M1)

    @property
    def standing(self) -> Claim | None:
        """The postback that counts while no report has spoken: the first that arrived."""
        return self.claims[0] if self.claims else None

    @property
    def doubtful(self) -> tuple[Claim, ...]:
        """Amounts that contradict the standing one; the report settles them."""
        return () if self.reported else self.claims[1:]

    @property
    def held(self) -> bool:
        """Whether learning must not see it yet."""
        return not set(self.held_for) <= set(self.released)

    @property
    def converted_at(self) -> datetime:
        """The report's time, else when the standing postback arrived. Raises ValueError when neither is known."""
        known = self.reported or self.standing
        if known is None:
            raise ValueError("facts: neither a postback nor a report")
        return known.converted_at


def whole_millis(at: datetime) -> datetime:
    """The instant as it will be read back."""
    return at - timedelta(microseconds=at.microsecond % 1_000)


def arrived(arrival: Arrival, *, currency: str) -> Facts:
    """What one postback or report row says. `currency` is the offer's, where the arrival names none.

    Raises ValueError for a report's row without its conversion id.
    """
    converted_at, received_at = whole_millis(arrival.converted_at), whole_millis(arrival.received_at)
    code = arrival.currency or currency
    if arrival.source != "report":
        return Facts(claims=(Claim(arrival.payout_micros, code, arrival.offer, received_at, arrival.receipt_id, converted_at),))
    if not arrival.conversion_id:
        raise ValueError("conversion_id: a report's row has one")
    clicked_at = whole_millis(arrival.clicked_at) if arrival.clicked_at else None
    return Facts(
        reported=Reported(
            received_at, arrival.conversion_id, arrival.payout_micros, code, arrival.offer, converted_at, clicked_at, True
        )
    )


def unlisted(reported: Reported, *, read_at: datetime) -> Facts:
    """The report, asked by id, no longer knows the conversion."""
    return Facts(reported=replace(reported, read_at=whole_millis(read_at), listed=False))


def merge(a: Facts, b: Facts) -> Facts:
    """Both together. Raises ValueError when their reports are of two conversions, or their credits of two mails."""
    return Facts(
        claims=_merge_claims((*a.claims, *b.claims)),
        reported=_merge_reported(a.reported, b.reported),
        credit=_merge_credit(a.credit, b.credit),
        touches=_merge_touches((*a.touches, *b.touches)),
        rejected_at=_earlier(a.rejected_at, b.rejected_at),
        held_for=tuple(sorted({*a.held_for, *b.held_for})),
        released=tuple(sorted({*a.released, *b.released})),
        fx_rates=tuple(sorted({**dict(b.fx_rates), **dict(a.fx_rates)}.items())),
    )


def _merge_claims(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    earliest: dict[tuple[int, str], Claim] = {}
    for claim in sorted(claims, key=_told):
        earliest.setdefault((claim.amount_micros, claim.currency), claim)
    return tuple(earliest.values())[:MAX_CLAIMS]


def _told(claim: Claim) -> tuple[datetime, str, int, str, datetime, str]:
    return claim.received_at, claim.receipt_id, claim.amount_micros, claim.currency, claim.converted_at, claim.offer


def _merge_reported(a: Reported | None, b: Reported | None) -> Reported | None:
    if a is None or b is None:
        return a or b
    if a.conversion_id != b.conversion_id:
        raise ValueError("conversion_id: facts of two conversions")
    return max(a, b, key=_reading)  # the latest reading; a tie is broken by content, so that order does not decide


def _reading(reported: Reported) -> tuple[datetime, bool, int, str, datetime]:
    return reported.read_at, not reported.listed, reported.amount_micros, reported.currency, reported.converted_at


def _merge_credit(a: Credit | None, b: Credit | None) -> Credit | None:
    if a is None or b is None:
        return a or b
    if a.send_id != b.send_id:
        raise ValueError("send_id: credits of two mails")
    return max(a, b, key=_as_clicked)


def _as_clicked(credit: Credit) -> tuple[int, bool, datetime]:
    """The later reading of the mail counts; a tie is broken by content, so that order does not decide."""
    return credit.click_revision, credit.click_at is not None, credit.click_at or credit.claimed_at


def _merge_touches(touches: Iterable[Touch]) -> tuple[Touch, ...]:
    """A verdict sinks as more is known of a mail, and never rises: of two on one touch the lower is the later."""
    lowest: dict[tuple[datetime, str, str], Touch] = {}
    for touch in touches:
        key = (touch.at, touch.kind, touch.send_id)
        known = lowest.setdefault(key, touch)
        lowest[key] = min(known, touch, key=lambda t: (t.human_probability, t.human))
    return tuple(lowest[key] for key in sorted(lowest))


def _earlier(a: datetime | None, b: datetime | None) -> datetime | None:
    return min(a, b) if a and b else a or b
