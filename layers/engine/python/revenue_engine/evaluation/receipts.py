"""Receipts as evaluation reads them, and what became of their mails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainValidator, model_validator

from revenue_engine.records.controls import Autonomy
from revenue_engine.records.evidence import SEGMENTS

_Probability = Annotated[float, Field(gt=0, le=1)]


def _segment(text: object) -> str:
    if text not in SEGMENTS:
        raise ValueError("no such segment")
    return str(text)


class Receipt(BaseModel):
    """One line of the decision log (`revenue_engine.audit`), as far as evaluation needs it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    decision_id: str
    ts: AwareDatetime
    subscriber: str
    autonomy: Autonomy
    canary: bool
    arm: Literal["engine", "fixed", "no_mail"]  # the randomised one, that decided
    action: Literal["send", "ghost", "skip"]
    offer: str | None
    content: str | None
    segment: Annotated[str, PlainValidator(_segment)]
    epsilon: Annotated[float, Field(ge=0, le=1)]
    propensity_joint: _Probability
    propensity_send: _Probability
    p_conversion: float | None
    payout_micros: int | None
    currency: str
    context: str
    page: str
    row: Annotated[int, Field(ge=0)]
    off_policy_support: bool

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.off_policy_support and None in (self.offer, self.content, self.p_conversion, self.payout_micros):
            raise ValueError("off_policy_support: but no offer, content, p_conversion or payout_micros")
        return self

    @property
    def ghost(self) -> bool:
        """Would have sent, and by lot did not."""
        return self.action == "ghost"

    @property
    def arm_name(self) -> str:
        """`offer/variant` of what was chosen."""
        return f"{self.offer}/{self.content}"

    @property
    def played(self) -> bool:
        """Whether the switch let a mail leave, so that the world answered what was decided. Of a plan that waited, people chose."""
        return self.autonomy is Autonomy.FULL or (self.autonomy is Autonomy.CANARY and self.canary)


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a mail. Times are epoch seconds."""

    sent_at: float
    clicked_at: float | None  # by a person, first
    unsubscribed_at: float | None
    complained_at: float | None
    approved_micros: int

    def within(self, seconds: float, what: Literal["clicked_at", "unsubscribed_at", "complained_at"]) -> bool:
        """Whether it happened so soon after the mail: every decision is given the same time."""
        at: float | None = getattr(self, what)
        return at is not None and at <= self.sent_at + seconds
