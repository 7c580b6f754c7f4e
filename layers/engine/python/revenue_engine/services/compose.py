"""One planned send → the mail as it would leave now, or why there is none. Everything that can say no says it here, before the claim."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.items import Item
from revenue_engine.aws.subscribers import ERASED, row_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.content.mime import build_mail
from revenue_engine.content.render import render
from revenue_engine.errors import BadInput, Refused
from revenue_engine.intake.everflow import tracking_link
from revenue_engine.records.controls import Controls
from revenue_engine.records.offer import Offer, ineligible_reason, may_go_to
from revenue_engine.records.send import CONTENT_INCOMPLETE, PlannedSend
from revenue_engine.records.subscriber import country_code
from revenue_engine.safety.claim import may_claim
from revenue_engine.safety.decided import changed_reason
from revenue_engine.services.capped import caps_reached

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mail:
    """One rendered mail, ready for its claim."""

    to_address: str
    from_address: str
    mime: bytes


@dataclass
class Composer:
    """What all mails of one message share; offers, their caps and the ages of their lists are read once."""

    w: Wiring
    org: str
    controls: Controls
    named: frozenset[str]  # the offers of its mails
    offers: dict[str, Offer | None] = field(default_factory=dict)
    list_ages: dict[str, int | None] = field(default_factory=dict)
    capped: dict[str, str] | None = None  # the offers with a cap that is reached; None: nobody has asked yet

    def offer(self, offer: str) -> Offer | None:
        """The catalogue's offer."""
        if offer not in self.offers:
            self.offers[offer] = self.w.offers.get(self.org, offer)
        return self.offers[offer]

    def compose(self, plan: PlannedSend, person: Item | None, *, now: datetime) -> Mail | str:
        """The mail, or the reason why there is none, on facts read now (P1)."""
        try:
            return self._reason(plan, person, now) or self._mail(plan, person or {})
        except Refused as refused:  # D5: a row or a key we cannot read stops this mail
            log.error("mail %s: %s", plan.send_id, refused)
            return refused.reason

    def _reason(self, plan: PlannedSend, person: Item | None, now: datetime) -> str | None:
        if person is None:
            return "unknown_subscriber"
        if person["status"] == ERASED:
            return "erased"  # there is nothing left to look at
        row, offer = row_of(person), self.offer(plan.offer)
        reason = may_claim(
            status=person["status"],
            consent_status=person["consent_status"],
            row=row,
            controls=self.controls,
            now=epoch_seconds(now),
        )
        if reason is not None:
            return reason
        if offer is None:
            return "unknown_offer"
        reason = ineligible_reason(offer, now=now) or self._advertiser_says_no(offer, person["address"], now)
        if reason is not None:
            return reason
        if not may_go_to(offer, country_code(row.country)):
            return "country_excluded"
        reason = changed_reason(plan, offer, currency=self.controls.currency) or self._cap_reached(offer, now)
        if reason is not None:
            return reason
        return None if self.controls.sender.complete else "sender_incomplete"

    def _advertiser_says_no(self, offer: Offer, address: str, now: datetime) -> str | None:
        list_id = offer.suppression_list
        if list_id is None:
            return None
        if list_id not in self.list_ages:
            self.list_ages[list_id] = self.w.suppression.refreshed_at(self.org, list_id)
        refreshed_at = self.list_ages[list_id]
        if refreshed_at is None or refreshed_at < epoch_seconds(now) - self.controls.suppression_max_age_days * 86_400:
            return "suppression_list_stale"
        return "advertiser_suppressed" if self.w.suppression.advertiser_forbids(self.org, list_id, address) else None

    def _cap_reached(self, offer: Offer, now: datetime) -> str | None:
        """Conversions come in while a mail waits for its minute, or for a person."""
        if self.capped is None:  # a month of counters, whatever the number of offers
            known = [one for name in sorted(self.named) if (one := self.offer(name)) is not None]
            self.capped = caps_reached(self.w, self.org, self.controls, known, now=now)
        return self.capped.get(offer.offer)

    def _mail(self, plan: PlannedSend, person: Item) -> Mail | str:
        offer, sender = self.offer(plan.offer), self.controls.sender
        assert offer is not None
        creative = next(c for c in offer.creatives if c.variant == plan.variant)
        key = self.w.parameters.tracking_key(self.org)
        base = self.w.value(names.PUBLIC_BASE_URL).rstrip("/")
        token = ids.unsubscribe_token(key, org=self.org, subscriber=plan.subscriber, send_id=plan.send_id)
        unsubscribe_url = f"{base}/u/{self.org}/{token}"
        tracking = ids.tracking_id(key, org=self.org, send_id=plan.send_id)
        try:
            content = render(
                creative,
                fields={k: str(v) for k, v in person.get("profile", {}).items()},
                offer_url=tracking_link(offer.tracking_url, offer.sub_slot, tracking),
                unsubscribe_url=unsubscribe_url,
                postal_address=sender.postal_address,
                invisible_link=self.controls.invisible_link,
            )
            mime = build_mail(
                content,
                from_name=creative.from_name,
                from_address=sender.from_address,
                to_address=person["address"],
                reply_to=sender.reply_to,
                unsubscribe_url=unsubscribe_url,
                feedback_id=(plan.campaign, f"{plan.offer}-{plan.variant}", self.org),
            )
        except BadInput as bad:  # stops this mail, not the batch
            log.warning("mail %s does not render: %s", plan.send_id, bad)
            return "sender_incomplete" if bad.field == "sender" else CONTENT_INCOMPLETE
        except Exception:  # whatever else one mail's content brings up, the others of its message leave
            log.exception("mail %s cannot be made", plan.send_id)
            return CONTENT_INCOMPLETE
        return Mail(person["address"], sender.from_address, mime)
