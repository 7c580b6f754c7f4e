"""The last look before a mail leaves (P1): what decide believed earlier does not count. Needs no numpy: execute loads it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.subscriber import ARMS, Row, sends_within
from revenue_engine.records.zones import ZONES

STALE_SECONDS = 300  # the judge's heartbeat
TRICKLE_SECONDS = 1_800  # half open: two cycles, then the machine looks at what they brought
TRICKLE_STALE_SECONDS = TRICKLE_SECONDS + 900  # a machine that died half open lets nothing more through
OUTSIDE_HOURS = "outside_hours"
_WEEK = 7 * 86_400
_NO_MAIL = ARMS.index("no_mail")
_STATUS_REASON = {"unsubscribed": "opted_out", "complained": "opted_out", "bounced": "address_bounced", "erased": "erased"}


@dataclass(frozen=True, slots=True)
class BreakerFacts:
    """The breaker as read, strongly consistent, at most 15 s ago."""

    state: str  # closed | open | half_open
    judged_at: int  # epoch seconds of the judge's last look
    since: int = 0  # epoch seconds of its state, renewed while a trickle goes on
    trickle_since: int = 0  # when that trickle began


def may_claim(*, status: str, consent_status: str, row: Row, controls: Controls, now: int) -> str | None:
    """Why this person may not be mailed now, or None. Checked inside the transaction that claims the send (P1).

    Parameters
    ----------
    status, consent_status
        As stored: anything but `active` and `granted` is a no.
    now
        Epoch seconds.
    """
    if status != "active":
        return _STATUS_REASON.get(status, "not_active")
    if consent_status != "granted":
        return "no_consent"
    if row.arm == _NO_MAIL:
        return "holdout"
    if not within_hours(ZONES[row.zone], controls, now):
        return OUTSIDE_HOURS
    if sends_within(row, now=now, seconds=_WEEK) >= controls.max_emails_per_subscriber_per_week:
        return "subscriber_frequency_limit"
    if row.last_send_at > now - controls.min_hours_between_emails * 3_600:
        return "too_soon_since_last_email"
    return None


def within_hours(zone: str, controls: Controls, now: int) -> bool:
    """Whether readers of a time zone may be mailed at this time, epoch seconds."""
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    in_hours = controls.sending_hours_start <= local.hour < controls.sending_hours_end
    return in_hours and local.weekday() in controls.enabled_weekdays


def gate(
    autonomy: Autonomy,
    breaker: BreakerFacts | None,
    *,
    now: int,
    canary: bool,
    approval_id: str,
    approved: bool,
    planned_at: int = 0,
) -> str | None:
    """Why the org mails nobody, or not this plan, or None (P1). Missing or stale facts mean no (D5).

    Parameters
    ----------
    now
        Epoch seconds.
    canary
        Whether the plan's subscriber is inside the canary share.
    approval_id, approved
        The approval a plan waited for ("" = none) and whether a person, still in time, said yes.
    planned_at
        When the plan's cycle began, epoch seconds: one that began while the breaker was half open has planned a trickle and no more.
    """
    if autonomy is Autonomy.OFF:
        return "autonomy_off"
    if autonomy is Autonomy.SHADOW:
        return "autonomy_shadow"
    if breaker is None:
        return "breaker_missing"
    if now - breaker.judged_at > STALE_SECONDS:
        return "breaker_stale"
    if breaker.state == "half_open":
        if planned_at < breaker.trickle_since or not breaker.trickle_since:
            return "breaker_half_open"
        if now - breaker.since > TRICKLE_STALE_SECONDS:
            return "breaker_stale"
    elif breaker.state != "closed":
        return "breaker_open" if breaker.state == "open" else "breaker_unreadable"
    if approval_id and not approved:
        return "not_approved"
    if autonomy is Autonomy.APPROVAL and not approval_id:
        return "not_approved"
    if autonomy is Autonomy.CANARY and not canary:
        return "not_in_canary"
    return None
