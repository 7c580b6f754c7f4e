"""What operators may set: one document that unites the specification's AutonomousConfig, ScheduleConfiguration and SafetyConfig.

Stored as JSON in Parameter Store, validated here, and clamped by hard limits in code: an edit beyond a limit is refused by name, a
missing field has the default below. Unreadable controls mean no mail (D5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from revenue_engine.errors import BadInput, Refused
from revenue_engine.ids import normalise_address
from revenue_engine.money import parse_currency
from revenue_engine.records.subscriber import RECENT
from revenue_engine.records.zones import zone_number

REMEMBERED_WEEKS = RECENT + 1  # at a mail a week: what a row has forgotten is older than all of its mails and the one to come
STORED = {"stored": True}  # the context of validation under which rules younger than a stored document let it through as it is
_RATE = re.compile(r"\d{1,9}(\.\d{1,12})?", re.ASCII)


class Autonomy(StrEnum):
    """The operator's switch. Anything else, or nothing at all, is read as OFF (D5)."""

    OFF = "off"
    SHADOW = "shadow"  # decide and log, mail nobody
    APPROVAL = "approval"  # plans wait for a person
    CANARY = "canary"  # a stable share of people is mailed, the rest is shadow
    FULL = "full"


def parse_autonomy(text: str) -> Autonomy:
    """The switch's value. Raises Refused("autonomy_unreadable") on anything unknown."""
    try:
        return Autonomy(text.strip().lower())
    except ValueError:
        raise Refused("autonomy_unreadable", text[:20]) from None


def _zone(name: str) -> str:
    try:
        zone_number(name, field="zone")
    except BadInput as bad:  # the document as a whole is refused, naming this field
        raise ValueError(bad.reason) from None
    return name


def _currency(code: str) -> str:
    try:
        return parse_currency(code, field="currency")
    except BadInput as bad:
        raise ValueError(bad.reason) from None


def _address(text: str, info: ValidationInfo) -> str:
    """One spelling, as with people's own; "" = not given."""
    if info.context is STORED:
        return text
    try:
        return normalise_address(text, field="address") if text.strip() else ""
    except BadInput as bad:
        raise ValueError(bad.reason) from None


def _rate(text: str) -> str:
    if not _RATE.fullmatch(text) or not Decimal(text):
        raise ValueError("a positive decimal number of at most 9 digits before and 12 after the point")
    return text


CampaignLabel = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]  # what a mail's message tag may hold
Share = Annotated[float, Field(ge=0, le=1)]
Micros = Annotated[int, Field(ge=0, le=10**15)]


class Sender(BaseModel):
    """Who the mail is from. Without it nothing is sent (CAN-SPAM: a valid postal address in every mail)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_address: Annotated[str, AfterValidator(_address)] = ""
    reply_to: Annotated[str, AfterValidator(_address)] = ""
    postal_address: str = Field(default="", max_length=300)

    @property
    def complete(self) -> bool:
        """Whether a mail may carry it."""
        return bool(self.from_address.strip() and self.postal_address.strip())


class FxRate(BaseModel):
    """What one unit of another currency is worth in the org's, as the operator has read it on a day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: Annotated[str, AfterValidator(_rate)]  # decimal text: a float would not be the rate that was read
    as_of: date


class Controls(BaseModel):
    """The document. Rates are shares 0 to 1, money is micros of `currency`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # the org
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    currency: Annotated[str, AfterValidator(_currency)] = "USD"
    sender: Sender = Sender()

    # goals are reports, never pressure
    daily_revenue_goal_micros: Micros = 0
    weekly_revenue_goal_micros: Micros = 0
    monthly_revenue_goal_micros: Micros = 0

    # volume
    max_daily_emails: int = Field(default=10_000, ge=0, le=5_000_000)
    max_emails_per_subscriber_per_week: int = Field(default=4, ge=0, le=7)
    min_hours_between_emails: int = Field(default=24, ge=12, le=24 * 30)
    same_offer_gap_days: int = Field(default=3, ge=0, le=REMEMBERED_WEEKS * 7)

    # thresholds: hard vetoes
    min_revenue_per_email_micros: Micros = 2_000
    churn_risk_threshold: Share = 0.3
    complaint_risk_threshold: Share = 0.002
    min_engagement_score: Share = 0.0
    cost_per_email_micros: Micros = 1_000

    # time, in the reader's zone
    enabled_weekdays: frozenset[Annotated[int, Field(ge=0, le=6)]] = frozenset(range(7))  # Monday = 0
    sending_hours_start: int = Field(default=6, ge=0, le=23)
    sending_hours_end: int = Field(default=22, ge=1, le=24)
    sends_per_minute: int = Field(default=100, ge=10, le=1_000)  # where the velocity begins
    most_sends_per_minute: int = Field(default=1_000, ge=10, le=1_000)
    warm_up_start_per_day: int = Field(default=5_000, ge=10, le=5_000_000)

    # engagement
    invisible_link: bool = True

    # autonomy
    canary_share: Share = 0.05
    approval_valid_hours: int = Field(default=12, ge=1, le=72)
    auto_approve_under_micros: Micros = 0

    # randomisation
    fixed_policy_share: Share = 0.04
    no_mail_share: Share = 0.01
    ghost_share: float = Field(default=0.02, ge=0, le=0.2)
    epsilon_per_day: float = Field(default=0.05, ge=0.001, le=0.2)

    # rails and breaker
    max_complaint_rate: float = Field(default=0.001, gt=0, le=0.003)
    max_bounce_rate: float = Field(default=0.02, gt=0, le=0.1)
    max_unsubscribe_rate: float = Field(default=0.005, gt=0, le=0.05)
    max_revenue_per_email_micros: Micros = 100_000_000
    min_conversion_rate: Share = 0.0
    circuit_breaker_threshold: int = Field(default=5, ge=1, le=1_000)
    cool_down_minutes: int = Field(default=60, ge=1, le=7 * 24 * 60)
    human_closes_complaint_trips: bool = True
    trickle_share: float = Field(default=0.05, gt=0, le=0.25)
    suppression_max_age_days: int = Field(default=7, ge=1, le=10)

    # money in
    max_payout_micros: Micros = 2_000_000_000
    provisional_valid_days: int = Field(default=45, ge=7, le=365)
    attribution_window_days: int = Field(default=30, ge=1, le=90)
    attribution_half_life_days: float = Field(default=7.0, gt=0, le=90)
    attribution_click_weight: float = Field(default=2.0, ge=1, le=100)
    fx_rates: dict[Annotated[str, AfterValidator(_currency)], FxRate] = {}

    # reports
    platform_cost_micros_per_month: Micros = 0
    campaign_labels: dict[str, CampaignLabel] = {}

    @field_validator("same_offer_gap_days", mode="wrap")
    @classmethod
    def _gap(cls, days: Any, limited: ValidatorFunctionWrapHandler, info: ValidationInfo) -> int:
        return int(days) if info.context is STORED else limited(days)

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        if self.sending_hours_start >= self.sending_hours_end:
            raise ValueError("sending_hours_start: must be before sending_hours_end")
        remembered = 7 * (REMEMBERED_WEEKS // max(self.max_emails_per_subscriber_per_week, 1))
        if self.same_offer_gap_days > remembered and info.context is not STORED:
            raise ValueError(
                f"same_offer_gap_days: at most {remembered} with so many mails a week: no more of them is remembered"
            )
        if not self.enabled_weekdays:
            raise ValueError("enabled_weekdays: at least one day")
        if self.sends_per_minute > self.most_sends_per_minute:
            raise ValueError("sends_per_minute: at most most_sends_per_minute")
        if self.fixed_policy_share + self.no_mail_share > 0.5:
            raise ValueError("fixed_policy_share, no_mail_share: together at most 0.5")
        if self.currency in self.fx_rates:
            raise ValueError(f"fx_rates: {self.currency} is the org's own currency")
        return self


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice, which would be meant? Raises Refused naming it."""
    names = [name for name, _ in members]
    for name in names:
        if names.count(name) > 1:
            raise Refused("controls_unreadable", f"{name}: given twice")
    return dict(members)


def parse_controls(document: str) -> Controls:
    """The controls of a JSON document. Raises Refused("controls_unreadable"), naming each bad field (D5)."""
    with suppress(ValueError, RecursionError):  # no JSON: told below
        json.loads(document, object_pairs_hook=_once_each)
    try:
        return Controls.model_validate_json(document, strict=True)  # `true` is no number, and "5" is none
    except ValidationError as error:
        fields = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors())
        raise Refused("controls_unreadable", fields) from None


class _Currency(BaseModel):
    currency: Annotated[str, AfterValidator(_currency)] = Controls.model_fields["currency"].default


def currency_of(document: str) -> str:
    """What amounts are in, by a document that may be refused for something else. Raises Refused as `parse_controls` does."""
    try:
        return _Currency.model_validate_json(document, strict=True).currency
    except ValidationError:
        return parse_controls(document).currency  # it refuses, and names the field


def stored_controls(document: Mapping[str, Any]) -> Controls:
    """The controls that a cycle was decided by, as its snapshot has them: what has become narrower since does not change the past, and
    replay reads what was decided by (D1). Raises ValidationError on what no engine has written."""
    return Controls.model_validate(document, context=STORED)
