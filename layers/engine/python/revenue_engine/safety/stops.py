"""What stopped causes mean: which offers and variants are left, and whether a plan may still go. Needs no numpy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from revenue_engine.records.anomaly import Flag
from revenue_engine.records.causes import Cause, Stop, causes_of
from revenue_engine.records.controls import Controls
from revenue_engine.records.offer import Offer
from revenue_engine.safety.breaker import COMPLAINTS
from revenue_engine.safety.findings import Finding

LIFTS_AFTER = timedelta(days=7)
BROKEN_LIFTS_AFTER = timedelta(days=3)  # pages are mended; one that is not sells nothing again, and is stopped again


def stop_for(finding: Finding, controls: Controls, *, now: int) -> Stop:
    """The stop that a finding asks for: complaints wait for a person where the breaker would, the rest for a week."""
    assert finding.cause is not None
    human = finding.name == COMPLAINTS and controls.human_closes_complaint_trips
    until = None if human else now + int(LIFTS_AFTER.total_seconds())
    return Stop(finding.cause, finding.name, now, until, str(finding))


def stop_of_broken(offer: str, flag: Flag, *, now: int) -> Stop:
    """The stop of an offer that is clicked and no longer bought (`offer_days.BREAK`): whatever it pays, its mails earn nothing."""
    until = now + int(BROKEN_LIFTS_AFTER.total_seconds())
    return Stop(
        Cause("offer", offer), flag.signal, now, until, ", ".join(f"{name} {value}" for name, value in flag.detail.items())
    )


def standing(offers: Iterable[Offer], stops: Collection[Stop]) -> tuple[Offer, ...]:
    """The catalogue as decide may use it: a stopped offer says why, a stopped variant is not there."""
    reasons = {stop.cause: stop.reason for stop in stops}
    return tuple(_standing(offer, reasons) for offer in offers)


def _standing(offer: Offer, reasons: Mapping[Cause, str]) -> Offer:
    reason = reasons.get(Cause("offer", offer.offer))
    if reason is not None and offer.stop_reason is None:
        offer = replace(offer, stop_reason=f"stopped_{reason}")
    left = tuple(c for c in offer.creatives if Cause("variant", f"{offer.offer}/{c.variant}") not in reasons)
    return offer if len(left) == len(offer.creatives) else replace(offer, creatives=left)


def stopped_names(stops: Iterable[Stop], kind: str) -> tuple[str, ...]:
    """Names of the stopped causes of a kind, sorted."""
    return tuple(sorted(stop.cause.name for stop in stops if stop.cause.kind == kind))


def stopped_reason(stops: Iterable[Stop], *, offer: str, variant: str, segment: str, provider: str) -> str | None:
    """Why a mail that was planned before may not go any more, or None."""
    stopped = {stop.cause: stop.reason for stop in stops}
    for cause in causes_of(offer=offer, variant=variant, segment=segment, provider=provider):
        if cause in stopped:
            return f"{cause.kind}_stopped"
    return None
