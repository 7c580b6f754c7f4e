"""A cycle's plans under autonomy = approval: each page's waits for a person; at the cycle's end all of them approve themselves, or none."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import chain, islice

import numpy as np

from revenue_engine.approval_risk import Known, Planned, why_not_routine
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds
from revenue_engine.context import Cycle
from revenue_engine.errors import Refused
from revenue_engine.grant import first_served, waits_until
from revenue_engine.pacing.complaints import heard_hazards
from revenue_engine.plans import groups
from revenue_engine.records.batch import Batch
from revenue_engine.records.decisions import Decisions
from revenue_engine.records.send import CONTENT_INCOMPLETE, PlannedSend
from revenue_engine.records.zones import ZONES
from revenue_engine.services import approvals, send_messages
from revenue_engine.services.cycle_inputs import recent_evidence
from revenue_engine.services.prices import heard_share

_KEPT_SECONDS = 30 * 86_400
_USUAL_DAYS = 3  # UTC days on which mail was let go, today among them
_LOOK_BACK_DAYS = 28  # for these: less than cycles and plans are on record


def approval_id_of(cycle_id: str, page: int) -> str:
    """The name of a page's plan."""
    return f"{cycle_id}-{page:04d}"


@dataclass
class Waiting:
    """What one cycle has planned so far. Every step may be repeated."""

    w: Wiring
    cycle: Cycle
    clock: Callable[[], datetime]  # of approvals: the cycle's own time may be hours ago
    approval_ids: list[str] = field(default_factory=list)
    decisions: list[Decisions] = field(default_factory=list)  # the mails alone

    def add(self, page: int, batch: Batch, decisions: Decisions, planned: list[tuple[int, PlannedSend]]) -> None:
        """The page's plan waits for a person, its mails in the order in which they find room."""
        if not planned:
            return
        context = self.cycle.context
        approval_id = approval_id_of(context.cycle_id, page)
        valid_until = waits_until(self.cycle)
        rows = first_served(decisions, np.flatnonzero(decisions.mail))
        mails = decisions.take(rows)
        zones = Counter(ZONES[zone] for zone in batch.column("zone")[rows].tolist())
        plan_of = {plan.subscriber: plan for _, plan in planned}
        plans = [replace(plan_of[key], approval_id=approval_id, budget_day="") for key in mails.subscriber.tolist()]
        body = gzip.compress(send_messages.encode(plans).encode(), mtime=0)
        # what a dead attempt has approved of it is on its way, in the order it wrote
        self.w.decisions.put_once(f"plans/{context.org}/{approval_id}.json.gz", body)
        self.w.control.put_approval(
            context.org,
            approval_id,
            {
                "approval_id": approval_id,
                "status": "waiting",
                "valid_until": valid_until,
                "sends": len(plans),
                "predicted_revenue_micros": int(mails.expected_revenue_micros.sum()),
                "groups": groups(mails, self.cycle),
                "zones": dict(zones),
                "expires_at": valid_until + _KEPT_SECONDS,
            },
        )
        self.approval_ids.append(approval_id)
        self.decisions.append(mails)

    def decide(self) -> None:
        """At the cycle's end: its plans approve themselves, or are kept with the reasons why a person has to look. One that is approved
        already, by an attempt that died then, goes on whatever came since: execute refuses what may not leave."""
        if not self.approval_ids:
            return
        context, now = self.cycle.context, self.clock()
        bounds = (controls.auto_approve_under_micros for controls in (context.controls, self.w.parameters.controls(context.org)))
        reasons = why_not_routine(self._planned(now), self._known(now), under_micros=min(bounds))
        for approval_id in self.approval_ids:
            self._approve(approval_id, reasons, now)

    def _approve(self, approval_id: str, reasons: tuple[str, ...], now: datetime) -> None:
        context = self.cycle.context
        if not reasons or (self.w.control.approval(context.org, approval_id) or {}).get("status") == "approved":
            try:
                approvals.approve(self.w, context.org, approval_id, by="auto_approve_under", now=now)
            except Refused as refused:
                if not isinstance(refused, approvals.StillWaits) and refused.reason != approvals.DOES_NOT_WAIT:
                    raise
                reasons = (refused.reason,)
        if reasons:
            self.w.control.note_reasons(context.org, approval_id, reasons)

    def _planned(self, now: datetime) -> Planned:
        context = self.cycle.context
        arms, segments = (np.concatenate(columns) for columns in zip(*((m.arm, m.segment) for m in self.decisions), strict=True))
        heard = heard_share(self.w, context.org, day_in(now, context.controls.zone))
        hazards = heard_hazards(recent_evidence(self.w, context.org, now), now, heard)
        return Planned(
            mails=np.bincount(arms, minlength=len(self.cycle.book.arms)).astype(np.int64),
            complaints=float(hazards[segments].sum()),
            predicted_revenue_micros=int(sum(mails.expected_revenue_micros.sum() for mails in self.decisions)),
        )

    def _known(self, now: datetime) -> Known:
        w, context = self.w, self.cycle.context
        return Known(
            clicks=context.posteriors.clicks,
            offer_of_arm=self.cycle.book.offer_of_arm,
            usual_mails=self._usual_mails(now),
            anything_stopped=any(
                stop.reason != CONTENT_INCOMPLETE for stop in w.safety.stops(context.org, now=epoch_seconds(now))
            ),
            breaker=(w.control.breaker(context.org) or {}).get("state", ""),
        )

    def _usual_mails(self, now: datetime) -> tuple[int, ...]:
        """Of the cycles of the last days on which any mail was let go, whatever quiet days lie between, the mails they let go."""
        days = (self._let_go(now.date() - timedelta(days=n)) for n in range(_LOOK_BACK_DAYS))
        return tuple(chain.from_iterable(islice((mails for mails in days if any(n > 0 for n in mails)), _USUAL_DAYS)))

    def _let_go(self, day: date) -> list[int]:
        """Of the cycles of a UTC day that have ended, the mails they planned, but for what nobody has approved of them."""
        org, kept_back = self.cycle.context.org, Counter[str]()
        for plan in self.w.control.approvals(org, day):
            if plan["status"] != "approved":
                kept_back[plan["approval_id"].rpartition("-")[0]] += plan["sends"]
        cycles = ((item["sk"].removeprefix("cycle#"), item.get("report", {})) for item in self.w.control.cycles(org, day))
        return [int(report["planned"]) - kept_back[name] for name, report in cycles if "planned" in report]
